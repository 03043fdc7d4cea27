package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.heddle.autograd.Tape;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.nn.Parameters;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import io.heddle.train.Optimizer;
import io.heddle.train.Recipe;
import io.heddle.train.Recipe.Averaging;
import io.heddle.train.Recipe.Group;
import io.heddle.train.Recipe.Rule;
import io.heddle.train.TrainConfig;
import io.heddle.train.Trainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Update rules step by step (tests/golden/optim), on every backend in f32. */
class OptimizerGoldenTest {
  private static final Path FOLDER = Repository.root().resolve("tests/golden/optim");
  private static final List<String> NAMES = List.of("a", "b", "c");

  // The files were computed in f64; eight steps in f32 stray by some 1e-7 each, Adam's by more
  // where
  // a gradient is tiny.
  private static final double TOLERANCE = 5e-6;

  private static final Map<String, Recipe> RECIPES =
      Map.ofEntries(
          Map.entry("sgd", rule(new Rule.Sgd(0, false))),
          Map.entry("sgd_momentum", rule(new Rule.Sgd(0.9f, false))),
          Map.entry("sgd_nesterov", rule(new Rule.Sgd(0.9f, true))),
          Map.entry("adamw_groups", Recipe.ADAMW.with(List.of(Group.of("a", 0.25f, 0.5f)))),
          Map.entry("bert_adam", rule(new Rule.Adam(false))),
          Map.entry("lamb", rule(Rule.Lamb.STANDARD)),
          Map.entry("lamb_corrected", rule(new Rule.Lamb(true, 1e-3f, 10))),
          Map.entry("adafactor", rule(Rule.Adafactor.STANDARD)),
          Map.entry("adafactor_fixed", rule(new Rule.Adafactor(false, false, 0.9f, 1, -0.8f))),
          Map.entry("average_ema", average(Averaging.exponential(0.75f))),
          Map.entry("average_mean", average(Averaging.mean(3))));

  private static Recipe rule(Rule rule) {
    return Recipe.ADAMW.with(rule);
  }

  private static Recipe average(Averaging averaging) {
    return rule(new Rule.Sgd(0, false)).with(averaging);
  }

  static Stream<Arguments> cases() throws IOException {
    try (Stream<Path> files = Files.list(FOLDER)) {
      List<String> names =
          files.map(p -> p.getFileName().toString().replace(".safetensors", "")).sorted().toList();
      assertEquals(RECIPES.keySet().stream().sorted().toList(), names);
      return BackendsUnderTest.names().flatMap(b -> names.stream().map(n -> Arguments.of(b, n)));
    }
  }

  private static TrainConfig config(SafetensorsFile file, Recipe recipe) {
    Map<String, String> m = file.metadata();
    return new TrainConfig(
        Long.parseLong(m.get("steps")),
        1,
        Float.parseFloat(m.get("lr")),
        0,
        TrainConfig.Decay.CONSTANT,
        1,
        0.9f,
        0.999f,
        Float.parseFloat(m.getOrDefault("eps", "1e-8")),
        Float.parseFloat(m.getOrDefault("weight_decay", "0")),
        true,
        0,
        1,
        0,
        0,
        0,
        recipe);
  }

  private static Parameters parameters(Lab lab, SafetensorsFile file) {
    Parameters parameters = new Parameters(lab.backend, DType.F32);
    for (String name : NAMES) {
      Tensor init = file.tensor(name + ".init");
      Tensor parameter = parameters.make(name, init.shape());
      lab.backend.transfer(lab.moved(init), parameter);
    }
    return parameters;
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void agreesStepByStep(String backend, String name) throws IOException {
    try (Lab lab = new Lab(backend);
        SafetensorsFile file = SafetensorsFile.open(FOLDER.resolve(name + ".safetensors"));
        Parameters parameters = parameters(lab, file)) {
      parameters.trainable();
      TrainConfig config = config(file, RECIPES.get(name));
      try (Optimizer optimizer = new Optimizer(parameters, config)) {
        for (int step = 0; step < config.steps(); step++) {
          for (String p : NAMES) {
            Tensor drawn = lab.moved(file.tensor(p + ".g_" + step));
            lab.run(OpCode.COPY, Lab.NONE, drawn, parameters.get(p).grad());
          }
          optimizer.step(step);
          for (String p : NAMES) {
            String key = p + ".w_" + step;
            Lab.close(key, file.tensor(key).toDoubles(), lab.get(parameters.get(p)), TOLERANCE);
          }
        }
      }
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void theLoopLeavesTheAverage(String backend, String name) throws IOException {
    try (Lab lab = new Lab(backend);
        SafetensorsFile file = SafetensorsFile.open(FOLDER.resolve(name + ".safetensors"));
        Parameters parameters = parameters(lab, file)) {
      TrainConfig config = config(file, RECIPES.get(name));
      Objective<Integer> given =
          (Tape t, Integer step, float scale) -> {
            for (String p : NAMES) {
              Tensor drawn = lab.moved(file.tensor(p + ".g_" + step));
              Tensor gradient = Objects.requireNonNull(parameters.get(p).grad());
              assertEquals(0, t.kept(gradient));
              t.run(OpCode.COPY, new Params.None(), drawn, gradient);
            }
            return new Objective.Loss(1, 1);
          };
      new Trainer(config, null, ProgressListener.NONE)
          .fit("golden", parameters, n -> (int) n, given, null);
      boolean averaged = file.contains("a.average");
      assertEquals(averaged, name.startsWith("average"));
      for (String p : NAMES) {
        String key = p + (averaged ? ".average" : ".w_" + (config.steps() - 1));
        Lab.close(key, file.tensor(key).toDoubles(), lab.get(parameters.get(p)), TOLERANCE);
      }
    }
  }
}

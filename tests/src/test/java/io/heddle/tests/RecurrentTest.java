package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.nn.Parameters;
import io.heddle.nn.RecurrentStack;
import io.heddle.nn.RecurrentStack.Kind;
import io.heddle.op.Layers;
import io.heddle.op.OpCode;
import io.heddle.op.ProjectedLstm;
import io.heddle.op.Recurrent;
import io.heddle.op.Sequences;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Recurrent layers beside torch.nn.LSTM and torch.nn.GRU (tests/golden/recurrent). */
@NeedsNative
class RecurrentTest {
  private static final Path GOLDEN = Repository.root().resolve("tests/golden/recurrent");

  static Stream<Arguments> cases() throws IOException {
    List<Path> files;
    try (Stream<Path> all = Files.list(GOLDEN)) {
      files = all.sorted().toList();
    }
    assertEquals(10, files.size());
    return BackendsUnderTest.names().flatMap(b -> files.stream().map(f -> Arguments.of(b, f)));
  }

  private record Golden(SafetensorsFile file, RecurrentStack.Config config, long rows) {
    static Golden of(SafetensorsFile file) throws IOException {
      long[] x = file.tensor("x").shape();
      int layers = Integer.parseInt(file.metadata().get("layers"));
      boolean both = Boolean.parseBoolean(file.metadata().get("bidirectional"));
      int size = (int) file.tensor("weight_hh_l0").dim(1);
      List<Integer> sizes = new ArrayList<>();
      for (int i = 0; i < layers; i++) {
        sizes.add(size);
      }
      Kind kind = Kind.valueOf(file.metadata().get("kind"));
      RecurrentStack.Projected projected = null;
      if (kind == Kind.LSTMP) {
        int cells = (int) file.tensor("weight_hh_l0").dim(0) / 4;
        projected = new RecurrentStack.Projected(cells, ProjectedLstm.Clips.NONE);
      }
      return new Golden(
          file,
          new RecurrentStack.Config(kind, (int) x[2], sizes, both, 0, false, 0, projected),
          x[1]);
    }

    /** Steps of each row, or null. */
    int[] lengths() {
      String all = file.metadata().get("lengths");
      return all == null
          ? null
          : Arrays.stream(all.split(",")).mapToInt(Integer::parseInt).toArray();
    }

    double[] get(String name) throws IOException {
      return file.tensor(name).toDoubles();
    }

    // Our parameter's name in torch; an LSTM's bias is the sum of both.
    String theirs(String name) {
      String[] words = name.split("\\.", -1);
      String way = words[2].equals("back") ? "_reverse" : "";
      String part =
          switch (words[words.length - 2]) {
            case "input" -> "_ih_l";
            case "projection" -> "_hr_l";
            default -> "_hh_l";
          };
      return words[words.length - 1] + part + words[1] + way;
    }

    boolean summed(String name) {
      return config.kind() != Kind.GRU && name.endsWith(".bias");
    }
  }

  @ParameterizedTest(name = "{1} on {0}")
  @MethodSource("cases")
  void agreesWithTorch(String backend, Path file) throws IOException {
    try (SafetensorsFile opened = SafetensorsFile.open(file);
        Lab lab = new Lab(backend)) {
      Golden golden = Golden.of(opened);
      try (Parameters p = new Parameters(lab.backend, DType.F32)) {
        RecurrentStack.create(golden.config, p, "", 1);
        fill(golden, p);
        p.trainable();
        p.zeroGradients();
        run(golden, p, lab);
        for (Tensor parameter : p.values()) {
          String name = String.valueOf(parameter.name());
          double[] expected = golden.get("grad." + golden.theirs(name));
          Lab.close("gradient of " + name, expected, lab.get(parameter.grad()), 2e-5);
        }
      }
    }
  }

  private static void fill(Golden golden, Parameters p) throws IOException {
    for (Tensor parameter : p.values()) {
      String name = String.valueOf(parameter.name());
      double[] values = golden.get(golden.theirs(name));
      if (golden.summed(name)) {
        double[] other = golden.get(golden.theirs(name.replace(".input.", ".hidden.")));
        Arrays.setAll(values, i -> values[i] + other[i]);
      }
      parameter.copyFrom(values);
    }
  }

  private static void run(Golden golden, Parameters p, Lab lab) throws IOException {
    RecurrentStack stack = new RecurrentStack(golden.config, p, "");
    try (Tape t = new Tape(lab.backend, true, new Randomness(1, 1))) {
      long[] shape = golden.file.tensor("x").shape();
      Tensor x = t.tensor(DType.F32, shape[0] * shape[1], shape[2]).copyFrom(golden.get("x"));
      t.record(() -> Lab.close("dx", unchecked(golden, "dx"), lab.get(x.grad()), 2e-5), x);
      RecurrentStack.Result out = stack.run(t, x, golden.rows, first(golden, t), golden.lengths());
      Lab.close("y", golden.get("y"), lab.get(Layers.copy(t, out.y(), v -> v)), 1e-5);
      List<Recurrent.Result> states = out.states();
      states("last.h", golden, t, states.stream().map(Recurrent.Result::h).toList(), lab);
      if (golden.config.kind() != Kind.GRU) {
        states("last.c", golden, t, states.stream().map(Recurrent.Result::c).toList(), lab);
      }
      Tensor dy = t.tensor(DType.F32, out.y().shape()).copyFrom(golden.get("dy"));
      t.give(out.y(), dy);
      t.backward();
    }
  }

  private static void states(String name, Golden golden, Tape t, List<Tensor> states, Lab lab)
      throws IOException {
    double[] all = golden.get(name);
    int size = all.length / states.size();
    for (int i = 0; i < states.size(); i++) {
      double[] expected = Arrays.copyOfRange(all, i * size, (i + 1) * size);
      Tensor copy = t.tensor(DType.F32, states.get(i).shape());
      t.run(OpCode.COPY, Lab.NONE, states.get(i), copy);
      Lab.close(name + " of " + i, expected, lab.get(copy), 1e-5);
    }
  }

  private static double[] unchecked(Golden golden, String name) {
    try {
      return golden.get(name);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static List<Recurrent.Result> first(Golden golden, Tape t) throws IOException {
    boolean lstm = golden.config.kind() != Kind.GRU;
    Tensor all = golden.file.tensor("first.h");
    List<Recurrent.Result> out = new ArrayList<>();
    for (int i = 0; i < all.dim(0); i++) {
      Tensor h = state(t, golden, "first.h", i);
      out.add(new Recurrent.Result(h, h, lstm ? state(t, golden, "first.c", i) : h));
    }
    return out;
  }

  private static Tensor state(Tape t, Golden golden, String name, int layer) throws IOException {
    Tensor all = golden.file.tensor(name);
    int size = (int) (all.dim(1) * all.dim(2));
    double[] values = Arrays.copyOfRange(all.toDoubles(), layer * size, (layer + 1) * size);
    return t.tensor(DType.F32, all.dim(1), all.dim(2)).copyFrom(values);
  }

  @Test
  void lockedDropoutKeepsOneMaskForAllSteps() {
    try (Lab lab = new Lab("cpu");
        Tape t = new Tape(lab.backend, true, new Randomness(3, 1))) {
      Tensor x = Layers.fill(t, t.tensor(DType.F32, 5 * 2, 64), 1);
      double[] y = lab.get(Sequences.lockedDropout(t, x, 2, 0.5f));
      double kept = 0;
      for (int i = 0; i < 2 * 64; i++) {
        kept += y[i] / 2;
        for (int step = 1; step < 5; step++) {
          assertEquals(y[i], y[step * 2 * 64 + i], "step " + step + ", element " + i);
        }
      }
      assertEquals(64, kept, 20);
    }
  }
}

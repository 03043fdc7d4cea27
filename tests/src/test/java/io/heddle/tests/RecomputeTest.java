package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.nn.Parameters;
import io.heddle.op.Layers;
import io.heddle.op.OpCode;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A network whose parts are run again on the way back: the same gradients, less memory. */
class RecomputeTest {
  private static final int LAYERS = 6;

  private record Result(List<double[]> gradients, long peak) {}

  private static Result run(Lab lab, boolean recompute) {
    List<Tensor> weights = new ArrayList<>();
    for (int i = 0; i < LAYERS; i++) {
      weights.add(parameter(lab, lab.put(DType.F32, Lab.normal(i, 32 * 32), 32, 32)));
    }
    Tensor first = parameter(lab, lab.put(DType.F32, Lab.normal(99, 128 * 32), 128, 32));
    try (Tape t = new Tape(lab.backend, true, new Randomness(5, 3))) {
      Tensor branch = Layers.dropout(t, first, 0.1f);
      Tensor sum = branch;
      for (int i = 0; i < LAYERS; i++) {
        Tensor weight = weights.get(i);
        Tape.Segment part =
            (tape, in) -> {
              Tensor added = Layers.add(tape, in.get(0), in.get(1));
              Tensor inner = Layers.linear(tape, added, weight, null);
              Tensor wide = Layers.activation(tape, 2, inner, null);
              return List.of(Layers.dropout(tape, wide, 0.3f), added);
            };
        List<Tensor> in = List.of(branch, sum);
        List<Tensor> out = recompute ? t.recomputed(in, part) : part.run(t, in);
        branch = out.get(0);
        sum = out.get(1);
      }
      Tensor last = Layers.add(t, branch, sum);
      Tensor seed = t.tensor(DType.F32, last.shape());
      lab.run(OpCode.COPY, Lab.NONE, lab.put(DType.F32, Lab.normal(7, 128 * 32), 128, 32), seed);
      t.give(last, seed);
      t.backward();
      List<double[]> gradients = new ArrayList<>();
      gradients.add(lab.get(first.grad()));
      weights.forEach(w -> gradients.add(lab.get(w.grad())));
      return new Result(gradients, t.scope().peakBytes());
    }
  }

  private static Tensor parameter(Lab lab, Tensor values) {
    double[] zeros = new double[(int) values.size()];
    values.requiresGrad(true).grad(lab.put(DType.F32, zeros, values.shape()));
    return values;
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void gradientsAreTheSame(String backend) {
    try (Lab lab = new Lab(backend)) {
      Result kept = run(lab, false);
      Result again = run(lab, true);
      for (int i = 0; i < kept.gradients.size(); i++) {
        assertArrayEquals(kept.gradients.get(i), again.gradients.get(i), "gradient " + i);
      }
      assertTrue(again.peak < 0.8 * kept.peak, "peak " + again.peak + " bytes, kept " + kept.peak);
    }
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void aDecoderTrainsTheSame(String backend) {
    try (Lab lab = new Lab(backend)) {
      ModelConfig config = ModelConfig.llama(50, 32, 4, 4, 2, 48, 70, "full,window:20@1-2");
      Tensor ids = lab.ints(IntStream.range(0, 70).map(i -> i * 7 % 50).toArray(), 70);
      List<List<double[]>> gradients = new ArrayList<>();
      for (boolean recompute : new boolean[] {false, true}) {
        try (Decoder model = Decoder.random(config, lab.backend, DType.F32, 1);
            Tape t = new Tape(lab.backend, true, new Randomness(5, 3))) {
          model.recompute(recompute);
          model.parameters().trainable();
          model.losses(t, model.hidden(t, ids, 1, null), ids, 1);
          t.backward();
          gradients.add(model.parameters().values().stream().map(p -> lab.get(p.grad())).toList());
        }
      }
      for (int i = 0; i < gradients.get(0).size(); i++) {
        assertArrayEquals(gradients.get(0).get(i), gradients.get(1).get(i), "gradient " + i);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void undefinedGradientsAreOverwritten(String backend) {
    ModelConfig llama = ModelConfig.llama(50, 32, 2, 4, 2, 48, 70, "full");
    ModelConfig gpt2 = ModelConfig.gpt2(50, 32, 2, 4, 70, "full");
    try (Lab lab = new Lab(backend)) {
      Tensor ids = lab.ints(IntStream.range(0, 70).map(i -> i * 7 % 50).toArray(), 70);
      for (ModelConfig config : List.of(llama, gpt2)) {
        List<List<double[]>> gradients = new ArrayList<>();
        for (boolean undefined : new boolean[] {false, true}) {
          try (Decoder model = Decoder.random(config, lab.backend, DType.F32, 1)) {
            model.recompute(undefined);
            Parameters parameters = model.parameters();
            Tensor unused = parameters.constant("unused", 1, 3);
            parameters.trainable();
            Set<Tensor> awaited = undefined ? parameters.awaitGradients() : new HashSet<>();
            // On the host nothing of the memory is defined, on a device what lies between is zero.
            boolean host = unused.storage().device() < 0;
            for (Tensor g : undefined && host ? parameters.gradients() : awaited) {
              g.copyFrom(nans(g));
            }
            try (Tape t = new Tape(lab.backend, new Randomness(5, 3), awaited)) {
              // Twice, as micro-batches do: the second adds.
              for (int i = 0; i < 2; i++) {
                model.losses(t, model.hidden(t, ids, 1, null), ids, 1);
                t.backward();
              }
            }
            assertEquals(undefined ? Set.of(unused.grad()) : Set.of(), awaited);
            parameters.settleGradients(awaited);
            gradients.add(parameters.gradients().stream().map(lab::get).toList());
          }
        }
        for (int i = 0; i < gradients.get(0).size(); i++) {
          assertArrayEquals(gradients.get(0).get(i), gradients.get(1).get(i), "gradient " + i);
        }
      }
    }
  }

  private static float[] nans(Tensor tensor) {
    float[] all = new float[(int) tensor.size()];
    Arrays.fill(all, Float.NaN);
    return all;
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void memoryIsTakenOverFromItsOwnerAlone(String backend) {
    try (Lab lab = new Lab(backend);
        Scope two = new Scope(lab.backend.memory())) {
      Tensor x;
      try (Scope one = new Scope(lab.backend.memory())) {
        x = one.tensor(DType.F32, 3);
        two.adopt(one, x);
        assertThrows(IllegalArgumentException.class, () -> two.adopt(one, x));
      }
      x.set(1, 0);
      two.free(x);
      assertThrows(IllegalStateException.class, () -> x.set(1, 0));
    }
  }
}

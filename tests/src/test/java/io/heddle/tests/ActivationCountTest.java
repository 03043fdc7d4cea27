package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.methods.longrange.CostModel;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The activations that the cost model predicts, against those that a training step holds. */
class ActivationCountTest {
  private static final int ROWS = 2;
  private static final int LENGTH = 96;

  private static long peak(Decoder model) {
    int n = ROWS * LENGTH;
    try (Tape t = new Tape(model.backend(), true, Randomness.NONE)) {
      Tensor ids = t.tensor(DType.I32, n).copyFrom(new int[n]);
      Tensor hidden = model.hidden(t, ids, ROWS, null);
      model.losses(t, hidden, t.tensor(DType.I32, n).copyFrom(new int[n]), 1f / n);
      t.backward();
      return t.scope().peakBytes();
    }
  }

  @Test
  void asPredicted() {
    List<ModelConfig> shapes =
        List.of(
            ModelConfig.gpt2(16, 64, 8, 4, LENGTH, "full"),
            ModelConfig.llama(16, 64, 8, 4, 2, 160, LENGTH, "full"));
    try (Backend backend = Backends.open("auto")) {
      for (ModelConfig shape : shapes) {
        CostModel.Cost cost = new CostModel(CostModel.Shape.of(shape), LENGTH, 4).of("full");
        long full;
        try (Decoder model = Decoder.random(shape, backend, DType.F32, 1)) {
          model.parameters().trainable();
          full = peak(model);
          near(shape.family(), ROWS * cost.activations(), full, 0.12);
          model.recompute(true);
          near(shape.family() + ", recomputed", ROWS * cost.recomputed(), peak(model), 0.35);
        }
        ModelConfig sparse = shape.withSchedule("window:8,full@bottom:2");
        try (Decoder model = Decoder.random(sparse, backend, DType.F32, 1)) {
          model.parameters().trainable();
          assertEquals(full, peak(model), shape.family());
        }
      }
    }
  }

  // Exactly: a branch that stayed until its way back would show.
  @Test
  void whatABlockAdds() {
    try (Backend backend = Backends.open("auto")) {
      long[] peaks = new long[2];
      for (int i = 0; i < 2; i++) {
        ModelConfig shape = ModelConfig.gpt2(16, 64, 4 + 4 * i, 4, LENGTH, "full");
        try (Decoder model = Decoder.random(shape, backend, DType.F32, 1)) {
          model.parameters().trainable();
          peaks[i] = peak(model);
        }
      }
      ModelConfig shape = ModelConfig.gpt2(16, 64, 8, 4, LENGTH, "full");
      CostModel cost = new CostModel(CostModel.Shape.of(shape), LENGTH, 4);
      long block = ROWS * cost.layers("full", false).get(1).activations();
      assertEquals(4 * block, peaks[1] - peaks[0]);
    }
  }

  private static void near(String what, long predicted, long measured, double share) {
    assertTrue(
        Math.abs(measured - predicted) <= share * predicted,
        what + ": " + predicted + " bytes predicted, " + measured + " measured");
  }
}

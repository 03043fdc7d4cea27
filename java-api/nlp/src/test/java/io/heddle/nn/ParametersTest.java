package io.heddle.nn;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.SplittableRandom;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Parameters that are drawn when they are made, and others that wait for a checkpoint. */
class ParametersTest {
  private final Backend backend = Backends.open("reference");

  @AfterEach
  void close() {
    backend.close();
  }

  // Memory of the reference backend is zero at first, which none of these draws gives.
  private static void create(Parameters p) {
    p.normal("a.weight", 0.5, 3, 4, 5);
    p.constant("a.bias", 2, 4);
    p.normal("b.weight", 1, 3, 7);
  }

  @Test
  void whatWaitsIsNotTouched() {
    try (Parameters p = Parameters.awaiting(backend, DType.F32, false)) {
      create(p);
      for (Tensor tensor : p.values()) {
        assertArrayEquals(new float[(int) tensor.size()], tensor.toFloats(), tensor.toString());
      }
    }
  }

  @Test
  void aLateDrawIsTheEarlyOne() {
    try (Parameters late = Parameters.awaiting(backend, DType.F32, false);
        Parameters early = new Parameters(backend, DType.F32)) {
      create(late);
      create(early);
      for (Tensor tensor : early.values()) {
        late.draw(String.valueOf(tensor.name()));
      }
      late.settle();
      for (Tensor tensor : early.values()) {
        assertArrayEquals(
            tensor.toFloats(), late.get(String.valueOf(tensor.name())).toFloats(), tensor.name());
      }
    }
  }

  @Test
  void whatWasForgottenIsNamed() {
    try (Parameters p = Parameters.awaiting(backend, DType.F32, false)) {
      create(p);
      p.filled("a.weight");
      p.draw("a.bias");
      String message = assertThrows(IllegalStateException.class, p::settle).getMessage();
      assertTrue(String.valueOf(message).contains("'b.weight'"), message);
      p.filled("b.weight");
      p.settle();
      message = assertThrows(IllegalStateException.class, () -> p.draw("b.weight")).getMessage();
      assertTrue(String.valueOf(message).contains("'b.weight' does not wait"), message);
      assertEquals(3, p.constant("later", 3, 1).get(0), "once settled, drawn at once");
    }
  }

  @Test
  void aDrawGoesOnOverItsParts() {
    try (Parameters p = new Parameters(backend, DType.F32)) {
      int size = (1 << 20) + 3;
      long seed = 9;
      float[] drawn = p.normal("table", 0.02, seed, size).toFloats();
      SplittableRandom random =
          new SplittableRandom(seed * 0x9E3779B97F4A7C15L + "table".hashCode());
      for (float value : drawn) {
        assertEquals((float) (random.nextGaussian() * 0.02), value);
      }
    }
  }
}

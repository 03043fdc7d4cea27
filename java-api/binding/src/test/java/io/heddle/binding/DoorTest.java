package io.heddle.binding;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The door opens on both transports, and products come out right. */
class DoorTest {
  @BeforeAll
  static void nativePartIsThere() {
    String failure = NativeLibrary.load();
    assumeTrue(failure == null, failure);
  }

  @ParameterizedTest
  @ValueSource(strings = {"javacpp", "ffm"})
  void handshakePasses(String transport) {
    Door door = Door.open(transport);
    assertEquals(transport, door.transport().name());
    assertTrue(door.probe(door.backend("cpu")).available());
  }

  @Test
  void matmulIsRight() {
    try (Backend cpu = Backends.open("cpu", new BackendOptions(0, 2));
        Scope scope = new Scope(cpu.memory())) {
      assertTrue(cpu.describe().contains("\"tier\""), cpu.describe());
      Tensor a = scope.tensor(DType.F32, 2, 3).copyFrom(new float[] {1, 2, 3, 4, 5, 6});
      Tensor b = scope.tensor(DType.F32, 2, 3).copyFrom(new float[] {1, 0, 1, 0, 1, 1});
      Tensor c = scope.tensor(DType.F32, 2, 2).copyFrom(new float[] {1, 1, 1, 1});
      Tensor bias = scope.tensor(DType.F32, 2).copyFrom(new float[] {10, 20});
      cpu.matmul(a, b.transpose(0, 1), bias, c, 1, 2);
      assertEquals(1 + 3 + 10 + 2, c.get(0, 0));
      assertEquals(2 + 3 + 20 + 2, c.get(0, 1));
      assertEquals(4 + 6 + 10 + 2, c.get(1, 0));
      Tensor wrong = scope.tensor(DType.F32, 5, 2);
      assertThrows(IllegalArgumentException.class, () -> cpu.matmul(a, wrong, null, c, 1, 0));
    }
  }
}

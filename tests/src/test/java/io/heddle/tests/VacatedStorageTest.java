package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.heddle.nn.Parameters;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Memory;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** Memory that is given back while nobody reads it. */
@NeedsNative
class VacatedStorageTest {
  private final List<Long> held = new ArrayList<>();
  private final Memory memory =
      bytes -> {
        MemorySegment segment = Arena.ofAuto().allocate(bytes, 64);
        held.add(segment.address());
        return Storage.host(segment, held::remove);
      };

  @Test
  void usesTakeMemoryAnew() {
    Storage storage = memory.allocate(16);
    Tensor whole = Tensor.of(storage, 0, DType.F32, 4);
    Tensor view = whole.slice(0, 2, 4);
    whole.copyFrom(new float[] {1, 2, 3, 4});
    storage.vacate(memory);
    assertEquals(List.of(), held);
    storage.vacate(memory); // again: nothing more to give
    view.copyFrom(new float[] {5, 6});
    assertEquals(1, held.size());
    assertEquals(held.getFirst() + 8, view.address());
    assertEquals(6, whole.toFloats()[3]);
    storage.close();
    assertEquals(List.of(), held);
  }

  @Test
  void closedWithoutMemory() {
    Storage storage = memory.allocate(16);
    storage.vacate(memory);
    storage.close();
    assertEquals(List.of(), held);
    assertThrows(IllegalStateException.class, storage::segment);
    assertThrows(IllegalStateException.class, () -> storage.vacate(memory));
  }

  @Test
  void notWhileItIsInUse() {
    Storage storage = memory.allocate(16);
    storage.acquire();
    assertThrows(IllegalStateException.class, () -> storage.vacate(memory));
    storage.release();
    storage.vacate(memory);
    assertEquals(List.of(), held);
  }

  // A backend that knew the tensor must not write where it was.
  @Test
  void opsFollow() {
    try (Lab lab = new Lab("cpu")) {
      Tensor from = lab.scope.tensor(DType.F32, 4).copyFrom(new float[] {1, 2, 3, 4});
      Tensor to = lab.scope.tensor(DType.F32, 4);
      lab.backend.run(OpCode.COPY, new Params.None(), from, to);
      to.storage().vacate(lab.backend.memory());
      Tensor others = lab.scope.tensor(DType.F32, 4).copyFrom(new float[] {9, 9, 9, 9});
      lab.backend.run(OpCode.COPY, new Params.None(), from, to);
      assertArrayEquals(new float[] {1, 2, 3, 4}, to.toFloats());
      assertArrayEquals(new float[] {9, 9, 9, 9}, others.toFloats());
    }
  }

  // What is allocated while no gradient is there lies where they were.
  @Test
  void gradientsLendTheirMemory() {
    try (Lab lab = new Lab("cpu");
        Parameters parameters = new Parameters(lab.backend, DType.F32)) {
      Tensor w = parameters.constant("w", 1, 64, 64);
      parameters.trainable();
      Tensor gradient = Objects.requireNonNull(w.grad());
      long there = gradient.address();
      assertEquals(Set.of(gradient), parameters.awaitGradients());
      assertEquals(there, lab.scope.tensor(DType.F32, 64, 64).address());
      assertNotEquals(there, gradient.address());
    }
  }
}

package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/**
 * What a GPU notices late is told: at the next wait, or with {@code -Dheddle.sync=true} at once.
 */
class DeviceErrorsTest {
  @BeforeEach
  void thereIsAGpu() {
    assumeTrue(
        BackendsUnderTest.haveCuda(), "no GPU: see the reason that BackendsUnderTest printed");
  }

  private static void lookUp(Lab lab, int id) {
    Tensor table = lab.put(DType.F32, Lab.normal(1, 12), 3, 4);
    Tensor ids = lab.ints(new int[] {0, id, 2}, 3);
    lab.run(OpCode.EMBEDDING_FWD, new Params.Embedding(0), table, ids, lab.out(DType.F32, 3, 4));
  }

  private static Lab careful() {
    String before = System.getProperty("heddle.sync", "false");
    System.setProperty("heddle.sync", "true");
    try {
      return new Lab("cuda");
    } finally {
      System.setProperty("heddle.sync", before);
    }
  }

  @Test
  void theNextWaitTellsAndClears() {
    try (Lab lab = new Lab("cuda")) {
      lookUp(lab, 7);
      RuntimeException e =
          assertThrows(IllegalArgumentException.class, () -> lab.backend.synchronize());
      assertTrue(e.getMessage().contains("embedding_fwd"), e.getMessage());
      assertTrue(e.getMessage().contains("7"), e.getMessage());
      lab.backend.synchronize();
      lookUp(lab, 1);
      lab.backend.synchronize();
    }
  }

  @Test
  void aCarefulBackendTellsAtOnceWithTheTensors() {
    try (Lab lab = careful()) {
      RuntimeException e = assertThrows(IllegalArgumentException.class, () -> lookUp(lab, -1));
      assertTrue(e.getMessage().contains("in embedding_fwd on cuda"), e.getMessage());
      assertTrue(e.getMessage().contains("table: f32 [3, 4]"), e.getMessage());
      lookUp(lab, 1);
      Tensor x = lab.put(DType.F32, Lab.normal(1, 16), 4, 4);
      lab.backend.matmul(x, x, null, lab.out(DType.F32, 4, 4), 1, 0);
    }
  }

  @Test
  void hostMemoryIsRefused() {
    try (Lab near = new Lab("reference");
        Lab lab = new Lab("cuda")) {
      Tensor host = near.put(DType.F32, Lab.normal(1, 16), 4, 4);
      Tensor x = lab.put(DType.F32, Lab.normal(1, 16), 4, 4);
      Tensor y = lab.out(DType.F32, 4, 4);
      for (Runnable call :
          new Runnable[] {
            () -> lab.run(OpCode.SOFTMAX_FWD, Lab.NONE, host, y),
            () -> lab.backend.matmul(x, host, null, y, 1, 0)
          }) {
        RuntimeException e = assertThrows(IllegalArgumentException.class, call::run);
        assertTrue(e.getMessage().contains("in host memory"), e.getMessage());
      }
      assertEquals(16, lab.get(y).length);
    }
  }
}

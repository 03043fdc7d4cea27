package io.heddle.binding.cuda;

import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** A machine without a GPU, or a device that does not exist, is a sentence and no failure. */
class GpuFactsTest {
  @Test
  void anUnknownDeviceIsASentence() {
    String facts = GpuFacts.of("GPU-00000000-0000-0000-0000-000000000000");
    boolean driver = facts.startsWith("driver ");
    assertTrue(facts.contains("NVML") || (driver && facts.contains("GPU-0000")), facts);
  }
}

package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;

class ProgressTest {
  private static final long SECOND = 1_000_000_000L;

  private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
  private final PrintStream err = new PrintStream(bytes, true, StandardCharsets.UTF_8);
  private final AtomicLong clock = new AtomicLong(7);

  private String shown() {
    return bytes.toString(StandardCharsets.UTF_8);
  }

  @Test
  void aLogGetsFewLines() {
    Progress progress = new Progress(err, 0, true, false, clock::get);
    progress.begin("train", 1000, "step");
    for (int step = 1; step <= 1000; step++) {
      clock.addAndGet(SECOND);
      progress.advance(step, "loss 3.21");
    }
    progress.end("loss 3.20");
    assertEquals(21, shown().lines().count(), shown());
    assertEquals(
        "train: 50 of 1000 steps, 5 %, 1.0 step/s, 15:50 left, loss 3.21",
        shown().lines().findFirst().orElseThrow());
    assertTrue(shown().endsWith("train: 1000 steps in 16:40, loss 3.20" + System.lineSeparator()));
  }

  @Test
  void aSlowTaskIsHeardOfOnceAMinute() {
    Progress progress = new Progress(err, 0, true, false, clock::get);
    progress.begin("merge", -1, "tensor");
    clock.addAndGet(59 * SECOND);
    progress.advance(1, "");
    assertEquals("", shown());
    clock.addAndGet(61 * SECOND);
    progress.advance(6, "");
    assertEquals("merge: 6 tensors, 0.1 tensor/s", shown().strip());
  }

  @Test
  void quietSaysNothing() {
    for (int columns : new int[] {0, 80}) {
      Progress progress = new Progress(err, columns, true, true, clock::get);
      progress.begin("train", 10, "step");
      clock.addAndGet(1000 * SECOND);
      progress.advance(9, "loss 1");
      progress.end("");
    }
    assertEquals("", shown());
  }

  @Test
  void aTerminalGetsABar() {
    Progress progress = new Progress(err, 90, false, false, clock::get);
    progress.begin("train", 200, "step");
    progress.advance(50, "loss 3.21");
    progress.advance(200, "loss 3.00");
    progress.end("loss 2.99");
    assertTrue(shown().contains("train") && shown().contains("100%"), shown());
    assertTrue(shown().contains("200/200") && shown().contains("loss 2.99"), shown());
    assertFalse(shown().contains("\u001b["), "a colour despite NO_COLOR");
    for (String line : shown().split("[\r\n]", -1)) {
      assertTrue(line.length() < 90, line);
    }
  }
}

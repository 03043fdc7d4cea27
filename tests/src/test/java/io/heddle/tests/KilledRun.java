package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/** Runs of the launcher that are killed half-way and started again. */
final class KilledRun {
  private KilledRun() {}

  /** The launcher with a verb and its options; what goes wrong is shown. */
  static ProcessBuilder heddle(String... arguments) {
    List<String> all = new ArrayList<>(List.of(Repository.root().resolve("heddle").toString()));
    all.addAll(List.of(arguments));
    return new ProcessBuilder(all)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.INHERIT);
  }

  /**
   * Two runs, of which the second is killed (SIGKILL) when it has written half of the lines that
   * the first has, and started again: both write the same bytes.
   *
   * @param command the run in the directory of a name
   * @param folder in which these directories are
   * @param files of a run that are compared beside its metrics
   * @return the metrics
   */
  static String endsInTheSameBytes(
      Function<String, ProcessBuilder> command, Path folder, String... files)
      throws IOException, InterruptedException {
    assertEquals(0, command.apply("whole").start().waitFor());
    String expected = Files.readString(folder.resolve("whole/metrics.jsonl"));
    long half = expected.lines().count() / 2;

    Process killed = command.apply("parts").start();
    Path metrics = folder.resolve("parts/metrics.jsonl");
    while (killed.isAlive()
        && (!Files.exists(metrics) || Files.readAllLines(metrics).size() < half)) {
      Thread.sleep(2);
    }
    assertTrue(killed.isAlive(), "the run was over before it could be killed");
    killed.destroyForcibly().waitFor();
    assertFalse(Files.exists(folder.resolve("parts/result.json")));
    assertEquals(0, command.apply("parts").start().waitFor());
    assertEquals(expected, Files.readString(metrics));
    for (String file : files) {
      Path whole = folder.resolve("whole").resolve(file);
      assertEquals(-1, Files.mismatch(whole, folder.resolve("parts").resolve(file)), file);
    }
    return expected;
  }
}

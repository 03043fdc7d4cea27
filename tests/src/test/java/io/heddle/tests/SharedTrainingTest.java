package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs that several processes share, as a user starts them. */
@NeedsNative
class SharedTrainingTest {
  private static final int STEPS = 24;

  // Two gradients that are added afterwards, or one after the other into the same memory: f32 sums
  // in another order. Losses of 5 to 6 nats differed by 3e-8 in such a run (AMD EPYC, 2026-11-26).
  private static final double ROUNDING = 1e-5;

  @TempDir Path folder = Path.of("");

  @Test
  void twoProcessesGiveTheCurveOfOneThatAccumulatesAndResume() throws Exception {
    ended(run("one", "--accumulate", "2").start(), 0);
    ended(run("two", "--processes", "2").start(), 0);
    double[] expected = SmallRun.losses(folder.resolve("one"));
    double[] found = SmallRun.losses(folder.resolve("two"));
    assertEquals(STEPS, expected.length);
    assertEquals(expected[0], found[0], "the first step has no sums behind it");
    assertArrayEquals(expected, found, ROUNDING);
    assertTrue(expected[STEPS - 1] < expected[0] - 0.5, "nothing was learnt");

    Path metrics = folder.resolve("three/metrics.jsonl");
    Process killed = run("three", "--processes", "2").start();
    while (killed.isAlive()
        && (!Files.exists(metrics) || Files.readAllLines(metrics).size() < STEPS / 2)) {
      Thread.sleep(2);
    }
    ProcessHandle second = killed.children().findFirst().orElseThrow();
    assertTrue(second.destroyForcibly()); // SIGKILL
    String told = ended(killed, 1);
    assertTrue(told.contains("rank 1 of 2 is gone"), told);
    assertFalse(Files.exists(folder.resolve("three/result.json")));

    ended(run("three", "--processes", "2").start(), 0);
    assertEquals(Files.readString(folder.resolve("two/metrics.jsonl")), Files.readString(metrics));
  }

  @Test
  void ranksStartedOneByOneMeetAndThoseWithOtherOptionsAreTold() throws Exception {
    int port;
    try (ServerSocket free = new ServerSocket(0)) {
      port = free.getLocalPort();
    }
    String[] world = {"--world", "2", "--meet", "127.0.0.1:" + port, "--threads", "1"};
    Process other = run("b", world, "--rank", "1", "--lr", "0.5").start();
    Process first = run("a", world, "--rank", "0").start();
    for (Process each : List.of(first, other)) {
      String told = ended(each, 1);
      assertTrue(told.contains("the options of rank 1 are not those of rank 0"), told);
    }
  }

  // What it printed.
  private static String ended(Process process, int code) throws Exception {
    String told = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(code, process.waitFor(), told);
    return told;
  }

  private ProcessBuilder run(String name, String... more) throws IOException {
    return run(name, new String[0], more);
  }

  private ProcessBuilder run(String name, String[] some, String... more) throws IOException {
    Path text = folder.resolve("text.txt");
    if (!Files.exists(text)) {
      Files.writeString(text, SmallRun.text(3000));
    }
    List<String> command =
        new ArrayList<>(
            List.of(
                Repository.root().resolve("heddle").toString(),
                "train",
                "lm",
                "--backend",
                "cpu",
                "--data",
                text.toString(),
                "--out",
                folder.resolve(name).toString(),
                "--seq",
                "32",
                "--batch",
                "2",
                "--curriculum",
                "16@0,32@10",
                "--layers",
                "1",
                "--dim",
                "32",
                "--heads",
                "2",
                "--vocab",
                "300",
                "--dropout",
                "0.1",
                "--steps",
                String.valueOf(STEPS),
                "--eval-every",
                "10",
                "--checkpoint-every",
                "5",
                "--quiet"));
    command.addAll(List.of(some));
    command.addAll(List.of(more));
    return new ProcessBuilder(command).redirectErrorStream(true);
  }
}

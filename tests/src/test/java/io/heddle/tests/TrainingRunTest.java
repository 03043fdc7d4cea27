package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs of the command line as a user starts them, in processes of their own. */
@NeedsNative
class TrainingRunTest {
  private static final int STEPS = 40;

  @TempDir Path folder;

  @Test
  void sameSeedGivesSameMetricsAndAKilledRunGivesTheSameCurve() throws Exception {
    Path text = text();
    assertEquals(0, train(text, "a").start().waitFor());
    assertEquals(0, train(text, "b").start().waitFor());
    String expected = Files.readString(folder.resolve("a/metrics.jsonl"));
    assertEquals(STEPS, expected.lines().filter(l -> l.contains("\"loss\"")).count());
    assertEquals(expected, Files.readString(folder.resolve("b/metrics.jsonl")));

    Process killed = train(text, "c").start();
    Path metrics = folder.resolve("c/metrics.jsonl");
    while (killed.isAlive()
        && (!Files.exists(metrics) || Files.readAllLines(metrics).size() < STEPS / 2)) {
      Thread.sleep(2);
    }
    assertTrue(killed.isAlive(), "the run was over before it could be killed");
    killed.destroyForcibly().waitFor(); // SIGKILL
    assertFalse(Files.exists(folder.resolve("c/result.json")));
    assertEquals(0, train(text, "c").start().waitFor());
    assertEquals(expected, Files.readString(metrics));
    assertEquals(
        -1,
        Files.mismatch(
            folder.resolve("a/model/model.safetensors"),
            folder.resolve("c/model/model.safetensors")));
    assertTrue(Files.readString(folder.resolve("c/report.html")).contains("<svg"));
  }

  @Test
  void anotherConfigurationInTheSameDirectoryIsRefused() throws Exception {
    Path text = text();
    ProcessBuilder first = train(text, "a");
    assertEquals(0, first.start().waitFor());
    ProcessBuilder second = train(text, "a");
    second.command().add("--lr");
    second.command().add("0.5");
    Process process =
        second.redirectOutput(ProcessBuilder.Redirect.PIPE).redirectErrorStream(true).start();
    String out =
        new String(
            process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    assertEquals(1, process.waitFor());
    assertTrue(out.contains("another configuration"), out);
  }

  @Test
  void quickstartInSmall() throws Exception {
    Path out = folder.resolve("quickstart");
    List<String> command =
        List.of(
            launcher(),
            "quickstart",
            "--out",
            out.toString(),
            "--base-steps",
            "6",
            "--tune-steps",
            "3",
            "--quiet");
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("OMP_WAIT_POLICY", "passive");
    Process process = builder.start();
    String printed =
        new String(
            process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
    assertTrue(process.waitFor(5, TimeUnit.MINUTES));
    assertEquals(0, process.exitValue(), printed);
    for (String row :
        new String[] {
          "base, mixed attention",
          "uniform average",
          "DEM, w =",
          "data mixing",
          "by frequency alone"
        }) {
      assertTrue(printed.contains(row), printed);
    }
    assertTrue(Files.exists(out.resolve("report.html")));
    assertTrue(Files.exists(out.resolve("dem/model.safetensors")));
  }

  private static String launcher() {
    return Repository.root().resolve("heddle").toString();
  }

  private ProcessBuilder train(Path text, String name) {
    List<String> command =
        new ArrayList<>(
            List.of(
                launcher(),
                "train",
                "lm",
                "--data",
                text.toString(),
                "--out",
                folder.resolve(name).toString(),
                "--schedule",
                "window:16,full@1",
                "--seq",
                "64",
                "--batch",
                "4",
                "--curriculum",
                "16@0,64@18",
                "--layers",
                "2",
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
                "7",
                "--threads",
                "2",
                "--quiet"));
    return new ProcessBuilder(command)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.INHERIT);
  }

  private Path text() throws IOException {
    return Files.writeString(folder.resolve("text.txt"), SmallRun.text(6000));
  }
}

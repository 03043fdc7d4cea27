package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
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
    String expected =
        KilledRun.endsInTheSameBytes(name -> train(text, name), folder, "model/model.safetensors");
    assertEquals(STEPS, expected.lines().filter(l -> l.contains("\"loss\"")).count());
    assertTrue(Files.readString(folder.resolve("parts/report.html")).contains("<svg"));
    assertEquals(0, train(text, "again").start().waitFor());
    assertEquals(expected, Files.readString(folder.resolve("again/metrics.jsonl")));
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
    return KilledRun.heddle(
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
        "--quiet");
  }

  private Path text() throws IOException {
    return Files.writeString(folder.resolve("text.txt"), SmallRun.text(6000));
  }
}

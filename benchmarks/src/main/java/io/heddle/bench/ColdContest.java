package io.heddle.bench;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * The first answer of a process: a JVM starts, loads what it needs, and does one small attention. A
 * JVM that does nothing shows what of that is Java's own.
 */
final class ColdContest extends Contest {
  private double[] first = {};

  ColdContest() {
    enter(process(Contestant.OURS));
    enter(process(Torch.NAME));
    enter(Contestant.of("empty JVM", () -> start("nobody"), () -> first));
  }

  private Contestant process(String who) {
    double[][] answer = new double[1][];
    return Contestant.of(
        who,
        () -> {
          answer[0] = start(who);
          first = first.length == 0 ? answer[0] : first;
        },
        () -> answer[0]);
  }

  private double[] start(String who) {
    List<String> command = new ArrayList<>();
    command.add(ProcessHandle.current().info().command().orElse("java"));
    command.addAll(
        List.of(
            "--enable-native-access=ALL-UNNAMED",
            "--sun-misc-unsafe-memory-access=allow",
            "-cp",
            System.getProperty("java.class.path"),
            FirstCall.class.getName(),
            who));
    try {
      Process process = new ProcessBuilder(command).redirectError(Redirect.INHERIT).start();
      String said =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
      if (process.waitFor() != 0) {
        throw new IllegalStateException("the process of " + who + " failed: " + said);
      }
      return said.isEmpty()
          ? new double[0]
          : said.lines().mapToDouble(Double::parseDouble).toArray();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException(e);
    }
  }

  @Override
  public String op() {
    return "cold_start";
  }

  @Override
  public String dtype() {
    return "f32";
  }

  @Override
  public String shape() {
    return "first attention of a process, B1 H4 D32 S128 full";
  }

  @Override
  public Bound bound() {
    return Bound.NONE;
  }
}

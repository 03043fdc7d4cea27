package io.heddle.tests;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * Runs programs beside the test: with another environment, or where a crash would end the test run.
 */
final class ChildJvm {
  private ChildJvm() {}

  /** How a program ended; {@code output} has both of its streams. */
  record Ended(int status, String output) {}

  /** Runs {@code main} with this class path; its log and its crash reports go to {@code folder}. */
  static Ended java(
      Class<?> main, Path folder, Map<String, String> environment, String... arguments)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("--enable-native-access=ALL-UNNAMED", "-XX:-CreateCoredumpOnCrash"));
    command.add("-XX:ErrorFile=" + folder.resolve("crash.log"));
    for (String key : List.of("heddle.library", "heddle.transport")) {
      if (System.getProperty(key) != null) {
        command.add("-D" + key + "=" + System.getProperty(key));
      }
    }
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
    command.addAll(Arrays.asList(arguments));
    return run(command, folder, environment);
  }

  /** Runs a command for at most a minute. */
  static Ended run(List<String> command, Path folder, Map<String, String> environment)
      throws IOException, InterruptedException {
    return run(command, folder, environment, 1);
  }

  /** Runs a command for at most so many minutes. */
  static Ended run(List<String> command, Path folder, Map<String, String> environment, long minutes)
      throws IOException, InterruptedException {
    Path log = folder.resolve("log");
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().putAll(environment);
    Process process = builder.redirectErrorStream(true).redirectOutput(log.toFile()).start();
    if (!process.waitFor(minutes, TimeUnit.MINUTES)) {
      process.destroyForcibly();
      throw new AssertionError(command + " did not end");
    }
    return new Ended(process.exitValue(), Files.readString(log, StandardCharsets.ISO_8859_1));
  }
}

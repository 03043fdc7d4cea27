package io.heddle.cli;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** The other ranks of a run on one machine: this program again, with the same arguments. */
final class Siblings implements AutoCloseable {
  private static final int GRACE_SECONDS = 10;

  private final List<Process> processes = new ArrayList<>(); // rank i + 1 at i

  private Siblings() {}

  /**
   * Starts ranks 1 to {@code world - 1}; what they print is printed here.
   *
   * @param meet where rank 0 waits for them
   * @param arguments of this program
   */
  static Siblings start(int world, String meet, List<String> arguments) throws IOException {
    Siblings all = new Siblings();
    try {
      for (int rank = 1; rank < world; rank++) {
        ProcessBuilder builder = new ProcessBuilder(command(arguments));
        builder.environment().put(RankOptions.WORLD, String.valueOf(world));
        builder.environment().put(RankOptions.RANK, String.valueOf(rank));
        builder.environment().put(RankOptions.MEET, meet);
        all.processes.add(builder.inheritIO().start());
      }
      return all;
    } catch (IOException e) {
      all.close();
      throw e;
    }
  }

  // This JVM's options, class or module path and main class.
  private static List<String> command(List<String> arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(option -> !option.startsWith("-Djdk.module.main=")) // the launcher's own
        .forEach(command::add);
    String modules = System.getProperty("jdk.module.main");
    if (modules != null) {
      command.addAll(List.of("-m", modules + "/" + Main.class.getName()));
    } else {
      command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    }
    command.addAll(arguments);
    return command;
  }

  /** Why a rank will not come: it has ended. Null while all run. */
  @Nullable String trouble() {
    for (int i = 0; i < processes.size(); i++) {
      if (!processes.get(i).isAlive()) {
        return "rank %d has ended with exit code %d before it met the others"
            .formatted(i + 1, processes.get(i).exitValue());
      }
    }
    return null;
  }

  /** Waits for their end, which is to be a good one. */
  void finish() {
    for (int i = 0; i < processes.size(); i++) {
      try {
        int code = processes.get(i).waitFor();
        if (code != 0) {
          throw new IllegalStateException("rank " + (i + 1) + " has ended with exit code " + code);
        }
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new IllegalStateException("interrupted while waiting for rank " + (i + 1), e);
      }
    }
  }

  /** Those that still run have a moment to end by themselves, as a lost rank 0 has them do. */
  @Override
  public void close() {
    for (Process process : processes) {
      try {
        if (!process.waitFor(GRACE_SECONDS, TimeUnit.SECONDS)) {
          process.destroy();
        }
      } catch (InterruptedException e) {
        process.destroy();
        Thread.currentThread().interrupt();
      }
    }
  }
}

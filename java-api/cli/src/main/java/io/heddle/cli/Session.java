package io.heddle.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.train.RunDirectory;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** Options that verbs which compute have in common. */
final class Session {
  @Option(
      names = "--backend",
      defaultValue = "auto",
      description = "auto, cpu, cuda or reference (default: ${DEFAULT-VALUE}).")
  private String backend = "auto";

  @Option(
      names = "--device",
      defaultValue = "0",
      description = "Ordinal of the device (default: 0).")
  private int device;

  @Option(
      names = "--threads",
      defaultValue = "0",
      description = "CPU threads, 0 for one per core (default: 0).")
  private int threads;

  @Option(names = "--quiet", description = "No progress on standard error.")
  private boolean quiet;

  Session() {}

  Backend open() {
    return open(threads);
  }

  /** Opens the backend with another number of threads. */
  Backend open(int threads) {
    return Backends.open(backend, new BackendOptions(device, threads));
  }

  /**
   * Opens the backend of a process that shares this machine with like ones: each has a GPU of its
   * own, from {@code --device} on, and its part of the CPU's cores.
   *
   * @param which of them, from 0
   * @param processes how many there are
   */
  Backend open(int which, int processes) {
    int cores = Runtime.getRuntime().availableProcessors();
    int share = threads > 0 || processes == 1 ? threads : Math.max(1, cores / processes);
    int own = Backends.meant(backend).equals("cuda") ? device + which : device;
    return Backends.open(backend, new BackendOptions(own, share));
  }

  int threads() {
    return threads;
  }

  ProgressListener progress() {
    return Progress.onStandardError(quiet);
  }

  /** Measures as words: {@code accuracy 0.8123, loss 0.4567}. */
  static String measures(Map<String, Double> measures) {
    return measures.entrySet().stream()
        .map(e -> String.format(Locale.ROOT, "%s %.4f", e.getKey(), e.getValue()))
        .collect(Collectors.joining(", "));
  }

  static DType dtype(String name) {
    return switch (name) {
      case "f32" -> DType.F32;
      case "bf16" -> DType.BF16;
      case "f16" -> DType.F16;
      default ->
          throw new IllegalArgumentException(
              "--dtype is '" + name + "'; it can be f32, bf16 or f16");
    };
  }

  /** What a run is: all options but those that change nothing about its outcome. */
  static ObjectNode settings(CommandSpec spec, String method) {
    ObjectNode json = RunDirectory.object().put("method", method);
    List<String> others =
        List.of(
            "--quiet",
            "--threads",
            "--out",
            "--trace",
            "--help",
            "--version",
            "--predict",
            "--processes",
            "--rank",
            "--meet",
            "--json");
    spec.options().stream()
        .filter(o -> !others.contains(o.longestName()))
        .forEach(o -> json.put(o.longestName().substring(2), String.valueOf(o.<Object>getValue())));
    return json;
  }

  /** Runs {@code stop} on Ctrl-C and keeps the process until {@code body} has saved its state. */
  static <T> T interruptible(Runnable stop, java.util.function.Supplier<T> body) {
    Thread worker = Thread.currentThread();
    Thread hook =
        new Thread(
            () -> {
              stop.run();
              try {
                worker.join(60_000);
              } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
              }
            });
    Runtime.getRuntime().addShutdownHook(hook);
    try {
      return body.get();
    } finally {
      try {
        Runtime.getRuntime().removeShutdownHook(hook);
      } catch (IllegalStateException e) {
        // The JVM is already going down: the hook waits for this thread to end.
        Thread.currentThread().setName("heddle-stopping");
      }
    }
  }
}

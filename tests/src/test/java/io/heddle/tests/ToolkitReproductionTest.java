package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.methods.study.Claim;
import io.heddle.methods.toolkit.Outcome;
import io.heddle.methods.toolkit.ToolkitReproduction;
import io.heddle.progress.ProgressListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The tutorial's experiments in their quick form: all that they claim must hold. {@code norms} is
 * not among them: where its norms stand makes itself felt in its full form only.
 */
@NeedsNative
class ToolkitReproductionTest {
  private static ToolkitReproduction reproduction(
      Backend backend, Path root, String name, ProgressListener progress) {
    return new ToolkitReproduction(backend, root, true, 1, List.of(name), progress);
  }

  private static Stream<String> names() {
    return ToolkitReproduction.names().stream().filter(name -> !name.equals("norms"));
  }

  @ParameterizedTest
  @MethodSource("names")
  void everyClaimHolds(String name, @TempDir Path root) throws IOException {
    try (Backend backend = Backends.open("cpu", new BackendOptions(0, 1))) {
      Map<String, Outcome> found =
          Objects.requireNonNull(
              reproduction(backend, root, name, ProgressListener.NONE).run(), name);
      Outcome outcome = Objects.requireNonNull(found.get(name), name);
      assertFalse(outcome.claims().isEmpty());
      for (Claim claim : outcome.claims()) {
        assertTrue(claim.held().getFirst(), claim.text() + ": " + claim.evidence());
      }
      String markdown = Files.readString(root.resolve("results.md"));
      assertTrue(markdown.contains("| " + name + " | "), markdown);
      assertTrue(Files.readString(root.resolve("report.html")).contains("<table"));
    }
  }

  @Test
  void anInterruptedOneGoesOn(@TempDir Path folder) throws IOException {
    try (Backend backend = Backends.open("cpu", new BackendOptions(0, 1))) {
      Path whole = folder.resolve("whole");
      Path parts = folder.resolve("parts");
      String name = "nt-asgd";
      Map<String, Outcome> first =
          Objects.requireNonNull(reproduction(backend, whole, name, ProgressListener.NONE).run());
      Stopping progress = new Stopping();
      ToolkitReproduction stopped = reproduction(backend, parts, name, progress);
      progress.target = stopped;
      assertNull(stopped.run());
      assertTrue(Files.exists(parts.resolve("nt-asgd/sgd/checkpoint")));
      assertFalse(Files.exists(parts.resolve("results.md")));
      Map<String, Outcome> second =
          Objects.requireNonNull(reproduction(backend, parts, name, ProgressListener.NONE).run());
      assertEquals(claims(first, name), claims(second, name));
      assertFalse(Files.exists(parts.resolve("nt-asgd/sgd/checkpoint")));
      // Done: it is read, not run.
      assertEquals(second, reproduction(backend, parts, name, ProgressListener.NONE).run());
    }
  }

  private static List<Claim> claims(Map<String, Outcome> found, String name) {
    return Objects.requireNonNull(found.get(name)).claims();
  }

  @Test
  void whatIsNotThereIsRefused(@TempDir Path root) {
    try (Backend backend = Backends.open("reference")) {
      IllegalArgumentException e =
          assertThrows(
              IllegalArgumentException.class,
              () -> reproduction(backend, root, "nothing", ProgressListener.NONE));
      assertNotNull(e.getMessage());
      assertTrue(e.getMessage().contains("bucketing"), e.getMessage());
    }
  }

  /** Stops after some steps. */
  private static final class Stopping implements ProgressListener {
    private @Nullable ToolkitReproduction target;

    @Override
    public void begin(String task, long total, String unit) {}

    @Override
    public void advance(long done, String message) {
      ToolkitReproduction running = target;
      if (done == 40 && running != null) {
        running.stop();
      }
    }

    @Override
    public void end(String message) {}
  }
}

package io.heddle.tests;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;

/**
 * The largest error of each family in each respect, over all backends; written as docs/models.md.
 */
final class ParityTable {
  static final int FORWARD = 0;
  static final int GRADIENT = 1;
  static final int GENERATION = 2;
  static final int CURVE = 3;
  static final int ROUND_TRIP = 4;

  private static final String HEAD =
      """
      # Model families beside transformers

      Written by `HEDDLE_RENEW_DOCS=1 mvn -pl tests -am package -Dtest=FamilyGoldenTest -Dsurefire.failIfNoSpecifiedTests=false`. Tiny random models of each family (`tests/golden/families`) in f32: the largest
      error over all backends that the last run had, relative to the largest entry of the tensor (logits of a padded batch;
      any parameter's gradient) or to the loss (five AdamW steps). The limit stands in the head; a run above it fails.
      `equal`: the 16 greedy tokens with cache, and the tensors that are written back, are the same.

      | case | forward (1e-4) | gradient (1e-4) | greedy tokens | AdamW losses (1e-3) | saved tensors |
      |---|---|---|---|---|---|
      """;

  private final Map<String, Map<Integer, Double>> errors = new TreeMap<>();
  private final Map<String, String> backends = new TreeMap<>();

  synchronized void put(String backend, String name, int what, double error, double limit) {
    if (error > limit) {
      throw new IllegalArgumentException(name + ": " + error + " is above " + limit);
    }
    if (!backend.equals(FarBackend.NAME)) { // the CPU itself
      backends.put(backend, backend);
    }
    errors.computeIfAbsent(name, n -> new TreeMap<>()).merge(what, error, Math::max);
  }

  // A table with holes (a single test was run, or one failed) is not written.
  synchronized void write(Path file) throws IOException {
    boolean whole = errors.size() > 30 && errors.values().stream().allMatch(row -> row.size() >= 4);
    if (!whole) {
      return;
    }
    StringBuilder out = new StringBuilder(HEAD);
    errors.forEach(
        (name, row) -> {
          out.append("| ").append(name).append(" |");
          for (int what = FORWARD; what <= ROUND_TRIP; what++) {
            Double error = row.get(what);
            boolean exact = what == GENERATION || what == ROUND_TRIP;
            String text =
                error == null ? "" : exact ? "equal" : String.format(Locale.ROOT, "%.0e", error);
            out.append(' ').append(text).append(" |");
          }
          out.append('\n');
        });
    out.append("\nBackends: ").append(String.join(", ", backends.keySet())).append(".\n");
    Files.createDirectories(file.getParent());
    Files.writeString(file, out);
  }
}

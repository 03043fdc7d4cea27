package io.heddle.methods.vectors;

import io.heddle.data.Cursor;
import io.heddle.data.Lines;
import io.heddle.data.vectors.WordLookup;
import io.heddle.metrics.Correlation;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Cosines of word pairs beside what people think: Spearman's correlation (Spearman 1904). */
public final class WordSimilarity {
  private WordSimilarity() {}

  /**
   * A pair.
   *
   * @param score by people, on any scale
   */
  public record Pair(String first, String second, double score) {}

  /**
   * The outcome.
   *
   * @param pairs of the set
   * @param scored those of which both words have a vector; the others do not count
   * @param spearman from -1 to 1; NaN when fewer than two pairs are scored
   */
  public record Outcome(int pairs, int scored, double spearman) {}

  /**
   * Reads pairs: two words and a number a line, between tabs or spaces; lines that begin with # and
   * empty ones are left out.
   *
   * @throws IOException naming file and line
   */
  public static List<Pair> read(Path file) throws IOException {
    List<Pair> out = new ArrayList<>();
    try (Cursor<String> lines = Lines.of(file).open()) {
      for (String line = lines.next(); line != null; line = lines.next()) {
        if (line.isBlank() || line.startsWith("#")) {
          continue;
        }
        String[] fields = line.strip().split("\\s+", -1);
        if (fields.length < 3) {
          throw new IOException(lines.place() + ": expected two words and a number");
        }
        try {
          out.add(new Pair(fields[0], fields[1], Double.parseDouble(fields[2])));
        } catch (NumberFormatException e) {
          throw new IOException(lines.place() + ": '" + fields[2] + "' is no number", e);
        }
      }
    }
    if (out.isEmpty()) {
      throw new IOException(file + " has no pair of words");
    }
    return out;
  }

  /** Scores pairs. A word without a vector is tried in lower case. */
  public static Outcome of(WordLookup vectors, List<Pair> pairs) {
    Correlation both = new Correlation();
    int scored = 0;
    for (Pair pair : pairs) {
      float[] a = find(vectors, pair.first);
      float[] b = find(vectors, pair.second);
      if (a != null && b != null) {
        both.add(cosine(a, b), pair.score);
        scored++;
      }
    }
    return new Outcome(pairs.size(), scored, scored < 2 ? Double.NaN : both.score().spearman());
  }

  /** The vector of a word or, where it has none, of the word in lower case. */
  public static float @Nullable [] find(WordLookup vectors, String word) {
    float[] found = vectors.vector(word);
    return found == null ? vectors.vector(word.toLowerCase(Locale.ROOT)) : found;
  }

  /** The cosine of two vectors; 0 where one is zero. */
  public static double cosine(float[] a, float[] b) {
    double dot = 0;
    double aa = 0;
    double bb = 0;
    for (int i = 0; i < a.length; i++) {
      dot += (double) a[i] * b[i];
      aa += (double) a[i] * a[i];
      bb += (double) b[i] * b[i];
    }
    double size = Math.sqrt(aa) * Math.sqrt(bb);
    return size == 0 ? 0 : dot / size;
  }
}

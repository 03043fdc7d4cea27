package io.heddle.data.vectors;

import io.heddle.data.Cursor;
import io.heddle.data.Lines;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/** A word and its numbers a line, with a first line of counts (word2vec) or without (GloVe). */
final class TextVectors {
  private TextVectors() {}

  /** Two whole numbers: words and dimensions. */
  record Counts(long words, int dimension) {
    /** What a first line says; null when it is none of counts. */
    static @org.jspecify.annotations.Nullable Counts of(String line) {
      String[] fields = line.strip().split("[ \t]+", -1);
      if (fields.length != 2) {
        return null;
      }
      try {
        Counts counts = new Counts(Long.parseLong(fields[0]), Integer.parseInt(fields[1]));
        return counts.words < 0 || counts.dimension < 1 ? null : counts;
      } catch (NumberFormatException e) {
        return null;
      }
    }
  }

  static WordTable read(Path file, boolean counted, Predicate<String> wanted) throws IOException {
    List<String> words = new ArrayList<>();
    List<float[]> vectors = new ArrayList<>();
    Set<String> seen = new HashSet<>();
    try (Cursor<String> lines = Lines.of(file).open()) {
      Counts counts = null;
      if (counted) {
        String first = lines.next();
        counts = first == null ? null : Counts.of(first);
        if (counts == null) {
          throw new IOException(file + ":1 should have the numbers of words and of dimensions");
        }
      }
      int dimension = counts == null ? -1 : counts.dimension;
      long found = 0;
      for (String line = lines.next(); line != null; line = lines.next()) {
        int end = trimmed(line);
        dimension = dimension < 0 ? fields(line, end) - 1 : dimension;
        int space = wordEnd(line, end, dimension, lines.place());
        String word = line.substring(0, space);
        found++;
        // Of a word that is there twice the first counts, as in every reader of these files.
        if (wanted.test(word) && seen.add(word)) {
          words.add(word);
          vectors.add(numbers(line, space, end, dimension, lines.place()));
        }
      }
      if (counts != null && found != counts.words) {
        throw new IOException(
            file + ":1 promises " + counts.words + " words, and the file has " + found);
      }
    }
    if (words.isEmpty()) {
      throw new IOException(file + " has no vector of a word that is wanted");
    }
    return WordTable.of(words, vectors);
  }

  private static boolean blank(char c) {
    return c == ' ' || c == '\t';
  }

  private static int trimmed(String line) {
    int end = line.length();
    while (end > 0 && blank(line.charAt(end - 1))) {
      end--;
    }
    return end;
  }

  private static int fields(String line, int end) {
    int fields = 0;
    for (int i = 0; i < end; i++) {
      fields += !blank(line.charAt(i)) && (i == 0 || blank(line.charAt(i - 1))) ? 1 : 0;
    }
    return fields;
  }

  // The word is what stands before the last `dimension` fields: some of GloVe's have spaces.
  private static int wordEnd(String line, int end, int dimension, String place) throws IOException {
    int at = end;
    for (int i = 0; i < dimension; i++) {
      while (at > 0 && !blank(line.charAt(at - 1))) {
        at--;
      }
      while (at > 0 && blank(line.charAt(at - 1))) {
        at--;
      }
      if (at == 0) {
        int have = Math.max(0, fields(line, end) - 1);
        throw new IOException(place + ": " + have + " numbers after the word, not " + dimension);
      }
    }
    if (dimension < 1) {
      throw new IOException(place + ": no numbers after the word");
    }
    return at;
  }

  private static float[] numbers(String line, int from, int end, int dimension, String place)
      throws IOException {
    float[] out = new float[dimension];
    int at = from;
    for (int i = 0; i < dimension; i++) {
      while (blank(line.charAt(at))) {
        at++;
      }
      int start = at;
      while (at < end && !blank(line.charAt(at))) {
        at++;
      }
      try {
        out[i] = Float.parseFloat(line.substring(start, at));
      } catch (NumberFormatException e) {
        throw new IOException(
            "%s: '%s' is no number (of '%s')"
                .formatted(place, line.substring(start, at), line.substring(0, from)),
            e);
      }
    }
    return out;
  }

  static void write(WordTable table, boolean counted, OutputStream out) throws IOException {
    StringBuilder line = new StringBuilder();
    if (counted) {
      line.append(table.words().size()).append(' ').append(table.dimension()).append('\n');
    }
    for (int i = 0; i < table.words().size(); i++) {
      line.append(VectorFile.writable(table.words().get(i)));
      for (float x : table.row(i)) {
        line.append(' ').append(x);
      }
      out.write(line.append('\n').toString().getBytes(StandardCharsets.UTF_8));
      line.setLength(0);
    }
  }
}

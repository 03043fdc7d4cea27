package io.heddle.data;

import io.heddle.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.OptionalInt;

/**
 * Word vectors in text, gzipped or not: a word and its numbers a line (GloVe), after a line with
 * their counts (word2vec, fastText) or not.
 */
public final class WordVectors {
  private WordVectors() {}

  /**
   * The vectors of the words that a tokenizer has, by their ids; the first of a word counts.
   *
   * @throws IOException naming file and line where there are no numbers, or not as many as before
   */
  public static Map<Integer, float[]> read(Path file, Tokenizer tokenizer) throws IOException {
    Map<Integer, float[]> out = new HashMap<>();
    int size = -1;
    try (Cursor<String> lines = Lines.of(file).open()) {
      for (String line = lines.next(); line != null; line = lines.next()) {
        String[] fields = line.strip().split(" ", -1);
        if (size < 0 && fields.length == 2) {
          continue; // word2vec's first line
        }
        size = size < 0 ? fields.length - 1 : size;
        if (fields.length - 1 != size || size < 1) {
          throw new IOException(
              lines.place() + ": " + (fields.length - 1) + " numbers after the word, not " + size);
        }
        OptionalInt id = tokenizer.id(fields[0]);
        if (id.isPresent() && !out.containsKey(id.getAsInt())) {
          out.put(id.getAsInt(), numbers(fields, lines.place()));
        }
      }
    }
    if (out.isEmpty()) {
      throw new IllegalArgumentException(file + " has no vector of a word of the vocabulary");
    }
    return out;
  }

  private static float[] numbers(String[] fields, String place) throws IOException {
    float[] out = new float[fields.length - 1];
    try {
      for (int i = 0; i < out.length; i++) {
        out[i] = Float.parseFloat(fields[i + 1]);
      }
      return out;
    } catch (NumberFormatException e) {
      throw new IOException(place + ": '" + fields[0] + "' has a number that is none", e);
    }
  }
}

package io.heddle.data.vectors;

import io.heddle.data.FileSets;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Predicate;

/** word2vec's binary form: a line of counts, then each word, a space and little-endian f32. */
final class BinaryVectors {
  private static final int LONGEST_WORD = 1 << 16;

  private BinaryVectors() {}

  static WordTable read(Path file, Predicate<String> wanted) throws IOException {
    List<String> words = new ArrayList<>();
    List<float[]> vectors = new ArrayList<>();
    Set<String> seen = new HashSet<>();
    try (InputStream in = new BufferedInputStream(FileSets.open(file))) {
      TextVectors.Counts counts = TextVectors.Counts.of(until(in, '\n', file + ":1"));
      if (counts == null) {
        throw new IOException(file + ":1 should have the numbers of words and of dimensions");
      }
      byte[] numbers = new byte[Math.multiplyExact(4, counts.dimension())];
      for (long i = 0; i < counts.words(); i++) {
        String place = "%s, word %d of %d".formatted(file, i + 1, counts.words());
        String word = until(in, ' ', place).replaceAll("^\n", ""); // some writers end a word's line
        if (in.readNBytes(numbers, 0, numbers.length) < numbers.length) {
          throw new EOFException(place + ": the file ends in its numbers");
        }
        if (wanted.test(word) && seen.add(word)) {
          float[] vector = new float[counts.dimension()];
          ByteBuffer.wrap(numbers).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(vector);
          words.add(word);
          vectors.add(vector);
        }
      }
    }
    if (words.isEmpty()) {
      throw new IOException(file + " has no vector of a word that is wanted");
    }
    return WordTable.of(words, vectors);
  }

  private static String until(InputStream in, char end, String place) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int b = in.read(); b != end; b = in.read()) {
      if (b < 0) {
        throw new EOFException(place + ": the file ends in the word");
      }
      if (out.size() == LONGEST_WORD) {
        throw new IOException(place + ": the word does not end; this is no word2vec file");
      }
      out.write(b);
    }
    return out.toString(StandardCharsets.UTF_8);
  }

  static void write(WordTable table, OutputStream out) throws IOException {
    String counts = table.words().size() + " " + table.dimension() + "\n";
    out.write(counts.getBytes(StandardCharsets.UTF_8));
    ByteBuffer numbers = ByteBuffer.allocate(4 * table.dimension()).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < table.words().size(); i++) {
      out.write(VectorFile.writable(table.words().get(i)).getBytes(StandardCharsets.UTF_8));
      out.write(' ');
      numbers.asFloatBuffer().put(table.row(i));
      out.write(numbers.array());
      out.write('\n');
    }
  }
}

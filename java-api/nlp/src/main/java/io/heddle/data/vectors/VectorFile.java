package io.heddle.data.vectors;

import io.heddle.checkpoint.WholeFile;
import io.heddle.data.FileSets;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.function.Predicate;

/**
 * Reads and writes word vectors in every {@link VectorFormat}. What a file is, its first bytes say;
 * text and word2vec's binary form may be gzipped. Files are written whole or not at all.
 */
public final class VectorFile {
  private static final int HEAD = 1 << 16;

  private VectorFile() {}

  /**
   * The format of a file.
   *
   * @throws IOException when the file cannot be read, or is empty
   */
  public static VectorFormat format(Path file) throws IOException {
    byte[] head;
    try (InputStream in = FileSets.open(file)) {
      head = in.readNBytes(HEAD);
    }
    if (head.length >= 4
        && ByteBuffer.wrap(head).order(ByteOrder.LITTLE_ENDIAN).getInt() == FastTextFile.MAGIC) {
      return VectorFormat.FASTTEXT;
    }
    if (head.length == 0) {
      throw new IOException(file + " is empty");
    }
    int end = indexOf(head, 0, '\n');
    String first = new String(head, 0, end, StandardCharsets.UTF_8);
    if (TextVectors.Counts.of(first) == null) {
      return VectorFormat.GLOVE;
    }
    // After the first word comes a number as people write it, or four bytes that are none.
    int number = indexOf(head, end + 1, ' ') + 1;
    int stop = number;
    while (stop < head.length && head[stop] > ' ') {
      stop++;
    }
    return number >= head.length
            || isNumber(new String(head, number, stop - number, StandardCharsets.UTF_8))
        ? VectorFormat.WORD2VEC
        : VectorFormat.WORD2VEC_BINARY;
  }

  private static int indexOf(byte[] bytes, int from, char wanted) {
    int at = from;
    while (at < bytes.length && bytes[at] != wanted) {
      at++;
    }
    return at;
  }

  private static boolean isNumber(String text) {
    try {
      return !Float.isNaN(Float.parseFloat(text)) || text.equalsIgnoreCase("nan");
    } catch (NumberFormatException e) {
      return false;
    }
  }

  /**
   * The vectors of a file. Of fastText's {@code .bin} the file itself is mapped: it opens at once,
   * whatever its size, and has vectors of words that it never saw.
   *
   * @throws IOException naming the file and the line, word or byte that is wrong
   */
  public static WordLookup open(Path file) throws IOException {
    return format(file) == VectorFormat.FASTTEXT
        ? FastTextModel.load(file)
        : read(file, word -> true);
  }

  /**
   * A file's words that {@code wanted} accepts, in its order; of a word that is there twice the
   * first.
   *
   * @throws IOException naming the file and the line, word or byte that is wrong; also when no word
   *     is wanted
   */
  public static WordTable read(Path file, Predicate<String> wanted) throws IOException {
    return switch (format(file)) {
      case WORD2VEC -> TextVectors.read(file, true, wanted);
      case GLOVE -> TextVectors.read(file, false, wanted);
      case WORD2VEC_BINARY -> BinaryVectors.read(file, wanted);
      case FASTTEXT -> {
        FastTextModel model = FastTextModel.load(file);
        var words = model.words().stream().filter(wanted).toList();
        if (words.isEmpty()) {
          throw new IOException(file + " has no vector of a word that is wanted");
        }
        yield model.table(words);
      }
    };
  }

  /**
   * Writes vectors.
   *
   * @throws IllegalArgumentException for a word that the format cannot hold, or for {@link
   *     VectorFormat#FASTTEXT} when {@code vectors} is no {@link FastTextModel}
   */
  public static void write(Path file, WordLookup vectors, VectorFormat format) throws IOException {
    switch (format) {
      case WORD2VEC -> WholeFile.write(file, to -> TextVectors.write(vectors.table(), true, to));
      case GLOVE -> WholeFile.write(file, to -> TextVectors.write(vectors.table(), false, to));
      case WORD2VEC_BINARY -> WholeFile.write(file, to -> BinaryVectors.write(vectors.table(), to));
      case FASTTEXT -> {
        if (!(vectors instanceof FastTextModel model)) {
          throw new IllegalArgumentException(
              "fastText's format has counts and n-grams, which these vectors lack; there are "
                  + Arrays.toString(VectorFormat.values()));
        }
        WholeFile.write(file, to -> FastTextFile.write(model, to));
      }
    }
  }

  /** The word, refused where a space or the end of a line in it would break the file. */
  static String writable(String word) {
    if (word.isEmpty()
        || word.chars().anyMatch(c -> c == ' ' || c == '\t' || c == '\n' || c == 0)) {
      throw new IllegalArgumentException(
          "'" + word + "' cannot be written: a word must not be empty nor have a space in it");
    }
    return word;
  }
}

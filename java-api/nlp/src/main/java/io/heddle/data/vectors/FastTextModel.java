package io.heddle.data.vectors;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Word vectors with those of n-grams (Bojanowski et al. 2017): the vector of a word is the mean of
 * its own row, where it has one, and of the rows of its n-grams. Without n-grams it is word2vec's.
 * Immutable.
 */
public final class FastTextModel implements WordLookup {
  private final FastTextSettings settings;
  private final List<String> words;
  private final long[] counts;
  private final long tokens;
  private final MemorySegment input;
  private final MemorySegment output;
  private final Map<String, Integer> indices;
  private final Subwords subwords;

  /**
   * A model over memory that must not change any more.
   *
   * @param words the most frequent first
   * @param counts how often each was seen
   * @param tokens of the text, rare ones included
   * @param input f32 [words + buckets, dimension]: rows of the words, then of the n-grams
   * @param output f32 [words, dimension], of words as contexts
   */
  public FastTextModel(
      FastTextSettings settings,
      List<String> words,
      long[] counts,
      long tokens,
      MemorySegment input,
      MemorySegment output) {
    this.settings = settings;
    this.words = List.copyOf(words);
    this.counts = counts.clone();
    this.tokens = tokens;
    this.input = input.asReadOnly();
    this.output = output.asReadOnly();
    this.subwords = settings.subwords();
    long rows = words.size() + (long) subwords.buckets();
    if (input.byteSize() != 4 * rows * settings.dimension() || counts.length != words.size()) {
      throw new IllegalArgumentException(
          "%d words, %d counts, %d bytes of input for %d rows of %d numbers"
              .formatted(
                  words.size(), counts.length, input.byteSize(), rows, settings.dimension()));
    }
    this.indices = HashMap.newHashMap(words.size());
    for (int i = 0; i < words.size(); i++) {
      indices.putIfAbsent(this.words.get(i), i);
    }
  }

  /**
   * Opens fastText's {@code .bin}, of versions 11 and 12; its tables are mapped, not read.
   *
   * @throws IOException naming the file and what is wrong
   */
  public static FastTextModel load(Path file) throws IOException {
    return FastTextFile.read(file);
  }

  /** How it was trained. */
  public FastTextSettings settings() {
    return settings;
  }

  @Override
  public int dimension() {
    return settings.dimension();
  }

  @Override
  public List<String> words() {
    return words;
  }

  /** How often a word of {@link #words} was seen. */
  public long count(int index) {
    return counts[index];
  }

  /** Tokens of the text. */
  public long tokens() {
    return tokens;
  }

  /** f32 [words + buckets, dimension], not to be written to. */
  public MemorySegment input() {
    return input;
  }

  /** f32 [words, dimension], not to be written to. */
  public MemorySegment output() {
    return output;
  }

  @Override
  public float @Nullable [] vector(String word) {
    Integer own = indices.get(word);
    int[] grams = subwords.of(word);
    int rows = grams.length + (own == null ? 0 : 1);
    if (rows == 0) {
      return null;
    }
    float[] out = new float[dimension()];
    if (own != null) {
      add(own, out);
    }
    for (int gram : grams) {
      add((long) words.size() + gram, out);
    }
    for (int i = 0; i < out.length && rows > 1; i++) {
      out[i] *= 1.0f / rows;
    }
    return out;
  }

  private void add(long row, float[] to) {
    long at = 4 * row * to.length;
    for (int i = 0; i < to.length; i++) {
      to[i] += input.get(WordTable.FLOAT, at + 4L * i);
    }
  }

  @Override
  public WordTable table() {
    return table(words.stream().distinct().toList());
  }

  /** The vectors of some words of {@link #words}. */
  WordTable table(List<String> some) {
    MemorySegment rows = Arena.ofAuto().allocate(4L * some.size() * dimension(), 64);
    for (int i = 0; i < some.size(); i++) {
      float[] vector = vector(some.get(i));
      if (vector == null) {
        throw new IllegalArgumentException("'" + some.get(i) + "' is none of the words");
      }
      MemorySegment.copy(vector, 0, rows, WordTable.FLOAT, 4L * i * dimension(), vector.length);
    }
    return new WordTable(some, dimension(), rows);
  }
}

package io.heddle.data.vectors;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * Words and their vectors, one row each, off the heap: of any size. Words are different from each
 * other. Immutable.
 */
public final class WordTable implements WordLookup {
  static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

  private final List<String> words;
  private final Map<String, Integer> indices;
  private final int dimension;
  private final MemorySegment rows;

  /**
   * A table over memory that must not change any more.
   *
   * @param rows f32 [words, dimension], in the byte order of the machine
   */
  public WordTable(List<String> words, int dimension, MemorySegment rows) {
    this.words = List.copyOf(words);
    this.dimension = dimension;
    this.rows = rows.asReadOnly();
    long bytes = 4L * words.size() * dimension;
    if (dimension < 1 || rows.byteSize() != bytes) {
      throw new IllegalArgumentException(
          "%d vectors of %d numbers are %d bytes, not %d"
              .formatted(words.size(), dimension, bytes, rows.byteSize()));
    }
    this.indices = HashMap.newHashMap(words.size());
    for (int i = 0; i < words.size(); i++) {
      if (indices.putIfAbsent(this.words.get(i), i) != null) {
        throw new IllegalArgumentException("'" + this.words.get(i) + "' has two vectors");
      }
    }
  }

  /** A table of vectors on the heap, which are copied; each has the length of the first. */
  public static WordTable of(List<String> words, List<float[]> vectors) {
    if (words.isEmpty() || words.size() != vectors.size()) {
      throw new IllegalArgumentException(words.size() + " words, " + vectors.size() + " vectors");
    }
    int dimension = vectors.getFirst().length;
    MemorySegment rows = Arena.ofAuto().allocate(4L * dimension * words.size(), 64);
    for (int i = 0; i < words.size(); i++) {
      if (vectors.get(i).length != dimension) {
        throw new IllegalArgumentException(
            "'%s' has %d numbers, not %d"
                .formatted(words.get(i), vectors.get(i).length, dimension));
      }
      MemorySegment.copy(vectors.get(i), 0, rows, FLOAT, 4L * i * dimension, dimension);
    }
    return new WordTable(words, dimension, rows);
  }

  @Override
  public int dimension() {
    return dimension;
  }

  @Override
  public List<String> words() {
    return words;
  }

  /** The row of a word. */
  public OptionalInt index(String word) {
    Integer found = indices.get(word);
    return found == null ? OptionalInt.empty() : OptionalInt.of(found);
  }

  /** A row, copied. */
  public float[] row(int index) {
    float[] out = new float[dimension];
    MemorySegment.copy(rows, FLOAT, 4L * index * dimension, out, 0, dimension);
    return out;
  }

  /** All rows, f32 [words, dimension], not to be written to. */
  public MemorySegment rows() {
    return rows;
  }

  @Override
  public float @Nullable [] vector(String word) {
    Integer found = indices.get(word);
    return found == null ? null : row(found);
  }

  @Override
  public WordTable table() {
    return this;
  }
}

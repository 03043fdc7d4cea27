package io.heddle.methods.vectors;

import io.heddle.backend.Backend;
import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.data.vectors.WordTable;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Set;

/**
 * Cosines between queries and all words of a table: one matrix product over vectors of length 1,
 * which are kept in the backend's memory. A vector of zeros has cosine 0 with everything. Close it
 * to free them. Not safe for many threads.
 */
public final class Neighbours implements AutoCloseable {
  private final Backend backend;
  private final WordTable table;
  private final Scope scope;
  private final Tensor unit; // f32 [words, dimension]
  private final int words;

  /** A word and how near it is. */
  public record Near(String word, double score) {}

  /** Neighbours among all words of a table. */
  public Neighbours(Backend backend, WordTable table) {
    this(backend, table, Integer.MAX_VALUE);
  }

  /**
   * Neighbours among the first words of a table.
   *
   * @param most words; the table's order is by frequency where its file's is
   */
  public Neighbours(Backend backend, WordTable table, int most) {
    this.backend = backend;
    this.table = table;
    this.words = Math.min(most, table.words().size());
    this.scope = new Scope(backend.memory());
    int d = table.dimension();
    unit = scope.tensor(DType.F32, words, d);
    try (Scope host = new Scope(new ReferenceBackend().memory())) {
      Tensor rows = host.tensor(DType.F32, words, d);
      MemorySegment to = rows.segment();
      for (int i = 0; i < words; i++) {
        float[] row = unit(table.row(i));
        MemorySegment.copy(row, 0, to, ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i * d, d);
      }
      backend.transfer(rows, unit);
    }
  }

  /** How many words there are. */
  public int size() {
    return words;
  }

  /** A vector of length 1 in the same direction; zeros stay. */
  static float[] unit(float[] vector) {
    double squares = 0;
    for (float x : vector) {
      squares += (double) x * x;
    }
    float[] out = new float[vector.length];
    double scale = squares == 0 ? 0 : 1 / Math.sqrt(squares);
    for (int i = 0; i < out.length; i++) {
      out[i] = (float) (vector[i] * scale);
    }
    return out;
  }

  /**
   * Cosines with every word.
   *
   * @param queries of the table's dimension and any length
   * @return [queries, words]
   */
  public float[][] cosines(List<float[]> queries) {
    int d = table.dimension();
    float[] flat = new float[Math.multiplyExact(queries.size(), d)];
    for (int q = 0; q < queries.size(); q++) {
      if (queries.get(q).length != d) {
        throw new IllegalArgumentException(
            "a query has " + queries.get(q).length + " numbers, the words have " + d);
      }
      System.arraycopy(unit(queries.get(q)), 0, flat, q * d, d);
    }
    float[][] out = new float[queries.size()][words];
    if (queries.isEmpty()) {
      return out;
    }
    try (Scope call = new Scope(backend.memory())) {
      Tensor q = call.tensor(DType.F32, queries.size(), d).copyFrom(flat);
      Tensor scores = call.tensor(DType.F32, queries.size(), words);
      backend.matmul(q, unit.transpose(0, 1), null, scores, 1, 0);
      backend.synchronize();
      float[] all = scores.toFloats();
      for (int i = 0; i < out.length; i++) {
        System.arraycopy(all, i * words, out[i], 0, words);
      }
    }
    return out;
  }

  /**
   * The nearest words to a vector, the nearest first; equal ones by their place in the table.
   *
   * @param excluded words that do not count, such as those the vector was made of
   */
  public List<Near> nearest(float[] vector, int count, Set<String> excluded) {
    return highest(cosines(List.of(vector))[0], count, excluded);
  }

  /**
   * The nearest words to a word, itself left out.
   *
   * @throws IllegalArgumentException when the table has no such word
   */
  public List<Near> nearest(String word, int count) {
    return nearest(vector(word), count, Set.of(word));
  }

  /**
   * The vector of a word of the table.
   *
   * @throws IllegalArgumentException when it has no such word
   */
  float[] vector(String word) {
    float[] found = table.vector(word);
    if (found == null) {
      throw new IllegalArgumentException("'" + word + "' has no vector");
    }
    return found;
  }

  /** The words with the highest scores, which belong to the words by their place. */
  List<Near> highest(float[] scores, int count, Set<String> excluded) {
    Comparator<Integer> worstFirst =
        Comparator.comparingDouble((Integer i) -> scores[i])
            .thenComparing(Comparator.<Integer>reverseOrder());
    PriorityQueue<Integer> best = new PriorityQueue<>(worstFirst);
    for (int i = 0; i < scores.length && count > 0; i++) {
      boolean enters = best.size() < count || scores[i] > scores[best.element()];
      if (enters && !excluded.contains(table.words().get(i))) {
        best.add(i);
        if (best.size() > count) {
          best.remove();
        }
      }
    }
    List<Near> out = new ArrayList<>();
    while (!best.isEmpty()) {
      int i = best.remove();
      out.addFirst(new Near(table.words().get(i), scores[i]));
    }
    return out;
  }

  @Override
  public void close() {
    scope.close();
  }
}

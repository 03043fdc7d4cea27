package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.Checkpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * How fine-tuned models differ from their base and from each other: lengths of their differences to
 * the base (distribution vectors), distances and cosines between these, each model one flattened
 * vector over all its tensors, in double precision; and the same for each layer. (A mean of the
 * layers' cosines would be another number.)
 *
 * @param base name of the base
 * @param sources names of the sources
 * @param total over all tensors
 * @param layers by layer's number, -1 for what stands in none
 * @param tensors by tensor
 */
public record Comparison(
    String base,
    List<String> sources,
    Vectors total,
    Map<Integer, Vectors> layers,
    Map<String, Vectors> tensors) {

  /** Sums over some tensors, from which lengths, distances and cosines follow. */
  public static final class Vectors {
    private final double[][] gram;
    private double baseSquares;
    private long elements;
    private long conflicts;
    private final long[] unchanged;
    private final long[][] histogram;

    Vectors(int sources) {
      gram = new double[sources][sources];
      unchanged = new long[sources];
      histogram = new long[sources][ComparisonKernel.BUCKETS];
    }

    void add(ComparisonKernel.Sums sums) {
      for (int j = 0, at = 0; j < gram.length; j++) {
        for (int i = 0; i <= j; i++, at++) {
          gram[i][j] += sums.products()[at];
          gram[j][i] = gram[i][j];
        }
        unchanged[j] += sums.unchanged()[j];
        for (int k = 0; k < histogram[j].length; k++) {
          histogram[j][k] += sums.histogram()[j][k];
        }
      }
      baseSquares += sums.baseSquares();
      conflicts += sums.conflicts();
      elements += sums.elements();
    }

    /** Number of elements. */
    public long elements() {
      return elements;
    }

    /** Length of the base. */
    public double baseNorm() {
      return Math.sqrt(baseSquares);
    }

    /** Length of a source's difference to the base. */
    public double norm(int source) {
      return Math.sqrt(gram[source][source]);
    }

    /** Cosine of the angle between two differences; NaN where one is zero. */
    public double cosine(int a, int b) {
      if (a == b && gram[a][a] > 0) {
        return 1;
      }
      return Math.clamp(gram[a][b] / (norm(a) * norm(b)), -1.0, 1.0);
    }

    /** Distance of two sources from each other. */
    public double distance(int a, int b) {
      return a == b ? 0 : Math.sqrt(Math.max(0, gram[a][a] + gram[b][b] - 2 * gram[a][b]));
    }

    /** Share of the elements that a source has as the base has them. */
    public double unchanged(int source) {
      return elements == 0 ? 0 : (double) unchanged[source] / elements;
    }

    /** Share of the elements that some source raises and another lowers. */
    public double signConflicts() {
      return elements == 0 ? 0 : (double) conflicts / elements;
    }

    /**
     * Numbers of changed elements by the size of the change: bucket k counts those in [2^(k-48),
     * 2^(k-47)), the first and the last also what is beyond.
     */
    public long[] histogram(int source) {
      return histogram[source].clone();
    }
  }

  /**
   * Reads all models, in memory that the options bound.
   *
   * @throws IllegalArgumentException when tensors do not agree in a way the alignment allows, or
   *     hold NaN
   * @throws IOException when a model cannot be read
   */
  public static Comparison of(
      Checkpoint base, List<Checkpoint> sources, Alignment alignment, MergeOptions options)
      throws IOException {
    Merge merge = Merge.of(Method.TASK_ARITHMETIC, base).align(alignment);
    sources.forEach(merge::add);
    MergePlan plan = merge.options(options.hash(false)).plan();
    int n = sources.size();
    Comparison out =
        new Comparison(
            MergePlan.label(base),
            sources.stream().map(MergePlan::label).toList(),
            new Vectors(n),
            new java.util.TreeMap<>(),
            new LinkedHashMap<>());
    Inputs inputs = new Inputs(plan, Map.of());
    try (Workers workers = new Workers(options.workers());
        Workers readers = new Workers(n + 1);
        Compute compute = new Compute(workers);
        Arena arena = Arena.ofShared()) {
      Chunks chunks = new Chunks(options);
      MemorySegment memory = arena.allocate(0);
      for (TensorPlan tensor : plan.tensors()) {
        if (tensor.work() != TensorPlan.Work.COMBINE) {
          continue;
        }
        ComparisonKernel kernel = new ComparisonKernel(tensor.elements());
        long count = chunks.elements(tensor, kernel);
        for (long first = 0; first < tensor.elements(); first += count) {
          long length = Math.min(count, tensor.elements() - first);
          if (memory.byteSize() < Chunks.bytes(tensor, length)) {
            memory = arena.allocate(Chunks.bytes(tensor, length), 64);
          }
          List<MemorySegment> parts = read(inputs, readers, tensor, first, length, memory);
          compute.observe(tensor, kernel, first, length, new Buffers(parts, MemorySegment.NULL));
        }
        int layer = LayerNames.layer(tensor.name());
        Vectors ofTensor = new Vectors(n);
        Vectors ofLayer = out.layers.computeIfAbsent(layer, key -> new Vectors(n));
        for (ComparisonKernel.Sums sums : kernel.sums()) {
          out.total.add(sums);
          ofLayer.add(sums);
          ofTensor.add(sums);
        }
        out.tensors.put(tensor.name(), ofTensor);
      }
    }
    inputs.checkUnchanged();
    return out;
  }

  private static List<MemorySegment> read(
      Inputs inputs,
      Workers readers,
      TensorPlan tensor,
      long first,
      long length,
      MemorySegment memory)
      throws IOException {
    List<MemorySegment> parts = new ArrayList<>();
    long at = 0;
    for (TensorPlan.Input input : tensor.inputs()) {
      parts.add(memory.asSlice(at, length * input.type().bits() / 8));
      at += Chunks.room(input.type(), length);
    }
    try {
      readers.forEach(
          0,
          parts.size(),
          (worker, slot) -> {
            try {
              inputs.read(tensor, (int) slot, first, length, parts.get((int) slot));
            } catch (IOException e) {
              throw new UncheckedIOException(e);
            }
          });
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
    return parts;
  }
}

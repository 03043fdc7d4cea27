package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.StorageType;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One tensor of the output.
 *
 * @param name its name
 * @param type the type it is written as
 * @param shape dimensions, outermost first
 * @param formula what is done, for people
 * @param work combined, or copied from the base's place ({@code base}, or else the first source)
 * @param base where the base's elements are; null without a base
 * @param sources where the sources' elements are
 * @param settings the method's settings for this tensor
 * @param sourceSettings the same for each source
 */
@SuppressWarnings("ArrayRecordComponent") // copied on the way in and out
public record TensorPlan(
    String name,
    StorageType type,
    long[] shape,
    String formula,
    Work work,
    @Nullable Input base,
    List<Input> sources,
    Map<String, Double> settings,
    List<Map<String, Double>> sourceSettings) {

  /** What happens to a tensor. */
  public enum Work {
    /** Arithmetic. */
    COMBINE,
    /** Bytes as they are. */
    COPY,
    /**
     * Bytes as they are, which must be the same in all models: arithmetic does not know the type.
     */
    SAME
  }

  /**
   * A run of whole rows of a model's tensor.
   *
   * @param model the number of the model in {@link MergePlan#models}
   * @param tensor its name in that model
   * @param first the output's element at which the run begins, and the tensor's own
   * @param count number of elements
   */
  public record Piece(int model, String tensor, long first, long count) {}

  /**
   * Where the elements of one operand are: one tensor, or rows of several.
   *
   * @param type of all pieces
   * @param pieces in the order of the elements, without holes
   */
  public record Input(StorageType type, List<Piece> pieces) {}

  /** Copies the shape. */
  public TensorPlan {
    shape = shape.clone();
  }

  @Override
  public long[] shape() {
    return shape.clone();
  }

  /** Number of elements. */
  public long elements() {
    long n = 1;
    for (long d : shape) {
      n *= d;
    }
    return n;
  }

  /** Bytes of the output. */
  public long bytes() {
    return type.bytes(shape);
  }

  /** All operands: the base, if any, first. */
  public List<Input> inputs() {
    return base == null
        ? sources
        : java.util.stream.Stream.concat(java.util.stream.Stream.of(base), sources.stream())
            .toList();
  }

  /** Bytes that are read, once. */
  public long inputBytes() {
    return inputs().stream().mapToLong(input -> input.type().bytes(shape)).sum();
  }

  @Override
  public boolean equals(@Nullable Object o) {
    return o instanceof TensorPlan p && toString().equals(p.toString());
  }

  @Override
  public int hashCode() {
    return Objects.hash(name, formula);
  }

  /** All there is, in a form that changes when anything does. */
  @Override
  public String toString() {
    return name
        + " "
        + type
        + Arrays.toString(shape)
        + " "
        + work
        + " "
        + formula
        + " "
        + base
        + " "
        + sources;
  }
}

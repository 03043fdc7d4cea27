package io.heddle.checkpoint;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * Element-wise combination of checkpoints, tensor by tensor, in memory that does not depend on the
 * size of the model:
 *
 * <ul>
 *   <li>{@link #dem}: base + sum w_i (source_i - base), the Distribution Edited Model (Ram et al.
 *       2024); with w_i = 1 for all, task arithmetic
 *   <li>{@link #linear}: sum w_i source_i, the weights as they are given
 *   <li>{@link #average}: the uniform soup, all w_i = 1/n
 * </ul>
 *
 * <p>All checkpoints must have the same tensors with the same shapes; floating-point types may
 * differ. Integer and boolean tensors are taken from the base (or the first source) as they are.
 *
 * <pre>{@code
 * Merge.dem(base).add(math, 0.7).add(code, 0.4).dtype(DType.BF16).writeTo(out, backend);
 * }</pre>
 */
public final class Merge {
  /** Most elements that are worked on at once: 64 MiB in double precision. */
  static final long SLICE = 8 << 20;

  private static final String RECIPE = "heddle.merge.";

  private final String method;
  private final @Nullable Checkpoint base;
  private final List<Checkpoint> sources = new ArrayList<>();
  private final List<Double> weights = new ArrayList<>();
  private @Nullable DType dtype;
  private long slice = SLICE;

  private Merge(String method, @Nullable Checkpoint base) {
    this.method = method;
    this.base = base;
  }

  /** Starts a Distribution Edited Model of {@code base}. */
  public static Merge dem(Checkpoint base) {
    return new Merge("dem", base);
  }

  /** Starts a weighted sum. */
  public static Merge linear() {
    return new Merge("linear", null);
  }

  /** The mean of {@code sources}. */
  public static Merge average(List<Checkpoint> sources) {
    Merge merge = new Merge("average", null);
    for (Checkpoint source : sources) {
      merge.sources.add(source);
      merge.weights.add(1.0 / sources.size());
    }
    return merge;
  }

  /**
   * Adds a source.
   *
   * @param weight any finite number; weights are not normalised
   */
  public Merge add(Checkpoint source, double weight) {
    if (method.equals("average")) {
      throw new IllegalStateException("all weights of an average are alike: use linear");
    }
    if (!Double.isFinite(weight)) {
      throw new IllegalArgumentException("weight " + weight + " of " + source);
    }
    sources.add(source);
    weights.add(weight);
    return this;
  }

  /**
   * Sets the type of the floating-point tensors written; without it each keeps the base's (or the
   * first source's).
   */
  public Merge dtype(DType dtype) {
    if (!dtype.isFloating()) {
      throw new IllegalArgumentException(dtype + " is not a floating-point type");
    }
    this.dtype = dtype;
    return this;
  }

  /** Sets the most elements worked on at once. */
  Merge slice(long elements) {
    this.slice = elements;
    return this;
  }

  /**
   * Computes the merge with {@code backend}'s {@code linear_combination} and writes it to one
   * safetensors file, which appears only when it is whole. The file may replace one of the inputs.
   * Metadata is that of the base (or the first source), and the recipe under {@code heddle.*}. The
   * same inputs, weights and backend give the same bytes.
   *
   * @throws IllegalArgumentException when a tensor is missing, surplus, of another shape, of a type
   *     that cannot be combined, or has NaN or infinite elements in the result, as such an input
   *     leads to
   * @throws UnsupportedOperationException when the backend does not have the op
   * @throws SafetensorsException when an input is damaged
   * @throws IOException when an input cannot be read or the output not be written
   */
  public void writeTo(Path out, Backend backend) throws IOException {
    if (sources.isEmpty()) {
      throw new IllegalStateException("nothing to merge: add a source");
    }
    if (!backend.supports(OpCode.LINEAR_COMBINATION)) {
      throw new UnsupportedOperationException(
          "backend " + backend.name() + " does not have linear_combination");
    }
    Checkpoint model = base == null ? sources.getFirst() : base;
    List<TensorEntry> plan = plan(model);
    long largest =
        plan.stream()
            .filter(e -> e.type().isFloat())
            .mapToLong(TensorEntry::elements)
            .max()
            .orElse(0);
    try (SafetensorsWriter writer = new SafetensorsWriter(out);
        MergeRun run = new MergeRun(backend, base, sources, weights, Math.min(slice, largest))) {
      model
          .metadata()
          .forEach(
              (key, value) -> {
                if (!key.startsWith(RECIPE)) { // the recipe of a base that is itself a merge
                  writer.metadata(key, value);
                }
              });
      recipe().forEach(writer::metadata);
      for (TensorEntry entry : plan) {
        writer.declare(entry.name(), outputType(entry), entry.shape());
      }
      for (TensorEntry entry : writer.begin()) {
        if (entry.type().isFloat()) {
          run.combine(entry, writer);
        } else {
          writer.write(entry.name(), model.segment(entry.name()));
        }
      }
      writer.commit();
    }
  }

  private StorageType outputType(TensorEntry entry) {
    return dtype == null || !entry.type().isFloat() ? entry.type() : StorageType.of(dtype);
  }

  /** What the file is made of, for its header; the names of the files, not where they are. */
  private Map<String, String> recipe() {
    Map<String, String> out = new TreeMap<>();
    out.put(RECIPE + "method", method);
    if (base != null) {
      out.put(RECIPE + "base", label(base));
    }
    StringBuilder names = new StringBuilder("[");
    for (Checkpoint source : sources) {
      JsonText.quote(names.append(names.length() > 1 ? "," : ""), label(source));
    }
    out.put(RECIPE + "sources", names.append(']').toString());
    out.put(RECIPE + "weights", weights.toString().replace(" ", ""));
    return out;
  }

  private static String label(Checkpoint checkpoint) {
    Path path = checkpoint.path().toAbsolutePath().normalize();
    Path name = path.getFileName();
    return name == null ? path.toString() : name.toString();
  }

  /** Checks all checkpoints against {@code model}, whose tensors are returned. */
  private List<TensorEntry> plan(Checkpoint model) throws IOException {
    List<TensorEntry> plan = new ArrayList<>();
    for (String name : model.names()) {
      TensorEntry entry = model.entry(name);
      checkType(entry, model);
      for (Checkpoint source : sources) {
        if (!source.contains(name)) {
          throw new IllegalArgumentException(
              source + " has no tensor " + JsonText.quote(name) + ", which " + model + " has");
        }
        checkAlike(entry, model, source.entry(name), source);
      }
      plan.add(entry);
    }
    for (Checkpoint source : sources) {
      for (String name : source.names()) {
        if (!model.contains(name)) {
          throw new IllegalArgumentException(
              model + " has no tensor " + JsonText.quote(name) + ", which " + source + " has");
        }
      }
    }
    return plan;
  }

  private static void checkType(TensorEntry entry, Checkpoint in) {
    if (entry.type().isFloat() && entry.type().dtype() == null) {
      throw new IllegalArgumentException(
          in
              + ": tensor "
              + JsonText.quote(entry.name())
              + " is "
              + entry.type()
              + ", which cannot be combined; convert it to F32 first");
    }
  }

  private static void checkAlike(TensorEntry a, Checkpoint inA, TensorEntry b, Checkpoint inB) {
    checkType(b, inB);
    boolean types = a.type().isFloat() ? b.type().isFloat() : a.type() == b.type();
    if (!types || !a.sameShape(b)) {
      throw new IllegalArgumentException(
          "tensor "
              + JsonText.quote(a.name())
              + " is "
              + a.type()
              + " "
              + Arrays.toString(a.shape())
              + " in "
              + inA
              + " and "
              + b.type()
              + " "
              + Arrays.toString(b.shape())
              + " in "
              + inB);
    }
  }
}

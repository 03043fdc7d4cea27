package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.StorageType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A merge of checkpoints: what goes in, how, and within which bounds. Tensor by tensor, in chunks
 * where a tensor is large, in double precision, rounded once.
 *
 * <pre>{@code
 * try (Checkpoint base = Checkpoint.open(b); Checkpoint math = Checkpoint.open(m);
 *     Checkpoint code = Checkpoint.open(c)) {
 *   Merge.dem(base).add(math, 0.7).add(code, 0.4).writeTo(out);
 * }
 * }</pre>
 *
 * <p>The same inputs and settings give the same bytes whatever the number of threads, the memory
 * and the size of shards.
 */
public final class Merge {
  /** One model and its settings. */
  record Source(Checkpoint model, Map<String, Setting> settings) {}

  /** Layers {@code from} (inclusive) to {@code to} (exclusive) of a source. */
  record SliceSource(int source, int from, int to, Map<String, Setting> settings) {}

  /** Consecutive layers of the output. */
  record Slice(List<SliceSource> sources, Map<String, Setting> settings) {}

  private final Method method;
  private final @Nullable Checkpoint base;
  private final List<Source> sources = new ArrayList<>();
  private final List<Slice> slices = new ArrayList<>();
  private final Map<String, Setting> settings = new LinkedHashMap<>();
  private Alignment alignment = Alignment.STRICT;
  private @Nullable StorageType dtype;
  private @Nullable Path tokenizer;
  private long seed;
  private MergeOptions options = MergeOptions.DEFAULT;

  private Merge(Method method, @Nullable Checkpoint base) {
    this.method = method;
    this.base = base;
  }

  /** Starts a Distribution Edited Model of {@code base}. */
  public static Merge dem(Checkpoint base) {
    return of(Method.DEM, base);
  }

  /** Starts a weighted sum; weights are taken as they are. */
  public static Merge linear() {
    return of(Method.LINEAR, null);
  }

  /** The mean of {@code sources}. */
  public static Merge average(List<Checkpoint> sources) {
    Merge merge = of(Method.AVERAGE, null);
    sources.forEach(merge::add);
    return merge;
  }

  /**
   * Starts a merge by any method.
   *
   * @throws IllegalArgumentException when the method needs a base and has none, or takes none
   */
  public static Merge of(Method method, @Nullable Checkpoint base) {
    if (base == null ? method.needsBase() : !method.takesBase()) {
      throw new IllegalArgumentException(
          "method " + method.id() + (base == null ? " needs a base" : " takes no base"));
    }
    return new Merge(method, base);
  }

  /** Adds a source with the method's defaults. */
  public Merge add(Checkpoint source) {
    return add(source, Map.of());
  }

  /** Adds a source with a weight: any finite number. */
  public Merge add(Checkpoint source, double weight) {
    return add(source, Map.of("weight", Setting.of(weight)));
  }

  /**
   * Adds a source.
   *
   * @param settings of this source: {@code weight}, {@code density} and the like, see {@link
   *     Method#sourceSettings}
   */
  public Merge add(Checkpoint source, Map<String, Setting> settings) {
    settings.keySet().forEach(key -> checkKey(key, true));
    sources.add(new Source(source, Map.copyOf(settings)));
    return this;
  }

  /**
   * Sets something for the whole merge; a source's own setting of the same name counts more.
   *
   * @throws IllegalArgumentException when the method does not know it
   */
  public Merge set(String key, Setting value) {
    checkKey(key, false);
    settings.put(key, value);
    return this;
  }

  /** {@link #set(String, Setting)} with one number. */
  public Merge set(String key, double value) {
    return set(key, Setting.of(value));
  }

  private void checkKey(String key, boolean ofSource) {
    boolean known =
        method.sourceSettings().containsKey(key)
            || (!ofSource && method.settings().containsKey(key));
    if (!known) {
      throw new IllegalArgumentException(
          "method %s has no setting '%s'; it has %s"
              .formatted(
                  method.id(),
                  key,
                  ofSource
                      ? method.sourceSettings().keySet()
                      : method.settings().keySet() + " and " + method.sourceSettings().keySet()));
    }
  }

  /**
   * Adds layers to the output, made of layers of the sources; tensors outside the layers come from
   * the first slice's sources where they stand before the layers, else from the last slice's.
   *
   * @param ranges by source: {from, to, exclusive}; all of one length. Null leaves a source out.
   */
  public Merge slice(List<int @Nullable []> ranges, Map<String, Setting> settings) {
    List<SliceSource> of = new ArrayList<>();
    for (int i = 0; i < ranges.size(); i++) {
      int[] range = ranges.get(i);
      if (range != null) {
        of.add(new SliceSource(i, range[0], range[1], Map.of()));
      }
    }
    return slice(new Slice(List.copyOf(of), Map.copyOf(settings)));
  }

  Merge slice(Slice slice) {
    int length = -1;
    for (SliceSource source : slice.sources) {
      int its = source.to - source.from;
      if (source.source >= sources.size() || source.from < 0 || its <= 0) {
        throw new IllegalArgumentException(
            "a slice names layers "
                + source.from
                + " to "
                + source.to
                + " of source "
                + (source.source + 1));
      }
      if (length >= 0 && its != length) {
        throw new IllegalArgumentException(
            "the sources of a slice have " + length + " and " + its + " layers");
      }
      length = its;
    }
    if (length < 0) {
      throw new IllegalArgumentException("a slice needs a source");
    }
    slices.add(slice);
    return this;
  }

  /** Sets what happens where models differ; an error without this. */
  public Merge align(Alignment alignment) {
    this.alignment = alignment;
    return this;
  }

  /**
   * Sets the type of the floating-point tensors written; without it each keeps the base's (or the
   * first source's).
   */
  public Merge dtype(StorageType dtype) {
    if (!FloatCodec.has(dtype)) {
      throw new IllegalArgumentException("there is no arithmetic on " + dtype);
    }
    this.dtype = dtype;
    return this;
  }

  /**
   * Sets the folder that the tokenizer's files are copied from; without it that of the base (or the
   * first source).
   */
  public Merge tokenizer(Path folder) {
    this.tokenizer = folder;
    return this;
  }

  /** Sets the seed of the random methods; 0 without this. */
  public Merge seed(long seed) {
    this.seed = seed;
    return this;
  }

  /** Sets the bounds within which it works. */
  public Merge options(MergeOptions options) {
    this.options = options;
    return this;
  }

  /**
   * What will be done, from the headers alone.
   *
   * @throws IllegalArgumentException when models differ in a way the alignment does not allow
   * @throws IOException when a header cannot be read
   */
  public MergePlan plan() throws IOException {
    return new Planner(this).plan();
  }

  /**
   * Merges into a file ({@code *.safetensors}) or a folder (as Hugging Face lays it out, in shards
   * if it is large). Nothing appears under that name before all is whole and on the disk. What an
   * interrupted run of the same merge left behind is used again after a check of its bytes.
   *
   * @throws IllegalArgumentException as {@link #plan} does, and when an element of the result is
   *     NaN or infinite, as such an input leads to
   * @throws IOException when an input cannot be read or was changed meanwhile, or the output cannot
   *     be written
   */
  public MergeResult writeTo(Path out) throws IOException {
    return plan().writeTo(out);
  }

  /**
   * Merges into memory.
   *
   * @param out a segment for each tensor of the plan, of its size
   */
  public MergeResult writeInto(Map<String, MemorySegment> out) throws IOException {
    return plan().writeInto(out);
  }

  Method method() {
    return method;
  }

  @Nullable Checkpoint base() {
    return base;
  }

  List<Source> sources() {
    return Collections.unmodifiableList(sources);
  }

  List<Slice> slices() {
    return Collections.unmodifiableList(slices);
  }

  Map<String, Setting> settings() {
    return Collections.unmodifiableMap(settings);
  }

  Alignment alignment() {
    return alignment;
  }

  @Nullable StorageType dtype() {
    return dtype;
  }

  @Nullable Path tokenizer() {
    return tokenizer;
  }

  long seed() {
    return seed;
  }

  MergeOptions options() {
    return options;
  }
}

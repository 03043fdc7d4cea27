package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.TensorEntry;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** What a merge will do, tensor by tensor; made from the headers alone. */
public final class MergePlan {
  private static final String RECIPE = "heddle.merge.";

  private final Merge merge;
  private final List<Checkpoint> models;
  private final List<TensorPlan> tensors;
  private final List<String> report;
  private final List<String> identities;

  MergePlan(Merge merge, List<Checkpoint> models, List<TensorPlan> tensors, List<String> report)
      throws IOException {
    this.merge = merge;
    this.models = models;
    this.tensors = tensors;
    this.report = report;
    this.identities = List.copyOf(identitiesNow());
  }

  /** The models, the base first if there is one. */
  public List<Checkpoint> models() {
    return models;
  }

  /** The tensors of the output. */
  public List<TensorPlan> tensors() {
    return tensors;
  }

  /** One line for each departure of the models from plain agreement. */
  public List<String> report() {
    return report;
  }

  /** Bytes that will be read; large tensors are read more than once by some methods. */
  public long bytesRead() {
    return tensors.stream().mapToLong(TensorPlan::inputBytes).sum();
  }

  /** Bytes of the output's tensors. */
  public long bytesWritten() {
    return tensors.stream().mapToLong(TensorPlan::bytes).sum();
  }

  /** Bytes of buffers that it will take. */
  public long memory() {
    Chunks chunks = new Chunks(merge.options());
    long most = 0;
    for (TensorPlan tensor : tensors) {
      if (chunks.runs(this, tensor)) {
        long tile = Chunks.bytes(tensor, chunks.tile(tensor));
        most = Math.max(most, chunks.lanes(List.of(tensor)) * tile);
        continue;
      }
      long count =
          tensor.work() == TensorPlan.Work.COMBINE
              ? chunks.elements(tensor, kernel(tensor, merge.options().workers()))
              : chunks.copied(tensor);
      most = Math.max(most, Chunks.SETS * Chunks.bytes(tensor, count));
    }
    return most;
  }

  /** The plan for people: bytes, memory, and what is done to how many tensors. */
  public String toText() {
    Map<String, long[]> groups = new LinkedHashMap<>(); // count, bytes written
    for (TensorPlan tensor : tensors) {
      long[] sum = groups.computeIfAbsent(tensor.formula(), f -> new long[2]);
      sum[0]++;
      sum[1] += tensor.bytes();
    }
    StringBuilder out = new StringBuilder();
    out.append(
        "%s: reads %d bytes of %d models, writes %d bytes, buffers of %d bytes%n"
            .formatted(merge.method().id(), bytesRead(), models.size(), bytesWritten(), memory()));
    groups.forEach(
        (formula, sum) ->
            out.append("  %d tensors, %d bytes: %s%n".formatted(sum[0], sum[1], formula)));
    report.forEach(line -> out.append("  note: ").append(line).append('\n'));
    return out.toString();
  }

  /** What is done to one tensor; throws {@link IllegalArgumentException} when there is none. */
  public String explain(String tensor) {
    return tensors.stream()
        .filter(t -> t.name().equals(tensor))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("the merge has no tensor " + tensor))
        .formula();
  }

  /** Runs it; see {@link Merge#writeTo}. */
  public MergeResult writeTo(Path out) throws IOException {
    try (FileOutput output = FileOutput.open(this, out)) {
      try {
        return run(output, output.bytesReused());
      } catch (IllegalArgumentException e) { // would fail again: nothing to go on with
        output.discard();
        throw e;
      }
    }
  }

  /** Runs it; see {@link Merge#writeInto}. */
  public MergeResult writeInto(Map<String, MemorySegment> out) throws IOException {
    try (MemoryOutput output = new MemoryOutput(this, out)) {
      return run(output, 0);
    }
  }

  private MergeResult run(MergeOutput output, long reused) throws IOException {
    long started = System.nanoTime();
    try (Executor executor = new Executor(this, output)) {
      executor.run();
      return new MergeResult(
          report,
          executor.bytesRead(),
          executor.bytesWritten(),
          reused,
          (System.nanoTime() - started) / 1e9);
    }
  }

  Merge merge() {
    return merge;
  }

  Kernel kernel(TensorPlan tensor, int workers) {
    return merge
        .method()
        .kernel(
            new Task(
                tensor.name(),
                tensor.shape(),
                tensor.settings(),
                tensor.sourceSettings(),
                tensor.base() != null,
                merge.seed(),
                workers));
  }

  long elements(int model, String tensor) {
    try {
      return models.get(model).entry(tensor).elements();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** By model, what tells whether its files are those that were opened. */
  List<String> identities() {
    return identities;
  }

  /** The same by now. */
  List<String> identitiesNow() throws IOException {
    List<String> out = new ArrayList<>();
    for (Checkpoint model : models) {
      out.add(model.identity());
    }
    return out;
  }

  /** What the output is made of, for its metadata: names of files, not where they are. */
  Map<String, String> recipe() throws IOException {
    Map<String, String> out = new TreeMap<>();
    models
        .getFirst()
        .metadata()
        .forEach(
            (key, value) -> {
              if (!key.startsWith(RECIPE)) { // the recipe of a model that is itself a merge
                out.put(key, value);
              }
            });
    out.put(RECIPE + "method", merge.method().id());
    Checkpoint base = merge.base();
    if (base != null) {
      out.put(RECIPE + "base", label(base));
    }
    for (int i = 0; i < merge.sources().size(); i++) {
      Merge.Source source = merge.sources().get(i);
      StringBuilder text = new StringBuilder(label(source.model()));
      new TreeMap<>(source.settings())
          .forEach((key, value) -> text.append(' ').append(key).append('=').append(value));
      out.put(RECIPE + "source." + (i + 1), text.toString());
    }
    if (!merge.settings().isEmpty()) {
      out.put(RECIPE + "settings", new TreeMap<>(merge.settings()).toString());
    }
    if (!merge.slices().isEmpty()) {
      List<String> slices = new ArrayList<>();
      for (Merge.Slice slice : merge.slices()) {
        StringBuilder text = new StringBuilder();
        for (Merge.SliceSource s : slice.sources()) {
          text.append(text.isEmpty() ? "" : "+")
              .append(s.source() + 1)
              .append('[')
              .append(s.from())
              .append(',')
              .append(s.to())
              .append(')');
        }
        slices.add(text.toString());
      }
      out.put(RECIPE + "slices", slices.toString());
    }
    out.put(RECIPE + "seed", Long.toString(merge.seed()));
    return out;
  }

  /** Keys of the digests of the models in the metadata. */
  private List<String> hashKeys() {
    List<String> out = new ArrayList<>();
    int source = 1;
    for (int i = 0; merge.options().hash() && i < models.size(); i++) {
      boolean ofBase = i == 0 && merge.base() != null;
      out.add(RECIPE + (ofBase ? "base" : "source." + source++) + ".digest");
    }
    return out;
  }

  /** The recipe with room for the digests, which are known only at the end. */
  Map<String, String> announced() throws IOException {
    Map<String, String> out = new TreeMap<>(recipe());
    hashKeys().forEach(key -> out.put(key, "0".repeat(Digests.LENGTH)));
    return out;
  }

  /** The recipe with the digests. */
  Map<String, String> hashes(Digests digests) throws IOException {
    Map<String, String> out = new TreeMap<>(recipe());
    List<String> keys = hashKeys();
    for (int i = 0; i < keys.size(); i++) {
      out.put(keys.get(i), digests.of(i, models.get(i)));
    }
    return out;
  }

  /** The tensors as entries of a file; where their bytes are is not known yet. */
  List<TensorEntry> entries() {
    return tensors.stream()
        .map(t -> new TensorEntry(t.name(), t.type(), t.shape(), 0, t.bytes()))
        .toList();
  }

  static String label(Checkpoint checkpoint) {
    Path path = checkpoint.path().toAbsolutePath().normalize();
    Path name = path.getFileName();
    return name == null ? path.toString() : name.toString();
  }
}

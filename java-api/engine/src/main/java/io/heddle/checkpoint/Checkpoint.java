package io.heddle.checkpoint;

import io.heddle.checkpoint.SafetensorsException.Fault;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * A model's tensors, in one safetensors file or in several with an index (Hugging Face's {@code
 * model.safetensors.index.json}: {@code {"weight_map": {tensor: file}}}). The files behind an index
 * are opened when a tensor of theirs is first asked for. Safe for use by many threads; tensors die
 * with {@link #close}.
 */
public final class Checkpoint implements AutoCloseable {
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = SINGLE + ".index.json";
  private static final List<String> TORCH =
      List.of("pytorch_model.bin", "pytorch_model.bin.index.json");

  private final Path path;
  private final @Nullable Path first; // null for an index without tensors
  private final Map<String, Path> fileOf;
  private final Map<Path, TensorFile> open = new HashMap<>();
  private boolean closed;

  private Checkpoint(Path path, @Nullable Path first, Map<String, Path> fileOf) {
    this.path = path;
    this.first = first;
    this.fileOf = Collections.unmodifiableMap(fileOf);
  }

  /**
   * Opens a checkpoint.
   *
   * @param path a safetensors file, a file of {@code torch.save}, an index ({@code *.json}), or a
   *     folder that holds {@code model.safetensors} or its index, or else {@code pytorch_model.bin}
   *     or its
   * @throws SafetensorsException when the file or the index is damaged
   * @throws PickleException when the file of {@code torch.save} is damaged or asks for code
   * @throws IOException when it cannot be read
   */
  public static Checkpoint open(Path path) throws IOException {
    Path file = path;
    if (Files.isDirectory(path)) {
      file = path.resolve(SINGLE);
      if (!Files.exists(file)) {
        file = path.resolve(INDEX);
      }
      for (String name : TORCH) {
        file = Files.exists(file) ? file : path.resolve(name);
      }
      if (!Files.exists(file)) {
        throw new NoSuchFileException(path.toString(), null, "holds no " + SINGLE + " or " + INDEX);
      }
    }
    if (file.toString().endsWith(".json")) {
      Map<String, Path> fileOf = index(file);
      return new Checkpoint(path, fileOf.values().stream().findFirst().orElse(null), fileOf);
    }
    TensorFile single = openFile(file);
    Map<String, Path> names = new LinkedHashMap<>();
    for (TensorEntry entry : single.entries()) {
      names.put(entry.name(), file);
    }
    Checkpoint checkpoint = new Checkpoint(path, file, names);
    synchronized (checkpoint) {
      checkpoint.open.put(file, single);
    }
    return checkpoint;
  }

  /**
   * A checkpoint of the caller's memory.
   *
   * @param label stands for it in messages and recipes
   */
  public static Checkpoint of(String label, MemoryTensors tensors) {
    Path path = Path.of(label);
    Map<String, Path> names = new LinkedHashMap<>();
    tensors.entries().forEach(entry -> names.put(entry.name(), path));
    Checkpoint checkpoint = new Checkpoint(path, path, names);
    synchronized (checkpoint) {
      checkpoint.open.put(path, tensors);
    }
    return checkpoint;
  }

  /**
   * Opens one file, of whichever format its first bytes say.
   *
   * @throws SafetensorsException when it is damaged
   * @throws PickleException when it is a damaged file of {@code torch.save}, or asks for code
   */
  static TensorFile openFile(Path file) throws IOException {
    if (Files.isDirectory(file)) {
      return SafetensorsFile.open(file); // says what is wrong
    }
    byte[] start;
    try (InputStream in = Files.newInputStream(file)) {
      start = in.readNBytes(4);
    }
    if (start.length == 4 && start[0] == 'P' && start[1] == 'K' && start[2] == 3 && start[3] == 4) {
      return TorchFile.open(file);
    }
    if (start.length == 4 && start[0] == (byte) 0x80 && start[1] == 2 && start[2] == (byte) 0x8a) {
      throw new PickleException(
          file + " was saved by PyTorch before 1.6, or as it did then; load and save it again");
    }
    return SafetensorsFile.open(file);
  }

  /** The path it was opened with. */
  public Path path() {
    return path;
  }

  /** Names of all tensors: in the order of the file's bytes, or of the index. */
  public List<String> names() {
    return List.copyOf(fileOf.keySet());
  }

  /** Whether there is a tensor of this name. */
  public boolean contains(String name) {
    return fileOf.containsKey(name);
  }

  /**
   * The file that holds a tensor, opened now if it was not; closed by {@link #close}.
   *
   * @throws IllegalArgumentException when there is no tensor of this name
   * @throws SafetensorsException when the file is damaged or does not hold what the index says
   * @throws IOException when it cannot be read
   */
  public TensorFile file(String name) throws IOException {
    Path file = fileOf.get(name);
    if (file == null) {
      throw new IllegalArgumentException(path + " has no tensor " + JsonText.quote(name));
    }
    TensorFile shard = shard(file);
    if (!shard.contains(name)) {
      throw new SafetensorsException(
          Fault.INVALID_INDEX,
          path
              + " says that "
              + file.getFileName()
              + " holds tensor "
              + JsonText.quote(name)
              + ", which it does not");
    }
    return shard;
  }

  /** What the header of its file says of a tensor; throws as {@link #file} does. */
  public TensorEntry entry(String name) throws IOException {
    return file(name).entry(name);
  }

  /** A read-only view without a copy; throws as {@link #file} and {@link TensorFile#tensor} do. */
  public Tensor tensor(String name) throws IOException {
    return file(name).tensor(name);
  }

  /** A tensor's bytes, read-only; throws as {@link #file} does. */
  public MemorySegment segment(String name) throws IOException {
    return file(name).segment(name);
  }

  /** Copies bytes of a tensor; throws as {@link #file} and {@link TensorFile#read} do. */
  public void read(String name, long offset, MemorySegment into) throws IOException {
    file(name).read(name, offset, into);
  }

  /** The files that hold the tensors, in the order of their names. */
  public List<Path> files() {
    return first == null ? List.of() : List.copyOf(new TreeSet<>(fileOf.values()));
  }

  /** One line per file that would differ if the file was changed: see {@link TensorFile}. */
  public String identity() throws IOException {
    StringBuilder out = new StringBuilder();
    for (Path file : files()) {
      out.append(shard(file).identity()).append('\n');
    }
    return out.toString();
  }

  /** The free text entries: of the only file, or of the file of the first tensor. */
  public Map<String, String> metadata() throws IOException {
    return first == null ? Map.of() : shard(first).metadata();
  }

  private synchronized TensorFile shard(Path file) throws IOException {
    if (closed) {
      throw new IllegalStateException(path + " is closed");
    }
    @Nullable TensorFile shard = open.get(file);
    if (shard == null) {
      shard = openFile(file);
      open.put(file, shard);
    }
    return shard;
  }

  private static Map<String, Path> index(Path file) throws IOException {
    long size = Files.size(file);
    if (size > Header.MAX_BYTES) {
      throw new SafetensorsException(
          Fault.INVALID_INDEX,
          file + " has " + size + " bytes; an index may have " + Header.MAX_BYTES);
    }
    HeaderJson json =
        new HeaderJson(Files.readAllBytes(file), file.toString(), Fault.INVALID_INDEX);
    Map<String, Path> shards = new HashMap<>(); // one Path per file, not per tensor
    Map<String, Path> fileOf = new LinkedHashMap<>();
    boolean[] found = {false};
    json.object(
        key -> {
          if (key.equals("weight_map")) {
            found[0] = true;
            json.object(
                name -> {
                  String shard = json.string();
                  fileOf.put(name, shards.computeIfAbsent(shard, s -> sibling(file, s, json)));
                });
          } else {
            json.skip();
          }
        });
    json.end();
    if (!found[0]) {
      throw json.fail("there is no weight_map");
    }
    return fileOf;
  }

  // An index must not be able to point anywhere but to its own folder.
  private static Path sibling(Path index, String shard, HeaderJson json) {
    boolean plain = !shard.isEmpty() && !shard.equals(".") && !shard.equals("..");
    if (!plain || shard.chars().anyMatch(c -> c == '/' || c == '\\' || c == 0)) {
      throw json.fail(JsonText.quote(shard) + " is not the plain name of a file");
    }
    return index.resolveSibling(shard);
  }

  /** Closes all files. Idempotent. */
  @Override
  public synchronized void close() {
    closed = true;
    open.values().forEach(TensorFile::close);
  }

  @Override
  public String toString() {
    return path.toString();
  }
}

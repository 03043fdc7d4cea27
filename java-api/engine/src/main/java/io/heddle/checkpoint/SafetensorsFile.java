package io.heddle.checkpoint;

import io.heddle.tensor.DType;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A safetensors file, mapped for reading and checked in full when it is opened: after that, every
 * byte range it gives lies in the file. Tensors are read-only views of the mapping, without a copy,
 * and die with {@link #close}; a kernel that runs on one delays the end of the mapping, not the
 * close. Data begins at any address (the format aligns to 8 bytes at best). Safe for use by many
 * threads. Another process that shortens the file makes reads fail with {@link InternalError}; one
 * that replaces it by renaming does no harm.
 */
public final class SafetensorsFile implements TensorFile {
  private final Path path;
  private final FileChannel channel;
  private final @Nullable DirectReads direct;
  private final Storage storage;
  private final Header header;
  private final Map<String, TensorEntry> byName = new HashMap<>();

  private SafetensorsFile(Path path, FileChannel channel, Storage storage, Header header) {
    this.path = path;
    this.channel = channel;
    this.direct = DirectReads.of(path, storage.segment());
    this.storage = storage;
    this.header = header;
    for (TensorEntry entry : header.entries()) {
      byName.put(entry.name(), entry);
    }
  }

  /**
   * Opens a file of any size.
   *
   * @throws SafetensorsException when it is damaged
   * @throws IOException when it cannot be read
   */
  public static SafetensorsFile open(Path path) throws IOException {
    if (Files.isDirectory(path)) {
      throw new FileSystemException(path.toString(), null, "is a folder, not a safetensors file");
    }
    // One arena per file: closing a shared arena stops all threads for a moment.
    Arena arena = Arena.ofShared();
    FileChannel channel = null;
    try {
      channel = FileChannel.open(path, StandardOpenOption.READ);
      MemorySegment file = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
      Header header = Header.read(file, path.toString());
      Storage storage = Storage.host(file, address -> arena.close());
      return new SafetensorsFile(path, channel, storage, header);
    } catch (Throwable e) {
      arena.close();
      if (channel != null) {
        channel.close();
      }
      throw e;
    }
  }

  /** The path it was opened with. */
  public Path path() {
    return path;
  }

  /** Size of the file. */
  public long bytes() {
    return storage.bytes();
  }

  /** The free text entries of the header. */
  @Override
  public Map<String, String> metadata() {
    return header.metadata();
  }

  /** All tensors, in the order of their bytes. */
  @Override
  public List<TensorEntry> entries() {
    return header.entries();
  }

  /** Whether there is a tensor of this name. */
  @Override
  public boolean contains(String name) {
    return byName.containsKey(name);
  }

  /**
   * What the header says of a tensor; throws {@link IllegalArgumentException} when there is none of
   * this name.
   */
  @Override
  public TensorEntry entry(String name) {
    TensorEntry entry = byName.get(name);
    if (entry == null) {
      throw new IllegalArgumentException(path + " has no tensor " + JsonText.quote(name));
    }
    return entry;
  }

  /** The bytes of a tensor, read-only; throws {@link IllegalStateException} after close. */
  @Override
  public MemorySegment segment(String name) {
    TensorEntry entry = entry(name);
    return storage.segment().asSlice(entry.begin(), entry.bytes());
  }

  /**
   * A tensor over the bytes of the file.
   *
   * @throws UnsupportedOperationException when tensors do not have its type: use {@link #segment}
   */
  @Override
  public Tensor tensor(String name) {
    TensorEntry entry = entry(name);
    return view(entry).named(name);
  }

  /**
   * Reads without the mapping, so that memory does not fill with the file's pages; past the page
   * cache what is not in it.
   */
  @Override
  public void read(String name, long offset, MemorySegment into) throws IOException {
    TensorEntry entry = entry(name);
    if (offset < 0 || into.byteSize() > entry.bytes() - offset) {
      throw new IllegalArgumentException(
          "bytes [" + offset + ", " + (offset + into.byteSize()) + ") of " + entry);
    }
    long at = entry.begin() + offset;
    long done = direct != null && direct.wants(at, into.byteSize()) ? direct.read(at, into) : 0;
    FileReads.fully(channel, path, at + done, into.asSlice(done));
  }

  @Override
  public String identity() throws IOException {
    return FileReads.identity(path);
  }

  private Tensor view(TensorEntry entry) {
    DType dtype = entry.type().dtype();
    if (dtype == null) {
      throw new UnsupportedOperationException(
          path
              + ": tensor "
              + JsonText.quote(entry.name())
              + " is "
              + entry.type()
              + ", which tensors cannot hold; read its bytes with segment");
    }
    if (storage.isClosed()) {
      throw new IllegalStateException(path + " is closed");
    }
    return Tensor.of(storage, entry.begin(), dtype, entry.shape());
  }

  /** Ends the mapping as soon as no kernel uses it. Idempotent. */
  @Override
  public void close() {
    storage.close();
    try {
      channel.close();
      if (direct != null) {
        direct.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public String toString() {
    return path + " (" + header.entries().size() + " tensors, " + bytes() + " bytes)";
  }
}

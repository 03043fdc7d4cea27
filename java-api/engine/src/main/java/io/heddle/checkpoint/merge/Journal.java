package io.heddle.checkpoint.merge;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What of an output is whole: a line for the merge, which says what it is and of which files, and
 * one for each tensor, with a checksum of its bytes and the digests of its operands. A line that
 * was cut off, and a tensor whose bytes do not have their checksum, count as not there.
 */
final class Journal implements AutoCloseable {
  private static final String NAME = "journal";
  private static final int PIECE = 8 << 20;

  private final MergePlan plan;
  private final Shards shards;
  private final FileChannel channel;
  private final Map<Integer, String> checksums = new TreeMap<>();
  private final Map<String, String> digests = new HashMap<>();
  private long bytesReused;

  private Journal(MergePlan plan, Shards shards, FileChannel channel) {
    this.plan = plan;
    this.shards = shards;
    this.channel = channel;
  }

  /**
   * Opens the journal of a folder; a journal of another merge is emptied.
   *
   * @throws IOException also when another process is at work there
   */
  static Journal open(Path work, MergePlan plan, Shards shards) throws IOException {
    FileChannel channel =
        FileChannel.open(
            work.resolve(NAME),
            StandardOpenOption.CREATE,
            StandardOpenOption.READ,
            StandardOpenOption.WRITE);
    try {
      if (lock(channel) == null) {
        throw new IOException("another process merges in " + work + ": wait for its end");
      }
      Journal journal = new Journal(plan, shards, channel);
      String first = journal.fingerprint() + "\n";
      String text = Files.readString(work.resolve(NAME));
      if (text.startsWith(first)) {
        String whole = text.substring(first.length(), text.lastIndexOf('\n') + 1);
        whole.lines().forEach(journal::take);
        channel.truncate(FileOutput.utf8(first + whole).length);
      } else {
        channel.truncate(0);
        write(channel, first);
      }
      channel.position(channel.size());
      return journal;
    } catch (Throwable e) {
      channel.close();
      throw e;
    }
  }

  private static @Nullable FileLock lock(FileChannel channel) throws IOException {
    try {
      return channel.tryLock();
    } catch (OverlappingFileLockException e) { // another thread of this process
      return null;
    }
  }

  private static void write(FileChannel channel, String text) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(FileOutput.utf8(text));
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }

  /** Changes when any byte of the output may. */
  private String fingerprint() throws IOException {
    MessageDigest digest = Digests.sha256();
    StringBuilder text = new StringBuilder();
    plan.tensors().forEach(tensor -> text.append(tensor).append('\n'));
    text.append(plan.announced()).append(plan.identities());
    shards.all().forEach(shard -> text.append(shard.name()).append('\n'));
    digest.update(text.toString().getBytes(StandardCharsets.UTF_8));
    return Digests.hex(digest);
  }

  // "tensor checksum model:tensor:digest ...", with numbers for the names
  private void take(String line) {
    String[] words = line.split(" ", -1);
    checksums.put(Integer.valueOf(words[0]), words[1]);
    for (int i = 2; i < words.length; i++) {
      String[] parts = words[i].split(":", -1);
      int model = Integer.parseInt(parts[0]);
      String tensor = plan.models().get(model).names().get(Integer.parseInt(parts[1]));
      digests.put(Digests.key(model, tensor), parts[2]);
    }
  }

  /** Drops what does not have its checksum any more. */
  void verify(List<@Nullable FileChannel> files) throws IOException {
    MemorySegment buffer = MemorySegment.ofBuffer(ByteBuffer.allocateDirect(PIECE));
    for (int tensor : List.copyOf(checksums.keySet())) {
      TensorPlan of = plan.tensors().get(tensor);
      Shards.Place place = shards.of(of.name());
      FileChannel file = files.get(place.shard());
      if (file == null
          || !checksum(file, place.begin(), of, buffer).equals(checksums.get(tensor))) {
        checksums.remove(tensor);
      } else {
        bytesReused += of.bytes();
      }
    }
  }

  private static String checksum(FileChannel file, long begin, TensorPlan of, MemorySegment buffer)
      throws IOException {
    RunSums sums = new RunSums(of.type(), of.elements());
    for (long at = 0; at < of.bytes(); ) {
      MemorySegment piece = buffer.asSlice(0, Math.min(PIECE, of.bytes() - at));
      int n = file.read(piece.asByteBuffer(), begin + at);
      if (n < 0) {
        return ""; // the file is too short
      }
      sums.update(at, piece.asSlice(0, n));
      at += n;
    }
    return sums.digest();
  }

  boolean has(int tensor) {
    return checksums.containsKey(tensor);
  }

  boolean isEmpty() {
    return checksums.isEmpty();
  }

  Map<String, String> digests() {
    return digests;
  }

  long bytesReused() {
    return bytesReused;
  }

  /** Notes that a tensor is whole. */
  void add(int tensor, String checksum, Map<String, String> taken) throws IOException {
    StringBuilder line = new StringBuilder();
    line.append(tensor).append(' ').append(checksum);
    taken.forEach(
        (key, digest) -> {
          int space = key.indexOf(' ');
          int model = Integer.parseInt(key.substring(0, space));
          int name = plan.models().get(model).names().indexOf(key.substring(space + 1));
          line.append(' ').append(model).append(':').append(name).append(':').append(digest);
        });
    write(channel, line.append('\n').toString());
    checksums.put(tensor, checksum);
  }

  @Override
  public void close() throws IOException {
    channel.close();
  }
}

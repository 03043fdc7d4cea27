package io.heddle.checkpoint.merge;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Writes safetensors files. All of it happens in a folder {@code .NAME.merging} beside the target,
 * with a journal of what is whole; the target appears by renaming when everything is on the disk.
 */
final class FileOutput implements MergeOutput {
  private static final String INDEX = "model.safetensors.index.json";
  private static final long PIECE = 1 << 26; // NIO copies no more than this at a time

  private final MergePlan plan;
  private final Path target;
  private final boolean single;
  private final Path work;
  private final Shards shards;
  private final List<@Nullable FileChannel> channels = new ArrayList<>();
  private final Journal journal;
  private final Map<Integer, RunSums> sums = new ConcurrentHashMap<>();
  private final Flusher flusher = new Flusher();
  private boolean committed;

  private FileOutput(MergePlan plan, Path target) throws IOException {
    this.plan = plan;
    this.target = target.toAbsolutePath().normalize();
    Path name = this.target.getFileName();
    Path parent = this.target.getParent();
    if (name == null || parent == null) {
      throw new IllegalArgumentException(target + " is not the name of a file or folder");
    }
    this.single = name.toString().endsWith(".safetensors");
    this.work = parent.resolve("." + name + ".merging");
    this.shards =
        new Shards(
            single ? name.toString() : "",
            plan.entries(),
            plan.merge().options().shardSize(),
            plan.announced());
    checkTarget();
    Files.createDirectories(work);
    this.journal = Journal.open(work, plan, shards);
    for (Shards.Shard shard : shards.all()) {
      channels.add(
          FileChannel.open(
              work.resolve(shard.name()),
              StandardOpenOption.CREATE,
              StandardOpenOption.READ,
              StandardOpenOption.WRITE));
    }
  }

  static FileOutput open(MergePlan plan, Path target) throws IOException {
    FileOutput output = new FileOutput(plan, target);
    try {
      output.journal.verify(output.channels);
      output.checkRoom();
      return output;
    } catch (Throwable e) {
      output.close();
      throw e;
    }
  }

  /** Refuses a folder whose loaders would find other weights beside ours. */
  private void checkTarget() throws IOException {
    if (single) {
      if (Files.isDirectory(target)) {
        throw new FileSystemException(target.toString(), null, "is a folder, not a file");
      }
      return;
    }
    if (!Files.exists(target)) {
      return;
    }
    if (!Files.isDirectory(target)) {
      throw new FileSystemException(
          target.toString(), null, "is neither a folder nor named *.safetensors");
    }
    List<String> ours = new ArrayList<>(shards.all().stream().map(Shards.Shard::name).toList());
    if (ours.size() > 1) {
      ours.add(INDEX);
    }
    try (Stream<Path> files = Files.list(target)) {
      for (Path file : files.sorted().toList()) {
        if (Shards.isWeights(file) && !ours.contains(String.valueOf(file.getFileName()))) {
          throw new FileSystemException(
              file.toString(),
              null,
              "is in the way: a loader of the folder would find it beside the merge; remove it or"
                  + " choose another folder");
        }
      }
    }
  }

  private void checkRoom() throws IOException {
    long there = 0;
    for (Shards.Shard shard : shards.all()) {
      there += Files.size(work.resolve(shard.name()));
    }
    long need = shards.bytes() - there;
    long free = Files.getFileStore(work).getUsableSpace();
    if (need > free) {
      throw new IOException(
          target + " needs " + need + " more bytes of disk, and " + free + " are free");
    }
  }

  long bytesReused() {
    return journal.bytesReused();
  }

  @Override
  public boolean has(int tensor) {
    return journal.has(tensor);
  }

  @Override
  public int file(int tensor) {
    return shards.of(plan.tensors().get(tensor).name()).shard();
  }

  @Override
  public Map<String, String> digests() {
    return journal.digests();
  }

  @Override
  public void write(int tensor, long offset, MemorySegment bytes) throws IOException {
    TensorPlan of = plan.tensors().get(tensor);
    Shards.Place place = shards.of(of.name());
    sums.computeIfAbsent(tensor, key -> new RunSums(of.type(), of.elements()))
        .update(offset, bytes);
    for (long at = 0; at < bytes.byteSize(); at += PIECE) {
      ByteBuffer piece = bytes.asSlice(at, Math.min(PIECE, bytes.byteSize() - at)).asByteBuffer();
      writeFully(place.shard(), place.begin() + offset + at, piece);
    }
    flusher.wrote(channel(place.shard()), bytes.byteSize());
  }

  private void writeFully(int shard, long at, ByteBuffer piece) throws IOException {
    FileChannel channel = channel(shard);
    try {
      for (long position = at; piece.hasRemaining(); ) {
        position += channel.write(piece, position);
      }
    } catch (IOException e) {
      throw new IOException(
          target
              + " cannot be written ("
              + e.getMessage()
              + "); what is done is in "
              + work
              + ", from where the same command goes on",
          e);
    }
  }

  private FileChannel channel(int shard) {
    FileChannel channel = channels.get(shard);
    if (channel == null) {
      throw new IllegalStateException(target + " is closed");
    }
    return channel;
  }

  @Override
  public void finish(int tensor, Map<String, String> digests) throws IOException {
    RunSums of = sums.remove(tensor);
    if (of == null || !of.isWhole()) {
      throw new IllegalStateException(plan.tensors().get(tensor).name() + " was not written");
    }
    journal.add(tensor, of.digest(), digests);
  }

  @Override
  public void commit(Map<String, String> metadata) throws IOException {
    flusher.finish();
    for (int i = 0; i < channels.size(); i++) {
      writeFully(i, 0, ByteBuffer.wrap(shards.header(i, metadata)));
      channel(i).truncate(shards.all().get(i).layout().bytes());
      channel(i).force(true);
    }
    closeChannels();
    List<String> names = new ArrayList<>();
    if (!single) {
      names.addAll(Companions.write(plan, work));
    }
    shards.all().forEach(shard -> names.add(shard.name()));
    if (shards.all().size() > 1) {
      Path index = work.resolve(INDEX);
      Files.writeString(index, shards.index(plan.entries()));
      force(index);
      names.add(INDEX); // last: it is what makes the folder a checkpoint
    }
    Path folder = single ? target.resolveSibling(".") : target;
    Files.createDirectories(folder);
    for (String name : names) {
      Files.move(
          work.resolve(name), folder.resolve(name).normalize(), StandardCopyOption.ATOMIC_MOVE);
    }
    force(folder);
    committed = true;
  }

  /** Brings a file or folder to the disk. */
  static void force(Path path) throws IOException {
    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }

  private void closeChannels() throws IOException {
    flusher.close();
    for (int i = 0; i < channels.size(); i++) {
      FileChannel channel = channels.get(i);
      if (channel != null) {
        channel.close();
        channels.set(i, null);
      }
    }
  }

  /** Removes everything that was written so far. */
  void discard() throws IOException {
    closeChannels();
    journal.close();
    Companions.deleteFolder(work);
  }

  /** Leaves what is whole for another run, or nothing if there is nothing. */
  @Override
  public void close() throws IOException {
    if (committed || journal.isEmpty()) {
      discard();
    } else {
      closeChannels();
      journal.close();
    }
  }

  static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}

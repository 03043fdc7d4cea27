package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.TensorEntry;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.Map;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What tells models apart by what they hold, whatever files it lies in: SHA-256 of one line per
 * tensor, in the order of the names, {@code name dtype [shape] digest}, each ended by a line feed,
 * with the digest of the tensor's bytes as {@link RunSums} has it.
 */
public final class Digests {
  /** Characters of a digest. */
  static final int LENGTH = 64;

  private static final int PIECE = 8 << 20;

  private final Map<String, String> taken = new ConcurrentHashMap<>();

  Digests(Map<String, String> taken) {
    this.taken.putAll(taken);
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  static String hex(MessageDigest digest) {
    return HexFormat.of().formatHex(digest.digest());
  }

  static String key(int model, String tensor) {
    return model + " " + tensor;
  }

  boolean has(int model, String tensor) {
    return taken.containsKey(key(model, tensor));
  }

  void put(int model, String tensor, String digest) {
    taken.put(key(model, tensor), digest);
  }

  /** The digest of a model; reads the tensors that were not read yet. */
  String of(int model, Checkpoint checkpoint) throws IOException {
    MessageDigest all = sha256();
    for (String name : new TreeSet<>(checkpoint.names())) {
      TensorEntry entry = checkpoint.entry(name);
      String own = taken.get(key(model, name));
      if (own == null) {
        own = of(checkpoint, entry);
        put(model, name, own);
      }
      String line =
          name + " " + entry.type() + " " + Arrays.toString(entry.shape()) + " " + own + "\n";
      all.update(line.getBytes(StandardCharsets.UTF_8));
    }
    return hex(all);
  }

  private static String of(Checkpoint checkpoint, TensorEntry entry) throws IOException {
    RunSums sums = new RunSums(entry.type(), entry.elements());
    try (Arena arena = Arena.ofConfined()) {
      long size = entry.bytes();
      MemorySegment buffer = arena.allocate(Math.clamp(size, 1, PIECE));
      for (long at = 0; at < size; at += PIECE) {
        MemorySegment piece = buffer.asSlice(0, Math.min(PIECE, size - at));
        checkpoint.read(entry.name(), at, piece);
        sums.update(at, piece);
      }
    }
    return sums.digest();
  }

  /** The digest of a checkpoint; reads all of it. */
  public static String of(Checkpoint checkpoint) throws IOException {
    return new Digests(Map.of()).of(0, checkpoint);
  }
}

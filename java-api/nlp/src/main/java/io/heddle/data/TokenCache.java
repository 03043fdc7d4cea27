package io.heddle.data;

import io.heddle.checkpoint.WholeFile;
import io.heddle.text.Tokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Tokenised files on disk. A file is found again by the SHA-256 of its content, of the tokenizer's
 * own files and of the way it is read: whatever changes, it is tokenised anew. Written under
 * another name, synced and renamed, so that a file that is there is whole.
 */
public final class TokenCache {
  private static final int BUFFER = 1 << 20;

  private final Path folder;
  private final Tokenizer tokenizer;
  private final byte[] tokenizerHash;

  /** A cache in {@code folder}, which is made if it is missing. */
  public TokenCache(Path folder, Tokenizer tokenizer) throws IOException {
    this.folder = Files.createDirectories(folder);
    this.tokenizer = tokenizer;
    this.tokenizerHash = hash(tokenizer);
  }

  /** The lines of a file, gzipped or not, a document each. */
  public TokenFile lines(Path file) throws IOException {
    return open(file, "lines", Lines.of(file));
  }

  /**
   * The tokens of a file's documents.
   *
   * @param reading a name for how {@code documents} are cut from the file
   * @param documents read only when the cache has nothing
   */
  public TokenFile open(Path file, String reading, DataStream<String> documents)
      throws IOException {
    MessageDigest digest = sha256();
    add(digest, file);
    digest.update(tokenizerHash);
    digest.update(reading.getBytes(StandardCharsets.UTF_8));
    Path found = folder.resolve(HexFormat.of().formatHex(digest.digest()) + ".tokens");
    if (!Files.exists(found)) {
      int width = tokenizer.vocabularySize() <= 1 << 16 ? 2 : 4;
      WholeFile.fill(found, channel -> new Writer(channel, width).run(documents));
    }
    return TokenFile.open(found);
  }

  private final class Writer {
    private final FileChannel channel;
    private final int width;
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER).order(ByteOrder.LITTLE_ENDIAN);
    private long tokens;
    private long[] starts = new long[1024];
    private int documents;

    Writer(FileChannel channel, int width) {
      this.channel = channel;
      this.width = width;
    }

    void run(DataStream<String> texts) throws IOException {
      channel.position(TokenFile.HEADER);
      texts.forEach(this::add);
      flush();
      // Documents begin at a multiple of 8; what is between is zero.
      channel.position(TokenFile.starts(tokens, width));
      for (int i = 0; i <= documents; i++) {
        room(8);
        buffer.putLong(i < documents ? starts[i] : tokens);
      }
      flush();
      buffer.putLong(TokenFile.MAGIC).putInt(TokenFile.VERSION).putInt(width);
      buffer.putLong(documents).putLong(tokens).flip();
      channel.write(buffer, 0);
    }

    private void add(String text) throws IOException {
      if (documents == starts.length) {
        starts = Arrays.copyOf(starts, 2 * documents);
      }
      starts[documents++] = tokens;
      for (int id : tokenizer.encode(text)) {
        room(width);
        if (width == 2) {
          buffer.putShort((short) id);
        } else {
          buffer.putInt(id);
        }
        tokens++;
      }
    }

    private void room(int bytes) throws IOException {
      if (buffer.remaining() < bytes) {
        flush();
      }
    }

    private void flush() throws IOException {
      buffer.flip();
      while (buffer.hasRemaining()) {
        channel.write(buffer);
      }
      buffer.clear();
    }
  }

  // A tokenizer is what it saves.
  private static byte[] hash(Tokenizer tokenizer) throws IOException {
    Path saved = Files.createTempDirectory("tokenizer");
    try {
      tokenizer.save(saved);
      MessageDigest digest = sha256();
      digest.update(tokenizer.getClass().getName().getBytes(StandardCharsets.UTF_8));
      for (Path file : FileSets.below(saved, f -> true)) {
        digest.update(saved.relativize(file).toString().getBytes(StandardCharsets.UTF_8));
        add(digest, file);
      }
      return digest.digest();
    } finally {
      for (Path file : FileSets.below(saved, f -> true)) {
        Files.delete(file);
      }
      Files.deleteIfExists(saved);
    }
  }

  private static void add(MessageDigest digest, Path file) throws IOException {
    byte[] buffer = new byte[BUFFER];
    try (InputStream in = Files.newInputStream(file)) {
      for (int n = in.read(buffer); n >= 0; n = in.read(buffer)) {
        digest.update(buffer, 0, n);
      }
    }
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every Java has SHA-256", e);
    }
  }
}

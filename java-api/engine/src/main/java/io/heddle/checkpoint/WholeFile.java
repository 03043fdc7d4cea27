package io.heddle.checkpoint;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicLong;

/** Files that appear whole or not at all: written beside their name, synced and renamed. */
public final class WholeFile {
  private static final int BUFFER = 1 << 16;
  private static final AtomicLong NUMBER = new AtomicLong(); // tells threads' files apart

  private WholeFile() {}

  /** What writes a file's bytes, one after the other. */
  @FunctionalInterface
  public interface Bytes {
    /** Writes them. */
    void writeTo(OutputStream out) throws IOException;
  }

  /** What writes a file's bytes in any order. */
  @FunctionalInterface
  public interface Places {
    /** Writes them. */
    void writeTo(FileChannel out) throws IOException;
  }

  /** Writes {@code file}, whose folders are made where they are missing. */
  public static void write(Path file, Bytes bytes) throws IOException {
    fill(
        file,
        channel -> {
          OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel), BUFFER);
          bytes.writeTo(out);
          out.flush();
        });
  }

  /** The same for what does not write from the front to the end. */
  public static void fill(Path file, Places places) throws IOException {
    Path target = file.toAbsolutePath();
    Path folder = target.getParent();
    if (folder == null) {
      throw new IOException(file + " is not the name of a file");
    }
    Files.createDirectories(folder);
    String mark = ProcessHandle.current().pid() + "-" + NUMBER.getAndIncrement();
    Path fresh = folder.resolve("." + target.getFileName() + "." + mark + ".tmp");
    try {
      try (FileChannel channel =
          FileChannel.open(fresh, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
        places.writeTo(channel);
        channel.force(true);
      }
      Files.move(
          fresh, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(fresh);
    }
    try (FileChannel directory = FileChannel.open(folder, StandardOpenOption.READ)) {
      directory.force(true); // the new name, too, outlives a power cut
    }
  }
}

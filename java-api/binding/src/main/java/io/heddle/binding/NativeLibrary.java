package io.heddle.binding;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Locale;
import java.util.zip.CRC32;
import org.jspecify.annotations.Nullable;

/**
 * Finds and loads {@code libheddle} once: the folder named by {@code -Dheddle.library=DIR}, else
 * the copy in the classifier jar, unpacked to a folder named by its content under {@code
 * ~/.cache/heddle} (or {@code XDG_CACHE_HOME}), so that versions never mix.
 */
final class NativeLibrary {
  static final String PLATFORM =
      System.getProperty("os.name").toLowerCase(Locale.ROOT).replaceAll("[^a-z].*", "")
          + "-"
          + System.getProperty("os.arch").replace("amd64", "x86_64");

  private static final String[] NAMES = {"libheddle.so", "libheddle_cuda.so"};
  private static @Nullable String failure;
  private static boolean loaded;

  private NativeLibrary() {}

  /** Loads the library; returns null, or the reason why it cannot be had. */
  static synchronized @Nullable String load() {
    if (!loaded && failure == null) {
      failure = tryLoad();
      loaded = failure == null;
    }
    return failure;
  }

  @SuppressWarnings("restricted") // this module is the one that is granted native access
  private static @Nullable String tryLoad() {
    String named = System.getProperty("heddle.library");
    try {
      Path folder = named != null ? Path.of(named) : unpack();
      if (folder == null) {
        return "this build has no native library for " + PLATFORM + " (built with -Pquick?)";
      }
      System.load(folder.resolve(NAMES[0]).toAbsolutePath().toString());
      return null;
    } catch (IOException | UncheckedIOException e) {
      return "libheddle could not be unpacked: " + e.getMessage();
    } catch (UnsatisfiedLinkError e) {
      return "libheddle could not be loaded: " + e.getMessage();
    } catch (IllegalCallerException e) {
      return "native access is off: start java with --enable-native-access=io.heddle.binding";
    }
  }

  private static @Nullable Path unpack() throws IOException {
    byte[] library = resource(NAMES[0]);
    if (library == null) {
      return null;
    }
    Path folder = cacheFolder().resolve(digest(library));
    Files.createDirectories(folder);
    // One process unpacks, the others wait: a half-written library must never be loaded.
    try (FileChannel lock =
            FileChannel.open(
                folder.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        var held = lock.lock()) {
      for (String name : NAMES) {
        byte[] content = resource(name);
        Path target = folder.resolve(name);
        if (content != null && !sameContent(target, content)) {
          Path fresh = Files.createTempFile(folder, name, ".tmp");
          Files.write(fresh, content);
          Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE);
        }
      }
      if (!held.isValid()) {
        throw new IOException("the lock on " + folder + " was lost");
      }
    }
    return folder;
  }

  private static byte @Nullable [] resource(String name) throws IOException {
    String path = "io/heddle/lib/" + PLATFORM + "/" + name;
    try (InputStream in = NativeLibrary.class.getClassLoader().getResourceAsStream(path)) {
      return in == null ? null : in.readAllBytes();
    }
  }

  private static boolean sameContent(Path file, byte[] content) throws IOException {
    if (!Files.exists(file) || Files.size(file) != content.length) {
      return false;
    }
    return checksum(Files.readAllBytes(file)) == checksum(content);
  }

  private static long checksum(byte[] content) {
    CRC32 crc = new CRC32();
    crc.update(content);
    return crc.getValue();
  }

  private static Path cacheFolder() {
    String cache = System.getenv("XDG_CACHE_HOME");
    return cache != null && !cache.isBlank()
        ? Path.of(cache, "heddle")
        : Path.of(System.getProperty("user.home"), ".cache", "heddle");
  }

  private static String digest(byte[] content) {
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(content);
      return HexFormat.of().formatHex(hash, 0, 12);
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }
}

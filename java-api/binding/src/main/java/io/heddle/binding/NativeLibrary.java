package io.heddle.binding;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.JarURLConnection;
import java.net.URL;
import java.net.URLConnection;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.jar.JarFile;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
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

  /** A library among the resources, told from other builds' by its size and checksum. */
  private record Packed(String name, URL at, long size, long crc) {
    static @Nullable Packed find(String name) throws IOException {
      String path = "io/heddle/lib/" + PLATFORM + "/" + name;
      URL at = NativeLibrary.class.getClassLoader().getResource(path);
      if (at == null) {
        return null;
      }
      URLConnection connection = at.openConnection();
      connection.setUseCaches(false);
      if (connection instanceof JarURLConnection inJar) {
        // The jar's directory has both: inflating megabytes at every start would take a second.
        try (JarFile jar = inJar.getJarFile()) {
          ZipEntry entry = jar.getEntry(path);
          return new Packed(name, at, entry.getSize(), entry.getCrc());
        }
      }
      try (InputStream in = connection.getInputStream()) {
        byte[] content = in.readAllBytes();
        CRC32 crc = new CRC32();
        crc.update(content);
        return new Packed(name, at, content.length, crc.getValue());
      }
    }

    void copyTo(Path folder) throws IOException {
      Path target = folder.resolve(name);
      if (Files.exists(target) && Files.size(target) == size) {
        return;
      }
      Path fresh = Files.createTempFile(folder, name, ".tmp");
      try (InputStream in = at.openStream()) {
        Files.copy(in, fresh, StandardCopyOption.REPLACE_EXISTING);
      }
      Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE);
    }
  }

  private static @Nullable Path unpack() throws IOException {
    List<Packed> all = new ArrayList<>();
    StringBuilder content = new StringBuilder();
    for (String name : NAMES) {
      Packed packed = Packed.find(name);
      if (packed != null) {
        all.add(packed);
        content.append(String.format(Locale.ROOT, "%08x%x", packed.crc, packed.size));
      }
    }
    if (all.isEmpty() || !all.getFirst().name.equals(NAMES[0])) {
      return null;
    }
    Path folder = cacheFolder().resolve(content.toString());
    Files.createDirectories(folder);
    // One process unpacks, the others wait: a half-written library must never be loaded.
    try (FileChannel lock =
            FileChannel.open(
                folder.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        var held = lock.lock()) {
      for (Packed packed : all) {
        packed.copyTo(folder);
      }
      if (!held.isValid()) {
        throw new IOException("the lock on " + folder + " was lost");
      }
    }
    return folder;
  }

  private static Path cacheFolder() {
    String cache = System.getenv("XDG_CACHE_HOME");
    return cache != null && !cache.isBlank()
        ? Path.of(cache, "heddle")
        : Path.of(System.getProperty("user.home"), ".cache", "heddle");
  }
}

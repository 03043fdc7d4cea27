package io.heddle.data;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.Comparator;
import java.util.List;
import java.util.function.Predicate;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;

/** Files by folder or glob, in an order that is the same everywhere, and their bytes. */
public final class FileSets {
  private static final int BUFFER = 1 << 16;

  private FileSets() {}

  /**
   * The files that {@code pattern} names: a file; a folder with all files below it; or a glob such
   * as {@code corpus/*.txt.gz}, where {@code **} crosses folders. Hidden files are left out.
   *
   * @throws IOException when there is none, or they cannot be listed
   */
  public static List<Path> find(String pattern) throws IOException {
    int wild = wild(pattern);
    if (wild < 0) {
      Path path = Path.of(pattern);
      return Files.isDirectory(path) ? below(path, file -> true) : List.of(existing(path));
    }
    int cut = pattern.lastIndexOf('/', wild);
    Path root = Path.of(cut < 0 ? "." : cut == 0 ? "/" : pattern.substring(0, cut));
    existing(root);
    PathMatcher matcher =
        FileSystems.getDefault().getPathMatcher("glob:" + pattern.substring(cut + 1));
    List<Path> found = below(root, file -> matcher.matches(root.relativize(file)));
    if (found.isEmpty()) {
      throw new IOException("no file is called " + pattern);
    }
    return found;
  }

  private static int wild(String pattern) {
    for (int i = 0; i < pattern.length(); i++) {
      if ("*?[{".indexOf(pattern.charAt(i)) >= 0) {
        return i;
      }
    }
    return -1;
  }

  private static Path existing(Path path) throws IOException {
    if (!Files.exists(path)) {
      throw new IOException(path + " does not exist");
    }
    return path;
  }

  /** The files below a folder that {@code wanted} accepts, ordered by their path. */
  static List<Path> below(Path folder, Predicate<Path> wanted) throws IOException {
    try (Stream<Path> all = Files.walk(folder)) {
      return all.filter(Files::isRegularFile)
          .filter(file -> !String.valueOf(file.getFileName()).startsWith("."))
          .filter(wanted)
          // By name with one kind of slash, so that the order is the same everywhere.
          .sorted(
              Comparator.comparing(file -> folder.relativize(file).toString().replace('\\', '/')))
          .toList();
    }
  }

  /** Whether a file is gzipped: its first two bytes or its name tell. */
  static boolean packed(Path file) throws IOException {
    try (InputStream in = Files.newInputStream(file)) {
      // What is called .gz and is not packed is refused later, not read as text.
      return file.toString().endsWith(".gz") || (in.read() == 0x1f && in.read() == 0x8b);
    }
  }

  /**
   * The bytes of a file, unpacked if it is {@link #packed}.
   *
   * @throws IOException naming the file
   */
  public static InputStream open(Path file) throws IOException {
    boolean packed = packed(file);
    InputStream raw = new BufferedInputStream(Files.newInputStream(file), BUFFER);
    try {
      return packed ? new GZIPInputStream(raw, BUFFER) : raw;
    } catch (IOException e) {
      raw.close();
      throw new IOException(file + " cannot be unpacked: " + e.getMessage(), e);
    }
  }
}

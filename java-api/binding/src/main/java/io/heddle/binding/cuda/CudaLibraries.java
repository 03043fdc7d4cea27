package io.heddle.binding.cuda;

import java.io.File;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.cuda.global.cublas;
import org.jspecify.annotations.Nullable;

/**
 * Finds NVIDIA's libraries and loads them once, so that the JavaCPP preset's own (which refer to
 * them by name) find them in the process. They are looked for in the folders named by {@code
 * -Dheddle.cuda.libraries} or the variable {@code HEDDLE_CUDA_LIBRARIES} (for instance a Python
 * installation's {@code site-packages/nvidia/cu13/lib}), then where the system has them.
 */
final class CudaLibraries {
  /** The preset's CUDA: symbols are bound when they are first called, so any 13.x will do. */
  private static final int MAJOR = 13;

  private static final List<String> NAMES = List.of("libcudart", "libcublasLt", "libcublas");
  private static final String[] SYSTEM = {
    "/usr/local/cuda/lib64",
    "/usr/local/cuda-13/lib64",
    "/opt/cuda/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib64",
    "/usr/lib"
  };

  private static boolean tried;
  private static @Nullable String failure;

  private CudaLibraries() {}

  /** Loads the libraries; null, or why they cannot be had. */
  static synchronized @Nullable String load() {
    if (!tried) {
      failure = tryLoad(folders());
      tried = true;
    }
    return failure;
  }

  /** The version of cuBLASLt, after a {@link #load} that went well. */
  static String version() {
    long v = cublas.cublasLtGetVersion();
    return v / 10000 + "." + v / 100 % 100 + "." + v % 100;
  }

  /**
   * The folders that are searched, in that order: those that are named, and usual ones that exist.
   */
  static List<Path> folders() {
    Set<String> all = new LinkedHashSet<>();
    String[] named = {
      System.getProperty("heddle.cuda.libraries"),
      System.getenv("HEDDLE_CUDA_LIBRARIES"),
      System.getenv("LD_LIBRARY_PATH")
    };
    for (String list : named) {
      if (list != null) {
        all.addAll(List.of(list.split(File.pathSeparator, -1)));
      }
    }
    for (String usual : SYSTEM) {
      if (Files.isDirectory(Path.of(usual))) {
        all.add(usual);
      }
    }
    return all.stream().filter(folder -> !folder.isBlank()).map(Path::of).toList();
  }

  @SuppressWarnings("restricted") // this module is the one that is granted native access
  static @Nullable String tryLoad(List<Path> folders) {
    String missing = missing(folders);
    if (missing != null) {
      return missing;
    }
    List<Path> files = new ArrayList<>();
    NAMES.forEach(name -> find(name, folders).ifPresent(files::add));
    try {
      for (Path file : files) {
        // Held for good: the preset's own libraries name these, and the loader then knows them.
        SymbolLookup.libraryLookup(file, Arena.global());
      }
      long version = cublas.cublasLtGetVersion();
      return version / 10000 == MAJOR
          ? null
          : files.get(1) + " is cuBLASLt " + version() + "; matrix products need " + MAJOR + ".x";
    } catch (IllegalArgumentException | LinkageError e) {
      return "cuBLASLt could not be loaded from " + files.get(1) + ": " + e.getMessage();
    }
  }

  private static Optional<Path> find(String name, List<Path> folders) {
    return folders.stream()
        .map(folder -> folder.resolve(name + ".so." + MAJOR).toAbsolutePath())
        .filter(Files::exists)
        .findFirst();
  }

  /** A sentence about the first library that is in none of {@code folders}; null: all are there. */
  static @Nullable String missing(List<Path> folders) {
    return NAMES.stream()
        .filter(name -> find(name, folders).isEmpty())
        .findFirst()
        .map(name -> missing(name, folders))
        .orElse(null);
  }

  private static String missing(String name, List<Path> folders) {
    String others =
        folders.stream()
            .flatMap(folder -> versions(folder, name))
            .map(Path::toString)
            .collect(Collectors.joining(", "));
    String searched = folders.stream().map(Path::toString).collect(Collectors.joining(", "));
    return "matrix products need %s.so.%d (CUDA %d.x), which is not in %s%s: name its folder with -Dheddle.cuda.libraries=DIR or HEDDLE_CUDA_LIBRARIES"
        .formatted(
            name,
            MAJOR,
            MAJOR,
            searched.isEmpty() ? "any usual folder" : searched,
            others.isEmpty() ? "" : " (there is " + others + ", another version)");
  }

  private static Stream<Path> versions(Path folder, String name) {
    return Stream.of(11, 12, 14)
        .map(major -> folder.resolve(name + ".so." + major))
        .filter(Files::exists);
  }
}

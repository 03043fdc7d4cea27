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
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.bytedeco.cuda.global.cublas;
import org.bytedeco.cuda.global.cudnn;
import org.bytedeco.cuda.global.nccl;
import org.jspecify.annotations.Nullable;

/**
 * Finds a library of NVIDIA's and loads it once, with those that it needs, so that the JavaCPP
 * preset's own (which refer to them by name) find them in the process. They are looked for in the
 * folders named by {@code -Dheddle.cuda.libraries} or the variable {@code HEDDLE_CUDA_LIBRARIES}
 * (for instance a Python installation's {@code site-packages/nvidia/cu13/lib} and {@code
 * nvidia/cudnn/lib}, {@code nvidia/nccl/lib}), then where the system has them. The preset's symbols
 * are bound when they are first called, so any minor version will do.
 */
final class CudaLibraries {
  // Lambdas, not references to methods: those load the preset's classes at once, and a program that
  // ships with the CPU's jars alone could not even list its backends.

  /** Matrix products. */
  static final CudaLibraries CUBLASLT =
      new CudaLibraries(
          "cuBLASLt",
          "matrix products",
          "CUDA",
          13,
          List.of("libcudart", "libcublasLt", "libcublas"),
          1,
          () -> cublas.cublasLtGetVersion());

  /** Recurrent layers. */
  static final CudaLibraries CUDNN =
      new CudaLibraries(
          "cuDNN",
          "recurrent layers on CUDA",
          "cuDNN",
          9,
          List.of("libcudnn", "libcudnn_graph", "libcudnn_ops", "libcudnn_cnn", "libcudnn_adv"),
          0,
          () -> cudnn.cudnnGetVersion());

  /** Sums over GPUs. */
  static final CudaLibraries NCCL =
      new CudaLibraries(
          "NCCL", "sums over GPUs", "NCCL", 2, List.of("libnccl"), 0, CudaLibraries::ncclVersion);

  private static final String[] SYSTEM = {
    "/usr/local/cuda/lib64",
    "/usr/local/cuda-13/lib64",
    "/opt/cuda/lib64",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib64",
    "/usr/lib"
  };

  private final String title;
  private final String purpose;
  private final String family;
  private final int major;
  private final List<String> names;
  private final int main;
  private final LongSupplier number;
  private boolean tried;
  private @Nullable String failure;

  /**
   * @param title what messages call it
   * @param purpose what needs it
   * @param family whose major version the files carry
   * @param names of the files, in the order in which they are loaded
   * @param main which of them is the one to name
   * @param number its version, major * 10000 + minor * 100 + patch
   */
  private CudaLibraries(
      String title,
      String purpose,
      String family,
      int major,
      List<String> names,
      int main,
      LongSupplier number) {
    this.title = title;
    this.purpose = purpose;
    this.family = family;
    this.major = major;
    this.names = names;
    this.main = main;
    this.number = number;
  }

  private static long ncclVersion() {
    int[] code = new int[1];
    nccl.ncclGetVersion(code);
    return code[0];
  }

  /** Loads the library; null, or why it cannot be had. */
  synchronized @Nullable String load() {
    if (!tried) {
      failure = tryLoad(folders());
      tried = true;
    }
    return failure;
  }

  /** The version, after a {@link #load} that went well. */
  String version() {
    long v = number.getAsLong();
    return v / 10000 + "." + v / 100 % 100 + "." + v % 100;
  }

  /** For {@code heddle doctor}: the version, or why there is none. */
  String fact() {
    String why = load();
    return why == null ? version() : "not loaded: " + why;
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
  @Nullable String tryLoad(List<Path> folders) {
    String missing = missing(folders);
    if (missing != null) {
      return missing;
    }
    List<Path> files = new ArrayList<>();
    names.forEach(name -> find(name, folders).ifPresent(files::add));
    try {
      for (Path file : files) {
        // Held for good: the preset's own libraries name these, and the loader then knows them.
        SymbolLookup.libraryLookup(file, Arena.global());
      }
      return number.getAsLong() / 10000 == major
          ? null
          : "%s is %s %s; %s need %d.x"
              .formatted(files.get(main), title, version(), purpose, major);
    } catch (IllegalArgumentException | LinkageError e) {
      return title + " could not be loaded from " + files.get(main) + ": " + e.getMessage();
    }
  }

  private Optional<Path> find(String name, List<Path> folders) {
    return folders.stream()
        .map(folder -> folder.resolve(name + ".so." + major).toAbsolutePath())
        .filter(Files::exists)
        .findFirst();
  }

  /** A sentence about the first library that is in none of {@code folders}; null: all are there. */
  @Nullable String missing(List<Path> folders) {
    return names.stream()
        .filter(name -> find(name, folders).isEmpty())
        .findFirst()
        .map(name -> missing(name, folders))
        .orElse(null);
  }

  private String missing(String name, List<Path> folders) {
    String others =
        folders.stream()
            .flatMap(folder -> versions(folder, name))
            .map(Path::toString)
            .collect(Collectors.joining(", "));
    String searched = folders.stream().map(Path::toString).collect(Collectors.joining(", "));
    return "%s need %s.so.%d (%s %d.x), which is not in %s%s: name its folder with -Dheddle.cuda.libraries=DIR or HEDDLE_CUDA_LIBRARIES"
        .formatted(
            purpose,
            name,
            major,
            family,
            major,
            searched.isEmpty() ? "any usual folder" : searched,
            others.isEmpty() ? "" : " (there is " + others + ", another version)");
  }

  private Stream<Path> versions(Path folder, String name) {
    return IntStream.range(1, 16)
        .filter(other -> other != major)
        .mapToObj(other -> folder.resolve(name + ".so." + other))
        .filter(Files::exists);
  }
}

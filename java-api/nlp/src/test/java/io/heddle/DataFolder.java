package io.heddle;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Finds staged data sets; data never enters the repository. */
public final class DataFolder {
  private DataFolder() {}

  /** The folder of a data set, or the test is skipped. */
  public static Path of(String name) {
    Path folder = root().resolve(name).normalize();
    assumeTrue(
        Files.isDirectory(folder),
        "no data at " + folder + "; set HEDDLE_DATA to the folder that has " + name);
    return folder;
  }

  private static Path root() {
    String named = System.getenv("HEDDLE_DATA");
    if (named != null) {
      return Path.of(named);
    }
    @Nullable Path folder = Path.of("").toAbsolutePath();
    while (folder != null && !Files.exists(folder.resolve("native/include/heddle/heddle.h"))) {
      folder = folder.getParent();
    }
    return folder == null ? Path.of("data") : folder.resolve("../shared/data");
  }
}

package io.heddle.tests;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** Finds the files that tests read. */
final class Repository {
  private Repository() {}

  /** The folder with the root pom. */
  static Path root() {
    Path folder = Path.of("").toAbsolutePath();
    while (!Files.exists(folder.resolve("native/include/heddle/heddle.h"))) {
      folder = folder.getParent();
      if (folder == null) {
        throw new IllegalStateException("run the tests inside the repository");
      }
    }
    return folder;
  }

  /** A staged data set, or the test is skipped: data never enters the repository. */
  static Path data(String name) {
    String named = System.getenv("HEDDLE_DATA");
    Path folder =
        (named == null ? root().resolve("../shared/data") : Path.of(named))
            .resolve(name)
            .normalize();
    assumeTrue(
        Files.exists(folder),
        "no data at " + folder + "; set HEDDLE_DATA to the folder that has " + name);
    return folder;
  }
}

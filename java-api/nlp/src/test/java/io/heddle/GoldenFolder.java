package io.heddle;

import java.nio.file.Files;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;

/** Finds the committed golden files: tests/golden of the repository. */
public final class GoldenFolder {
  private GoldenFolder() {}

  /** A folder of tests/golden. */
  public static Path of(String name) {
    for (@Nullable Path p = Path.of("").toAbsolutePath(); p != null; p = p.getParent()) {
      Path folder = p.resolve("tests/golden").resolve(name);
      if (Files.isDirectory(folder)) {
        return folder;
      }
    }
    throw new AssertionError("no tests/golden/" + name + " above the working directory");
  }
}

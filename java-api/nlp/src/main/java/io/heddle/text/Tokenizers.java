package io.heddle.text;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Finds out what kind of tokenizer a path holds. */
public final class Tokenizers {
  private Tokenizers() {}

  /**
   * A folder with {@code vocab.json} and {@code merges.txt}, {@code tokenizer.json} or {@code
   * tokenizer.bin}; or such a .bin file.
   */
  public static Tokenizer load(Path path) throws IOException {
    if (!Files.exists(path)) {
      throw new IllegalArgumentException("no tokenizer at " + path + ": it does not exist");
    }
    if (!Files.isDirectory(path)) {
      if (path.toString().endsWith(".bin")) {
        return ScoredBpe.load(path);
      }
      throw new IllegalArgumentException(
          path + " is not a tokenizer.bin; name the folder for other kinds");
    }
    Path scored = path.resolve("tokenizer.bin");
    return Files.exists(scored) ? ScoredBpe.load(scored) : ByteLevelBpe.load(path);
  }
}

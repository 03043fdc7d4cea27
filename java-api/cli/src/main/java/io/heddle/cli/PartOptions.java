package io.heddle.cli;

import io.heddle.data.Splits;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options that say which files of a folder are which part. */
final class PartOptions {
  @Option(
      names = "--match",
      description = "Of a folder take the files whose names match this glob, e.g. '*binary*'.")
  private @Nullable String match;

  @Option(names = "--dev", description = "File of the development part.")
  private @Nullable Path dev;

  PartOptions() {}

  Splits splits(Path data) throws IOException {
    return Splits.of(data, match, dev);
  }
}

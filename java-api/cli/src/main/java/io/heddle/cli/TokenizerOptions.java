package io.heddle.cli;

import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options that say where the tokenizer comes from. */
final class TokenizerOptions {
  @Option(
      names = "--tokenizer",
      description =
          "Tokenizer folder; without it the model's, without a model one is trained on the data.")
  private @Nullable Path tokenizer;

  @Option(
      names = "--vocab",
      defaultValue = "4096",
      description = "Size of a trained tokenizer (default: 4096).")
  private int vocab;

  @Option(
      names = "--words",
      description =
          "Train it on whole words: the most frequent ones of those seen twice, others are [UNK].")
  private boolean words;

  TokenizerOptions() {}

  /**
   * The tokenizer: the one given, the model's, or one learnt and kept in the run directory.
   *
   * @param model the folder of a model that is trained on, or null
   * @param run the run directory
   */
  Tokenizer tokenizer(
      @Nullable Path model, Path run, Iterable<String> texts, ProgressListener progress)
      throws IOException {
    Path given = tokenizer != null ? tokenizer : model;
    if (given != null) {
      if (words) {
        throw new IllegalArgumentException(
            "--words trains a tokenizer, and there is one already: " + given);
      }
      return Tokenizers.load(given);
    }
    Path kept = run.resolve("tokenizer");
    return words
        ? Tokenizers.keptOrTrainedWords(kept, vocab, texts)
        : Tokenizers.keptOrTrained(kept, vocab, texts, progress);
  }
}

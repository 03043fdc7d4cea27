package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.LabelledText;
import io.heddle.models.Classifier;
import io.heddle.models.Classifiers;
import io.heddle.models.TaskEncoder;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import io.heddle.text.WordPieceTrainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options that say which encoder is trained, and with which tokenizer. */
final class EncoderOptions {
  @Option(
      names = "--model",
      description = "Model folder to start from: an encoder in Hugging Face's layout.")
  private @Nullable Path model;

  @Option(
      names = "--tokenizer",
      defaultValue = "",
      description =
          "Tokenizer folder, or what is learnt from the training texts: words or wordpiece"
              + " (default: the model's; without a model words for textcnn, wordpiece else).")
  private String tokenizer = "";

  @Option(
      names = "--vocab",
      defaultValue = "20000",
      description = "Most tokens of a learnt tokenizer (default: 20000).")
  private int vocab;

  @Option(
      names = "--min-count",
      defaultValue = "2",
      description = "Words seen less often are unknown (default: 2).")
  private int minCount;

  @Option(
      names = "--dim",
      defaultValue = "128",
      description = "Features of a token (default: 128).")
  private int dim;

  @Option(names = "--layers", defaultValue = "2", description = "Blocks (default: 2).")
  private int layers;

  @Option(names = "--heads", defaultValue = "4", description = "Attention heads (default: 4).")
  private int heads;

  EncoderOptions() {}

  @Nullable Path model() {
    return model;
  }

  int dim() {
    return dim;
  }

  /** The learning rate that is usual for the model. */
  float usualRate() {
    return model != null ? 5e-5f : 5e-4f;
  }

  /**
   * The tokenizer: the one given, the model's, or one learnt and kept in the run directory.
   *
   * @param kept where a learnt one is kept
   * @param words whether words are learnt where nothing is said
   */
  Tokenizer tokenizer(Path kept, List<LabelledText> texts, boolean words, ProgressListener progress)
      throws IOException {
    boolean learnt = tokenizer.equals("words") || tokenizer.equals("wordpiece");
    if (!tokenizer.isEmpty() && !learnt) {
      return Tokenizers.load(Path.of(tokenizer));
    }
    if (model != null && !learnt) {
      return Tokenizers.load(model);
    }
    if (Files.exists(kept.resolve("vocab.txt"))) {
      return Tokenizers.load(kept);
    }
    WordPieceTrainer trainer = new WordPieceTrainer(vocab, true, progress);
    for (LabelledText text : texts) {
      trainer.add(text.first());
      if (text.second() != null) {
        trainer.add(text.second());
      }
    }
    boolean whole = learnt ? tokenizer.equals("words") : words;
    Tokenizer out = whole ? trainer.words(minCount) : trainer.train();
    out.save(kept);
    return out;
  }

  /** The encoder with the head of a task. */
  Classifier encoder(
      Backend backend,
      TaskEncoder.Task task,
      List<String> labels,
      Tokenizer tokens,
      TuneOptions tune) {
    if (model != null) {
      return Classifiers.from(model, task, labels, tune.dropout(0.1f), backend, tune.dtype());
    }
    return Classifiers.bert(
        tokens.vocabularySize(),
        dim,
        layers,
        heads,
        tune.maxLength(),
        tune.dropout(0.1f),
        task,
        labels,
        backend,
        tune.dtype(),
        tune.seed());
  }
}

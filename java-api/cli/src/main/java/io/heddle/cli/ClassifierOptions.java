package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.LabelledText;
import io.heddle.data.WordVectors;
import io.heddle.models.Classifier;
import io.heddle.models.Classifiers;
import io.heddle.models.TextCnn;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import io.heddle.text.WordPieceTrainer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** Options that say which classifier is trained, and with which tokenizer. */
final class ClassifierOptions {
  /** Models that start from nothing. */
  enum Arch {
    TEXTCNN,
    TRANSFORMER
  }

  @Option(
      names = "--model",
      description = "Model folder to start from: an encoder in Hugging Face's layout.")
  private @Nullable Path model;

  @Option(
      names = "--arch",
      defaultValue = "TEXTCNN",
      description = "Without --model: textcnn or transformer, from nothing (default: textcnn).")
  private Arch arch = Arch.TEXTCNN;

  @Option(
      names = "--tokenizer",
      defaultValue = "",
      description =
          "Tokenizer folder, or what is learnt from the training texts: words or wordpiece"
              + " (default: the model's; without one words for textcnn, wordpiece for"
              + " transformer).")
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

  @Option(
      names = "--widths",
      defaultValue = "3,4,5",
      split = ",",
      description = "Widths of a text CNN's filters in words (default: 3,4,5).")
  private List<Integer> widths = List.of();

  @Option(
      names = "--filters",
      defaultValue = "100",
      description = "Filters of each width (default: 100).")
  private int filters;

  @Option(names = "--mean", description = "A text CNN also sees the mean word vector.")
  private boolean mean;

  @Option(
      names = "--word-dropout",
      defaultValue = "0",
      description = "Share of words that a text CNN leaves out while training (default: 0).")
  private float wordDropout;

  @Option(
      names = "--vectors",
      description = "Word vectors to start a text CNN from: GloVe's or word2vec's text format.")
  private @Nullable Path vectors;

  @Option(
      names = "--channels",
      defaultValue = "TUNED",
      description = "Word vectors of a text CNN: tuned, static or both (default: tuned).")
  private TextCnn.Channels channels = TextCnn.Channels.TUNED;

  ClassifierOptions() {}

  @Nullable Path model() {
    return model;
  }

  /** The learning rate that is usual for the model. */
  float usualRate() {
    return model != null ? 5e-5f : arch == Arch.TEXTCNN ? 1e-3f : 5e-4f;
  }

  /**
   * The tokenizer: the one given, the model's, or one learnt and kept in the run directory.
   *
   * @param kept where a learnt one is kept
   */
  Tokenizer tokenizer(Path kept, List<LabelledText> texts, ProgressListener progress)
      throws IOException {
    boolean words = tokenizer.equals("words") || (tokenizer.isEmpty() && arch == Arch.TEXTCNN);
    boolean learnt = tokenizer.equals("words") || tokenizer.equals("wordpiece");
    if (!tokenizer.isEmpty() && !learnt) {
      return Tokenizers.load(Path.of(tokenizer));
    }
    if (model != null && !learnt) {
      return Tokenizers.load(model);
    }
    if (java.nio.file.Files.exists(kept.resolve("vocab.txt"))) {
      return Tokenizers.load(kept);
    }
    WordPieceTrainer trainer = new WordPieceTrainer(vocab, true, progress);
    for (LabelledText text : texts) {
      trainer.add(text.first());
      if (text.second() != null) {
        trainer.add(text.second());
      }
    }
    Tokenizer out = words ? trainer.words(minCount) : trainer.train();
    out.save(kept);
    return out;
  }

  /** The model. */
  Classifier classifier(Backend backend, List<String> labels, Tokenizer tokens, TuneOptions tune)
      throws IOException {
    if (model != null) {
      return Classifiers.from(model, labels, tune.dropout(0.1f), backend, tune.dtype());
    }
    if (arch == Arch.TRANSFORMER) {
      return Classifiers.bert(
          tokens.vocabularySize(),
          dim,
          layers,
          heads,
          tune.maxLength(),
          tune.dropout(0.1f),
          labels,
          backend,
          tune.dtype(),
          tune.seed());
    }
    TextCnn.Shape shape =
        new TextCnn.Shape(
            tokens.vocabularySize(),
            dim,
            widths,
            filters,
            mean,
            channels,
            tune.dropout(0.5f),
            wordDropout,
            labels);
    TextCnn cnn = TextCnn.random(shape, backend, tune.dtype(), tune.seed());
    return vectors == null ? cnn : cnn.words(WordVectors.read(vectors, tokens));
  }
}

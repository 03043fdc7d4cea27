package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.LabelledText;
import io.heddle.data.WordVectors;
import io.heddle.models.Classifier;
import io.heddle.models.TaskEncoder;
import io.heddle.models.TextCnn;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Options that say which classifier is trained. */
final class ClassifierOptions {
  /** Models that start from nothing. */
  enum Arch {
    TEXTCNN,
    TRANSFORMER
  }

  @Mixin private EncoderOptions encoder = new EncoderOptions();

  @Option(
      names = "--arch",
      defaultValue = "TEXTCNN",
      description = "Without --model: textcnn or transformer, from nothing (default: textcnn).")
  private Arch arch = Arch.TEXTCNN;

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
    return encoder.model();
  }

  private boolean cnn() {
    return encoder.model() == null && arch == Arch.TEXTCNN;
  }

  /** The learning rate that is usual for the model. */
  float usualRate() {
    return cnn() ? 1e-3f : encoder.usualRate();
  }

  /** As {@link EncoderOptions#tokenizer}; a text CNN learns words. */
  Tokenizer tokenizer(Path kept, List<LabelledText> texts, ProgressListener progress)
      throws IOException {
    return encoder.tokenizer(kept, texts, cnn(), progress);
  }

  /** The model. */
  Classifier classifier(Backend backend, List<String> labels, Tokenizer tokens, TuneOptions tune)
      throws IOException {
    if (!cnn()) {
      return encoder.encoder(backend, TaskEncoder.Task.CLASSIFY, labels, tokens, tune);
    }
    TextCnn.Shape shape =
        new TextCnn.Shape(
            tokens.vocabularySize(),
            encoder.dim(),
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

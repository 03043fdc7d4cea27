package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.models.Gnmt;
import io.heddle.models.SequenceToSequence;
import io.heddle.models.Translators;
import io.heddle.models.Translators.Marks;
import io.heddle.text.Tokenizer;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Options that say which encoder-decoder is trained, and with which tokenizer. */
final class TranslatorOptions {
  /** What a new model is. */
  enum Kind {
    TRANSFORMER,
    GNMT
  }

  /** Where norms stand. */
  enum Placement {
    BEFORE,
    AFTER
  }

  /** What norms do. */
  enum Norm {
    LAYER,
    SCALE
  }

  /** What tells positions. */
  enum Positions {
    SINES,
    LEARNED
  }

  private static final List<String> OF_TRANSFORMERS =
      List.of("--heads", "--inner", "--norms", "--norm", "--positions");
  private static final List<String> OF_GNMT = List.of("--both");
  private static final List<String> OF_NEW_MODELS = List.of("--family", "--dim", "--layers");

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--model",
      description = "Model folder to start from: an encoder-decoder in Hugging Face's layout.")
  private @Nullable Path model;

  @Option(
      names = "--tokenizer",
      description = "Tokenizer folder (default: the model's; without one pieces are learnt).")
  private @Nullable Path tokenizer;

  @Option(
      names = "--vocab",
      defaultValue = "8000",
      description = "Most pieces of a learnt tokenizer, for both sides together (default: 8000).")
  private int vocab;

  @Option(
      names = "--family",
      defaultValue = "TRANSFORMER",
      description =
          "What a new model is: transformer, or gnmt (LSTM layers with attention, without heads,"
              + " norms and positions; default: transformer).")
  private Kind family = Kind.TRANSFORMER;

  @Option(
      names = "--both",
      defaultValue = "1",
      description = "Of gnmt, layers of the encoder that read both ways (default: 1).")
  private int both;

  @Option(
      names = "--dim",
      defaultValue = "256",
      description = "Features of a token (default: 256).")
  private int dim;

  @Option(
      names = "--layers",
      defaultValue = "3",
      description = "Blocks of the encoder, and of the decoder (default: 3).")
  private int layers;

  @Option(names = "--heads", defaultValue = "4", description = "Attention heads (default: 4).")
  private int heads;

  @Option(
      names = "--inner",
      defaultValue = "0",
      description = "Features inside MLPs; 0: four times --dim (default: 0).")
  private int inner;

  @Option(
      names = "--norms",
      defaultValue = "BEFORE",
      description =
          "Where norms stand: before (pre-norm) or after (post-norm) each part (default: before).")
  private Placement norms = Placement.BEFORE;

  @Option(
      names = "--norm",
      defaultValue = "LAYER",
      description = "What they do: layer (layer norm) or scale (ScaleNorm; default: layer).")
  private Norm norm = Norm.LAYER;

  @Option(
      names = "--positions",
      defaultValue = "SINES",
      description = "sines or learned (default: sines).")
  private Positions positions = Positions.SINES;

  TranslatorOptions() {}

  @Nullable Path model() {
    return model;
  }

  /** The tokenizer's folder; null where pieces are learnt. */
  @Nullable Path tokenizer() {
    return tokenizer == null ? model : tokenizer;
  }

  int vocabulary() {
    return vocab;
  }

  /** The learning rate that is usual for the model. */
  float usualRate() {
    return model != null ? 5e-5f : 1e-3f;
  }

  /**
   * Refuses options that would change nothing about the model.
   *
   * @throws ParameterException naming the option
   */
  void check() {
    if (model != null) {
      String why = "is for a new model, not for one from --model";
      refuse(OF_NEW_MODELS, why);
      refuse(OF_TRANSFORMERS, why);
      refuse(OF_GNMT, why);
    } else if (family == Kind.GNMT) {
      refuse(OF_TRANSFORMERS, "does not go with --family gnmt");
      if (both < 1 || both > layers) {
        throw wrong("--both is " + both + "; it can be 1 to the " + layers + " of --layers");
      }
    } else {
      refuse(OF_GNMT, "is for --family gnmt");
    }
  }

  private void refuse(List<String> options, String why) {
    for (String option : options) {
      if (spec.commandLine().getParseResult().hasMatchedOption(option)) {
        throw wrong(option + " " + why);
      }
    }
  }

  private ParameterException wrong(String what) {
    return new ParameterException(spec.commandLine(), what);
  }

  /** The model. */
  SequenceToSequence translator(Backend backend, Tokenizer tokens, TuneOptions tune) {
    if (model != null) {
      return Translators.open(model, tune.dropout(0.1f), backend, tune.dtype());
    }
    if (family == Kind.GNMT) {
      Gnmt.Shape shape =
          new Gnmt.Shape(
              tokens.vocabularySize(), dim, layers, both, tune.maxLength(), tune.dropout(0.1f));
      return Gnmt.random(shape, marks(tokens), backend, tune.dtype(), tune.seed());
    }
    Translators.Shape shape =
        new Translators.Shape(
            dim,
            layers,
            layers,
            heads,
            inner > 0 ? inner : 4 * dim,
            tune.maxLength(),
            norms == Placement.BEFORE,
            norm == Norm.SCALE,
            positions == Positions.LEARNED,
            tune.dropout(0.1f));
    Marks marks = marks(tokens);
    return Translators.random(
        shape, tokens.vocabularySize(), marks, backend, tune.dtype(), tune.seed());
  }

  private static Marks marks(Tokenizer tokens) {
    int end = tokens.endOfText().orElse(-1);
    if (end < 0) {
      throw new IllegalArgumentException(
          "this tokenizer has no end of text, which a translation needs: name another by"
              + " --tokenizer, or leave it out to learn one");
    }
    int start = tokens.id("<s>").orElse(end);
    return new Marks(start, end, tokens.id("<pad>").orElse(end));
  }
}

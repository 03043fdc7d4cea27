package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.models.Conversion;
import io.heddle.models.Conversion.PositionMode;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Options that say which decoder is fine-tuned, with which attention, and with which tokenizer. */
final class DecoderOptions {
  private static final int CONTEXT = 1024;

  @Mixin private TokenizerOptions words = new TokenizerOptions();

  @Option(
      names = "--model",
      description = "Model folder to start from: a decoder in Hugging Face's layout.")
  private @Nullable Path model;

  @Option(
      names = "--schedule",
      defaultValue = "",
      description = {
        "Attention per layer, e.g. 'block:1024,full@bottom:4'; a model is converted to it (default:"
            + " as the",
        "model has it; without a model full)."
      })
  private String schedule = "";

  @Option(
      names = "--context",
      defaultValue = "0",
      description = {
        "Most tokens of a sequence; a model that knows fewer is extended (default: as the model has"
            + " it;",
        "without a model 1024)."
      })
  private int context;

  @Option(
      names = "--positions",
      defaultValue = "tile",
      description =
          "How learned positions are extended: tile, interpolate or init (default: tile).")
  private String positions = "tile";

  @Option(
      names = "--layers",
      defaultValue = "4",
      description = "Blocks of a model from nothing (default: 4).")
  private int layers;

  @Option(
      names = "--dim",
      defaultValue = "256",
      description = "Features of a token of a model from nothing (default: 256).")
  private int dim;

  @Option(
      names = "--heads",
      defaultValue = "4",
      description = "Heads of a model from nothing (default: 4).")
  private int heads;

  @Option(
      names = "--recompute",
      description =
          "Run each block again on the way back instead of keeping it: less memory, more time.")
  private boolean recompute;

  DecoderOptions() {}

  @Nullable Path model() {
    return model;
  }

  /** The learning rate that is usual for the model. */
  float usualRate() {
    return model != null ? 5e-5f : 1e-3f;
  }

  /** The tokenizer, of a run directory that keeps a learnt one. */
  Tokenizer tokenizer(Path run, Iterable<String> texts, ProgressListener progress)
      throws IOException {
    return words.tokenizer(model, run, texts, progress);
  }

  /** The decoder. */
  Decoder decoder(Backend backend, Tokenizer tokens, TuneOptions tune) {
    Decoder out = model == null ? random(backend, tokens, tune) : loaded(model, backend, tune);
    out.recompute(recompute);
    return out;
  }

  private Decoder random(Backend backend, Tokenizer tokens, TuneOptions tune) {
    int inner = (dim * 8 / 3 + 31) / 32 * 32;
    ModelConfig config =
        ModelConfig.llama(
            tokens.vocabularySize(),
            dim,
            layers,
            heads,
            heads,
            inner,
            context > 0 ? context : CONTEXT,
            schedule.isEmpty() ? "full" : schedule);
    return Decoder.random(config.withDropout(tune.dropout(0)), backend, tune.dtype(), tune.seed());
  }

  private Decoder loaded(Path folder, Backend backend, TuneOptions tune) {
    if (tune.dropout(-1) >= 0) {
      throw new IllegalArgumentException(
          "--dropout is for a model from nothing; a model folder's config.json says its own");
    }
    Decoder from = ModelFolder.load(folder, backend, tune.dtype());
    if (schedule.isEmpty() && context == 0) {
      return from;
    }
    try (from) {
      return Conversion.convert(from, schedule, context, PositionMode.of(positions), tune.seed());
    }
  }
}

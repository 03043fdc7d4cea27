package io.heddle.methods.pretrain;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.data.MaskedTokens;
import io.heddle.data.SpanCorruption;
import io.heddle.data.WordStarts;
import io.heddle.models.Encoder;
import io.heddle.models.Model;
import io.heddle.models.ModelFolder;
import io.heddle.models.Translator;
import io.heddle.text.PairEncoder;
import io.heddle.text.Tokenizer;
import io.heddle.train.Objective;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.LongFunction;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** The objectives on text: what {@link PretrainRun} runs. */
public final class PretrainTasks {
  // Batches of the held-out part that a measure takes: the same every time.
  private static final int HELD = 16;
  private static final List<String> AROUND =
      List.of("[CLS]", "[SEP]", "[PAD]", "<s>", "</s>", "<pad>");

  private PretrainTasks() {}

  /**
   * Which tokens are hidden.
   *
   * @param rate share of tokens
   * @param words whether whole words are
   * @param length tokens of a row, those around the text among them
   */
  public record Hiding(double rate, boolean words, int length, long seed) {
    /** Tokens of text in a row. */
    public int room(Tokenizer tokenizer) {
      return new PairEncoder(tokenizer, length).room(false);
    }
  }

  // Rows as an encoder reads them, with hidden tokens.
  private record Masker(MaskedTokens rule, PairEncoder frame, int rows) {
    static Masker of(Tokenizer tokens, int vocabulary, Hiding how, int rows) {
      Set<Integer> special =
          Stream.concat(AROUND.stream(), MaskedTokens.MASKS.stream())
              .map(tokens::id)
              .filter(OptionalInt::isPresent)
              .map(OptionalInt::getAsInt)
              .collect(Collectors.toSet());
      WordStarts words = how.words ? new WordStarts(tokens) : null;
      int known = Math.min(vocabulary, tokens.vocabularySize());
      return new Masker(
          new MaskedTokens(MaskedTokens.mask(tokens), known, special, how.rate, words, how.seed),
          new PairEncoder(tokens, how.length),
          rows);
    }

    MaskedLanguage.Batch hide(int[][] text, long number) {
      int[][] framed = new int[text.length][];
      for (int r = 0; r < text.length; r++) {
        framed[r] = frame.row(text[r], null).ids();
      }
      return MaskedLanguage.Batch.of(rule, framed, null, number * rows);
    }
  }

  /** Hidden tokens are named. */
  public static PretrainRun.Task<MaskedLanguage.Batch> masked(
      Encoder model, PretrainData data, Hiding how) {
    Masker masker = Masker.of(data.tokenizer(), model.config().vocabulary(), how, data.rows());
    Objective<MaskedLanguage.Batch> objective = MaskedLanguage.objective(model);
    List<MaskedLanguage.Batch> held = held(data, n -> masker.hide(data.held(n), n));
    return new PretrainRun.Task<>(
        "train mlm",
        model.parameters(),
        n -> masker.hide(data.train(n), n),
        objective,
        () -> loss(model.backend(), objective, held),
        folder -> save(model, data, folder),
        facts(data, "tokens hidden", percent(how)));
  }

  /** Sentinels are written out. */
  public static PretrainRun.Task<SpanDenoising.Batch> spans(
      Translator model, PretrainData data, SpanCorruption rule, int start) {
    Objective<SpanDenoising.Batch> objective = SpanDenoising.objective(model);
    int rows = data.rows();
    List<SpanDenoising.Batch> held =
        held(data, n -> SpanDenoising.Batch.of(rule, data.held(n), start, n * rows));
    return new PretrainRun.Task<>(
        "train spans",
        model.parameters(),
        n -> SpanDenoising.Batch.of(rule, data.train(n), start, n * rows),
        objective,
        () -> loss(model.backend(), objective, held),
        folder -> save(model, data, folder),
        facts(
            data,
            "tokens hidden",
            "%.0f %%, %.1f a span".formatted(100 * rule.density(), rule.span())));
  }

  /** Hidden tokens are named by the one model, replaced ones found by the other. */
  public static PretrainRun.Task<JointReplacement.Batch> replaced(
      JointReplacement models, PretrainData data, Hiding how, float weight) {
    int vocabulary = models.generator().config().vocabulary();
    Masker masker = Masker.of(data.tokenizer(), vocabulary, how, data.rows());
    List<JointReplacement.Batch> held =
        held(data, n -> new JointReplacement.Batch(masker.hide(data.held(n), n), n));
    return new PretrainRun.Task<>(
        "train rtd",
        models.parameters(),
        n -> new JointReplacement.Batch(masker.hide(data.train(n), n), n),
        models.objective(weight, how.seed),
        () -> models.measure(held, how.seed),
        folder -> {
          save(models.discriminator(), data, folder);
          save(models.generator(), data, folder.resolveSibling("generator"));
        },
        facts(data, "tokens hidden", percent(how)));
  }

  private static String percent(Hiding how) {
    return "%.0f %%%s".formatted(100 * how.rate, how.words ? ", whole words" : "");
  }

  private static <B> List<B> held(PretrainData data, LongFunction<B> batch) {
    return LongStream.range(0, data.heldBatches(HELD)).mapToObj(batch).toList();
  }

  private static <B> Map<String, Double> loss(
      Backend backend, Objective<B> objective, List<B> batches) {
    Objective.Loss sum = new Objective.Loss(0, 0);
    for (B batch : batches) {
      try (Tape t = Tape.inference(backend)) {
        sum = sum.plus(objective.run(t, batch, 0));
      }
    }
    return Map.of("loss", sum.mean());
  }

  private static void save(Model model, PretrainData data, Path folder) {
    ModelFolder.save(model, folder, Map.of());
    try {
      data.tokenizer().save(folder);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Map<String, Object> facts(PretrainData data, String name, Object value) {
    return Map.of("training tokens", data.tokens(), name, value);
  }
}

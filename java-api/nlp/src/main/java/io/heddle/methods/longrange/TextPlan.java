package io.heddle.methods.longrange;

import io.heddle.models.ModelConfig;
import io.heddle.models.Schedule;
import io.heddle.models.Schedule.Placement;
import io.heddle.tensor.DType;
import io.heddle.train.TrainConfig;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;

/**
 * Sizes of the comparison on text.
 *
 * @param layers blocks; a quarter of them are full in the mixed model
 * @param dim features of a token
 * @param heads attention heads
 * @param vocabulary tokens of the tokenizer
 * @param length tokens of a row, n
 * @param sparse pattern of sparse layers, as {@link Schedule} writes it
 * @param placement where the mixed model's full layers stand
 * @param rows rows of a batch
 * @param steps of each model
 * @param rate peak learning rate
 * @param dtype of weights and activations
 * @param holdOut share of each document's last lines that is scored
 * @param quoted share of each row's tokens that are {@linkplain Quotations quotations}
 * @param start steps of each model on rows an eighth as long, its sparse layers scaled alike, from
 *     which it is converted: looking back is learnt sooner on short rows; 0 for none
 */
public record TextPlan(
    int layers,
    int dim,
    int heads,
    int vocabulary,
    int length,
    String sparse,
    Placement placement,
    int rows,
    long steps,
    float rate,
    DType dtype,
    double holdOut,
    double quoted,
    long start) {
  private static final int SHORTER = 8;
  private static final Pattern SIZE = Pattern.compile("(window|block):(\\d+)");

  /** A model of 28 million parameters on rows of 4096 tokens: under a minute on a large GPU. */
  public static final TextPlan LARGE =
      new TextPlan(
          8,
          512,
          8,
          4096,
          4096,
          "window:256",
          Placement.BOTTOM,
          8,
          300,
          1.5e-3f,
          DType.BF16,
          0.05,
          0,
          0);

  /** The same with other sizes, attention and lessons. */
  public TextPlan with(
      int tokens,
      long wanted,
      int batch,
      String pattern,
      Placement full,
      double share,
      long first) {
    return new TextPlan(
        layers, dim, heads, tokens, length, pattern, full, batch, wanted, rate, dtype, holdOut,
        share, first);
  }

  /** Number of full layers of the mixed model. */
  int full() {
    return Math.max(1, layers / 4);
  }

  /** The models by name, as schedules. */
  Map<String, String> patterns() {
    return patterns(sparse);
  }

  private Map<String, String> patterns(String rest) {
    Map<String, String> out = new LinkedHashMap<>();
    out.put(TextFindings.FULL, "full");
    out.put(TextFindings.MIXED, Schedule.mixed(layers, full(), placement, rest));
    out.put(TextFindings.SPARSE, rest);
    return out;
  }

  ModelConfig shape(String schedule, int tokens) {
    return shape(schedule, tokens, length);
  }

  private ModelConfig shape(String schedule, int tokens, int known) {
    int inner = (dim * 8 / 3 + 31) / 32 * 32;
    return ModelConfig.llama(tokens, dim, layers, heads, heads, inner, known, schedule);
  }

  TrainConfig loop(long seed) {
    return loop(steps, seed);
  }

  private TrainConfig loop(long count, long seed) {
    return TrainConfig.of(count, rate, seed).every(0, Math.max(1, count / 2));
  }

  // ---- the start ----

  int startLength() {
    return length / SHORTER;
  }

  /** More rows, but a quarter of the tokens: steps count here, and the text is short. */
  int startRows() {
    return 2 * rows;
  }

  ModelConfig startShape(String pattern, int tokens) {
    String scaled =
        SIZE.matcher(sparse)
            .replaceAll(
                size -> size.group(1) + ":" + Math.max(1, Long.parseLong(size.group(2)) / SHORTER));
    return shape(Objects.requireNonNull(patterns(scaled).get(pattern)), tokens, startLength());
  }

  TrainConfig startLoop(long seed) {
    return loop(start, seed);
  }
}

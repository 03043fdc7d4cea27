package io.heddle.methods.longrange;

import io.heddle.models.ModelConfig;
import io.heddle.models.Schedule;
import io.heddle.models.Schedule.Placement;
import io.heddle.tensor.DType;
import io.heddle.train.TrainConfig;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Sizes of the comparison on text.
 *
 * @param layers blocks; a quarter of them are full in the mixed model
 * @param dim features of a token
 * @param heads attention heads
 * @param vocabulary tokens of the tokenizer
 * @param length tokens of a row, n
 * @param sparse pattern of sparse layers, as {@link Schedule} writes it
 * @param rows rows of a batch
 * @param steps of each model
 * @param rate peak learning rate
 * @param dtype of weights and activations
 * @param holdOut share of each document's last lines that is scored
 * @param quoted share of each row's tokens that are {@linkplain Quotations quotations}
 * @param start steps of one model of full attention on rows of {@link #START_LENGTH} tokens, from
 *     which all others are converted; 0: these begin with random weights
 */
public record TextPlan(
    int layers,
    int dim,
    int heads,
    int vocabulary,
    int length,
    String sparse,
    int rows,
    long steps,
    float rate,
    DType dtype,
    double holdOut,
    double quoted,
    long start) {
  /** Tokens of a row of the start. */
  static final int START_LENGTH = 512;

  /** A model of 28 million parameters on rows of 4096 tokens: under a minute on a large GPU. */
  public static final TextPlan LARGE =
      new TextPlan(8, 512, 8, 4096, 4096, "window:256", 8, 300, 1.5e-3f, DType.BF16, 0.05, 0, 0);

  /** The same for another vocabulary, number of steps, rows of a batch, and sparse pattern. */
  public TextPlan sized(int tokens, long wanted, int batch, String pattern) {
    return new TextPlan(
        layers,
        dim,
        heads,
        tokens,
        length,
        pattern,
        batch,
        wanted,
        rate,
        dtype,
        holdOut,
        quoted,
        start);
  }

  /** The same with such a share of quotations, and so many steps of a common start. */
  public TextPlan with(double share, long first) {
    return new TextPlan(
        layers,
        dim,
        heads,
        vocabulary,
        length,
        sparse,
        rows,
        steps,
        rate,
        dtype,
        holdOut,
        share,
        first);
  }

  /** Number of full layers of the mixed model. */
  int full() {
    return Math.max(1, layers / 4);
  }

  /** The models by name, as schedules. */
  Map<String, String> patterns() {
    Map<String, String> out = new LinkedHashMap<>();
    out.put(TextFindings.FULL, "full");
    out.put(TextFindings.MIXED, Schedule.mixed(layers, full(), Placement.BOTTOM, sparse));
    out.put(TextFindings.SPARSE, sparse);
    return out;
  }

  ModelConfig shape(String schedule, int tokens, int known) {
    int inner = (dim * 8 / 3 + 31) / 32 * 32;
    return ModelConfig.llama(tokens, dim, layers, heads, heads, inner, known, schedule);
  }

  /** Batches of the start have as many tokens as the others. */
  int startRows() {
    return Math.max(1, rows * length / START_LENGTH);
  }

  TrainConfig startLoop(long seed) {
    return loop(start, rate, seed);
  }

  /** What was converted learns on at half the rate. */
  TrainConfig loop(long seed) {
    return loop(steps, start > 0 ? rate / 2 : rate, seed);
  }

  private static TrainConfig loop(long count, float peak, long seed) {
    return TrainConfig.of(count, peak, seed).every(0, Math.max(1, count / 2));
  }
}

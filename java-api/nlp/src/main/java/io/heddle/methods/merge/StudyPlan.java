package io.heddle.methods.merge;

import io.heddle.train.TrainConfig;

/**
 * Sizes of a reproduction.
 *
 * @param title what it is a study of
 * @param dim features of a token
 * @param layers blocks
 * @param heads attention heads
 * @param length tokens of a row
 * @param rows rows of a batch
 * @param vocabulary tokens of a trained tokenizer; without meaning where there is no text
 * @param baseSteps steps of the base
 * @param baseRate its peak learning rate
 * @param tuneSteps steps of each fine-tuning
 * @param tuneRate its peak learning rate
 * @param validationTokens scored for a candidate, of each source
 * @param testTokens scored for the tables, of each source
 * @param mixtures mixtures that the tuned data mixing tries
 */
public record StudyPlan(
    String title,
    int dim,
    int layers,
    int heads,
    int length,
    int rows,
    int vocabulary,
    long baseSteps,
    float baseRate,
    long tuneSteps,
    float tuneRate,
    int validationTokens,
    int testTokens,
    int mixtures) {
  /** Markov chains, fine-tuned for a short while. */
  public static final StudyPlan CHAINS_SHORT =
      new StudyPlan(
          "Markov chains, short fine-tuning",
          96,
          2,
          4,
          32,
          32,
          0,
          1200,
          1e-3f,
          80,
          1e-4f,
          4096,
          16384,
          8);

  /** Markov chains, fine-tuned for long. */
  public static final StudyPlan CHAINS_LONG =
      new StudyPlan(
          "Markov chains, long fine-tuning",
          96,
          2,
          4,
          32,
          32,
          0,
          1500,
          1e-3f,
          200,
          3e-4f,
          4096,
          16384,
          8);

  /** Text. */
  public static final StudyPlan TEXT =
      new StudyPlan("text", 96, 2, 4, 128, 8, 1024, 500, 4e-3f, 50, 5e-4f, 4096, 8192, 8);

  /** Candidates of the shared weight. */
  private static final double[] SHARED = new double[15];

  static {
    for (int i = 0; i < SHARED.length; i++) {
      SHARED[i] = (i + 1) / 10.0;
    }
  }

  static double[] shared() {
    return SHARED.clone();
  }

  /** The same by another title. */
  public StudyPlan titled(String other) {
    return new StudyPlan(
        other,
        dim,
        layers,
        heads,
        length,
        rows,
        vocabulary,
        baseSteps,
        baseRate,
        tuneSteps,
        tuneRate,
        validationTokens,
        testTokens,
        mixtures);
  }

  /** The same with other numbers of steps. */
  public StudyPlan steps(long base, long tune) {
    return new StudyPlan(
        title,
        dim,
        layers,
        heads,
        length,
        rows,
        vocabulary,
        base,
        baseRate,
        tune,
        tuneRate,
        validationTokens,
        testTokens,
        mixtures);
  }

  /** A tenth of the steps, a quarter of the tokens scored, two mixtures: to see that it runs. */
  public StudyPlan quick() {
    return new StudyPlan(
        title + " (quick: a tenth of the steps)",
        dim,
        layers,
        heads,
        length,
        rows,
        vocabulary,
        Math.max(1, baseSteps / 10),
        baseRate,
        Math.max(1, tuneSteps / 10),
        tuneRate,
        validationTokens / 4,
        testTokens / 4,
        2);
  }

  /** Tokens that a number of steps trains on. */
  long tokens(long steps) {
    return steps * rows * length;
  }

  /** The most candidates that the search of the study evaluates. */
  static int searched(int sources) {
    return SHARED.length + 4 * sources;
  }

  /**
   * Steps of data mixing whose cost is that of all fine-tunings and of the search: a token scored
   * costs a third of a token trained on.
   */
  long budget(int sources) {
    double scored = (double) searched(sources) * sources * validationTokens;
    return sources * tuneSteps + (long) Math.ceil(scored / 3 / tokens(1));
  }

  TrainConfig loop(long steps, boolean base, boolean watched, long seed) {
    // A patience that never ends: the parameters of the best evaluation stay, no run is cut short.
    return new TrainConfig(
        steps,
        1,
        base ? baseRate : tuneRate,
        steps / 20,
        TrainConfig.Decay.COSINE,
        0.1f,
        0.9f,
        0.95f,
        1e-8f,
        0.01f,
        false,
        1,
        seed,
        watched ? Math.max(1, steps / 4) : 0,
        Math.max(1, steps / 4),
        watched ? Integer.MAX_VALUE : 0);
  }
}

package io.heddle.nn;

/**
 * How rotary frequencies are changed so that a model reads more than the context it was first
 * trained on; numbers as in transformers' {@code rope_parameters}.
 *
 * @param kind by which formula
 * @param factor how much longer texts become
 * @param slow LLAMA3: wavelengths above {@code original / slow} are stretched whole; YARN: so are
 *     frequencies of fewer than {@code slow} turns over the original context
 * @param fast LLAMA3: wavelengths below {@code original / fast} stay; YARN: so do frequencies of
 *     more than {@code fast} turns
 * @param original the context before, in tokens
 * @param amplitude factor on cos and sin
 * @param truncate YARN: whole features are where stretching begins and ends
 */
public record RotaryScaling(
    Kind kind,
    double factor,
    double slow,
    double fast,
    int original,
    double amplitude,
    boolean truncate) {
  /** The formula. */
  public enum Kind {
    /** Frequencies as they are. */
    NONE,
    /** All divided by the factor (Chen et al. 2023, "Extending context window"). */
    LINEAR,
    /** Long wavelengths divided, short ones kept, a line between (Llama 3.1). */
    LLAMA3,
    /** The same by turns over the context, with cos and sin scaled (Peng et al. 2024). */
    YARN
  }

  /** No change. */
  public static final RotaryScaling NONE = new RotaryScaling(Kind.NONE, 1, 1, 1, 1, 1, false);

  /** Checks the numbers. */
  public RotaryScaling {
    if (!(factor >= 1) || !(slow > 0) || !(fast >= slow) || original < 1 || !(amplitude > 0)) {
      throw new IllegalArgumentException(
          "rotary scaling %s: factor %s (1 at least), slow %s, fast %s, context %d, amplitude %s"
              .formatted(kind, factor, slow, fast, original, amplitude));
    }
  }

  /** Angles per position of the first {@code turned} features' pairs. */
  public float[] frequencies(double theta, int turned) {
    float[] out = new float[turned / 2];
    for (int i = 0; i < out.length; i++) {
      double plain = Math.pow(theta, -2.0 * i / turned);
      double kept = kept(i, plain, theta, turned);
      out[i] = (float) (kept * plain + (1 - kept) * plain / factor);
    }
    return out;
  }

  // The share of pair i that keeps its frequency.
  private double kept(int i, double plain, double theta, int turned) {
    return switch (kind) {
      case NONE -> 1;
      case LINEAR -> 0;
      case LLAMA3 -> share((original * plain / (2 * Math.PI) - slow) / (fast - slow));
      case YARN -> {
        double from = pairs(fast, theta, turned);
        double to = pairs(slow, theta, turned);
        from = Math.max(0, truncate ? Math.floor(from) : from);
        to = Math.min(turned - 1, truncate ? Math.ceil(to) : to);
        yield 1 - share((i - from) / (to == from ? 0.001 : to - from));
      }
    };
  }

  // The pair that makes so many turns over the original context.
  private double pairs(double turns, double theta, int turned) {
    return turned * Math.log(original / (turns * 2 * Math.PI)) / (2 * Math.log(theta));
  }

  private static double share(double x) {
    return Math.max(0, Math.min(1, x));
  }
}

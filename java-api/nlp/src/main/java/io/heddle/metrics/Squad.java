package io.heddle.metrics;

import java.util.List;

/**
 * Exact match and F1 of extracted answers (Rajpurkar et al. 2016, the script of SQuAD 1.1): of each
 * question the best over its references, then the mean over questions.
 *
 * @param answers how answers are compared
 */
public record Squad(SquadAnswers answers) implements TextMetric<Squad.Score> {
  /** SQuAD's own comparison. */
  public static Squad standard() {
    return new Squad(SquadAnswers.SQUAD);
  }

  /**
   * Means over questions.
   *
   * @param exact share of exact matches, 0 to 100
   * @param f1 mean F1, 0 to 100
   * @param questions how many
   */
  public record Score(double exact, double f1, long questions) implements MetricScore {
    @Override
    public String name() {
      return "F1";
    }

    @Override
    public double value() {
      return f1;
    }

    @Override
    public String details() {
      return "(exact match = " + Digits.of(exact, 2) + " questions = " + questions + ")";
    }
  }

  /** Exact match, F1, and 1. */
  @Override
  public int width() {
    return 3;
  }

  @Override
  public double[] count(String hypothesis, List<String> references) {
    double exact = 0;
    double f1 = 0;
    for (String reference : TextMetric.required(references)) {
      exact = Math.max(exact, answers.exact(reference, hypothesis) ? 1 : 0);
      f1 = Math.max(f1, answers.f1(reference, hypothesis));
    }
    return new double[] {exact, f1, 1};
  }

  @Override
  public Score score(double[] sums) {
    double scale = sums[2] == 0 ? 0 : 100 / sums[2];
    return new Score(scale * sums[0], scale * sums[1], (long) sums[2]);
  }

  @Override
  public String signature(String references) {
    return "nrefs:"
        + references
        + "|answers:"
        + (answers == SquadAnswers.SQUAD ? "squad" : "trivia");
  }
}

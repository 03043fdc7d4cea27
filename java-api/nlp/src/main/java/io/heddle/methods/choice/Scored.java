package io.heddle.methods.choice;

/**
 * Answers to the questions of one subject.
 *
 * @param subject its name
 * @param questions how many were asked
 * @param right answered by the likeliest option
 * @param rightNormalised answered by the option that is likeliest for its length
 */
public record Scored(String subject, int questions, int right, int rightNormalised) {
  /** Share of right answers. */
  public double accuracy() {
    return (double) right / questions;
  }

  /** Share of right answers when likelihoods are divided by lengths. */
  public double normalisedAccuracy() {
    return (double) rightNormalised / questions;
  }

  /** Standard error of {@link #accuracy}; NaN for fewer than two questions. */
  public double error() {
    return error(accuracy());
  }

  /** Standard error of {@link #normalisedAccuracy}; NaN for fewer than two questions. */
  public double normalisedError() {
    return error(normalisedAccuracy());
  }

  // The deviation of a sample of zeros and ones, over the root of its size.
  private double error(double p) {
    return questions < 2 ? Double.NaN : Math.sqrt(p * (1 - p) / (questions - 1));
  }

  /** Both subjects as one, called {@code name}. */
  public Scored plus(Scored other, String name) {
    return new Scored(
        name,
        questions + other.questions,
        right + other.right,
        rightNormalised + other.rightNormalised);
  }
}

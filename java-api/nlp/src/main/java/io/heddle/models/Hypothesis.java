package io.heddle.models;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A continuation that was found.
 *
 * @param tokens without the prompt; the end of the text, if it was reached, is the last one
 * @param score by which continuations are ranked; what it is depends on the search
 * @param logProbability sum of the log probabilities of the tokens, as the rules left them
 * @param ended whether the text came to its end and was not cut
 */
@SuppressWarnings("ArrayRecordComponent") // equality is by content, below
public record Hypothesis(int[] tokens, double score, double logProbability, boolean ended) {
  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof Hypothesis h
        && Arrays.equals(tokens, h.tokens)
        && score == h.score
        && logProbability == h.logProbability
        && ended == h.ended;
  }

  @Override
  public int hashCode() {
    return Arrays.hashCode(tokens);
  }

  @Override
  public String toString() {
    return Arrays.toString(tokens) + " " + score + (ended ? "" : " (cut)");
  }
}

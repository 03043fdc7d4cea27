package io.heddle.metrics;

import java.util.List;
import java.util.stream.Collectors;

/**
 * A BLEU score and what it is made of.
 *
 * @param value from 0 to 100
 * @param precisions of each order, smoothed, from 0 to 100
 * @param brevityPenalty from 0 to 1
 * @param hypothesisLength words
 * @param referenceLength words of the closest references
 */
public record BleuScore(
    double value,
    List<Double> precisions,
    double brevityPenalty,
    long hypothesisLength,
    long referenceLength)
    implements MetricScore {
  /** Keeps its own list. */
  public BleuScore {
    precisions = List.copyOf(precisions);
  }

  @Override
  public String name() {
    return "BLEU";
  }

  /** Length of the hypotheses over that of the references, 0 without any. */
  public double ratio() {
    return referenceLength == 0 ? 0 : (double) hypothesisLength / referenceLength;
  }

  @Override
  public String details() {
    String each = precisions.stream().map(p -> Digits.of(p, 1)).collect(Collectors.joining("/"));
    return each
        + (" (BP = " + Digits.of(brevityPenalty, 3) + " ratio = " + Digits.of(ratio(), 3))
        + (" hyp_len = " + hypothesisLength + " ref_len = " + referenceLength + ")");
  }
}

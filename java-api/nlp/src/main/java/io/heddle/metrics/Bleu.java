package io.heddle.metrics;

import io.heddle.text.Spaces;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * BLEU (Papineni et al. 2002) as sacreBLEU computes it (Post 2018): clipped n-gram counts over all
 * references, the closest reference's length (the shorter of two equally close ones), a brevity
 * penalty of exp(1 - r / c), and the geometric mean of the precisions.
 *
 * @param tokenizer cuts lines into words
 * @param lowerCase whether lines are lower-cased first
 * @param smoothing what is done about orders without a match
 * @param smoothingValue its value, where it has one
 * @param effectiveOrder whether orders that the hypothesis is too short for are left out; meant for
 *     single sentences
 * @param order the largest n, usually 4
 */
public record Bleu(
    BleuTokenizer tokenizer,
    boolean lowerCase,
    Smoothing smoothing,
    double smoothingValue,
    boolean effectiveOrder,
    int order)
    implements TextMetric<BleuScore> {
  // What sacreBLEU takes for the logarithm of 0.
  private static final double LOG_OF_ZERO = -9999999999.0;

  /** Checks the order. */
  public Bleu {
    if (order < 1 || order > 100) {
      throw new IllegalArgumentException("BLEU has orders from 1 on, not " + order);
    }
  }

  /** sacreBLEU's defaults: 13a, mixed case, exponential smoothing, orders up to 4. */
  public static Bleu standard() {
    return new Bleu(BleuTokenizer.V13A, false, Smoothing.EXP, 0, false, 4);
  }

  /** The same with another tokenizer. */
  public Bleu with(BleuTokenizer other) {
    return new Bleu(other, lowerCase, smoothing, smoothingValue, effectiveOrder, order);
  }

  /** The same with another smoothing and its usual value. */
  public Bleu with(Smoothing other) {
    return with(other, other.usualValue());
  }

  /** The same with another smoothing. */
  public Bleu with(Smoothing other, double value) {
    return new Bleu(tokenizer, lowerCase, other, value, effectiveOrder, order);
  }

  /** The same, lower-cased or not. */
  public Bleu lowerCased(boolean lower) {
    return new Bleu(tokenizer, lower, smoothing, smoothingValue, effectiveOrder, order);
  }

  /** The same, with or without effective order. */
  public Bleu effective(boolean effective) {
    return new Bleu(tokenizer, lowerCase, smoothing, smoothingValue, effective, order);
  }

  /** Lengths of hypothesis and reference; matches and totals of each order. */
  @Override
  public int width() {
    return 2 + 2 * order;
  }

  @Override
  public double[] count(String hypothesis, List<String> references) {
    TextMetric.required(references);
    Symbols symbols = new Symbols();
    Grams grams = new Grams(order);
    int[] words = symbols.of(words(hypothesis));
    int[] own = grams.count(words);
    int[] most = {};
    int closest = -1;
    for (String reference : references) {
      int[] others = symbols.of(words(reference));
      most = Grams.larger(most, grams.count(others));
      closest = closer(words.length, closest, others.length);
    }
    double[] row = new double[width()];
    row[0] = words.length;
    row[1] = closest;
    grams.matches(own, most, row, 2);
    for (int n = 1; n <= order; n++) {
      row[1 + order + n] = Grams.total(words.length, n);
    }
    return row;
  }

  private List<String> words(String line) {
    String cased = lowerCase ? line.toLowerCase(Locale.ROOT) : line;
    return tokenizer.words(Spaces.stripEnd(cased));
  }

  private static int closer(int length, int known, int other) {
    if (known < 0) {
      return other;
    }
    int difference = Math.abs(length - other) - Math.abs(length - known);
    return difference < 0 || (difference == 0 && other < known) ? other : known;
  }

  @Override
  public BleuScore score(double[] sums) {
    double length = sums[0];
    double wanted = sums[1];
    double penalty = length >= wanted ? 1 : length > 0 ? Math.exp(1 - wanted / length) : 0;
    double[] precisions = new double[order];
    boolean any = false;
    for (int n = 0; n < order; n++) {
      any |= sums[2 + n] != 0;
    }
    int orders = any ? precisions(sums, precisions) : order;
    double logs = 0;
    for (int n = 0; n < orders; n++) {
      logs += precisions[n] == 0 ? LOG_OF_ZERO : Math.log(precisions[n]);
    }
    double value = any ? penalty * Math.exp(logs / orders) : 0;
    List<Double> each = Arrays.stream(precisions).boxed().toList();
    return new BleuScore(value, each, penalty, (long) length, (long) wanted);
  }

  /** Fills the precisions and gives the number of orders to take the mean of. */
  private int precisions(double[] sums, double[] out) {
    double halved = 1;
    int orders = order;
    for (int n = 0; n < order; n++) {
      double added = smoothing == Smoothing.ADD_K && n > 0 ? smoothingValue : 0;
      double matched = sums[2 + n] + added;
      double total = sums[2 + order + n] + added;
      if (total == 0) {
        break;
      }
      if (effectiveOrder) {
        orders = n + 1;
      }
      if (matched != 0) {
        out[n] = 100 * matched / total;
      } else if (smoothing == Smoothing.EXP) {
        halved *= 2;
        out[n] = 100 / (halved * total);
      } else if (smoothing == Smoothing.FLOOR) {
        out[n] = 100 * smoothingValue / total;
      }
    }
    return orders;
  }

  @Override
  public String signature(String references) {
    String value = smoothing.hasValue() ? "[" + Digits.of(smoothingValue, 2) + "]" : "";
    return String.join(
        "|",
        "nrefs:" + references,
        "case:" + (lowerCase ? "lc" : "mixed"),
        "eff:" + (effectiveOrder ? "yes" : "no"),
        "tok:" + tokenizer.label(),
        "smooth:" + smoothing.label() + value,
        "version:" + SACREBLEU);
  }
}

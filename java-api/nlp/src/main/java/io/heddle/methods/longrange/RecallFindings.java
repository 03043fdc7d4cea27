package io.heddle.methods.longrange;

import java.util.ArrayList;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * What one seed of the recall experiment found, or the mean of several.
 *
 * @param name of the seed, or of the mean
 * @param rows models trained from scratch
 * @param conversions models that were converted
 */
public record RecallFindings(String name, List<Row> rows, List<Conversion> conversions) {
  /** Name of the row with full attention everywhere. */
  public static final String FULL = "full";

  /**
   * A model trained from scratch.
   *
   * @param pattern its name
   * @param letters one for each layer
   * @param pairs scored pairs as a share of full attention's
   * @param recall share of values ranked first
   * @param perplexity of the filler
   * @param seconds of training
   */
  public record Row(
      String pattern,
      String letters,
      double pairs,
      double recall,
      double perplexity,
      double seconds) {}

  /**
   * A model with full attention at half the length, converted.
   *
   * @param pattern the name of what it was converted to
   * @param before recall at once
   * @param after recall after training on
   */
  public record Conversion(String pattern, double before, double after) {}

  /** The row of this pattern. */
  public Row row(String pattern) {
    return rows.stream()
        .filter(row -> row.pattern.equals(pattern))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("there is no row '" + pattern + "'"));
  }

  /** The conversion to this pattern. */
  public Conversion conversion(String pattern) {
    return conversions.stream()
        .filter(one -> one.pattern.equals(pattern))
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("nothing became '" + pattern + "'"));
  }

  /** The mean of all. */
  static RecallFindings mean(List<RecallFindings> all) {
    RecallFindings first = all.getFirst();
    List<Row> rows = new ArrayList<>();
    for (Row row : first.rows) {
      String p = row.pattern;
      rows.add(
          new Row(
              p,
              row.letters,
              row.pairs,
              mean(all, f -> f.row(p).recall),
              mean(all, f -> f.row(p).perplexity),
              mean(all, f -> f.row(p).seconds)));
    }
    List<Conversion> conversions = new ArrayList<>();
    for (Conversion one : first.conversions) {
      String p = one.pattern;
      conversions.add(
          new Conversion(
              p, mean(all, f -> f.conversion(p).before), mean(all, f -> f.conversion(p).after)));
    }
    return new RecallFindings("mean of " + all.size() + " seeds", rows, conversions);
  }

  private static double mean(List<RecallFindings> all, ToDoubleFunction<RecallFindings> value) {
    return all.stream().mapToDouble(value).average().orElse(Double.NaN);
  }
}

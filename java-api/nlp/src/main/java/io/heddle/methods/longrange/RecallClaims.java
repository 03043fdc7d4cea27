package io.heddle.methods.longrange;

import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Claim.Verdict;
import io.heddle.models.Schedule.Placement;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** What must hold of the recall experiment, held against what was found. */
final class RecallClaims {
  private static final String ALWAYS = "always, on the mean";
  private static final double SOLVED = 0.98;
  private static final double ALIKE = 0.02; // of chance, in shares
  private static final double NEAR = 0.05;
  private static final double APART = 0.2;
  private static final double LOCAL = 0.03;

  private final List<RecallFindings> all;
  private final List<Claim> claims = new ArrayList<>();

  private RecallClaims(List<RecallFindings> columns) {
    this.all = columns;
  }

  /** The claims, checked for each of {@code columns}. */
  static List<Claim> of(List<RecallFindings> columns) {
    RecallClaims claims = new RecallClaims(columns);
    claims.recall();
    claims.placement();
    claims.rest();
    return List.copyOf(claims.claims);
  }

  private void add(String text, Function<RecallFindings, Verdict> check) {
    claims.add(Claim.over(all, text, ALWAYS, check));
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", 100 * share);
  }

  private static Verdict atLeast(double value, double bound) {
    return new Verdict(value >= bound, percent(value));
  }

  private static Verdict nearChance(double value, double bound) {
    return new Verdict(Math.abs(value - RecallData.CHANCE) <= bound, percent(value));
  }

  private void recall() {
    String two = RecallStudy.mixed(2, Placement.BOTTOM, RecallStudy.BLOCK);
    add(
        "full attention everywhere recalls 98 % or more",
        f -> atLeast(f.row(RecallFindings.FULL).recall(), SOLVED));
    add(
        "blocks everywhere stay within 2 points of chance (12.5 %)",
        f -> nearChance(f.row(RecallStudy.BLOCK).recall(), ALIKE));
    add(
        "windows everywhere stay within 5 points of chance, though their field reaches some pairs",
        f -> nearChance(f.row(RecallStudy.WINDOW).recall(), NEAR));
    add(
        "two full layers at the bottom recall 98 % or more",
        f -> atLeast(f.row(two).recall(), SOLVED));
    add(
        "two full layers at the bottom recall 98 % or more after conversion",
        f -> atLeast(f.conversion(two).after(), SOLVED));
  }

  private void placement() {
    for (String sparse : List.of(RecallStudy.BLOCK, RecallStudy.WINDOW)) {
      for (int full = 1; full <= (sparse.equals(RecallStudy.BLOCK) ? 2 : 1); full++) {
        String low = RecallStudy.mixed(full, Placement.BOTTOM, sparse);
        String high = RecallStudy.mixed(full, Placement.TOP, sparse);
        add(
            low + " beats " + high + " by 20 points or more",
            f -> apart(f.row(low).recall(), f.row(high).recall()));
      }
    }
    String low = RecallStudy.mixed(2, Placement.BOTTOM, RecallStudy.BLOCK);
    String high = RecallStudy.mixed(2, Placement.TOP, RecallStudy.BLOCK);
    add(
        "after conversion " + low + " beats " + high + " by 20 points or more",
        f -> apart(f.conversion(low).after(), f.conversion(high).after()));
  }

  private static Verdict apart(double low, double high) {
    return new Verdict(low - high >= APART, percent(low) + " against " + percent(high));
  }

  private void rest() {
    add(
        "the local perplexity of every pattern is within 3 % of full attention's",
        f -> {
          double full = f.row(RecallFindings.FULL).perplexity();
          double most = 0;
          for (RecallFindings.Row row : f.rows()) {
            most = Math.max(most, Math.abs(row.perplexity() / full - 1));
          }
          return new Verdict(most <= LOCAL, "largest difference " + percent(most));
        });
  }
}

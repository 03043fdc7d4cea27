package io.heddle.methods.merge;

import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Claim.Verdict;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Function;

/** What the method says of itself, held against what was found. */
final class Claims {
  private static final double APART = 0.1;
  private static final double ALIKE = 0.9;
  private static final String ALWAYS = "always";
  private static final String SHORT = "with short fine-tuning";
  private static final String NEVER = "not expected at this scale";

  private final List<Findings> all;
  private final List<Claim> claims = new ArrayList<>();

  private Claims(List<Findings> all) {
    this.all = all;
  }

  static List<Claim> of(List<Findings> all) {
    Claims claims = new Claims(all);
    claims.merging();
    claims.sources();
    claims.costs();
    return List.copyOf(claims.claims);
  }

  private void add(String text, String when, Function<Findings, Verdict> check) {
    claims.add(Claim.over(all, text, when, check));
  }

  private static Verdict below(Findings f, String less, String more, boolean strictly) {
    double a = f.row(less).mean();
    double b = f.row(more).mean();
    return new Verdict(
        strictly ? a < b : a <= b, String.format(Locale.ROOT, "%.4f against %.4f", a, b));
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, "%.4f", value);
  }

  private static double bestSingle(Findings f) {
    return f.rows().stream()
        .filter(row -> row.model().startsWith(Findings.SINGLE))
        .mapToDouble(Findings.Row::mean)
        .min()
        .orElse(Double.NaN);
  }

  private void merging() {
    add(
        "DEM is below the base on the mean",
        ALWAYS,
        f -> below(f, Findings.DEM, Findings.BASE, true));
    add(
        "DEM is below every single-source model on the mean",
        ALWAYS,
        f -> {
          double dem = f.row(Findings.DEM).mean();
          double single = bestSingle(f);
          return new Verdict(dem < single, number(dem) + " against " + number(single));
        });
    add(
        "DEM is at or below the uniform average",
        ALWAYS,
        f -> below(f, Findings.DEM, Findings.UNIFORM, false));
    add(
        "the uniform average is at or below the base",
        ALWAYS,
        f -> below(f, Findings.UNIFORM, Findings.BASE, false));
    add(
        "DEM is at or below task arithmetic with w = 1",
        ALWAYS,
        f -> below(f, Findings.DEM, Findings.PLAIN, false));
  }

  private void sources() {
    add(
        "leaving a source out raises its own loss most",
        ALWAYS,
        f -> {
          int right = 0;
          for (int i = 0; i < f.sources().size(); i++) {
            double own = rise(f, i, i);
            boolean most = own > 0;
            for (int j = 0; j < f.sources().size(); j++) {
              most &= j == i || rise(f, i, j) < own;
            }
            right += most ? 1 : 0;
          }
          return new Verdict(
              right == f.sources().size(), right + " of " + f.sources().size() + " sources");
        });
    add(
        "leaving a source out lowers the loss of the others on the mean",
        ALWAYS,
        f -> {
          int n = f.sources().size();
          double sum = 0;
          for (int i = 0; i < n; i++) {
            for (int j = 0; j < n; j++) {
              sum += i == j ? 0 : rise(f, i, j);
            }
          }
          double mean = sum / (n * (n - 1.0));
          return new Verdict(mean < 0, String.format(Locale.ROOT, "%+.4f", mean));
        });
    add(
        "cosines between sources are below 0.1",
        ALWAYS,
        f -> {
          double most = 0;
          for (int i = 0; i < f.sources().size(); i++) {
            for (int j = 0; j < i; j++) {
              most = Math.max(most, Math.abs(f.cosines().get(i).get(j)));
            }
          }
          return new Verdict(most < APART, "largest " + number(most));
        });
    add(
        "the cosine of two fine-tunings on one source exceeds 0.9",
        ALWAYS,
        f -> new Verdict(f.again() > ALIKE, number(f.again())));
  }

  private static double rise(Findings f, int without, int of) {
    return f.without().get(without).get(of) - f.row(Findings.DEM).losses().get(of);
  }

  private void costs() {
    add(
        "adding a source costs its own training alone, and lowers its loss",
        ALWAYS,
        f -> {
          long own = f.row(Findings.SINGLE + f.sources().getFirst()).trained();
          double before = f.addition().before().getLast();
          double after = f.addition().after().getLast();
          return new Verdict(
              f.addition().trained() <= own && after < before,
              "%d tokens trained, as one source; its loss from %s to %s"
                  .formatted(f.addition().trained(), number(before), number(after)));
        });
    add(
        "DEM is below data mixing run for the steps of one source",
        SHORT,
        f -> below(f, Findings.DEM, Findings.MIX_SHORT, true));
    add(
        "DEM is below a grid of mixtures held to the same total budget",
        SHORT,
        f -> below(f, Findings.DEM, Findings.MIX_GRID, true));
    add(
        "DEM is below one uniform mixture at equal steps",
        NEVER,
        f -> below(f, Findings.DEM, Findings.MIX_EQUAL, true));
    add(
        "DEM is below one uniform mixture with the whole budget",
        NEVER,
        f -> below(f, Findings.DEM, Findings.MIX_BUDGET, true));
  }
}

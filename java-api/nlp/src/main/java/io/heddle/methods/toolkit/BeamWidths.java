package io.heddle.methods.toolkit;

import io.heddle.data.Mix;
import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Table;
import io.heddle.models.BeamScoring;
import io.heddle.models.BeamSearch;
import io.heddle.models.Hypothesis;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;

/**
 * Beam search held against the list of all texts. The list knows the rules alone: a score is the
 * sum of log probabilities over lp(t) = ((5 + t) / 6)^alpha, and a text that is cut gets its end
 * for nothing.
 */
final class BeamWidths implements Experiment {
  private static final int WORDS = 5;
  private static final int END = 4;
  private static final int LONGEST = 4;
  private static final int WIDE = WORDS * WORDS * WORDS;
  private static final double K = 5;
  private static final double SHARP = 1.5;
  private static final double EQUAL = 1e-5;
  private static final List<Double> ALPHAS = List.of(0.0, 0.6, 1.0, 2.0, 4.0);
  private static final List<Integer> WIDTHS = List.of(1, 2, 4, 8, 16, 32, WIDE);
  private static final int[] START = {0};

  private final int models;

  BeamWidths(boolean quick) {
    this.models = quick ? 40 : 400;
  }

  @Override
  public String name() {
    return "beam";
  }

  @Override
  public String title() {
    return "Beam search against the list of all texts";
  }

  @Override
  public long steps() {
    return models;
  }

  // Every history has logits of its own.
  private static HistoryModel random(long seed) {
    return new HistoryModel(
        WORDS,
        text -> {
          long place = seed;
          for (int token : text) {
            place = Mix.hash(place) + token;
          }
          SplittableRandom random = new SplittableRandom(place);
          double[] out = new double[WORDS];
          Arrays.setAll(out, i -> SHARP * random.nextGaussian());
          return out;
        });
  }

  /** A text and its summed log probability. */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Listed(int[] tokens, double sum, int scored) {
    double score(double alpha) {
      return sum / Math.pow((K + scored) / (K + 1), alpha);
    }
  }

  private static void list(HistoryModel model, int[] text, double sum, List<Listed> out) {
    int written = text.length - START.length;
    double[] logP = model.logP(text);
    for (int token = 0; token < WORDS; token++) {
      int[] next = HistoryModel.with(text, token);
      double total = sum + logP[token];
      if (token == END || written + 1 == LONGEST) {
        int[] ended = token == END ? next : HistoryModel.with(next, END);
        int[] tokens = Arrays.copyOfRange(ended, START.length, ended.length);
        out.add(new Listed(tokens, total, written + 1));
      } else {
        list(model, next, total, out);
      }
    }
  }

  private static Listed best(List<Listed> all, double alpha) {
    Listed best = all.getFirst();
    for (Listed each : all) {
      best = each.score(alpha) > best.score(alpha) ? each : best;
    }
    return best;
  }

  private static Hypothesis search(HistoryModel model, int beams, double alpha) {
    BeamScoring scoring = new BeamScoring.Normalised(alpha, K);
    BeamSearch.Options options = BeamSearch.Options.of(beams, LONGEST, Set.of(END), scoring);
    return new BeamSearch(options).search(model, new int[][] {START}).getFirst().getFirst();
  }

  @Override
  public @Nullable Outcome run(Bench bench) {
    int[] equal = new int[ALPHAS.size()];
    double[] length = new double[ALPHAS.size()];
    double[] narrowLength = new double[ALPHAS.size()];
    int[] found = new int[WIDTHS.size()];
    bench.progress().begin(name(), models, "model");
    for (int m = 0; m < models; m++) {
      HistoryModel model = random(bench.seed() * 1_000_003 + m);
      List<Listed> all = new ArrayList<>();
      list(model, START, 0, all);
      for (int a = 0; a < ALPHAS.size(); a++) {
        double alpha = ALPHAS.get(a);
        Hypothesis wide = search(model, WIDE, alpha);
        equal[a] += same(wide, best(all, alpha), alpha) ? 1 : 0;
        length[a] += wide.tokens().length / (double) models;
        narrowLength[a] += search(model, 4, alpha).tokens().length / (double) models;
      }
      for (int w = 0; w < WIDTHS.size(); w++) {
        found[w] += same(search(model, WIDTHS.get(w), 0), best(all, 0), 0) ? 1 : 0;
      }
      bench.progress().advance(m + 1L, "");
      if (bench.stopped()) {
        return null;
      }
    }
    bench.progress().end("");
    return outcome(equal, length, narrowLength, found);
  }

  private static boolean same(Hypothesis h, Listed best, double alpha) {
    return Arrays.equals(h.tokens(), best.tokens())
        && Math.abs(h.score() - best.score(alpha)) < EQUAL;
  }

  private Outcome outcome(int[] equal, double[] length, double[] narrowLength, int[] found) {
    boolean rises = length[ALPHAS.size() - 1] > length[0];
    for (int a = 1; a < length.length; a++) {
      rises &= length[a] >= length[a - 1];
    }
    List<Claim> claims =
        List.of(
            Outcome.claim(
                WIDE + " beams find the best of all texts, alpha 0 (no penalty)",
                equal[0] == models,
                equal[0] + " of " + models + " models, text and score"),
            Outcome.claim(
                WIDE + " beams find it for every other alpha",
                Arrays.stream(equal).allMatch(n -> n == models),
                ALPHAS + ": " + Arrays.toString(equal)),
            Outcome.claim(
                "the mean length of the best text rises with alpha",
                rises,
                ALPHAS + ": " + numbers(length)),
            frozen());
    List<List<String>> rows = new ArrayList<>();
    for (int a = 0; a < length.length; a++) {
      rows.add(
          List.of(
              String.valueOf(ALPHAS.get(a)),
              equal[a] + " of " + models,
              String.format(Locale.ROOT, "%.3f", length[a]),
              String.format(Locale.ROOT, "%.3f", narrowLength[a])));
    }
    double[] shares = Arrays.stream(found).mapToDouble(n -> 100.0 * n / models).toArray();
    return Outcome.of(
        claims,
        List.of(
            new Table(
                "Beam search: length penalty",
                "%d models that give every history of %d words odds of its own; texts of at most %d words, the end one of them."
                    .formatted(models, WORDS, LONGEST),
                List.of(
                    "alpha",
                    WIDE + " beams find the best text",
                    "its mean length",
                    "mean length of 4 beams' best"),
                rows)),
        List.of(
            Outcome.Plot.lines(
                "Texts that are the best of all, alpha 0",
                "beams",
                "% of models",
                List.of(
                    Outcome.Series.of(
                        "found",
                        WIDTHS.stream().mapToDouble(Integer::doubleValue).toArray(),
                        shares)))));
  }

  private static String numbers(double[] values) {
    return Arrays.stream(values).mapToObj(v -> String.format(Locale.ROOT, "%.3f", v)).toList() + "";
  }

  // By hand, two beams, alpha 1: at first p(1) = 0.6, p(end) = 0.4; after 1 p(end) = 0.9. The text
  // that ended first keeps log 0.4 / lp(1) = log 0.4 while the other goes on to log 0.54 / (7 / 6).
  private static Claim frozen() {
    double[] first = {-70, Math.log(0.6), -70, -70, Math.log(0.4)};
    double[] second = {-70, Math.log(0.1), -70, -70, Math.log(0.9)};
    HistoryModel model =
        new HistoryModel(WORDS, text -> text[text.length - 1] == 0 ? first : second);
    BeamScoring scoring = new BeamScoring.Normalised(1, K);
    List<Hypothesis> two =
        new BeamSearch(BeamSearch.Options.of(2, LONGEST, Set.of(END), scoring).nBest(2))
            .search(model, new int[][] {START})
            .getFirst();
    double went = Math.log(0.54) * 6 / 7;
    double kept = Math.log(0.4);
    return Outcome.claim(
        "an ended text keeps its score and its place (by hand: two beams, alpha 1)",
        Arrays.equals(two.get(0).tokens(), new int[] {1, END})
            && Arrays.equals(two.get(1).tokens(), new int[] {END})
            && Math.abs(two.get(0).score() - went) < EQUAL
            && Math.abs(two.get(1).score() - kept) < EQUAL,
        String.format(
            Locale.ROOT,
            "%.5f and %.5f, by hand %.5f and %.5f",
            two.get(0).score(),
            two.get(1).score(),
            went,
            kept));
  }
}

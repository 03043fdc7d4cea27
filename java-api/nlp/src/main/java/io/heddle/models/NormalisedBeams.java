package io.heddle.models;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** See {@link BeamScoring.Normalised}. */
final class NormalisedBeams extends Beams {
  // GluonNLP's: below every score, and finite.
  private static final double NEVER = -1e18;

  private final BeamScoring.Normalised scoring;
  private double[] scores;
  private double[] sums;
  private boolean[] alive;
  private int[][] texts; // continuation of each beam; ended ones stay as they are
  private int step;

  NormalisedBeams(Setting setting, BeamScoring.Normalised scoring) {
    super(setting);
    this.scoring = scoring;
    this.scores = new double[width];
    Arrays.fill(scores, 1, width, NEVER);
    this.sums = scores.clone();
    this.alive = new boolean[width];
    Arrays.fill(alive, true);
    this.texts = new int[width][0];
  }

  private double penalty(int t) {
    return Math.pow((scoring.k() + t) / (scoring.k() + 1), scoring.alpha());
  }

  @Override
  boolean advance(double[][] logP) {
    step++;
    double before = penalty(step - 1);
    double now = penalty(step);
    Top top = new Top(width);
    for (int b = 0; b < width; b++) {
      for (int v = 0; alive[b] && v < vocabulary; v++) {
        top.offer((scores[b] * before + logP[b][v]) / now, (long) b * vocabulary + v);
      }
    }
    for (int b = 0; b < width; b++) {
      if (!alive[b]) {
        top.offer(scores[b], (long) width * vocabulary + b);
      }
    }
    choose(top, logP);
    boolean any = false;
    for (boolean each : alive) {
      any |= each;
    }
    if (any && step == maxTokens) {
      cut();
    }
    return any && step < maxTokens;
  }

  private void choose(Top top, double[][] logP) {
    int[] from = new int[width];
    int[] tokens = new int[width];
    double[] nextScores = new double[width];
    double[] nextSums = new double[width];
    boolean[] nextAlive = new boolean[width];
    int[][] nextTexts = new int[width][];
    for (int i = 0; i < width; i++) {
      boolean old = top.place(i) >= (long) width * vocabulary;
      from[i] = (int) (old ? top.place(i) - (long) width * vocabulary : top.place(i) / vocabulary);
      // A beam that has ended is no longer asked for anything; some token must be read.
      tokens[i] = old ? 0 : (int) (top.place(i) % vocabulary);
      nextScores[i] = top.value(i);
      nextSums[i] = sums[from[i]] + (old ? 0 : logP[from[i]][tokens[i]]);
      nextAlive[i] = !old && !ends.contains(tokens[i]);
      nextTexts[i] = old ? texts[from[i]] : with(texts[from[i]], tokens[i]);
    }
    scores = nextScores;
    sums = nextSums;
    alive = nextAlive;
    texts = nextTexts;
    follow(from, tokens);
  }

  private static int[] with(int[] text, int token) {
    int[] out = Arrays.copyOf(text, text.length + 1);
    out[text.length] = token;
    return out;
  }

  private void cut() {
    for (int i = 0; i < width && !ends.isEmpty(); i++) {
      if (alive[i]) {
        texts[i] = with(texts[i], ends.iterator().next());
      }
    }
  }

  @Override
  List<Hypothesis> found() {
    List<Hypothesis> out = new ArrayList<>();
    for (int i = 0; i < width; i++) {
      if (sums[i] > NEVER / 2) {
        out.add(new Hypothesis(texts[i], scores[i], sums[i], !alive[i]));
      }
    }
    return out;
  }
}

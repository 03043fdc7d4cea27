package io.heddle.models;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** See {@link BeamScoring.Stochastic}; names as in the paper's algorithm 1. */
final class StochasticBeams extends Beams {
  private final SplittableRandom random;
  private double[] phi; // log probability of each beam
  private double[] gumbel; // the same, perturbed: the largest of all texts that begin so
  private boolean[] alive;
  private int[][] texts;
  private int used = 1; // beams that there are yet: one begins

  StochasticBeams(Setting setting, BeamScoring.Stochastic scoring) {
    super(setting);
    this.random = new SplittableRandom(scoring.seed());
    this.phi = new double[width];
    this.gumbel = new double[width];
    this.alive = new boolean[width];
    this.alive[0] = true;
    this.texts = new int[width][0];
  }

  @Override
  boolean advance(double[][] logP) {
    Top top = new Top(width);
    for (int b = 0; b < used; b++) {
      if (alive[b]) {
        double[] perturbed = children(logP[b], phi[b], gumbel[b]);
        for (int v = 0; v < vocabulary; v++) {
          if (perturbed[v] > Double.NEGATIVE_INFINITY) {
            top.offer(perturbed[v], (long) b * vocabulary + v);
          }
        }
      } else {
        top.offer(gumbel[b], (long) width * vocabulary + b);
      }
    }
    choose(top, logP);
    boolean any = false;
    for (int b = 0; b < used; b++) {
      any |= alive[b];
    }
    return any && written() < maxTokens;
  }

  // Gumbel noise on the log probabilities of all children, given that the largest is `largest`.
  private double[] children(double[] logP, double parent, double largest) {
    double[] out = new double[vocabulary];
    double z = Double.NEGATIVE_INFINITY;
    for (int v = 0; v < vocabulary; v++) {
      // In (0, 1): both logarithms are finite.
      double u = (random.nextLong() >>> 11) * 0x1p-53 + 0x1p-54;
      out[v] = parent + logP[v] - Math.log(-Math.log(u));
      z = Math.max(z, out[v]);
    }
    for (int v = 0; v < vocabulary; v++) {
      // -log(exp(-largest) - exp(-z) + exp(-out)), so that nothing cancels (appendix B.3).
      double d = largest - out[v] + log1mExp(out[v] - z);
      out[v] =
          out[v] == Double.NEGATIVE_INFINITY
              ? out[v]
              : largest - Math.max(0, d) - Math.log1p(Math.exp(-Math.abs(d)));
    }
    return out;
  }

  // log(1 - exp(x)) for x <= 0.
  private static double log1mExp(double x) {
    return x > -0.6931471805599453 ? Math.log(-Math.expm1(x)) : Math.log1p(-Math.exp(x));
  }

  private void choose(Top top, double[][] logP) {
    int[] from = new int[width];
    int[] tokens = new int[width];
    double[] nextPhi = new double[width];
    double[] nextGumbel = new double[width];
    boolean[] nextAlive = new boolean[width];
    int[][] nextTexts = new int[width][0];
    for (int i = 0; i < top.size(); i++) {
      boolean old = top.place(i) >= (long) width * vocabulary;
      from[i] = (int) (old ? top.place(i) - (long) width * vocabulary : top.place(i) / vocabulary);
      tokens[i] = old ? 0 : (int) (top.place(i) % vocabulary);
      nextPhi[i] = phi[from[i]] + (old ? 0 : logP[from[i]][tokens[i]]);
      nextGumbel[i] = top.value(i);
      nextAlive[i] = !old && !ends.contains(tokens[i]);
      int[] text = texts[from[i]];
      nextTexts[i] = old ? text : Arrays.copyOf(text, text.length + 1);
      if (!old) {
        nextTexts[i][text.length] = tokens[i];
      }
    }
    used = top.size();
    phi = nextPhi;
    gumbel = nextGumbel;
    alive = nextAlive;
    texts = nextTexts;
    follow(from, tokens);
  }

  @Override
  List<Hypothesis> found() {
    List<Hypothesis> out = new ArrayList<>();
    for (int i = 0; i < used; i++) {
      out.add(new Hypothesis(texts[i], gumbel[i], phi[i], !alive[i]));
    }
    return out;
  }
}

package io.heddle.models;

import io.heddle.models.BeamScoring.Stopping;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** See {@link BeamScoring.HuggingFace}. */
final class RankedBeams extends Beams {
  // transformers': beams but the first begin here, so that they are not chosen at once.
  private static final double NEVER = -1e9;

  private final BeamScoring.HuggingFace scoring;
  private final List<Hypothesis> ended = new ArrayList<>();
  private double[] sums;
  private boolean improvable = true;

  RankedBeams(Setting setting, BeamScoring.HuggingFace scoring) {
    super(setting);
    this.scoring = scoring;
    this.sums = new double[width];
    Arrays.fill(sums, 1, width, NEVER);
  }

  @Override
  boolean advance(double[][] logP) {
    int length = written() + 1;
    // Enough that `width` of them do not end.
    Top top = new Top(Math.max(2, 1 + ends.size()) * width);
    for (int b = 0; b < width; b++) {
      for (int v = 0; v < vocabulary; v++) {
        top.offer(sums[b] + logP[b][v], (long) b * vocabulary + v);
      }
    }
    boolean last = length == maxTokens;
    boolean full = ended.size() == width;
    int[] from = new int[width];
    int[] tokens = new int[width];
    double[] next = new double[width];
    int running = 0;
    for (int i = 0; i < top.size(); i++) {
      int row = (int) (top.place(i) / vocabulary);
      int token = (int) (top.place(i) % vocabulary);
      boolean ends = this.ends.contains(token);
      if ((ends || last) && i < width && improvable && !(full && stopsFirst())) {
        double score = top.value(i) / Math.pow(length, scoring.lengthPenalty());
        ended.add(new Hypothesis(fresh(extended(row, token)), score, top.value(i), ends));
      } else if (!ends && running < width) {
        from[running] = row;
        tokens[running] = token;
        next[running++] = top.value(i);
      }
    }
    ended.sort(Comparator.comparingDouble(Hypothesis::score).reversed());
    while (ended.size() > width) {
      ended.removeLast();
    }
    if (last || running < width) {
      return false;
    }
    sums = next;
    follow(from, tokens);
    return goesOn(length);
  }

  private boolean stopsFirst() {
    return scoring.stopping() == Stopping.FIRST;
  }

  private boolean goesOn(int length) {
    boolean atEnd = scoring.stopping() == Stopping.CERTAIN && scoring.lengthPenalty() > 0;
    double best = sums[0] / Math.pow(atEnd ? maxTokens : length, scoring.lengthPenalty());
    boolean full = ended.size() == width;
    improvable &= best > (full ? ended.getLast().score() : NEVER);
    return improvable && !(full && stopsFirst());
  }

  @Override
  List<Hypothesis> found() {
    return ended.stream().filter(h -> h.logProbability() > NEVER / 2).toList();
  }
}

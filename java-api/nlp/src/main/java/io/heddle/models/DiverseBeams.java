package io.heddle.models;

import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/** See {@link BeamScoring.Diverse}. */
final class DiverseBeams extends Beams {
  private final List<RankedBeams> groups;
  private final boolean[] running;
  private final double penalty;

  DiverseBeams(Setting s, BeamScoring.Diverse scoring) {
    super(s);
    if (width % scoring.groups() != 0) {
      throw new IllegalArgumentException(
          width + " beams do not divide into " + scoring.groups() + " groups");
    }
    Setting each = new Setting(width / scoring.groups(), vocabulary, maxTokens, ends, s.prompt());
    this.groups =
        IntStream.range(0, scoring.groups())
            .mapToObj(g -> new RankedBeams(each, scoring.scoring()))
            .toList();
    this.running = new boolean[groups.size()];
    java.util.Arrays.fill(running, true);
    this.penalty = scoring.penalty();
  }

  @Override
  boolean advance(double[][] logP) {
    int size = width / groups.size();
    int[] from = new int[width];
    int[] tokens = new int[width];
    int[] taken = new int[vocabulary];
    boolean any = false;
    for (int g = 0; g < groups.size(); g++) {
      double[][] own = new double[size][];
      for (int i = 0; i < size; i++) {
        own[i] = logP[g * size + i].clone();
        for (int v = 0; v < vocabulary; v++) {
          own[i][v] -= penalty * taken[v];
        }
      }
      running[g] = running[g] && groups.get(g).advance(own);
      any |= running[g];
      for (int i = 0; i < size; i++) {
        // A group that has stopped keeps its rows, which nobody looks at any more.
        from[g * size + i] = g * size + (running[g] ? groups.get(g).parents()[i] : i);
        if (running[g]) {
          tokens[g * size + i] = groups.get(g).last()[i];
          taken[tokens[g * size + i]]++;
        }
      }
    }
    if (any) {
      follow(from, tokens);
    }
    return any;
  }

  @Override
  List<Hypothesis> found() {
    return groups.stream()
        .flatMap(g -> g.found().stream())
        .sorted(Comparator.comparingDouble(Hypothesis::score).reversed())
        .toList();
  }
}

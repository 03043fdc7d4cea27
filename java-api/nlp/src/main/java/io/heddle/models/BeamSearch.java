package io.heddle.models;

import io.heddle.models.NextTokenModel.Continuation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;

/**
 * Looks for the best continuations of texts, several at a time. The prompts of one call do not
 * change each other's results.
 */
public final class BeamSearch {
  private final Options options;

  /**
   * What to look for.
   *
   * @param beams continuations of a prompt that are followed at once
   * @param nBest how many of them are wanted, at most {@code beams}
   * @param maxTokens most new tokens
   * @param ends tokens that end a text
   * @param rules what may come next
   * @param scoring how continuations are ranked
   */
  public record Options(
      int beams,
      int nBest,
      int maxTokens,
      Set<Integer> ends,
      TokenRules rules,
      BeamScoring scoring) {
    /** Checks the values. */
    public Options {
      if (beams < 1 || nBest < 1 || nBest > beams || maxTokens < 1) {
        throw new IllegalArgumentException(
            "the best "
                + nBest
                + " of "
                + beams
                + " beams of at most "
                + maxTokens
                + " tokens: there must be at least one of each, and no more wanted than beams");
      }
      // In order: the first one ends texts that are cut.
      ends = java.util.Collections.unmodifiableSet(new TreeSet<>(ends));
    }

    /** One best text without rules. */
    public static Options of(int beams, int maxTokens, Set<Integer> ends, BeamScoring scoring) {
      return new Options(beams, 1, maxTokens, ends, TokenRules.NONE, scoring);
    }

    /** The same with several best texts. */
    public Options nBest(int count) {
      return new Options(beams, count, maxTokens, ends, rules, scoring);
    }

    /** The same under other rules. */
    public Options rules(TokenRules other) {
      return new Options(beams, nBest, maxTokens, ends, other, scoring);
    }
  }

  /** A search. */
  public BeamSearch(Options options) {
    this.options = options;
  }

  /**
   * The best continuations of each prompt, the best first. There are fewer than wanted only where
   * the rules leave fewer.
   *
   * @param prompts at least one token each, of any lengths
   */
  public List<List<Hypothesis>> search(NextTokenModel model, int[][] prompts) {
    int[] limits = new int[prompts.length];
    Arrays.fill(limits, options.maxTokens);
    return search(model, prompts, limits);
  }

  /**
   * The same with a limit for each prompt; a translation's is often {@code a length + b}.
   *
   * @param maxTokens most new tokens of each; the options' are ignored
   */
  public List<List<Hypothesis>> search(NextTokenModel model, int[][] prompts, int[] maxTokens) {
    if (maxTokens.length != prompts.length || Arrays.stream(maxTokens).anyMatch(n -> n < 1)) {
      throw new IllegalArgumentException(
          Arrays.toString(maxTokens) + " new tokens for " + prompts.length + " prompts");
    }
    int room = Arrays.stream(maxTokens).max().orElse(0);
    List<Beams> all = new ArrayList<>();
    try (Continuation at = model.begin(prompts, options.beams, room)) {
      int[] begin = new int[prompts.length * options.beams];
      Arrays.setAll(begin, i -> i / options.beams);
      at.select(begin);
      for (int p = 0; p < prompts.length; p++) {
        Beams.Setting setting =
            new Beams.Setting(
                options.beams, at.vocabulary(), maxTokens[p], options.ends, prompts[p]);
        all.add(Beams.of(options.scoring, setting));
      }
      run(at, all);
    }
    return all.stream().map(b -> b.found().stream().limit(options.nBest).toList()).toList();
  }

  private void run(Continuation at, List<Beams> all) {
    List<Integer> live = new ArrayList<>();
    for (int p = 0; p < all.size(); p++) {
      live.add(p);
    }
    while (!live.isEmpty()) {
      float[] logits = at.logits();
      List<Integer> next = new ArrayList<>();
      int[] parents = new int[live.size() * options.beams];
      int[] tokens = new int[parents.length];
      for (int i = 0; i < live.size(); i++) {
        Beams beams = all.get(live.get(i));
        double[][] logP = logP(logits, i * options.beams, at.vocabulary(), beams, live.get(i));
        if (beams.advance(logP)) {
          int to = next.size() * options.beams;
          int first = i * options.beams;
          int[] from = Arrays.stream(beams.parents()).map(row -> row + first).toArray();
          System.arraycopy(from, 0, parents, to, options.beams);
          System.arraycopy(beams.last(), 0, tokens, to, options.beams);
          next.add(live.get(i));
        }
      }
      live = next;
      if (!live.isEmpty()) {
        at.select(Arrays.copyOf(parents, live.size() * options.beams));
        at.append(Arrays.copyOf(tokens, live.size() * options.beams));
      }
    }
  }

  private double[][] logP(float[] logits, int row, int vocabulary, Beams beams, int text) {
    double[][] out = new double[options.beams][vocabulary];
    for (int b = 0; b < options.beams; b++) {
      double[] each = out[b];
      int at = (row + b) * vocabulary;
      for (int v = 0; v < vocabulary; v++) {
        each[v] = logits[at + v];
      }
      double all = LogSoftmax.of(each, 0, vocabulary);
      for (int v = 0; v < vocabulary; v++) {
        each[v] -= all;
      }
      options.rules.apply(each, beams.history(b), beams.written(), options.ends, text);
    }
    return out;
  }
}

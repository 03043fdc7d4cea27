package io.heddle.models;

import java.util.Arrays;
import java.util.List;
import java.util.Set;

/** The continuations of one prompt that a search follows, a fixed number of rows of the model. */
abstract class Beams {
  final int width;
  final int vocabulary;
  final int maxTokens;
  final Set<Integer> ends;
  private int[][] histories; // prompt and continuation, by row
  private final int given;
  private int[] parents = new int[0];

  /** What all kinds of search need to know. */
  @SuppressWarnings("ArrayRecordComponent") // handed over once, never compared
  record Setting(int width, int vocabulary, int maxTokens, Set<Integer> ends, int[] prompt) {}

  Beams(Setting s) {
    width = s.width;
    vocabulary = s.vocabulary;
    maxTokens = s.maxTokens;
    ends = s.ends;
    given = s.prompt.length;
    histories = new int[width][];
    Arrays.fill(histories, s.prompt);
  }

  /** The beams of one prompt. */
  static Beams of(BeamScoring scoring, Setting setting) {
    return switch (scoring) {
      case BeamScoring.Normalised s -> new NormalisedBeams(setting, s);
      case BeamScoring.HuggingFace s -> new RankedBeams(setting, s);
      case BeamScoring.Diverse s -> new DiverseBeams(setting, s);
      case BeamScoring.Stochastic s -> new StochasticBeams(setting, s);
    };
  }

  /**
   * Chooses the next tokens.
   *
   * @param logP [width][V] log probabilities after the rules
   * @return whether to go on with {@link #parents} and {@link #last}
   */
  abstract boolean advance(double[][] logP);

  /** What was found, the best first. */
  abstract List<Hypothesis> found();

  /** Row i goes on from row {@code from[i]} with {@code tokens[i]}. */
  final void follow(int[] from, int[] tokens) {
    int[][] next = new int[width][];
    for (int i = 0; i < width; i++) {
      next[i] = extended(from[i], tokens[i]);
    }
    histories = next;
    parents = from;
  }

  /** The text of a row with one more token. */
  final int[] extended(int row, int token) {
    int[] out = Arrays.copyOf(histories[row], histories[row].length + 1);
    out[out.length - 1] = token;
    return out;
  }

  /** The tokens after the prompt. */
  final int[] fresh(int[] text) {
    return Arrays.copyOfRange(text, given, text.length);
  }

  /** Tokens of each row after the prompt. */
  final int written() {
    return histories[0].length - given;
  }

  /** Prompt and continuation of a row; not a copy. */
  final int[] history(int row) {
    return histories[row];
  }

  /** For each row the row it continues. */
  final int[] parents() {
    return parents;
  }

  /** The last token of each row. */
  final int[] last() {
    return Arrays.stream(histories).mapToInt(h -> h[h.length - 1]).toArray();
  }
}

package io.heddle.methods.toolkit;

import io.heddle.models.NextTokenModel;
import java.util.Arrays;
import java.util.function.Function;

/**
 * A model that is a function from a text to the logits of what follows: small enough that all it
 * can write may be listed.
 *
 * @param vocabulary number of tokens, V
 * @param following from a text, the prompt first, to V logits
 */
record HistoryModel(int vocabulary, Function<int[], double[]> following) implements NextTokenModel {
  @Override
  public Continuation begin(int[][] prompts, int width, int room) {
    return new Texts(prompts.clone());
  }

  /** The log probabilities of what follows a text, of the logits as floats: what decoders see. */
  double[] logP(int[] text) {
    double[] out = following.apply(text).clone();
    double most = Double.NEGATIVE_INFINITY;
    for (int i = 0; i < out.length; i++) {
      out[i] = (float) out[i];
      most = Math.max(most, out[i]);
    }
    double sum = 0;
    for (double logit : out) {
      sum += Math.exp(logit - most);
    }
    double all = most + Math.log(sum);
    Arrays.setAll(out, i -> out[i] - all);
    return out;
  }

  private final class Texts implements Continuation {
    private int[][] texts;

    Texts(int[][] texts) {
      this.texts = texts;
    }

    @Override
    public int rows() {
      return texts.length;
    }

    @Override
    public int vocabulary() {
      return vocabulary;
    }

    @Override
    public float[] logits() {
      float[] out = new float[texts.length * vocabulary];
      for (int r = 0; r < texts.length; r++) {
        double[] logits = following.apply(texts[r]);
        for (int v = 0; v < vocabulary; v++) {
          out[r * vocabulary + v] = (float) logits[v];
        }
      }
      return out;
    }

    @Override
    public void append(int[] tokens) {
      for (int r = 0; r < tokens.length; r++) {
        texts[r] = with(texts[r], tokens[r]);
      }
    }

    @Override
    public void select(int[] parents) {
      int[][] old = texts;
      texts = Arrays.stream(parents).mapToObj(p -> old[p]).toArray(int[][]::new);
    }

    @Override
    public void close() {}
  }

  /** A text with one more token. */
  static int[] with(int[] text, int token) {
    int[] out = Arrays.copyOf(text, text.length + 1);
    out[text.length] = token;
    return out;
  }
}

package io.heddle.models;

import java.util.Arrays;

/** A model whose next token depends on the last one alone, by a table of log probabilities. */
@SuppressWarnings("ArrayRecordComponent") // a table, never compared
record TableModel(double[][] table) implements NextTokenModel {
  @Override
  public Continuation begin(int[][] prompts, int width, int room) {
    int[] last = Arrays.stream(prompts).mapToInt(p -> p[p.length - 1]).toArray();
    return new Rows(last, prompts.length * width);
  }

  private final class Rows implements Continuation {
    private final int most;
    private int[] last;

    Rows(int[] last, int most) {
      this.last = last;
      this.most = most;
    }

    @Override
    public int rows() {
      return last.length;
    }

    @Override
    public int vocabulary() {
      return table.length;
    }

    @Override
    public float[] logits() {
      float[] out = new float[last.length * table.length];
      for (int i = 0; i < out.length; i++) {
        out[i] = (float) table[last[i / table.length]][i % table.length];
      }
      return out;
    }

    @Override
    public void append(int[] tokens) {
      if (tokens.length != last.length) {
        throw new IllegalArgumentException(tokens.length + " tokens for " + last.length + " rows");
      }
      last = tokens.clone();
    }

    @Override
    public void select(int[] parents) {
      if (parents.length > most) {
        throw new IllegalArgumentException(parents.length + " rows of " + most);
      }
      int[] old = last;
      last = Arrays.stream(parents).map(p -> old[p]).toArray();
    }

    @Override
    public void close() {}
  }
}

package io.heddle.methods.choice;

import io.heddle.autograd.Tape;
import io.heddle.models.Decoder;
import io.heddle.op.Layers;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The log probabilities of given continuations of given texts. Rows of about one length are run
 * together; continuations that differ in their last token only share a row; the vocabulary is
 * reached from the scored positions only.
 */
public final class Continuations {
  private final Decoder model;
  private final int rows;

  /**
   * A scorer.
   *
   * @param rows texts of a batch
   */
  public Continuations(Decoder model, int rows) {
    if (rows < 1) {
      throw new IllegalArgumentException(rows + " rows make no batch");
    }
    this.model = model;
    this.rows = rows;
  }

  /**
   * A text and what may follow it.
   *
   * @param ids tokens of both, two or more
   * @param from index of the first token of the continuation, at least 1
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  public record Continuation(int[] ids, int from) {
    /** Checks that there is something to score, after something. */
    public Continuation {
      if (from < 1 || from >= ids.length) {
        throw new IllegalArgumentException(
            "a continuation from token " + from + " of " + ids.length + " on is none");
      }
    }
  }

  // What the model reads, and the continuations whose tokens it predicts on the way.
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Row(int[] ids, List<Integer> scored) {}

  /**
   * Scores.
   *
   * @return for each continuation the sum of the natural logarithms of its tokens' probabilities,
   *     each given all tokens before it, or as many of the last ones as fit the model's context
   */
  public double[] logProbabilities(List<Continuation> all, ProgressListener progress) {
    List<Continuation> cut = all.stream().map(this::cut).toList();
    List<Row> ordered = rows(cut);
    double[] out = new double[cut.size()];
    progress.begin("evaluate", ordered.size(), "text");
    int done = 0;
    while (done < ordered.size()) {
      int end = Math.min(ordered.size(), done + rows);
      run(ordered.subList(done, end), cut, out);
      done = end;
      progress.advance(done, "");
    }
    progress.end("");
    return out;
  }

  private Continuation cut(Continuation c) {
    int room = model.config().context() + 1; // the last token is predicted, not read
    int scored = c.ids.length - c.from;
    if (scored >= room) {
      throw new IllegalArgumentException(
          "a continuation of " + scored + " tokens exceeds the model's context of " + (room - 1));
    }
    int first = Math.max(0, c.ids.length - room);
    return first == 0
        ? c
        : new Continuation(Arrays.copyOfRange(c.ids, first, c.ids.length), c.from - first);
  }

  // Long ones first: what does not fit in memory fails at once, and batches waste little.
  private static List<Row> rows(List<Continuation> all) {
    Map<String, Row> rows = new LinkedHashMap<>();
    for (int i = 0; i < all.size(); i++) {
      int[] read = Arrays.copyOf(all.get(i).ids, all.get(i).ids.length - 1);
      rows.computeIfAbsent(Arrays.toString(read), key -> new Row(read, new ArrayList<>()))
          .scored
          .add(i);
    }
    List<Row> ordered = new ArrayList<>(rows.values());
    ordered.sort(Comparator.comparingInt((Row row) -> -row.ids.length));
    return ordered;
  }

  private void run(List<Row> batch, List<Continuation> all, double[] out) {
    int length = batch.getFirst().ids.length;
    int[] ids = new int[batch.size() * length]; // padded behind, where no scored token looks
    List<int[]> wanted = new ArrayList<>(); // position in the batch, token, continuation
    for (int r = 0; r < batch.size(); r++) {
      Row row = batch.get(r);
      System.arraycopy(row.ids, 0, ids, r * length, row.ids.length);
      for (int index : row.scored) {
        Continuation c = all.get(index);
        for (int i = c.from; i < c.ids.length; i++) {
          wanted.add(new int[] {r * length + i - 1, c.ids[i], index});
        }
      }
    }
    try (Tape t = Tape.inference(model.backend())) {
      Tensor hidden = model.hidden(t, ints(t, ids), batch.size(), null);
      int[] positions = wanted.stream().mapToInt(w -> w[0]).toArray();
      int[] targets = wanted.stream().mapToInt(w -> w[1]).toArray();
      Tensor scored = Layers.embedding(t, hidden, ints(t, positions)); // a gather of rows
      float[] losses = model.losses(t, scored, ints(t, targets), 0).toFloats();
      for (int i = 0; i < losses.length; i++) {
        if (!Float.isFinite(losses[i])) {
          throw new ArithmeticException(
              "the model's logits are not numbers: a loss is " + losses[i]);
        }
        out[wanted.get(i)[2]] -= losses[i];
      }
    }
  }

  private static Tensor ints(Tape t, int[] values) {
    return t.tensor(DType.I32, values.length).copyFrom(values);
  }
}

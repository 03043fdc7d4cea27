package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.models.NextTokenModel.Choice;
import io.heddle.models.NextTokenModel.Continuation;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Texts read by a decoder stack with a cache: prompts in parts, then a token of each at a time, by
 * {@link RecordedSteps} where that is asked for and the model allows it.
 */
final class CachedContinuation implements Continuation {
  private final Side side;
  private final KeyValueCache cache;
  private final int vocabulary;
  private float[] logits = new float[0];
  private int @Nullable [] order; // rows of `logits` that are meant, when not all in order
  private boolean recorded; // whether steps are to be recorded
  private @Nullable RecordedSteps steps;
  private boolean told = true; // whether `logits` has what the last step left on the device

  /**
   * The parts of a model that a continuation runs.
   *
   * @param recorded whether single tokens are read by replays of one recorded pass, where they can
   *     be
   */
  record Side(Embedding embedding, Head head, Backend backend, boolean recorded) {
    /** Embeds ids i32 [B*T], the first column of each row at its position. */
    Tensor embed(Tape t, Tensor ids, int[] firsts) {
      return embedding.apply(t, ids, firsts, null, null);
    }

    /** Logits [N, V] of hidden states [N, d]. */
    Tensor logits(Tape t, Tensor hidden) {
      return head.outputs(t, hidden);
    }

    /** A tape for one pass. */
    Tape tape() {
      return Tape.inference(backend);
    }
  }

  /**
   * Reads prompts.
   *
   * @param cache empty, padded so that all prompts end in one column; closed with this, or when
   *     reading fails
   * @param chunk most columns that are read at once: what bounds the memory of long prompts
   */
  static CachedContinuation over(
      KeyValueCache cache, Side side, int vocabulary, int[][] prompts, int chunk) {
    try {
      return new CachedContinuation(side, cache, vocabulary, prompts, chunk);
    } catch (RuntimeException | Error e) {
      cache.close();
      throw e;
    }
  }

  private CachedContinuation(
      Side side, KeyValueCache cache, int vocabulary, int[][] prompts, int chunk) {
    this.side = side;
    this.cache = cache;
    this.vocabulary = vocabulary;
    this.recorded = side.recorded();
    int longest = longest(prompts);
    for (int from = 0; from < longest; from += chunk) {
      int to = (int) Math.min(longest, (long) from + chunk);
      read(columns(prompts, longest, from, to), to == longest);
    }
  }

  // Columns `from` to `to` of the prompts, which all end in column `longest`.
  private static int[] columns(int[][] prompts, int longest, int from, int to) {
    int[] ids = new int[prompts.length * (to - from)];
    for (int i = 0; i < prompts.length; i++) {
      int begin = longest - prompts[i].length;
      for (int c = Math.max(from, begin); c < to; c++) {
        ids[i * (to - from) + c - from] = prompts[i][c - begin];
      }
    }
    return ids;
  }

  static int longest(int[][] prompts) {
    if (prompts.length == 0 || Arrays.stream(prompts).anyMatch(p -> p.length == 0)) {
      throw new IllegalArgumentException("the prompt is empty: give at least one token");
    }
    return Arrays.stream(prompts).mapToInt(p -> p.length).max().orElseThrow();
  }

  /** Columns before the first token of each prompt. */
  static int[] padding(int[][] prompts) {
    int longest = longest(prompts);
    return Arrays.stream(prompts).mapToInt(p -> longest - p.length).toArray();
  }

  private void read(int[] ids, boolean wanted) {
    int batch = cache.batch();
    int length = ids.length / batch;
    try (Tape t = side.tape()) {
      Tensor in = t.tensor(DType.I32, ids.length).copyFrom(ids);
      Tensor hidden = cache.extend(t, side.embed(t, in, cache.next()));
      if (!wanted) {
        return;
      }
      Tensor last = hidden;
      if (length > 1) {
        // Only the last column is asked for, so only that is projected to the vocabulary.
        last = t.tensor(hidden.dtype(), batch, hidden.dim(1));
        Tensor ends = hidden.split(0, batch, length).slice(1, length - 1L, length);
        t.run(OpCode.COPY, new Params.None(), ends, last.view(ends.shape()));
      }
      logits = side.logits(t, last).toFloats();
      order = null;
    }
  }

  // By a recorded step; false where that cannot be.
  private boolean step(int[] tokens) {
    RecordedSteps known = steps;
    if (known != null && !known.fit()) {
      forget();
      known = null;
    }
    if (known == null && recorded && cache.length() < cache.capacity()) {
      known = RecordedSteps.of(side, cache, vocabulary);
      recorded = known != null;
      steps = known;
    }
    if (known == null) {
      return false;
    }
    known.run(tokens);
    told = false;
    order = null;
    return true;
  }

  private void forget() {
    RecordedSteps known = steps;
    if (known != null) {
      known.close();
      steps = null;
    }
  }

  @Override
  public int rows() {
    return cache.batch();
  }

  @Override
  public int vocabulary() {
    return vocabulary;
  }

  @Override
  public float[] logits() {
    RecordedSteps known = steps;
    if (!told && known != null) {
      logits = known.logits();
      told = true;
    }
    if (order != null) {
      // Only now: most rows are chosen just before their next token is read.
      float[] chosen = new float[order.length * vocabulary];
      for (int i = 0; i < order.length; i++) {
        System.arraycopy(logits, order[i] * vocabulary, chosen, i * vocabulary, vocabulary);
      }
      logits = chosen;
      order = null;
    }
    return logits;
  }

  @Override
  public @Nullable Choice likeliest() {
    RecordedSteps known = steps;
    return told || known == null || order != null ? null : known.likeliest();
  }

  @Override
  public void append(int[] tokens) {
    if (tokens.length != rows()) {
      throw new IllegalArgumentException(tokens.length + " tokens for " + rows() + " texts");
    }
    if (!step(tokens)) {
      told = true;
      read(tokens, true);
    }
  }

  @Override
  public void select(int[] parents) {
    cache.select(parents);
    int[] before = order;
    order = Arrays.stream(parents).map(p -> before == null ? p : before[p]).toArray();
  }

  @Override
  public void close() {
    forget();
    cache.close();
  }
}

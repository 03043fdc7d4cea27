package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.backend.Repeated;
import io.heddle.models.NextTokenModel.Choice;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Texts that are read on by one token each, a step being one replay of a recorded pass ({@link
 * Repeated}). All that differs from step to step lies on the device: the last tokens, which the
 * step itself replaces by the most likely next ones, and the column it writes, which it counts on.
 * What follows from a column - positions, slots, what is seen - is a row of a table, the plan, made
 * once by the rules that say the same to the host. So a greedy text needs the host only to be told
 * its tokens.
 */
final class RecordedSteps implements AutoCloseable {
  private static final Params.None NONE = new Params.None();
  private static final int PLACE = 3; // numbers of a place

  private final CachedContinuation.Side side;
  private final KeyValueCache cache;
  private final int batch;
  private final int[] padding;
  private final Map<String, Integer> kinds; // of layers, in order of first use
  private final Scope scope;
  private final Tensor plan; // i32 [capacity, width]
  private final Tensor column; // i32 [1], the next one to be written
  private final Tensor tokens; // i32 [B]
  private final Tensor logits; // [B, V]
  private final Tensor said; // f32 [2, B]: tokens, their log probabilities
  private final Repeated pass;
  private int[] known = new int[0]; // what `tokens` holds, where the host has been told

  private RecordedSteps(
      CachedContinuation.Side side,
      KeyValueCache cache,
      int vocabulary,
      Map<String, Integer> kinds,
      int[] rows) {
    this.side = side;
    this.cache = cache;
    this.batch = cache.batch();
    this.padding = cache.padding();
    this.kinds = kinds;
    this.scope = new Scope(side.backend().memory());
    int width = rows.length / cache.capacity();
    this.plan = scope.tensor(DType.I32, cache.capacity(), width).copyFrom(rows);
    this.column = scope.tensor(DType.I32, 1).copyFrom(new int[] {cache.length()});
    this.tokens = scope.tensor(DType.I32, batch);
    this.logits = scope.tensor(cache.dtype(), batch, vocabulary);
    this.said = scope.tensor(DType.F32, 2, batch);
    this.pass = new Repeated(side.backend(), this::pass);
  }

  /**
   * Steps after what a cache holds; null where they differ by more than numbers.
   *
   * @param cache with room for one token at least
   */
  static @Nullable RecordedSteps of(
      CachedContinuation.Side side, KeyValueCache cache, int vocabulary) {
    if (cache.capacity() > side.embedding().positions()) {
      return null;
    }
    Map<String, Integer> kinds = new LinkedHashMap<>();
    List<KeyValueCache.Places> places = new ArrayList<>(); // by kind
    for (int i = 0; i < cache.layers(); i++) {
      if (kinds.putIfAbsent(cache.kind(i), kinds.size()) == null) {
        KeyValueCache.Places those = cache.places(i);
        if (those == null) {
          return null;
        }
        places.add(those);
      }
    }
    int batch = cache.batch();
    int width = 1 + batch * (2 + PLACE * kinds.size());
    int[] rows = new int[cache.capacity() * width];
    int[] padding = cache.padding();
    for (int c = cache.length(); c < cache.capacity(); c++) {
      int at = c * width;
      rows[at++] = c + 1;
      for (int b = 0; b < batch; b++) {
        rows[at + b] = c - padding[b];
        rows[at + batch + b] = side.embedding().row(c - padding[b]);
      }
      at += 2 * batch;
      for (KeyValueCache.Places those : places) {
        for (int b = 0; b < batch; b++, at += PLACE) {
          int[] place = those.of(b, c);
          if (place == null) {
            return null;
          }
          System.arraycopy(place, 0, rows, at, PLACE);
        }
      }
    }
    return new RecordedSteps(side, cache, vocabulary, kinds, rows);
  }

  /** Whether these still are the rows of the cache. */
  boolean fit() {
    return Arrays.equals(padding, cache.padding());
  }

  /** Reads one token after each text. */
  void run(int[] next) {
    if (!Arrays.equals(next, known)) {
      tokens.copyFrom(next);
    }
    known = new int[0];
    pass.run();
    cache.stepped();
  }

  // The same every time: nothing here may depend on anything but the tensors' contents.
  private void pass() {
    try (Tape t = side.tape()) {
      Tensor numbers = t.tensor(DType.I32, 1, plan.dim(1));
      t.run(OpCode.EMBEDDING_FWD, new Params.Embedding(0), plan, column, numbers);
      Tensor row = numbers.view(plan.dim(1));
      Tensor positions = row.slice(0, 1, 1 + batch).view(batch, 1);
      Tensor embedded =
          side.embedding().apply(t, tokens, row.slice(0, 1 + batch, 1 + 2 * batch), null);
      Tensor hidden = cache.step(t, embedded, positions, layer -> places(row, layer));
      t.run(OpCode.COPY, NONE, side.logits(t, hidden), logits);
      t.run(OpCode.ARGMAX, NONE, logits, tokens);
      Tensor losses = t.tensor(DType.F32, batch);
      Params.CrossEntropy plain = new Params.CrossEntropy(-1, 0, 1);
      t.run(OpCode.CROSS_ENTROPY, plain, logits, tokens, losses, null);
      t.run(OpCode.COPY, NONE, tokens, said.slice(0, 0, 1).view(batch));
      t.run(OpCode.UNARY, new Params.Unary(0, -1, 0), losses, said.slice(0, 1, 2).view(batch));
      t.run(OpCode.COPY, NONE, row.slice(0, 0, 1), column);
    }
  }

  private Tensor places(Tensor row, int layer) {
    Integer kind = kinds.get(cache.kind(layer));
    int at = 1 + batch * (2 + PLACE * (kind == null ? 0 : kind));
    return row.slice(0, at, at + PLACE * batch).view(batch, PLACE);
  }

  /** What the last step found. */
  Choice likeliest() {
    float[] both = said.toFloats();
    int[] chosen = new int[batch];
    for (int b = 0; b < batch; b++) {
      chosen[b] = (int) both[b];
    }
    known = chosen;
    return new Choice(chosen.clone(), Arrays.copyOfRange(both, batch, 2 * batch));
  }

  /** Logits [B, V] of the last step. */
  float[] logits() {
    return logits.toFloats();
  }

  @Override
  public void close() {
    pass.close();
    scope.close();
  }
}

package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.nn.Stack;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values of the sources of cross-attention, computed once per layer. All texts of a source
 * read the same ones: to attention they are queries of one row.
 */
final class SourceKeys {
  private static final Params.None NONE = new Params.None();

  private final Stack stack;
  private final Scope scope;
  private final Tensor states; // [sources * S, d]
  private final long length; // S
  private final @Nullable Tensor[] held; // by layer: [sources * S, 2 H D]
  private final Map<String, Tensor> masks = new HashMap<>(); // of one pass
  private @Nullable List<AttentionPattern> seen;
  private int count;
  private int[] sourceOf; // by text

  /** Sources, one for each of {@code count} texts. */
  SourceKeys(Stack stack, SequenceAttention.Source source, int count, Scope scope) {
    this.stack = stack;
    this.scope = scope;
    this.states = source.states();
    this.length = states.dim(0) / count;
    this.seen = source.rows();
    this.count = count;
    this.held = new Tensor[stack.config().layers()];
    this.sourceOf = Layouts.range(0, count);
  }

  /** A new pass begins: what the tape of the last one held is gone. */
  void begin() {
    masks.clear();
  }

  /** The heads' outputs [B*T, H D] for queries [B*T, H D]. */
  Tensor attend(Tape t, int layer, Tensor q) {
    Tensor kv = held[layer];
    if (kv == null) {
      Tensor product = stack.linear(t, stack.name(layer, "cross.kv"), states);
      kv = scope.tensor(product.dtype(), product.shape());
      t.run(OpCode.COPY, NONE, product, kv);
      held[layer] = kv;
    }
    Tensor used = kv.slice(0, 0, count * length);
    return SequenceAttention.cross(t, stack, q, used, count, seen, masks);
  }

  /** Text i goes on from text {@code parents[i]}: sources that no text reads are dropped. */
  void select(int[] parents) {
    int[] next = Arrays.stream(parents).map(p -> sourceOf[p]).toArray();
    int[] kept = Arrays.stream(next).distinct().toArray();
    int width = next.length / kept.length;
    for (int i = 0; i < next.length; i++) {
      boolean ordered = i / width < kept.length && next[i] == kept[i / width];
      if (!ordered || (i > 0 && next[i] < next[i - 1])) {
        throw new IllegalArgumentException(
            "texts of the sources "
                + Arrays.toString(next)
                + ": every source needs as many, side by side and in order");
      }
    }
    for (int i = 0; i < kept.length; i++) {
      if (kept[i] != i) {
        // In order, so a place that is written has been read.
        move(kept[i], i);
      }
    }
    List<AttentionPattern> old = seen;
    if (old != null) {
      List<AttentionPattern> left = new ArrayList<>();
      Arrays.stream(kept).forEach(k -> left.add(old.get(k)));
      seen = left;
    }
    count = kept.length;
    sourceOf = new int[next.length];
    Arrays.setAll(sourceOf, i -> i / width);
  }

  private void move(int from, int to) {
    for (Tensor kv : held) {
      if (kv != null) {
        Tensor source = kv.slice(0, from * length, (from + 1) * length);
        Tensor target = kv.slice(0, to * length, (to + 1) * length);
        stack.parameters().backend().run(OpCode.COPY, NONE, source, target);
      }
    }
  }
}

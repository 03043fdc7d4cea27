package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.nn.StackConfig.Heads;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values of one layer that a later query may still see. A layer that sees far keeps every
 * column; one that sees W columns back keeps a ring of W, column c in slot c mod W, so that its
 * memory does not grow with the text. In a layer of blocks (W = B) the ring starts anew at each
 * border.
 */
final class HeldKeys {
  private static final Params.None NONE = new Params.None();

  private final Tensor keys; // [rows, K, slots, D]
  private final Tensor values;
  private final int slots;
  private final boolean ring;

  /**
   * Room for {@code capacity} columns.
   *
   * @param reach columns that a query sees back, its own among them, see {@link Schedule#reach}
   */
  HeldKeys(Scope scope, DType dtype, Heads h, long rows, int capacity, long reach) {
    this.ring = reach < capacity;
    this.slots = (int) Math.min(reach, capacity);
    this.keys = scope.tensor(dtype, rows, h.kv(), slots, h.dim());
    this.values = scope.tensor(dtype, rows, h.kv(), slots, h.dim());
  }

  /** Whether old columns make room for new ones. */
  boolean ring() {
    return ring;
  }

  /** Bytes of keys and values. */
  long bytes() {
    return (keys.size() + values.size()) * keys.dtype().bytes();
  }

  /** Columns before {@code length} that the next query may see. */
  int kept(int length) {
    return ring ? Math.min(length, slots - 1) : length;
  }

  /** What attention reads. */
  record Pair(Tensor keys, Tensor values) {}

  private interface Piece {
    void at(int slot, int column, int count);
  }

  private void pieces(int from, int to, Piece piece) {
    int column = from;
    while (column < to) {
      int slot = column % slots;
      int count = Math.min(to - column, slots - slot);
      piece.at(slot, column, count);
      column += count;
    }
  }

  /** Takes columns from {@code length} on: [B, K, T, D] each. Only the last ones are kept. */
  void write(Tape t, Pair fresh, int length) {
    int total = length + (int) fresh.keys.dim(2);
    pieces(
        Math.max(length, total - slots),
        total,
        (slot, column, count) -> {
          int at = column - length;
          copy(t.backend(), fresh.keys.slice(2, at, at + count), slots(keys, fresh, slot, count));
          copy(
              t.backend(),
              fresh.values.slice(2, at, at + count),
              slots(values, fresh, slot, count));
        });
  }

  private static Tensor slots(Tensor held, Pair like, int slot, int count) {
    return held.slice(0, 0, like.keys.dim(0)).slice(2, slot, slot + (long) count);
  }

  private static void copy(Backend backend, Tensor from, Tensor to) {
    backend.run(OpCode.COPY, NONE, from, to);
  }

  /**
   * Where a column goes and what it sees, as (slot, first slot, end) of {@code attention_step};
   * null where that is no run of slots.
   *
   * @param first the first column seen
   */
  int @Nullable [] place(int first, int column) {
    int slot = column % slots;
    if (column - first + 1 == slots) {
      return new int[] {slot, 0, slots};
    }
    return first % slots <= slot ? new int[] {slot, first % slots, slot + 1} : null;
  }

  /** All slots of the first rows. */
  Pair all(int batch) {
    return new Pair(keys.slice(0, 0, batch), values.slice(0, 0, batch));
  }

  /** The slots in use when {@code total} columns have been written; a ring's are in no order. */
  Pair slots(int batch, int total) {
    int used = Math.min(total, slots);
    return new Pair(
        keys.slice(0, 0, batch).slice(2, 0, used), values.slice(0, 0, batch).slice(2, 0, used));
  }

  /**
   * The kept columns before {@code length} and then the fresh ones, in order: views where nothing
   * was kept, else copies on the tape.
   */
  Pair inOrder(Tape t, Pair fresh, int length) {
    int kept = kept(length);
    if (kept == 0) {
      return fresh;
    }
    long[] shape = fresh.keys.shape();
    shape[2] += kept;
    Pair out =
        new Pair(t.tensor(keys.dtype(), shape.clone()), t.tensor(keys.dtype(), shape.clone()));
    pieces(
        length - kept,
        length,
        (slot, column, count) -> {
          int at = column - (length - kept);
          copy(t.backend(), slots(keys, fresh, slot, count), out.keys.slice(2, at, at + count));
          copy(t.backend(), slots(values, fresh, slot, count), out.values.slice(2, at, at + count));
        });
    copy(t.backend(), fresh.keys, out.keys.slice(2, kept, shape[2]));
    copy(t.backend(), fresh.values, out.values.slice(2, kept, shape[2]));
    return out;
  }

  /**
   * What the query of column {@code column}, just written, sees of the slots.
   *
   * @param padding columns before the text begins
   */
  AttentionPattern bySlot(AttentionPattern text, int column, int padding) {
    int last = column % slots;
    return (q, slot) -> {
      long at = column - Math.floorMod(last - slot, (long) slots);
      return slot < slots
          && at >= padding
          && column >= padding
          && text.allows(column - padding, at - padding);
    };
  }

  /** What queries see of {@link #inOrder}, the first of which is column {@code first}. */
  static AttentionPattern from(AttentionPattern text, int first, int padding) {
    return first <= padding
        ? Patterns.shifted(text, padding - first)
        : Patterns.continued(text, first - padding);
  }

  /**
   * Copies what one row holds to another, of {@code length} columns those that they do not share.
   */
  void copyRow(Backend backend, RowMoves.Move move, int length) {
    pieces(
        Math.max(move.from(), length - slots),
        length,
        (slot, column, count) -> {
          for (Tensor held : new Tensor[] {keys, values}) {
            Tensor part = held.slice(2, slot, slot + (long) count);
            copy(
                backend,
                part.slice(0, move.source(), move.source() + 1L),
                part.slice(0, move.target(), move.target() + 1L));
          }
        });
  }
}

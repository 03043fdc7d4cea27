package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.nn.Attend;
import io.heddle.nn.RelativeAttention;
import io.heddle.nn.Stack;
import io.heddle.nn.StackConfig.Positions;
import io.heddle.op.Attention;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Bounds;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * Keys and values of the tokens that a stack has seen, per layer; attention without gradient. Texts
 * of different lengths end in the same column: shorter ones begin with padding, which nobody sees.
 * Layers that do not see far hold a ring of the columns that they still need ({@link HeldKeys}).
 * What is outside knows rows and columns only: {@link #extend}, {@link #select}, {@link #length}.
 */
final class KeyValueCache implements Attend, AutoCloseable {
  private final Stack stack;
  private final Schedule schedule;
  private final int rows;
  private final int capacity;
  private final Scope scope;
  private Scope pass; // of the pass under way: layers share what one of them has made
  private final HeldKeys[] held;
  private final RowMoves moves;
  private final @Nullable SourceKeys sources;
  private final Map<String, BlockLayout.Tensors> layouts = new HashMap<>();
  private @Nullable Tensor positions;
  private int[] padding; // columns before the first token, by row in use
  private int length;
  private int fresh;

  /** Room for {@code capacity} tokens of {@code batch} texts, all of which are in use. */
  KeyValueCache(
      Stack stack,
      Schedule schedule,
      int batch,
      int capacity,
      SequenceAttention.@Nullable Source source) {
    this(stack, schedule, batch, capacity, new int[batch], source);
  }

  /**
   * Room for {@code capacity} columns of {@code rows} texts.
   *
   * @param padding for each of the first texts the columns before its first token
   * @param source what cross-attention sees, one source for each of the first texts; null for none
   */
  KeyValueCache(
      Stack stack,
      Schedule schedule,
      int rows,
      int capacity,
      int[] padding,
      SequenceAttention.@Nullable Source source) {
    this.stack = stack;
    this.schedule = schedule;
    this.rows = rows;
    this.capacity = capacity;
    this.padding = padding.clone();
    this.scope = new Scope(stack.parameters().backend().memory());
    this.pass = scope;
    this.sources = source == null ? null : new SourceKeys(stack, source, padding.length, scope);
    // One row more than texts, for rows that change places.
    this.moves = new RowMoves(rows + 1, capacity);
    int layers = stack.config().layers();
    this.held = new HeldKeys[layers];
    for (int i = 0; i < layers; i++) {
      // Biases by distance are looked up for all columns.
      long reach = SequenceAttention.usesTable(stack) ? Long.MAX_VALUE : schedule.reach(i);
      held[i] =
          new HeldKeys(
              scope,
              stack.parameters().dtype(),
              stack.config().heads(),
              rows > 1 ? rows + 1 : 1,
              capacity,
              reach);
    }
  }

  /** Columns held. */
  int length() {
    return length;
  }

  /** Bytes of keys and values, those of the sources of cross-attention left out. */
  long bytes() {
    return Arrays.stream(held).mapToLong(HeldKeys::bytes).sum();
  }

  /** Texts in use. */
  int batch() {
    return padding.length;
  }

  /** The position, in its own text, of the next column of each row; negative for padding. */
  int[] next() {
    return Arrays.stream(padding).map(p -> length - p).toArray();
  }

  /** Runs embedded tokens [B*T, d] after what is held; hidden states [B*T, d]. */
  Tensor extend(Tape t, Tensor embedded) {
    int batch = batch();
    fresh = (int) (embedded.dim(0) / batch);
    if (length + fresh > capacity) {
      throw new IllegalArgumentException(
          (length + fresh) + " tokens do not fit a cache of " + capacity);
    }
    boolean same = Arrays.stream(padding).allMatch(p -> p == 0);
    int[] at = new int[(same ? 1 : batch) * fresh];
    for (int i = 0; i < at.length; i++) {
      at[i] = Math.max(0, length + i % fresh - padding[i / fresh]);
    }
    Tensor flat = t.tensor(DType.I32, at.length).copyFrom(at);
    positions = same ? flat : flat.view(batch, fresh);
    pass = t.scope();
    layouts.clear();
    if (sources != null) {
      sources.begin();
    }
    Tensor out = stack.run(t, embedded, this);
    moves.written(batch, length, length + fresh);
    length += fresh;
    return out;
  }

  /** Most columns that can be held. */
  int capacity() {
    return capacity;
  }

  /** Of keys, values and what the model computes. */
  DType dtype() {
    return stack.parameters().dtype();
  }

  /** Layers of the stack. */
  int layers() {
    return held.length;
  }

  /** Equal for layers that have equal {@link #places}. */
  String kind(int layer) {
    return schedule.key(layer);
  }

  /** Columns before the first token of each row in use. */
  int[] padding() {
    return padding.clone();
  }

  /** Where tokens of a layer put their keys. */
  @FunctionalInterface
  interface Places {
    /**
     * Where the token of a row in {@code column} does, and what it sees: (slot, first, end) of
     * {@code attention_step}; null where that is no run of slots.
     */
    int @Nullable [] of(int row, int column);
  }

  /** The places of a layer's tokens; null where more than keys and their distance counts. */
  @Nullable Places places(int layer) {
    boolean unordered = held[layer].ring() && stack.spec().slopes() != null;
    List<String> groups = schedule.groups(layer);
    Bounds seen = groups.size() == 1 ? Bounds.of(Schedule.pattern(groups.getFirst())) : null;
    if (sources != null || SequenceAttention.usesTable(stack) || unordered || seen == null) {
      return null;
    }
    return (row, column) -> {
      int start = padding[row];
      return held[layer].place((int) seen.first(column - start) + start, column);
    };
  }

  /**
   * Runs one embedded token of each text [B, d] after what is held, with nothing that differs from
   * token to token but what the tensors hold; hidden states [B, d]. {@link #stepped} follows it.
   *
   * @param positions i32 [B,1]
   * @param places of each layer, i32 [B,3], see {@link #places}
   */
  Tensor step(Tape t, Tensor embedded, Tensor positions, IntFunction<Tensor> places) {
    return stack.run(
        t,
        embedded,
        (tape, layer, x) -> {
          Projection p = Projection.of(tape, stack, schedule, layer, x, batch(), positions);
          HeldKeys.Pair all = held[layer].all(batch());
          return Attention.step(
              tape,
              p.q(),
              p.fresh().keys(),
              p.fresh().values(),
              stack.spec(),
              places.apply(layer),
              all.keys(),
              all.values());
        });
  }

  /** Notes that a {@link #step} was done. */
  void stepped() {
    moves.written(batch(), length, length + 1);
    length++;
  }

  /**
   * Row i goes on from what row {@code parents[i]} held. Nothing is copied that is there already.
   * With cross-attention the rows of one source stand side by side, as many for each, in the order
   * of the sources; a source without rows is dropped.
   */
  void select(int[] parents) {
    if (parents.length == 0 || parents.length > rows) {
      throw new IllegalArgumentException(parents.length + " rows for a cache of " + rows);
    }
    if (sources != null) {
      sources.select(parents);
    }
    int[] old = padding;
    padding = Arrays.stream(parents).map(p -> old[p]).toArray();
    for (RowMoves.Move move : moves.plan(parents, length, rows)) {
      for (HeldKeys each : held) {
        each.copyRow(stack.parameters().backend(), move, length);
      }
    }
  }

  @Override
  public Tensor self(Tape t, int layer, Tensor x) {
    Projection p = Projection.of(t, stack, schedule, layer, x, batch(), positions);
    return attention(t, layer, p.q(), p.fresh());
  }

  private Tensor attention(Tape t, int layer, Tensor q, HeldKeys.Pair fresh) {
    HeldKeys own = held[layer];
    // ALiBi knows distances by the order of the keys, which a ring does not keep.
    boolean bySlot = own.ring() && this.fresh == 1 && stack.spec().slopes() == null;
    boolean inOrder = own.ring() && !bySlot;
    HeldKeys.Pair seen = inOrder ? own.inOrder(t, fresh, length) : fresh;
    own.write(t, fresh, length);
    if (!inOrder) {
      seen = own.slots(batch(), length + this.fresh);
    }
    if (SequenceAttention.usesTable(stack)) {
      return bucketed(t, q, seen.keys(), seen.values(), length + this.fresh);
    }
    long columns = seen.keys().dim(2);
    BlockLayout.Tensors layout =
        seesAll(layer)
            ? null
            : layouts.computeIfAbsent(
                schedule.key(layer),
                key -> {
                  int first = inOrder ? length - own.kept(length) : 0;
                  BiFunction<AttentionPattern, Integer, AttentionPattern> place =
                      bySlot
                          ? (text, p) -> own.bySlot(text, length, p)
                          : (text, p) -> HeldKeys.from(text, first, p);
                  return layout(layer, columns, place).tensors(pass);
                });
    return Attention.over(t, q, seen.keys(), seen.values(), stack.spec(), layout);
  }

  // One token after texts without padding, in a layer that looks back all the way: lists of blocks,
  // which would have to be made and copied for every token, have nothing to say.
  private boolean seesAll(int layer) {
    return fresh == 1
        && schedule.groups(layer).equals(List.of("full"))
        && Arrays.stream(padding).allMatch(p -> p == 0);
  }

  // `place` says what the queries of a row see of the given columns; it takes a row's padding.
  private BlockLayout layout(
      int layer, long columns, BiFunction<AttentionPattern, Integer, AttentionPattern> place) {
    List<AttentionPattern> groups = schedule.groups(layer).stream().map(Schedule::pattern).toList();
    int[] paddings = Arrays.stream(padding).allMatch(p -> p == 0) ? new int[1] : padding;
    List<List<AttentionPattern>> all = new ArrayList<>();
    for (int p : paddings) {
      all.add(groups.stream().map(g -> place.apply(g, p)).toList());
    }
    return BlockLayout.compile(all, schedule.headGroups(layer), fresh, columns);
  }

  private Tensor bucketed(Tape t, Tensor q, Tensor k, Tensor v, int total) {
    Positions p = stack.config().positions();
    Tensor ids = RelativeAttention.buckets(t, fresh, total, true, p.buckets(), p.farthest());
    Tensor table = stack.parameters().get(stack.prefix() + "buckets.weight");
    Tensor bias = RelativeAttention.bucketBias(t, table, ids, fresh, total);
    AttentionPattern full = Schedule.pattern("full");
    List<AttentionPattern> seen =
        Arrays.stream(padding).allMatch(n -> n == 0)
            ? List.of(full)
            : Arrays.stream(padding).mapToObj(n -> Patterns.shifted(full, n)).toList();
    Tensor mask = RelativeAttention.mask(t, q.dtype(), seen, fresh, total);
    return RelativeAttention.over(t, q, k, v, stack.spec().scale(), bias, mask);
  }

  @Override
  public Tensor cross(Tape t, int layer, Tensor q) {
    return sources == null ? Attend.super.cross(t, layer, q) : sources.attend(t, layer, q);
  }

  @Override
  public void close() {
    scope.close();
  }
}

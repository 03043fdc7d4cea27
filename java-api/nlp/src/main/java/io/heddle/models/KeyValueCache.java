package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.nn.Attend;
import io.heddle.nn.Modules;
import io.heddle.nn.RelativeAttention;
import io.heddle.nn.Stack;
import io.heddle.nn.StackConfig.Heads;
import io.heddle.nn.StackConfig.Positions;
import io.heddle.op.Attention;
import io.heddle.op.Layers;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Keys and values of the tokens that a stack has seen, per layer; attention without gradient. */
final class KeyValueCache implements Attend, AutoCloseable {
  private static final Params.None NONE = new Params.None();

  private final Stack stack;
  private final Schedule schedule;
  private final int batch;
  private final int capacity;
  private final Scope scope;
  private final Tensor[] keys;
  private final Tensor[] values;
  private final @Nullable Tensor[] sources;
  private final SequenceAttention.@Nullable Source source;
  private final Map<String, BlockLayout.Tensors> layouts = new HashMap<>();
  private @Nullable Tensor positions;
  private int length;
  private int fresh;

  /** Room for {@code capacity} tokens of {@code batch} sequences. */
  KeyValueCache(
      Stack stack,
      Schedule schedule,
      int batch,
      int capacity,
      SequenceAttention.@Nullable Source source) {
    this.stack = stack;
    this.schedule = schedule;
    this.batch = batch;
    this.capacity = capacity;
    this.source = source;
    this.scope = new Scope(stack.parameters().backend().memory());
    int layers = stack.config().layers();
    this.keys = new Tensor[layers];
    this.values = new Tensor[layers];
    this.sources = new Tensor[layers];
    Heads h = stack.config().heads();
    DType dtype = stack.parameters().dtype();
    for (int i = 0; i < layers; i++) {
      keys[i] = scope.tensor(dtype, batch, h.kv(), capacity, h.dim());
      values[i] = scope.tensor(dtype, batch, h.kv(), capacity, h.dim());
    }
  }

  int length() {
    return length;
  }

  /** Runs embedded tokens [B*T, d] after what is held; hidden states [B*T, d]. */
  Tensor extend(Tape t, Tensor embedded) {
    fresh = (int) (embedded.dim(0) / batch);
    if (length + fresh > capacity) {
      throw new IllegalArgumentException(
          (length + fresh) + " tokens do not fit a cache of " + capacity);
    }
    positions = t.tensor(DType.I32, fresh).copyFrom(Layouts.range(length, length + fresh));
    layouts.clear();
    Tensor out = stack.run(t, embedded, this);
    length += fresh;
    return out;
  }

  @Override
  public Tensor self(Tape t, int layer, Tensor x) {
    Tensor qkv = stack.linear(t, stack.name(layer, "qkv"), x);
    Heads h = stack.config().heads();
    Tensor q = Attention.heads(qkv, batch, 0, h.count(), h.dim());
    Tensor newKeys = Attention.heads(qkv, batch, h.count(), h.kv(), h.dim());
    Tensor newValues = Attention.heads(qkv, batch, h.count() + h.kv(), h.kv(), h.dim());
    if (h.qkNorm()) {
      q = normed(t, stack.name(layer, "qnorm"), q);
      newKeys = normed(t, stack.name(layer, "knorm"), newKeys);
    }
    Tensor frequencies = stack.invFreq(!schedule.key(layer).startsWith("full"));
    if (frequencies != null && positions != null) {
      boolean interleaved = stack.config().positions().interleaved();
      Attention.Rotary rotary = new Attention.Rotary(positions, frequencies, interleaved);
      rotary.apply(t, q, false);
      rotary.apply(t, newKeys, false);
    }
    int total = length + fresh;
    t.run(OpCode.COPY, NONE, newKeys, keys[layer].slice(2, length, total));
    t.run(OpCode.COPY, NONE, newValues, values[layer].slice(2, length, total));
    Tensor k = keys[layer].slice(2, 0, total);
    Tensor v = values[layer].slice(2, 0, total);
    if (SequenceAttention.usesTable(stack)) {
      return bucketed(t, q, k, v, total);
    }
    BlockLayout.Tensors layout =
        layouts.computeIfAbsent(
            schedule.key(layer), key -> layout(layer, total).tensors(t.scope()));
    return Attention.over(t, q, k, v, stack.spec(), layout);
  }

  private BlockLayout layout(int layer, int total) {
    List<AttentionPattern> groups = schedule.groups(layer).stream().map(Schedule::pattern).toList();
    return BlockLayout.ofGroups(groups, schedule.headGroups(layer), fresh, total);
  }

  private Tensor normed(Tape t, String name, Tensor heads) {
    Tensor flat = t.tensor(heads.dtype(), heads.size() / heads.dim(3), heads.dim(3));
    t.run(OpCode.COPY, NONE, heads, flat.view(heads.shape()));
    float eps = stack.config().norms().eps();
    Layers.Normed y = Modules.norm(t, stack.parameters(), name, true, eps, 0, flat, null);
    return y.y().view(heads.shape());
  }

  private Tensor bucketed(Tape t, Tensor q, Tensor k, Tensor v, int total) {
    Positions p = stack.config().positions();
    Tensor ids = RelativeAttention.buckets(t, fresh, total, true, p.buckets(), p.farthest());
    Tensor table = stack.parameters().get(stack.prefix() + "buckets.weight");
    Tensor bias = RelativeAttention.bucketBias(t, table, ids, fresh, total);
    Tensor mask =
        RelativeAttention.mask(t, q.dtype(), List.of(Schedule.pattern("full")), fresh, total);
    return RelativeAttention.over(t, q, k, v, stack.spec().scale(), bias, mask);
  }

  @Override
  public Tensor cross(Tape t, int layer, Tensor q) {
    SequenceAttention.Source from = source;
    if (from == null) {
      return Attend.super.cross(t, layer, q);
    }
    Tensor kv = sources[layer];
    if (kv == null) {
      Tensor product = stack.linear(t, stack.name(layer, "cross.kv"), from.states());
      kv = scope.tensor(product.dtype(), product.shape());
      t.run(OpCode.COPY, NONE, product, kv);
      sources[layer] = kv;
    }
    return SequenceAttention.cross(t, stack, q, kv, batch, from.rows(), new HashMap<>());
  }

  @Override
  public void close() {
    scope.close();
  }
}

package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.nn.Attend;
import io.heddle.nn.Disentangled;
import io.heddle.nn.Modules;
import io.heddle.nn.RelativeAttention;
import io.heddle.nn.Stack;
import io.heddle.nn.StackConfig.Heads;
import io.heddle.nn.StackConfig.PositionKind;
import io.heddle.nn.StackConfig.Positions;
import io.heddle.op.Attention;
import io.heddle.op.Attention.Part;
import io.heddle.op.BlockLists;
import io.heddle.op.Layers;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Bounds;
import io.heddle.op.pattern.Documents;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Attention of whole sequences, differentiable: one object serves one forward pass. */
final class SequenceAttention implements Attend {
  private final Stack stack;
  private final Schedule schedule;
  private final int batch;
  private final int length;
  private final @Nullable List<AttentionPattern> rows;
  private final @Nullable Source source;
  private final Map<String, BlockLayout.Tensors> layouts;
  private final Map<String, Tensor> masks = new HashMap<>();
  private final List<boolean[]> globals;
  private final Tensor positions;
  private @Nullable Tensor shared;

  /**
   * An encoder's output, to be attended to.
   *
   * @param states [B*S, d]
   * @param rows the keys that each row of the batch may see; null for all
   */
  record Source(Tensor states, @Nullable List<AttentionPattern> rows) {}

  /**
   * Attention over rows of {@code length} tokens.
   *
   * @param rows what tokens of each batch row may see beside the schedule's rule; null for all
   * @param globals for each batch row its global tokens; empty where there are none
   * @param layouts of this length, kept between calls; used where {@code rows} is null
   */
  SequenceAttention(
      Tape t,
      Stack stack,
      Schedule schedule,
      int batch,
      int length,
      @Nullable List<AttentionPattern> rows,
      List<boolean[]> globals,
      @Nullable Source source,
      Layouts layouts) {
    this.stack = stack;
    this.schedule = schedule;
    this.batch = batch;
    this.length = length;
    this.rows = rows;
    this.globals = globals;
    this.source = source;
    this.layouts = rows == null && globals.isEmpty() ? layouts.of(length) : new HashMap<>();
    this.owner = rows == null && globals.isEmpty() ? layouts.scope() : t.scope();
    this.positions = layouts.positions(length);
  }

  private final io.heddle.tensor.Scope owner;

  @Override
  public Tensor self(Tape t, int layer, Tensor x) {
    Tensor qkv = stack.linear(t, stack.name(layer, "qkv"), x);
    Heads h = stack.config().heads();
    Part q = new Part(qkv, 0, h.count());
    Part k = new Part(qkv, h.count(), h.kv());
    Part v = new Part(qkv, h.count() + h.kv(), h.kv());
    return switch (stack.config().positions().kind()) {
      case BUCKETS -> relative(t, layer, q, k, v, buckets(t));
      case DISENTANGLED -> relative(t, layer, q, k, v, disentangled(t, layer, q, k));
      case GLOBALS -> withGlobals(t, layer, x, q, k, v);
      default -> {
        if (h.qkNorm()) {
          q = normed(t, stack.name(layer, "qnorm"), q);
          k = normed(t, stack.name(layer, "knorm"), k);
        }
        yield Attention.of(
            t, q, k, v, batch, stack.spec(), rotary(layer, positions), layout(t, layer));
      }
    };
  }

  /** The rotary embedding of a layer, or null. */
  Attention.@Nullable Rotary rotary(int layer, Tensor at) {
    return stack.rotary(!schedule.key(layer).startsWith("full"), at);
  }

  // Heads normalised one by one (Qwen3), as a product of their own.
  private Part normed(Tape t, String name, Part part) {
    int dim = stack.config().heads().dim();
    long tokens = part.packed().dim(0);
    Tensor flat =
        Layers.copy(
            t,
            part.packed(),
            x ->
                x.slice(1, (long) part.first() * dim, (long) (part.first() + part.count()) * dim)
                    .split(1, part.count(), dim),
            tokens * part.count(),
            dim);
    float eps = stack.config().norms().eps();
    Tensor y = Modules.norm(t, stack.parameters(), name, true, eps, 0, flat, null).y();
    Tensor packed = Layers.copy(t, y, x -> x.view(tokens, (long) part.count() * dim));
    return new Part(packed, 0, part.count());
  }

  private AttentionPattern pattern(String text) {
    return Schedule.pattern(text, stack.config().heads().causal());
  }

  private BlockLayout.@Nullable Tensors layout(Tape t, int layer) {
    return layouts.computeIfAbsent(schedule.key(layer), key -> lists(t, layer));
  }

  private BlockLayout.Tensors lists(Tape t, int layer) {
    List<AttentionPattern> groups = schedule.groups(layer).stream().map(this::pattern).toList();
    int[] headGroup = schedule.headGroups(layer);
    if (rows == null) {
      return BlockLayout.ofGroups(groups, headGroup, length, length).tensors(owner);
    }
    List<Bounds> bounds = new ArrayList<>();
    for (AttentionPattern group : groups) {
      Bounds own = Bounds.of(group);
      if (own != null) {
        bounds.add(own);
      }
    }
    List<Documents> documents = documents(rows);
    if (bounds.size() == groups.size() && documents.size() == rows.size()) {
      return BlockLists.of(t, owner, bounds, headGroup, documents, length);
    }
    List<List<AttentionPattern>> all = new ArrayList<>();
    for (AttentionPattern row : rows) {
      all.add(groups.stream().map(p -> p.and(row)).toList());
    }
    return BlockLayout.compile(all, headGroup, length, length).tensors(owner);
  }

  // The rows that are packed documents: their lists change with every batch, and the backend makes
  // them.
  private static List<Documents> documents(List<AttentionPattern> rows) {
    List<Documents> all = new ArrayList<>();
    for (AttentionPattern row : rows) {
      if (row instanceof Documents documents && documents.inRuns()) {
        all.add(documents);
      }
    }
    return all;
  }

  private Tensor relative(Tape t, int layer, Part q, Part k, Part v, Tensor bias) {
    Heads h = stack.config().heads();
    Tensor mask =
        masks.computeIfAbsent(
            schedule.key(layer),
            key -> {
              AttentionPattern own = pattern(schedule.groups(layer).get(0));
              List<AttentionPattern> all =
                  rows == null ? List.of(own) : rows.stream().map(own::and).toList();
              return RelativeAttention.mask(t, q.packed().dtype(), all, length, length);
            });
    return RelativeAttention.of(t, q, k, v, batch, h.dim(), h.scale(), bias, mask);
  }

  private Tensor buckets(Tape t) {
    Tensor bias = shared;
    if (bias == null) {
      Positions p = stack.config().positions();
      boolean causal = stack.config().heads().causal();
      Tensor ids = RelativeAttention.buckets(t, length, length, causal, p.buckets(), p.farthest());
      Tensor table = stack.parameters().get(stack.prefix() + "buckets.weight");
      bias = RelativeAttention.bucketBias(t, table, ids, length, length);
      shared = bias;
    }
    return bias;
  }

  // The layer's own products turn the normalised distance vectors into keys and queries.
  private Tensor disentangled(Tape t, int layer, Part q, Part k) {
    Tensor distances = shared;
    if (distances == null) {
      Tensor table = stack.parameters().get(stack.prefix() + "distances.weight");
      Tensor ids = t.tensor(DType.I32, table.dim(0)).copyFrom(Layouts.range(0, (int) table.dim(0)));
      float eps = stack.config().norms().eps();
      distances =
          Modules.layerNorm(
              t,
              stack.parameters(),
              stack.prefix() + "distances.norm",
              eps,
              Layers.embedding(t, table, ids));
      shared = distances;
    }
    Heads h = stack.config().heads();
    Tensor both = stack.linear(t, stack.name(layer, "qkv"), distances);
    return Disentangled.bias(
        t,
        q,
        k,
        new Part(both, h.count(), h.kv()),
        new Part(both, 0, h.count()),
        batch,
        h.dim(),
        stack.config().positions().farthest());
  }

  // Longformer: tokens see their window and the global tokens; global tokens see all, by
  // projections
  // of their own. Each query is served by one of the two; the other gives it 0.
  private Tensor withGlobals(Tape t, int layer, Tensor x, Part q, Part k, Part v) {
    Attention.Spec spec = stack.spec();
    Tensor local = Attention.of(t, q, k, v, batch, spec, null, globalLayout(layer, false));
    if (globals.isEmpty()) {
      return local;
    }
    Tensor own = stack.linear(t, stack.name(layer, "global"), x);
    Part gq = new Part(own, q.first(), q.count());
    Part gk = new Part(own, k.first(), k.count());
    Part gv = new Part(own, v.first(), v.count());
    Tensor global = Attention.of(t, gq, gk, gv, batch, spec, null, globalLayout(layer, true));
    return Layers.add(t, local, global);
  }

  private BlockLayout.Tensors globalLayout(int layer, boolean global) {
    return layouts.computeIfAbsent(
        schedule.key(layer) + global,
        key -> {
          AttentionPattern window = pattern(schedule.groups(layer).get(0));
          List<List<AttentionPattern>> all = new ArrayList<>();
          for (int b = 0; b < batch; b++) {
            boolean[] marked = globals.isEmpty() ? new boolean[length] : globals.get(b);
            AttentionPattern row = rows == null ? Patterns.full() : rows.get(b);
            AttentionPattern rule =
                global
                    ? (qi, ki) -> marked[(int) qi]
                    : (qi, ki) ->
                        // Padding sees nothing here, as in the original.
                        !marked[(int) qi]
                            && row.allows(ki, qi)
                            && (window.allows(qi, ki) || marked[(int) ki]);
            AttentionPattern inside = (qi, ki) -> ki < length && rule.allows(qi, ki);
            all.add(List.of(inside.and(row)));
          }
          int[] group = new int[stack.config().heads().count()];
          return BlockLayout.compile(all, group, length, length).tensors(owner);
        });
  }

  @Override
  public Tensor cross(Tape t, int layer, Tensor q) {
    Source from = source;
    if (from == null) {
      return Attend.super.cross(t, layer, q);
    }
    Tensor kv = stack.linear(t, stack.name(layer, "cross.kv"), from.states());
    return cross(t, stack, q, kv, batch, from.rows(), masks);
  }

  /** Cross-attention over keys and values [B*S, 2 H D] side by side. */
  static Tensor cross(
      Tape t,
      Stack stack,
      Tensor q,
      Tensor kv,
      int batch,
      @Nullable List<AttentionPattern> rows,
      Map<String, Tensor> masks) {
    Heads h = stack.config().heads();
    Part queries = new Part(q, 0, h.count());
    Part keys = new Part(kv, 0, h.count());
    Part values = new Part(kv, h.count(), h.count());
    if (rows == null) {
      return Attention.of(t, queries, keys, values, batch, stack.spec(), null, null);
    }
    // Padding of the source: block layouts align the last query with the last key, which a source
    // that is shorter than the target does not survive, so the mask is a tensor.
    int targets = (int) q.dim(0) / batch;
    int sources = (int) kv.dim(0) / batch;
    Tensor mask =
        masks.computeIfAbsent(
            "cross", key -> RelativeAttention.mask(t, q.dtype(), rows, targets, sources));
    return RelativeAttention.of(t, queries, keys, values, batch, h.dim(), h.scale(), null, mask);
  }

  static boolean usesTable(Stack stack) {
    return stack.config().positions().kind() == PositionKind.BUCKETS;
  }
}

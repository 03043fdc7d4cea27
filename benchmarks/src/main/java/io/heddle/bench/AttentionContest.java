package io.heddle.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Attention, forward or backward. Useful operations: 4 D per pair that is seen forward, 10 D
 * backward (Dao, 2023). libtorch takes part with scaled_dot_product_attention: its causal flag
 * where that says the same, else a mask.
 */
final class AttentionContest extends CpuContest {
  /** A mask of S x S that libtorch must be given takes this many elements at most. */
  private static final long LARGEST_MASK = 1L << 28;

  /**
   * What to compute.
   *
   * @param pattern {@code full}, {@code causal}, {@code window:LEFT,RIGHT} or {@code
   *     sparse:BLOCK,SHARE} with that share of blocks left out at random
   */
  record Spec(
      int batch, int heads, int kvHeads, int headDim, int seq, String pattern, boolean backward) {
    /** The shape in words. */
    String words() {
      String keys = kvHeads == heads ? "" : "/" + kvHeads;
      return "B%d H%d%s D%d S%d %s".formatted(batch, heads, keys, headDim, seq, pattern);
    }
  }

  private final Spec spec;
  private final long pairs;
  private final @Nullable AttentionPattern pattern;

  AttentionContest(Spec spec, String backendName, DType type, int threads) {
    super(backendName, type, threads);
    this.spec = spec;
    this.pattern = parse(spec);
    long[] queries = {spec.batch, spec.heads, spec.seq, spec.headDim};
    long[] keys = {spec.batch, spec.kvHeads, spec.seq, spec.headDim};
    Tensor q = random(type, 1, queries);
    Tensor k = random(type, 1, keys);
    Tensor v = random(type, 1, keys);
    Tensor g = random(type, 1, queries);
    Tensor o = scope.tensor(type, queries);
    Tensor lse = scope.tensor(DType.F32, spec.batch, spec.heads, spec.seq);
    Params params = new Params.Attention(0, 0, (float) (1 / Math.sqrt(spec.headDim)), 0, 0);
    BlockLayout layout =
        pattern == null ? null : BlockLayout.of(pattern, spec.heads, spec.seq, spec.seq);
    BlockLayout.Tensors lists = layout == null ? null : layout.tensors(scope);
    Tensor rowPtr = lists == null ? null : lists.rowPtr();
    Tensor rowBlocks = lists == null ? null : lists.rowBlocks();
    Tensor masks = lists == null ? null : lists.masks();
    Tensor group = lists == null ? null : lists.headGroup();
    pairs =
        layout == null
            ? (long) spec.batch * spec.heads * spec.seq * spec.seq
            : layout.pairs(spec.batch);
    Runnable forward =
        () ->
            backend.run(
                OpCode.ATTENTION_FWD,
                params,
                q,
                k,
                v,
                rowPtr,
                rowBlocks,
                masks,
                group,
                null,
                null,
                o,
                lse);
    if (!spec.backward) {
      enterOurs(forward, o);
    } else {
      forward.run();
      Tensor dq = scope.tensor(type, queries);
      Tensor dk = scope.tensor(type, keys);
      Tensor dv = scope.tensor(type, keys);
      Tensor colPtr = lists == null ? null : lists.colPtr();
      Tensor colBlocks = lists == null ? null : lists.colBlocks();
      enterOurs(
          () ->
              backend.run(
                  OpCode.ATTENTION_BWD,
                  params,
                  q,
                  k,
                  v,
                  o,
                  lse,
                  g,
                  rowPtr,
                  rowBlocks,
                  colPtr,
                  colBlocks,
                  masks,
                  group,
                  null,
                  null,
                  dq,
                  dk,
                  dv),
          dq,
          dk,
          dv);
    }
    if (needsMask() && (long) spec.seq * spec.seq > LARGEST_MASK) {
      return; // the peer would need gigabytes for its mask alone
    }
    Tensor mask = pattern != null && needsMask() ? mask(scope, spec.seq, pattern) : null;
    // The preset's bf16 attention is a hundred times slower than the wheel's: no peer beside it.
    if (type != DType.BF16 || !Guest.invited(Guest.PYTORCH)) {
      enterTorch(q, k, v, g, mask);
    }
    Map<String, Tensor> tensors = new LinkedHashMap<>(Map.of("q", q, "k", k, "v", v, "g", g));
    if (mask != null) {
      tensors.put("mask", mask);
    }
    ObjectNode setting = Guest.work("attention", spec.backward);
    setting.put("causal", spec.pattern.equals("causal")).put("backward", spec.backward);
    Guest.enter(this, Guest.PYTORCH, setting, tensors);
    // ND4J's attention has no mask of pairs, and keeps all scores; f32 alone.
    long scores = (long) spec.batch * spec.heads * spec.seq * spec.seq;
    boolean plain = pattern == null && !spec.backward && spec.kvHeads == spec.heads;
    if (plain && type == DType.F32 && scores <= LARGEST_MASK) {
      Guest.enter(this, Guest.ND4J, Guest.work("attention", false), Map.of("q", q, "k", k, "v", v));
    }
  }

  private boolean needsMask() {
    return pattern != null && !spec.pattern.equals("causal");
  }

  private void enterTorch(Tensor q, Tensor k, Tensor v, Tensor g, @Nullable Tensor seen) {
    var query = Torch.view(q);
    var key = Torch.view(k);
    var value = Torch.view(v);
    var gradient = Torch.view(g);
    var mask = seen != null ? new TensorOptional(Torch.view(seen)) : new TensorOptional();
    boolean causal = spec.pattern.equals("causal");
    boolean grouped = spec.kvHeads != spec.heads;
    DoubleOptional scale = new DoubleOptional();
    if (!spec.backward) {
      enter(
          Torch.contestant(
              false,
              () ->
                  List.of(
                      torch.scaled_dot_product_attention(
                          query, key, value, mask, 0, causal, scale, grouped))));
      return;
    }
    query.set_requires_grad(true);
    key.set_requires_grad(true);
    value.set_requires_grad(true);
    // The graph is made once and walked at every run, so that the backward pass alone is timed.
    var out =
        Torch.keep(
            torch.scaled_dot_product_attention(query, key, value, mask, 0, causal, scale, grouped));
    enter(
        Torch.contestant(
            true,
            () -> {
              TensorVector gradients =
                  torch.grad(
                      new TensorVector(out),
                      new TensorVector(query, key, value),
                      new TensorVector(gradient),
                      new BoolOptional(true),
                      false,
                      false);
              return List.of(gradients.get(0), gradients.get(1), gradients.get(2));
            }));
  }

  /** The pattern as libtorch takes it: true where a query sees a key, [S,S]. */
  static Tensor mask(Scope scope, int seq, AttentionPattern pattern) {
    Tensor t = scope.tensor(DType.U8, seq, seq);
    MemorySegment bytes = t.segment();
    for (long q = 0; q < seq; q++) {
      for (long k = 0; k < seq; k++) {
        bytes.set(ValueLayout.JAVA_BYTE, q * seq + k, (byte) (pattern.allows(q, k) ? 1 : 0));
      }
    }
    return t;
  }

  private static @Nullable AttentionPattern parse(Spec spec) {
    String[] parts = spec.pattern.split("[:,]", -1);
    return switch (parts[0]) {
      case "full" -> null;
      case "causal" -> Patterns.causal();
      case "window" -> Patterns.window(Long.parseLong(parts[1]), Long.parseLong(parts[2]));
      case "sparse" -> sparse(Long.parseLong(parts[1]), Double.parseDouble(parts[2]));
      default ->
          throw new IllegalArgumentException(
              "pattern '" + spec.pattern + "': expected full, causal, window:L,R or sparse:B,S");
    };
  }

  /** Blocks on the diagonal, and others at random. */
  private static AttentionPattern sparse(long block, double empty) {
    return (q, k) -> {
      long i = q / block;
      long j = k / block;
      long mixed = (i * 0x9E3779B97F4A7C15L + j * 0xC2B2AE3D27D4EB4FL) * 0xD6E8FEB86659FD93L;
      return i == j || (mixed >>> 11) * 0x1p-53 >= empty;
    };
  }

  @Override
  public String op() {
    return spec.backward ? "attention_bwd" : "attention_fwd";
  }

  @Override
  public String shape() {
    return spec.words();
  }

  @Override
  public double bytes() {
    double rows = (double) spec.batch * spec.seq * spec.headDim * type.bytes();
    // Queries and outputs, keys and values; backward the gradients of all four, too.
    return (spec.backward ? 2 : 1) * 2 * rows * (spec.heads + spec.kvHeads);
  }

  @Override
  public double flops() {
    return (spec.backward ? 10.0 : 4.0) * spec.headDim * pairs;
  }

  /** Gradients of bf16 attention add up many rounded terms. */
  @Override
  public double tolerance() {
    return spec.backward && type != DType.F32 ? 6e-2 : super.tolerance();
  }
}

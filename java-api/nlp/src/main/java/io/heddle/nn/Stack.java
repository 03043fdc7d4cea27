package io.heddle.nn;

import io.heddle.autograd.Tape;
import io.heddle.nn.StackConfig.Heads;
import io.heddle.nn.StackConfig.Placement;
import io.heddle.nn.StackConfig.PositionKind;
import io.heddle.op.Attention;
import io.heddle.op.Layers;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Transformer blocks over one residual stream. One class serves all shapes of {@link StackConfig}:
 * the sums of the stream are formed inside the norms, so a block is: norm, packed QKV product,
 * attention, output product, [norm, cross-attention,] norm, MLP.
 */
public final class Stack implements AutoCloseable {
  private final StackConfig config;
  private final Parameters parameters;
  private final String prefix;
  private final Scope constants;
  private final Attention.Spec spec;
  private final @Nullable Tensor invFreq;
  private final @Nullable Tensor localInvFreq;
  private boolean recompute;

  /** Blocks whose parameters are called {@code prefix + "layers.0.qkv.weight"} and so on. */
  public Stack(StackConfig config, Parameters parameters, String prefix) {
    this.config = config;
    this.parameters = parameters;
    this.prefix = prefix;
    this.constants = new Scope(parameters.backend().memory());
    Heads h = config.heads();
    boolean alibi = config.positions().kind() == PositionKind.ALIBI;
    Tensor slopes =
        alibi ? constants.tensor(DType.F32, h.count()).copyFrom(slopes(h.count())) : null;
    this.spec =
        new Attention.Spec(
            h.count(), h.kv(), h.dim(), h.scale(), config.dropout(), h.softcap(), slopes);
    this.invFreq = frequencies(config.positions().theta());
    this.localInvFreq = frequencies(config.positions().localTheta());
  }

  private @Nullable Tensor frequencies(double theta) {
    if (config.positions().kind() != PositionKind.ROTARY) {
      return null;
    }
    float[] all = scaling(theta).frequencies(theta, config.positions().turned());
    return constants.tensor(DType.F32, all.length).copyFrom(all);
  }

  private RotaryScaling scaling(double theta) {
    StackConfig.Positions p = config.positions();
    return theta == p.theta() ? p.scaling() : RotaryScaling.NONE;
  }

  /** ALiBi's slopes: powers of 2^(-8/n), n the power of two below; the odd ones of 2n after. */
  static float[] slopes(int heads) {
    int power = Integer.highestOneBit(heads);
    float[] out = new float[heads];
    for (int i = 0; i < heads; i++) {
      double step = i < power ? 8.0 * (i + 1) / power : 4.0 * (2 * (i - power) + 1) / power;
      out[i] = (float) Math.pow(2, -step);
    }
    return out;
  }

  /** Makes the parameters: deviation 0.02, branch outputs divided by sqrt(2 layers). */
  public static void create(StackConfig c, Parameters p, String prefix, long seed) {
    double small = Modules.DEVIATION;
    double branch = small / Math.sqrt(2.0 * c.layers());
    long d = c.hidden();
    Heads h = c.heads();
    long inner = (long) h.count() * h.dim();
    for (int i = 0; i < (c.shared() ? 1 : c.layers()); i++) {
      String layer = prefix + "layers." + i + ".";
      if (i > 0 || c.norms().first()) {
        norm(p, c, layer + "norm1");
      }
      long packed = (long) (h.count() + 2 * h.kv()) * h.dim();
      Modules.linear(p, layer + "qkv", small, seed, h.qkvBias(), packed, d);
      if (c.positions().kind() == PositionKind.GLOBALS) {
        Modules.linear(p, layer + "global", small, seed, h.qkvBias(), packed, d);
      }
      if (h.qkNorm()) {
        p.constant(layer + "qnorm.weight", 1, h.dim());
        p.constant(layer + "knorm.weight", 1, h.dim());
      }
      Modules.linear(p, layer + "out", branch, seed, h.outBias(), d, inner);
      if (c.cross()) {
        norm(p, c, layer + "cross.norm");
        Modules.linear(p, layer + "cross.q", small, seed, h.qkvBias(), inner, d);
        Modules.linear(p, layer + "cross.kv", small, seed, h.qkvBias(), 2 * inner, d);
        Modules.linear(p, layer + "cross.out", branch, seed, h.outBias(), d, inner);
      }
      if (c.norms().placement() == Placement.AROUND) {
        norm(p, c, layer + "after1");
        norm(p, c, layer + "after2");
      }
      if (c.norms().placement() != Placement.PARALLEL_ONE) {
        norm(p, c, layer + "norm2");
      }
      long up = (long) c.mlp().inner() * (c.mlp().gated() ? 2 : 1);
      Modules.linear(p, layer + "up", small, seed, c.mlp().bias(), up, d);
      Modules.linear(p, layer + "down", branch, seed, c.mlp().bias(), d, c.mlp().inner());
    }
    switch (c.positions().kind()) {
      case BUCKETS ->
          p.normal(prefix + "buckets.weight", small, seed, c.positions().buckets(), h.count());
      case DISENTANGLED -> {
        p.normal(prefix + "distances.weight", small, seed, 2L * c.positions().buckets(), d);
        Modules.norm(p, prefix + "distances.norm", true, 0, d);
      }
      default -> {}
    }
    if (c.norms().last()) {
      norm(p, c, prefix + "norm");
    }
  }

  private static void norm(Parameters p, StackConfig c, String name) {
    if (c.norms().scalar()) {
      p.constant(name + ".weight", Math.sqrt(c.hidden()), 1);
      return;
    }
    Modules.norm(p, name, c.norms().bias(), c.norms().offset(), c.hidden());
  }

  /**
   * Whether a training step keeps only what passes between blocks and runs each block again on the
   * way back: about a third more time, far less memory, the same gradients. Evaluation, too, then
   * keeps no more than that.
   */
  public void recompute(boolean wanted) {
    recompute = wanted;
  }

  /** The shape. */
  public StackConfig config() {
    return config;
  }

  /** Head counts and score factors, as the attention ops take them. */
  public Attention.Spec spec() {
    return spec;
  }

  /** The weights. */
  public Parameters parameters() {
    return parameters;
  }

  /** The name of a parameter of a layer. */
  public String name(int layer, String part) {
    return prefix + "layers." + (config.shared() ? 0 : layer) + "." + part;
  }

  /** What all names of parameters begin with. */
  public String prefix() {
    return prefix;
  }

  /**
   * The rotary embedding of positions {@code at}, i32 [T] or [B,T]; null where there is none.
   *
   * @param local whether the layer has a window
   */
  public Attention.@Nullable Rotary rotary(boolean local, Tensor at) {
    Tensor frequencies = local ? localInvFreq : invFreq;
    if (frequencies == null) {
      return null;
    }
    StackConfig.Positions p = config.positions();
    float amplitude = (float) scaling(local ? p.localTheta() : p.theta()).amplitude();
    return new Attention.Rotary(at, frequencies, p.interleaved(), amplitude);
  }

  /**
   * Runs all blocks.
   *
   * @param x embedded tokens [B*T, d]
   * @param attend how tokens see each other
   * @return [B*T, d], after the final norm if there is one
   */
  public Tensor run(Tape t, Tensor x, Attend attend) {
    return switch (config.norms().placement()) {
      case AFTER -> after(t, x, attend);
      case PARALLEL, PARALLEL_ONE -> parallel(t, x, attend);
      default -> before(t, x, attend);
    };
  }

  // A block: from the last branch and the residual stream before it (absent in the first block) to
  // the next ones.
  @FunctionalInterface
  private interface Block {
    List<Tensor> run(Tape t, int layer, Tensor branch, @Nullable Tensor residual);
  }

  private List<Tensor> blocks(Tape t, Tensor embedded, Block block) {
    List<Tensor> at = List.of(embedded);
    for (int i = 0; i < config.layers(); i++) {
      int layer = i;
      Tape.Segment segment =
          (tape, in) -> block.run(tape, layer, in.getFirst(), in.size() > 1 ? in.get(1) : null);
      // The first block may pass its input on, which is not its own to give away.
      Tape.Segment part = recompute && i > 0 ? (tape, in) -> tape.recomputed(in, segment) : segment;
      at = t.layer(prefix, i, at, part);
    }
    return at;
  }

  private Tensor before(Tape t, Tensor x, Attend attend) {
    boolean around = config.norms().placement() == Placement.AROUND;
    Block block =
        (tape, i, last, residual) -> {
          Layers.Normed first = norm(tape, name(i, "norm1"), last, residual);
          Tensor branch = attention(tape, i, attend, first.y());
          branch = around ? norm(tape, name(i, "after1"), branch, null).y() : branch;
          Tensor sum = first.sum();
          if (config.cross()) {
            Layers.Normed cross = norm(tape, name(i, "cross.norm"), branch, sum);
            branch = cross(tape, i, attend, cross.y());
            sum = cross.sum();
          }
          Layers.Normed second = norm(tape, name(i, "norm2"), branch, sum);
          branch = mlp(tape, i, second.y());
          branch = around ? norm(tape, name(i, "after2"), branch, null).y() : branch;
          return List.of(branch, second.sum());
        };
    List<Tensor> end = blocks(t, x, block);
    return last(t, end.get(0), end.get(1));
  }

  private Tensor after(Tape t, Tensor embedded, Attend attend) {
    Block block =
        (tape, i, last, none) -> {
          Tensor x = norm(tape, name(i, "norm1"), attention(tape, i, attend, last), last).y();
          if (config.cross()) {
            x = norm(tape, name(i, "cross.norm"), cross(tape, i, attend, x), x).y();
          }
          return List.of(norm(tape, name(i, "norm2"), mlp(tape, i, x), x).y());
        };
    return blocks(t, embedded, block).getFirst();
  }

  private Tensor parallel(Tape t, Tensor embedded, Attend attend) {
    boolean one = config.norms().placement() == Placement.PARALLEL_ONE;
    Block block =
        (tape, i, last, residual) -> {
          Layers.Normed first = norm(tape, name(i, "norm1"), last, residual);
          Tensor heads = attention(tape, i, attend, first.y());
          Tensor second = one ? first.y() : norm(tape, name(i, "norm2"), first.sum(), null).y();
          return List.of(Layers.add(tape, heads, mlp(tape, i, second)), first.sum());
        };
    List<Tensor> end = blocks(t, embedded, block);
    return last(t, end.get(0), end.get(1));
  }

  private Tensor last(Tape t, Tensor branch, @Nullable Tensor residual) {
    return norm(t, prefix + "norm", branch, residual).y();
  }

  private Tensor attention(Tape t, int layer, Attend attend, Tensor x) {
    return dropped(t, linear(t, name(layer, "out"), attend.self(t, layer, x)));
  }

  private Tensor cross(Tape t, int layer, Attend attend, Tensor x) {
    Tensor q = linear(t, name(layer, "cross.q"), x);
    return dropped(t, linear(t, name(layer, "cross.out"), attend.cross(t, layer, q)));
  }

  private Tensor mlp(Tape t, int layer, Tensor x) {
    // The bias of the up product is added by the activation kernel.
    String name = name(layer, "up");
    Tensor up = Modules.product(t, parameters, name, x, null);
    Tensor bias = parameters.byName().get(name + ".bias");
    int kind = config.mlp().activation();
    Tensor inner =
        config.mlp().gated()
            ? Layers.gated(t, kind, up, bias)
            : Layers.activation(t, kind, up, bias);
    return dropped(t, linear(t, name(layer, "down"), inner));
  }

  private Tensor dropped(Tape t, Tensor x) {
    return Layers.dropout(t, x, config.dropout());
  }

  /** A linear product by the parameters called {@code name}. */
  public Tensor linear(Tape t, String name, Tensor x) {
    return Modules.linear(t, parameters, name, x);
  }

  private Layers.Normed norm(Tape t, String name, Tensor x, @Nullable Tensor residual) {
    StackConfig.Norms n = config.norms();
    Layers.Normed normed =
        n.scalar()
            ? Modules.scaleNorm(t, parameters, name, n.eps(), x, residual)
            : Modules.norm(t, parameters, name, n.rms(), n.eps(), n.offset(), x, residual);
    if (residual != null) {
      t.spent(x); // a branch's end: the norm's gradient reads the sum
    }
    return normed;
  }

  @Override
  public void close() {
    constants.close();
  }
}

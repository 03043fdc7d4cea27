package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.nn.Parameters;
import io.heddle.op.Attention;
import io.heddle.op.Layers;
import io.heddle.op.Losses;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A pre-norm decoder language model. One class serves all shapes of {@link DecoderConfig}; the
 * residual stream is added inside the norms, so a block is: norm, packed QKV product, attention,
 * output product, norm, MLP.
 */
public final class Decoder implements AutoCloseable {
  private final DecoderConfig config;
  private final Schedule schedule;
  private final Parameters parameters;
  private final Attention.Spec attention;
  private final Scope constants;
  private final @Nullable Tensor invFreq;
  private final Map<String, BlockLayout.Tensors> layouts = new HashMap<>();

  private Decoder(DecoderConfig config, Parameters parameters) {
    this.config = config;
    this.parameters = parameters;
    this.schedule = Schedule.parse(config.schedule(), config.layers(), config.heads());
    float scale = config.scaled() ? (float) (1 / Math.sqrt(config.headDim())) : 1;
    this.attention =
        new Attention.Spec(
            config.heads(), config.kvHeads(), config.headDim(), scale, config.dropout());
    this.constants = new Scope(parameters.backend().memory());
    this.invFreq =
        config.learnedPositions()
            ? null
            : constants.tensor(DType.F32, config.headDim() / 2).copyFrom(frequencies(config));
  }

  private static float[] frequencies(DecoderConfig config) {
    float[] out = new float[config.headDim() / 2];
    for (int i = 0; i < out.length; i++) {
      out[i] = (float) Math.pow(config.ropeTheta(), -2.0 * i / config.headDim());
    }
    return out;
  }

  /**
   * A model with random weights (GPT-2's initialisation: deviation 0.02, branch outputs divided by
   * sqrt(2 layers)).
   */
  public static Decoder random(DecoderConfig config, Backend backend, DType dtype, long seed) {
    Parameters p = new Parameters(backend, dtype);
    double small = 0.02;
    double branch = small / Math.sqrt(2.0 * config.layers());
    long d = config.hidden();
    p.normal("embed.weight", small, seed, config.vocabulary(), d);
    if (config.learnedPositions()) {
      p.normal("positions.weight", small, seed, config.context(), d);
    }
    long packed = (long) (config.heads() + 2 * config.kvHeads()) * config.headDim();
    for (int i = 0; i < config.layers(); i++) {
      String layer = "layers." + i + ".";
      norm(p, config, layer + "norm1");
      linear(p, layer + "qkv", small, seed, config.qkvBias(), packed, d);
      linear(
          p,
          layer + "out",
          branch,
          seed,
          config.outBias(),
          d,
          (long) config.heads() * config.headDim());
      norm(p, config, layer + "norm2");
      long up = (long) config.intermediate() * (config.gated() ? 2 : 1);
      linear(p, layer + "up", small, seed, config.outBias(), up, d);
      linear(p, layer + "down", branch, seed, config.outBias(), d, config.intermediate());
    }
    norm(p, config, "norm");
    if (!config.tied()) {
      p.normal("head.weight", small, seed, config.vocabulary(), d);
    }
    return new Decoder(config, p);
  }

  private static void norm(Parameters p, DecoderConfig config, String name) {
    p.constant(name + ".weight", 1, config.hidden());
    if (!config.rmsNorm()) {
      p.constant(name + ".bias", 0, config.hidden());
    }
  }

  private static void linear(
      Parameters p, String name, double deviation, long seed, boolean bias, long out, long in) {
    p.normal(name + ".weight", deviation, seed, out, in);
    if (bias) {
      p.constant(name + ".bias", 0, out);
    }
  }

  /** The shape. */
  public DecoderConfig config() {
    return config;
  }

  /** The attention of each layer. */
  public Schedule schedule() {
    return schedule;
  }

  /** The weights. */
  public Parameters parameters() {
    return parameters;
  }

  /** Where it runs. */
  public Backend backend() {
    return parameters.backend();
  }

  /**
   * The last hidden states of a batch.
   *
   * @param ids i32 [B*T]
   * @param documents for every token the document it belongs to, [B][T]: tokens see their own
   *     document only; null for none
   * @return [B*T, d], after the final norm
   */
  public Tensor hidden(Tape t, Tensor ids, int batch, @Nullable List<int[]> documents) {
    int length = (int) (ids.dim(0) / batch);
    if (length > config.context() && config.learnedPositions()) {
      throw new IllegalArgumentException(
          "a sequence of "
              + length
              + " tokens is longer than the model's "
              + config.context()
              + " positions");
    }
    Tensor positions = t.tensor(DType.I32, length).copyFrom(range(0, length));
    Attention.Rotary rotary =
        invFreq == null ? null : new Attention.Rotary(positions, invFreq, config.ropeInterleaved());
    Map<String, BlockLayout.Tensors> masks = documents == null ? layouts : new HashMap<>();
    return run(
        t,
        embed(t, ids, positions, batch),
        (layer, qkv) -> {
          Scope owner = documents == null ? constants : t.scope();
          String key = schedule.key(layer) + "/" + length;
          BlockLayout.Tensors layout =
              masks.computeIfAbsent(
                  key, k -> layout(layer, length, length, documents).tensors(owner));
          return Attention.packed(t, qkv, batch, attention, rotary, layout);
        });
  }

  private BlockLayout layout(int layer, long queries, long keys, @Nullable List<int[]> documents) {
    List<AttentionPattern> groups = new ArrayList<>();
    for (String text : schedule.groups(layer)) {
      groups.add(Schedule.pattern(text));
    }
    if (documents == null) {
      return BlockLayout.ofGroups(groups, schedule.headGroups(layer), queries, keys);
    }
    List<List<AttentionPattern>> rows = new ArrayList<>();
    for (int[] ids : documents) {
      AttentionPattern same = Patterns.documents(ids);
      rows.add(groups.stream().map(p -> p.and(same)).toList());
    }
    return BlockLayout.compile(rows, schedule.headGroups(layer), queries, keys);
  }

  private Tensor embed(Tape t, Tensor ids, Tensor positions, int batch) {
    Tensor x = Layers.embedding(t, parameters.get("embed.weight"), ids);
    if (config.learnedPositions()) {
      Tensor repeated = t.tensor(DType.I32, ids.dim(0));
      t.run(
          OpCode.COPY,
          new Params.None(),
          positions.expand(batch, positions.dim(0)),
          repeated.view(batch, positions.dim(0)));
      x = Layers.add(t, x, Layers.embedding(t, parameters.get("positions.weight"), repeated));
    }
    return Layers.dropout(t, x, config.dropout());
  }

  // The attention of one layer, from its packed product to its heads' outputs.
  @FunctionalInterface
  private interface Attend {
    Tensor apply(int layer, Tensor qkv);
  }

  private Tensor run(Tape t, Tensor embedded, Attend attend) {
    Tensor branch = embedded;
    Tensor residual = null;
    for (int i = 0; i < config.layers(); i++) {
      String layer = "layers." + i + ".";
      Layers.Normed first = norm(t, layer + "norm1", branch, residual);
      Tensor heads = attend.apply(i, linear(t, layer + "qkv", first.y()));
      branch = Layers.dropout(t, linear(t, layer + "out", heads), config.dropout());
      Layers.Normed second = norm(t, layer + "norm2", branch, first.sum());
      branch = Layers.dropout(t, mlp(t, layer, second.y()), config.dropout());
      residual = second.sum();
    }
    return norm(t, "norm", branch, residual).y();
  }

  private Tensor mlp(Tape t, String layer, Tensor x) {
    // The bias of the up product is added by the activation kernel.
    Tensor up = Layers.linear(t, x, parameters.get(layer + "up.weight"), null);
    Tensor bias = parameters.byName().get(layer + "up.bias");
    Tensor inner =
        config.gated()
            ? Layers.gated(t, config.activation(), up, bias)
            : Layers.activation(t, config.activation(), up, bias);
    return linear(t, layer + "down", inner);
  }

  private Layers.Normed norm(Tape t, String name, Tensor x, @Nullable Tensor residual) {
    return Layers.norm(
        t,
        config.rmsNorm() ? 1 : 0,
        x,
        residual,
        parameters.get(name + ".weight"),
        parameters.byName().get(name + ".bias"),
        config.normEps());
  }

  private Tensor linear(Tape t, String name, Tensor x) {
    return Layers.linear(
        t, x, parameters.get(name + ".weight"), parameters.byName().get(name + ".bias"));
  }

  private Tensor head() {
    return parameters.get(config.tied() ? "embed.weight" : "head.weight");
  }

  /** Logits [N, V] of hidden states [N, d], without gradient. */
  public Tensor logits(Tape t, Tensor hidden) {
    Tensor logits = t.tensor(hidden.dtype(), hidden.dim(0), config.vocabulary());
    t.backend().matmul(hidden, head().transpose(0, 1), null, logits, 1, 0);
    return logits;
  }

  /** The loss of every token, f32 [N] in nats; see {@link Losses#linearCrossEntropy}. */
  public Tensor losses(Tape t, Tensor hidden, Tensor targets, float gradScale) {
    return Losses.linearCrossEntropy(t, hidden, head(), targets, 0, gradScale);
  }

  /** Keys and values of the tokens seen so far, per layer. */
  public final class Cache implements AutoCloseable {
    private final Scope scope = new Scope(backend().memory());
    private final Tensor[] keys = new Tensor[config.layers()];
    private final Tensor[] values = new Tensor[config.layers()];
    private final int batch;
    private final int capacity;
    private int length;

    /** Room for {@code capacity} tokens of {@code batch} sequences. */
    public Cache(int batch, int capacity) {
      this.batch = batch;
      this.capacity = capacity;
      for (int i = 0; i < keys.length; i++) {
        keys[i] =
            scope.tensor(parameters.dtype(), batch, config.kvHeads(), capacity, config.headDim());
        values[i] =
            scope.tensor(parameters.dtype(), batch, config.kvHeads(), capacity, config.headDim());
      }
    }

    /** Tokens held. */
    public int length() {
      return length;
    }

    /** Runs {@code ids} i32 [B*T] after what is held; hidden states [B*T, d]. */
    public Tensor extend(Tape t, Tensor ids) {
      int fresh = (int) (ids.dim(0) / batch);
      int total = length + fresh;
      if (total > capacity) {
        throw new IllegalArgumentException(total + " tokens do not fit a cache of " + capacity);
      }
      Tensor positions = t.tensor(DType.I32, fresh).copyFrom(range(length, total));
      Map<String, BlockLayout.Tensors> masks = new HashMap<>();
      Tensor out =
          run(
              t,
              embed(t, ids, positions, batch),
              (layer, qkv) -> {
                BlockLayout.Tensors layout =
                    masks.computeIfAbsent(
                        schedule.key(layer),
                        k -> layout(layer, fresh, total, null).tensors(t.scope()));
                return attend(t, layer, qkv, positions, total, layout);
              });
      length = total;
      return out;
    }

    private Tensor attend(
        Tape t, int layer, Tensor qkv, Tensor positions, int total, BlockLayout.Tensors layout) {
      int h = config.heads();
      int k = config.kvHeads();
      Tensor q = Attention.heads(qkv, batch, 0, h, config.headDim());
      Tensor newKeys = Attention.heads(qkv, batch, h, k, config.headDim());
      Tensor newValues = Attention.heads(qkv, batch, h + k, k, config.headDim());
      if (invFreq != null) {
        var params = new Params.Rotary(config.ropeInterleaved() ? 1 : 0, 0, 1);
        t.run(OpCode.ROTARY, params, q, positions, invFreq, q);
        t.run(OpCode.ROTARY, params, newKeys, positions, invFreq, newKeys);
      }
      var none = new Params.None();
      t.run(OpCode.COPY, none, newKeys, keys[layer].slice(2, length, total));
      t.run(OpCode.COPY, none, newValues, values[layer].slice(2, length, total));
      return Attention.over(
          t,
          q,
          keys[layer].slice(2, 0, total),
          values[layer].slice(2, 0, total),
          attention,
          layout);
    }

    @Override
    public void close() {
      scope.close();
    }
  }

  private static int[] range(int from, int to) {
    int[] out = new int[to - from];
    for (int i = 0; i < out.length; i++) {
      out[i] = from + i;
    }
    return out;
  }

  @Override
  public void close() {
    constants.close();
    parameters.close();
  }
}

package io.heddle.nn;

import io.heddle.autograd.Tape;
import io.heddle.op.Attention;
import io.heddle.op.Attention.Part;
import io.heddle.op.Layers;
import io.heddle.op.Scores;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The attention cells of the toolkits before the Transformer and its own: how well a query fits a
 * key, softmax over the keys, dropout of the weights, and the values read by them (Bahdanau et al.
 * 2015; Luong et al. 2015; Vaswani et al. 2017). A query that sees no key reads zeros.
 */
public final class AttentionCell {
  private static final float TINY = 1e-10f; // under the root of a squared length

  private final Config config;
  private final Parameters parameters;
  private final String prefix;

  /** How a query q is scored against a key k. */
  public enum Kind {
    /** {@code <q, k>}. */
    DOT,
    /** {@code <q, k> / sqrt(dim)}. */
    SCALED_DOT,
    /** {@code <W q, k>}: Luong's general form. */
    GENERAL,
    /** {@code <W q, k> / sqrt(dim)}. */
    SCALED_GENERAL,
    /** {@code <q, k> / (|q| |k|)}. */
    COSINE,
    /** {@code <v, tanh(W_q q + W_k k + b)>}: Bahdanau's form. */
    MLP,
    /** The same with {@code g v / |v|} for v; g starts at {@code 1 / sqrt(units)}. */
    NORMED_MLP,
    /**
     * {@code <W_q q, W_k k> / sqrt(dim)} in heads side by side, which read {@code W_v v}; the
     * product that follows in a Transformer is not among it.
     */
    MULTI_HEAD
  }

  /**
   * The shape.
   *
   * @param query features of a query
   * @param key features of a key; those of a query for the kinds that do not transform it
   * @param value features of a value; only {@link Kind#MULTI_HEAD} needs to know
   * @param units inside an MLP, or of all heads together; else not used
   * @param heads of {@link Kind#MULTI_HEAD}; else 1
   * @param dropout of weights
   */
  public record Config(
      Kind kind, int query, int key, int value, int units, int heads, float dropout) {
    /** Checks the sizes. */
    public Config {
      boolean direct = kind == Kind.DOT || kind == Kind.SCALED_DOT || kind == Kind.COSINE;
      if (direct && query != key) {
        throw new IllegalArgumentException(
            kind + " attention of queries with " + query + " features over keys with " + key);
      }
      if (heads < 1 || (kind == Kind.MULTI_HEAD ? units % heads != 0 : heads != 1)) {
        throw new IllegalArgumentException(
            kind + " attention of " + units + " units in " + heads + " heads");
      }
    }

    /** One head; dropout 0. */
    public static Config of(Kind kind, int query, int key, int units) {
      return new Config(kind, query, key, key, units, 1, 0);
    }
  }

  /** A cell over given parameters. */
  public AttentionCell(Config config, Parameters parameters, String prefix) {
    this.config = config;
    this.parameters = parameters;
    this.prefix = prefix;
  }

  /** Makes the parameters: matrices normal with deviation {@code 1 / sqrt(inputs)}. */
  public static void create(Config c, Parameters p, String prefix, long seed) {
    double query = 1 / Math.sqrt(c.query);
    double key = 1 / Math.sqrt(c.key);
    switch (c.kind) {
      case DOT, SCALED_DOT, COSINE -> {}
      case GENERAL, SCALED_GENERAL ->
          Modules.linear(p, prefix + "query", query, seed, false, c.key, c.query);
      case MLP, NORMED_MLP -> {
        Modules.linear(p, prefix + "query", query, seed, true, c.units, c.query);
        Modules.linear(p, prefix + "key", key, seed, false, c.units, c.key);
        p.normal(prefix + "score.weight", 1 / Math.sqrt(c.units), seed, 1, c.units);
        if (c.kind == Kind.NORMED_MLP) {
          p.constant(prefix + "score.length", 1 / Math.sqrt(c.units), 1);
        }
      }
      case MULTI_HEAD -> {
        double value = 1 / Math.sqrt(c.value);
        Modules.linear(p, prefix + "query", query, seed, false, c.units, c.query);
        Modules.linear(p, prefix + "key", key, seed, false, c.units, c.key);
        Modules.linear(p, prefix + "value", value, seed, false, c.units, c.value);
      }
    }
  }

  /** The shape. */
  public Config config() {
    return config;
  }

  /**
   * What queries read.
   *
   * @param query [B*T, Q]
   * @param key [B*S, K]
   * @param value [B*S, V]
   * @param mask as {@link Scores#weights} takes it, [B, T or 1, S]; null: all keys are seen
   * @return [B*T, V], of several heads [B*T, units]
   */
  public Tensor read(
      Tape t, Tensor query, Tensor key, Tensor value, int batch, @Nullable Tensor mask) {
    if (config.kind != Kind.MULTI_HEAD) {
      return Scores.read(t, weights(t, query, key, batch, mask), value);
    }
    Tensor v = linear(t, "value", value);
    int dim = config.units / config.heads;
    if (mask == null) {
      Attention.Spec spec =
          new Attention.Spec(config.heads, config.heads, dim, root(dim), config.dropout);
      Part q = new Part(linear(t, "query", query), 0, config.heads);
      Part k = new Part(linear(t, "key", key), 0, config.heads);
      return Attention.of(t, q, k, new Part(v, 0, config.heads), batch, spec, null, null);
    }
    Tensor out = Scores.read(t, weights(t, query, key, batch, mask), heads(t, v, batch));
    long rows = query.dim(0) / batch;
    return Layers.copy(
        t,
        out,
        x -> x.view(batch, config.heads, rows, dim).transpose(1, 2),
        query.dim(0),
        config.units);
  }

  /**
   * The weights, [B, T, S], after dropout; of several heads [B * heads, T, S]. Arguments as in
   * {@link #read}.
   */
  public Tensor weights(Tape t, Tensor query, Tensor key, int batch, @Nullable Tensor mask) {
    Tensor weights = Scores.weights(t, scores(t, query, key, batch), mask);
    return Layers.dropout(t, weights, config.dropout);
  }

  private Tensor scores(Tape t, Tensor q, Tensor k, int batch) {
    int dim = config.units / config.heads;
    return switch (config.kind) {
      case DOT -> Scores.products(t, q, k, batch, 1);
      case SCALED_DOT -> Scores.products(t, q, k, batch, root(config.key));
      case GENERAL -> Scores.products(t, linear(t, "query", q), k, batch, 1);
      case SCALED_GENERAL -> Scores.products(t, linear(t, "query", q), k, batch, root(config.key));
      case COSINE -> Scores.products(t, unit(t, q, null), unit(t, k, null), batch, 1);
      case MLP, NORMED_MLP -> additive(t, q, k, batch);
      case MULTI_HEAD -> {
        Tensor queries = heads(t, linear(t, "query", q), batch);
        Tensor keys = heads(t, linear(t, "key", k), batch);
        yield Scores.products(t, queries, keys, (long) batch * config.heads, root(dim));
      }
    };
  }

  private Tensor additive(Tape t, Tensor q, Tensor k, int batch) {
    Tensor sums = Scores.sums(t, linear(t, "query", q), linear(t, "key", k), batch);
    Tensor inner = Layers.activation(t, 5, sums, null);
    Tensor v = parameters.get(prefix + "score.weight");
    if (config.kind == Kind.NORMED_MLP) {
      v = unit(t, v, parameters.get(prefix + "score.length"));
    }
    Tensor flat = Scores.products(t, inner, v, 1, 1);
    long queries = q.dim(0) / batch;
    return Layers.copy(t, flat, x -> x, batch, queries, k.dim(0) / batch);
  }

  // Vectors of length 1, or g: the RMS norm whose weights are that over the root of the features.
  private static Tensor unit(Tape t, Tensor x, @Nullable Tensor g) {
    long features = x.dim(1);
    float share = root(features);
    Tensor weight =
        g == null
            ? Layers.fill(t, t.tensor(x.dtype(), features), share)
            : Layers.spread(t, g, share, features);
    return Layers.norm(t, 1, x, null, weight, null, TINY / features).y();
  }

  private Tensor linear(Tape t, String name, Tensor x) {
    return Modules.linear(t, parameters, prefix + name, x);
  }

  // [B*T, heads D] to [B*heads*T, D].
  private Tensor heads(Tape t, Tensor x, int batch) {
    int dim = config.units / config.heads;
    long rows = x.dim(0) / batch;
    return Layers.copy(
        t,
        x,
        packed -> packed.view(batch, rows, config.heads, dim).transpose(1, 2),
        x.dim(0) * config.heads,
        dim);
  }

  private static float root(long dim) {
    return (float) (1 / Math.sqrt((double) dim));
  }
}

package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.models.ModelConfig.EmbeddingConfig;
import io.heddle.models.ModelConfig.Norm;
import io.heddle.models.ModelConfig.Table;
import io.heddle.nn.Modules;
import io.heddle.nn.Parameters;
import io.heddle.op.Layers;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Tokens, positions and segments as vectors of d features. */
final class Embedding implements AutoCloseable {
  private final EmbeddingConfig config;
  private final Parameters parameters;
  private final String prefix;
  private final float dropout;
  private final Scope constants;
  private final @Nullable Tensor sines;

  // Positions of training batches without padding, by rows and length: a graph could not copy them
  // from the host.
  private final Map<List<Integer>, Tensor> starts = new HashMap<>();

  /**
   * An embedding over {@code embed.weight}.
   *
   * @param prefix of its other parameters: both sides of an encoder-decoder share the tokens' table
   */
  Embedding(EmbeddingConfig config, Parameters parameters, String prefix, float dropout) {
    this.config = config;
    this.parameters = parameters;
    this.prefix = prefix;
    this.dropout = dropout;
    this.constants = new Scope(parameters.backend().memory());
    boolean computed = config.table() == Table.SINES || config.table() == Table.FAIRSEQ_SINES;
    this.sines =
        computed
            ? constants.tensor(parameters.dtype(), config.rows(), config.size()).copyFrom(sines())
            : null;
  }

  private float[] sines() {
    int size = config.size();
    int half = size / 2;
    float[] out = new float[config.rows() * size];
    for (int row = 0; row < config.rows(); row++) {
      for (int i = 0; i < half; i++) {
        double steps = config.table() == Table.SINES ? 2.0 * i / size : i / (half - 1.0);
        double angle = row * Math.pow(10000, -steps);
        out[row * size + i] = (float) Math.sin(angle);
        out[row * size + half + i] = (float) Math.cos(angle);
      }
    }
    return out;
  }

  /** Makes the tokens' table. */
  static void createTokens(EmbeddingConfig c, Parameters p, int vocabulary, long seed) {
    p.normal("embed.weight", Modules.DEVIATION, seed, vocabulary, c.size());
  }

  /** Makes the other parameters. */
  static void create(EmbeddingConfig c, Parameters p, String prefix, int hidden, long seed) {
    if (c.table() == Table.LEARNED) {
      p.normal(prefix + "positions.weight", Modules.DEVIATION, seed, c.rows(), c.size());
    }
    if (c.types() > 0) {
      p.normal(prefix + "types.weight", Modules.DEVIATION, seed, c.types(), c.size());
    }
    if (c.norm() != Norm.NONE) {
      Modules.norm(p, prefix + "embed.norm", c.norm() == Norm.WEIGHT_AND_BIAS, 0, c.size());
    }
    if (c.size() != hidden) {
      Modules.linear(p, prefix + "embed.project", Modules.DEVIATION, seed, true, hidden, c.size());
    }
  }

  /**
   * Embeds a batch.
   *
   * @param ids i32 [B*T]
   * @param first position of the first column
   * @param mask [B][T], 0 for padding; null for none
   * @param types i32 [B*T], null for all 0
   * @return [B*T, d]
   */
  Tensor apply(
      Tape t, Tensor ids, int batch, int first, int @Nullable [][] mask, @Nullable Tensor types) {
    int[] firsts = new int[batch];
    Arrays.fill(firsts, first);
    return apply(t, ids, firsts, mask, types);
  }

  /**
   * The same for rows that stand at different positions.
   *
   * @param firsts position of the first column of each row; before 0 is padding
   */
  Tensor apply(Tape t, Tensor ids, int[] firsts, int @Nullable [][] mask, @Nullable Tensor types) {
    Tensor rows =
        config.table() == Table.NONE
            ? null
            : rows(t, (int) ids.dim(0) / firsts.length, firsts, mask);
    return apply(t, ids, rows, types);
  }

  /**
   * The same for tokens at rows of the positions' table.
   *
   * @param rows i32 [B*T], see {@link #row}; null where positions have no table
   */
  Tensor apply(Tape t, Tensor ids, @Nullable Tensor rows, @Nullable Tensor types) {
    Tensor x = Layers.embedding(t, parameters.get("embed.weight"), ids);
    if (config.scale() != 1) {
      x = Layers.scaled(t, x, config.scale());
    }
    if (config.table() != Table.NONE && rows != null) {
      Tensor table = sines == null ? parameters.get(prefix + "positions.weight") : sines;
      x = Layers.add(t, x, Layers.embedding(t, table, rows));
    }
    if (config.types() > 0) {
      Tensor kinds =
          types == null
              ? t.tensor(DType.I32, ids.dim(0)).copyFrom(new int[(int) ids.dim(0)])
              : types;
      x = Layers.add(t, x, Layers.embedding(t, parameters.get(prefix + "types.weight"), kinds));
    }
    x = Modules.layerNorm(t, parameters, prefix + "embed.norm", config.eps(), x);
    x = Layers.dropout(t, x, dropout);
    return parameters.byName().containsKey(prefix + "embed.project.weight")
        ? Modules.linear(t, parameters, prefix + "embed.project", x)
        : x;
  }

  /** The row of the positions' table for a position. */
  int row(int position) {
    return position + config.offset();
  }

  /** Positions that the table has; as many as there can be where there is none. */
  int positions() {
    return config.table() == Table.NONE ? Integer.MAX_VALUE : config.rows() - config.offset();
  }

  private Tensor rows(Tape t, int length, int[] firsts, int @Nullable [][] mask) {
    int end = Arrays.stream(firsts).max().orElse(0) + length;
    if (end + config.offset() > config.rows()) {
      throw new IllegalArgumentException(
          "a sequence of "
              + end
              + " tokens is longer than the model's "
              + (config.rows() - config.offset())
              + " positions");
    }
    boolean start = mask == null && Arrays.stream(firsts).allMatch(first -> first == 0);
    if (start && t.recording()) {
      return starts.computeIfAbsent(
          List.of(firsts.length, length), key -> put(constants, places(length, firsts, null)));
    }
    return put(t.scope(), places(length, firsts, mask));
  }

  private static Tensor put(Scope scope, int[] rows) {
    return scope.tensor(DType.I32, rows.length).copyFrom(rows);
  }

  private int[] places(int length, int[] firsts, int @Nullable [][] mask) {
    int[] rows = new int[firsts.length * length];
    for (int b = 0; b < firsts.length; b++) {
      int next = firsts[b] + config.offset();
      for (int i = 0; i < length; i++) {
        boolean padding = config.skipPadding() && mask != null && mask[b][i] == 0;
        int row = padding ? config.offset() - 1 : next++;
        // Before a text begins nobody looks; any row will do.
        rows[b * length + i] = padding ? row : Math.max(row, config.offset());
      }
    }
    return rows;
  }

  @Override
  public void close() {
    constants.close();
  }
}

package io.heddle.methods.longrange;

import io.heddle.models.ModelConfig;
import io.heddle.models.Schedule;
import io.heddle.nn.StackConfig;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a schedule costs, counted from shapes and patterns: scored pairs, FLOPs, bytes of keys and
 * values, bytes of activations. Per token and layer a product of d by F features costs 2 d F FLOPs,
 * a scored pair 4 D FLOPs a head: with MLPs of 4 d that is 24 d^2 and, for causal attention over n
 * tokens, 2 (n + 1) d.
 */
public final class CostModel {
  private static final int F32 = 4;

  private final Shape shape;
  private final long length;
  private final int bytes;
  private final Map<String, Long> pairs = new HashMap<>();

  /**
   * A model's shape.
   *
   * @param layers blocks, L
   * @param dim features of a token, d
   * @param heads query heads, H
   * @param kvHeads key/value heads, K
   * @param headDim features of a head, D
   * @param inner features inside an MLP
   * @param gated whether an MLP has a gate
   * @param vocabulary tokens of the output layer; 0 to leave that out
   */
  public record Shape(
      int layers,
      int dim,
      int heads,
      int kvHeads,
      int headDim,
      int inner,
      boolean gated,
      int vocabulary) {
    /** Checks sizes. */
    public Shape {
      if (layers < 1 || dim < 1 || heads < 1 || kvHeads < 1 || headDim < 1 || inner < 1) {
        throw new IllegalArgumentException(
            "layers, features and heads of a model must be at least 1");
      }
      if (vocabulary < 0) {
        throw new IllegalArgumentException("a vocabulary of " + vocabulary);
      }
    }

    /** GPT's: as many key heads as heads, MLPs of 4 d, the output layer left out. */
    public static Shape plain(int layers, int dim, int heads) {
      if (heads < 1 || dim % heads != 0) {
        throw new IllegalArgumentException(
            dim + " features cannot be divided among " + heads + " heads");
      }
      return new Shape(layers, dim, heads, heads, dim / heads, 4 * dim, false, 0);
    }

    /** That of a decoder. */
    public static Shape of(ModelConfig config) {
      StackConfig stack = config.stack();
      return new Shape(
          stack.layers(),
          stack.hidden(),
          stack.heads().count(),
          stack.heads().kv(),
          stack.heads().dim(),
          stack.mlp().inner(),
          stack.mlp().gated(),
          config.vocabulary());
    }

    private double attentionInputs() {
      return (double) (heads + 2 * kvHeads) * headDim;
    }

    /** FLOPs of a token's forward pass, attention scores left out. */
    double linear() {
      return layers * block() + 2.0 * dim * vocabulary;
    }

    private double block() {
      return 2.0 * dim * attentionInputs()
          + 2.0 * dim * heads * headDim
          + 2.0 * dim * inner * (gated ? 3 : 2);
    }
  }

  /**
   * What one sequence costs under a schedule.
   *
   * @param letters of the schedule, see {@link Schedule#letters}
   * @param pairs scored pairs of all layers and heads
   * @param attention these as a share of full attention's
   * @param flops of a forward pass; a training step takes three times as many
   * @param model these as a share of the fully attending model's
   * @param cache bytes of keys and values when all tokens have been read
   * @param cached these as a share of the fully attending model's
   * @param activations bytes that a training step keeps until its way back; no schedule changes
   *     them
   * @param recomputed the same when blocks are run again on the way back
   */
  public record Cost(
      String letters,
      long pairs,
      double attention,
      double flops,
      double model,
      long cache,
      double cached,
      long activations,
      long recomputed) {}

  /**
   * What one layer costs in a training step over one sequence.
   *
   * @param pattern of its attention
   * @param flops three forward passes' worth, four when it is run again on the way back
   * @param activations bytes that it keeps for the way back
   */
  public record LayerCost(String pattern, double flops, long activations) {}

  /**
   * Costs of sequences.
   *
   * @param length tokens of a sequence, n
   * @param bytes of an element: 2 for bf16, 4 for f32
   */
  public CostModel(Shape shape, long length, int bytes) {
    if (length < 1 || bytes < 1) {
      throw new IllegalArgumentException(
          "a sequence of " + length + " tokens with elements of " + bytes + " bytes");
    }
    this.shape = shape;
    this.length = length;
    this.bytes = bytes;
  }

  /** What a sequence costs; {@code schedule} as {@link Schedule} writes it. */
  public Cost of(String schedule) {
    return of(Schedule.parse(schedule, shape.layers, shape.heads));
  }

  /** What a sequence costs. */
  public Cost of(Schedule schedule) {
    long scored = 0;
    long columns = 0;
    for (int layer = 0; layer < schedule.layers(); layer++) {
      scored += Pairs.of(schedule, layer, length, pairs);
      columns += Math.min(length, schedule.reach(layer));
    }
    double all = length * (length + 1.0) / 2 * shape.heads * shape.layers;
    double linear = length * shape.linear();
    double flops = linear + 4.0 * shape.headDim * scored;
    long column = 2L * shape.kvHeads * shape.headDim * bytes;
    return new Cost(
        schedule.letters(),
        scored,
        scored / all,
        flops,
        flops / (linear + 4.0 * shape.headDim * all),
        columns * column,
        (double) columns / (length * shape.layers),
        length * (shape.layers * block() + ends()),
        length * recomputed());
  }

  /**
   * What each layer costs in a training step.
   *
   * @param recompute whether all but the first are run again on the way back
   */
  public List<LayerCost> layers(String text, boolean recompute) {
    Schedule schedule = Schedule.parse(text, shape.layers, shape.heads);
    List<LayerCost> out = new ArrayList<>();
    for (int layer = 0; layer < schedule.layers(); layer++) {
      boolean again = recompute && layer > 0;
      double forward =
          length * shape.block() + 4.0 * shape.headDim * Pairs.of(schedule, layer, length, pairs);
      long kept = again ? 2L * shape.dim * bytes : block();
      out.add(new LayerCost(schedule.describe(layer), (again ? 4 : 3) * forward, length * kept));
    }
    return out;
  }

  // Of a token, in a block: two norms with the sums that they normalise, queries, keys and values,
  // heads, what goes into the MLP's activation and comes out. Both branches end in the next norm's
  // sum.
  private long block() {
    long d = shape.dim;
    long features =
        4 * d
            + (long) shape.attentionInputs()
            + (long) shape.heads * shape.headDim
            + (long) shape.inner * (shape.gated ? 3 : 2);
    long statistics = 4L * F32 + (long) shape.heads * F32;
    return features * bytes + statistics;
  }

  // What passes from block to block, the first one, which is always kept, and the one that is run
  // again, both with the branch that they end in.
  private long recomputed() {
    long between = (shape.layers - 1L) * 2 * shape.dim * bytes;
    return between + Math.min(shape.layers, 2) * (block() + (long) shape.dim * bytes) + ends();
  }

  // The embedding, the last norm and what the output layer gives back.
  private long ends() {
    return 4L * shape.dim * bytes;
  }
}

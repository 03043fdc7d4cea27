package io.heddle.nn;

/**
 * The shape of a stack of transformer blocks; all blocks are alike but for their attention pattern.
 *
 * @param hidden features of a token, d
 * @param layers number of blocks
 * @param heads the attention
 * @param positions what tells attention where a token is
 * @param mlp the feed-forward part
 * @param norms where and how sums are normalised
 * @param shared all blocks use the parameters of the first (ALBERT)
 * @param cross blocks also attend to an encoder's output
 * @param dropout probability on attention weights and branch outputs
 * @param schedule attention of each layer, as text
 */
public record StackConfig(
    int hidden,
    int layers,
    Heads heads,
    Positions positions,
    Mlp mlp,
    Norms norms,
    boolean shared,
    boolean cross,
    float dropout,
    String schedule) {

  /** Checks sizes. */
  public StackConfig {
    positive("hidden", hidden);
    positive("layers", layers);
    if (dropout < 0 || dropout >= 1) {
      throw new IllegalArgumentException("dropout " + dropout + " must be in [0, 1)");
    }
  }

  private static void positive(String name, int value) {
    if (value < 1) {
      throw new IllegalArgumentException(name + " is " + value + "; it must be at least 1");
    }
  }

  /**
   * Attention heads.
   *
   * @param count query heads, H
   * @param kv key/value heads, K
   * @param dim features of a head, D
   * @param scale factor on scores
   * @param softcap bound on scores (Gemma 2); 0 for none
   * @param qkvBias biases on queries, keys and values
   * @param outBias bias on the output product
   * @param qkNorm queries and keys of each head are RMS-normalised (Qwen3)
   * @param causal a query sees no later key
   */
  public record Heads(
      int count,
      int kv,
      int dim,
      float scale,
      float softcap,
      boolean qkvBias,
      boolean outBias,
      boolean qkNorm,
      boolean causal) {
    /** Checks sizes. */
    public Heads {
      positive("heads", count);
      positive("kvHeads", kv);
      positive("headDim", dim);
      if (count % kv != 0) {
        throw new IllegalArgumentException(
            "heads (" + count + ") must be a multiple of kvHeads (" + kv + ")");
      }
    }

    /** As many key as query heads, scores over the root of D, biases everywhere. */
    public static Heads plain(int count, int dim, boolean causal) {
      return new Heads(count, count, dim, root(dim), 0, true, true, false, causal);
    }

    /** {@code 1 / sqrt(dim)}. */
    public static float root(double dim) {
      return (float) (1 / Math.sqrt(dim));
    }
  }

  /** How attention knows positions. */
  public enum PositionKind {
    /** It does not: the embedding does. */
    NONE,
    /** Rotary (Su et al. 2021). */
    ROTARY,
    /** ALiBi (Press et al. 2022). */
    ALIBI,
    /** A learned bias per head and distance bucket (Raffel et al. 2020). */
    BUCKETS,
    /** Disentangled content-position scores (He et al. 2021). */
    DISENTANGLED,
    /** None, but tokens marked as global have projections of their own (Beltagy et al. 2020). */
    GLOBALS
  }

  /**
   * Positions inside attention.
   *
   * @param kind which of them
   * @param theta base of the rotary frequencies
   * @param localTheta the same in layers with a window
   * @param turned rotary features of a head; the others stay as they are
   * @param interleaved neighbouring pairs (GPT-J) instead of halves (Llama)
   * @param buckets of distances
   * @param farthest distance that still has a bucket of its own
   * @param scaling of the rotary frequencies; where {@code localTheta} is another base, it is not
   *     for layers with a window
   */
  public record Positions(
      PositionKind kind,
      double theta,
      double localTheta,
      int turned,
      boolean interleaved,
      int buckets,
      int farthest,
      RotaryScaling scaling) {
    /** Nothing inside attention. */
    public static final Positions NONE = of(PositionKind.NONE);

    /** A kind without numbers. */
    public static Positions of(PositionKind kind) {
      return buckets(kind, 0, 0);
    }

    /** Rotary over {@code turned} features. */
    public static Positions rotary(double theta, int turned, boolean interleaved) {
      return rotary(theta, theta, turned, interleaved, RotaryScaling.NONE);
    }

    /** The same with frequencies of their own in layers with a window, or scaled. */
    public static Positions rotary(
        double theta, double localTheta, int turned, boolean interleaved, RotaryScaling scaling) {
      return new Positions(
          PositionKind.ROTARY, theta, localTheta, turned, interleaved, 0, 0, scaling);
    }

    /** Distances in buckets. */
    public static Positions buckets(PositionKind kind, int buckets, int farthest) {
      return new Positions(kind, 0, 0, 0, false, buckets, farthest, RotaryScaling.NONE);
    }
  }

  /**
   * The feed-forward part.
   *
   * @param inner features inside, F
   * @param activation kind of {@code params.def}
   * @param gated {@code f(gate) * up}; else {@code f(up)}
   * @param bias biases on both products
   */
  public record Mlp(int inner, int activation, boolean gated, boolean bias) {
    /** Checks the size. */
    public Mlp {
      positive("intermediate", inner);
    }
  }

  /** Where norms stand in a block. */
  public enum Placement {
    /** {@code x + f(norm(x))}. */
    BEFORE,
    /** {@code norm(x + f(x))}. */
    AFTER,
    /** {@code x + norm(f(norm(x)))} (Gemma 2). */
    AROUND,
    /** {@code x + attention(norm1(x)) + mlp(norm2(x))} (GPT-NeoX). */
    PARALLEL,
    /** {@code x + attention(norm(x)) + mlp(norm(x))} (GPT-J). */
    PARALLEL_ONE
  }

  /**
   * Norms.
   *
   * @param rms RMS norm; else layer norm
   * @param scalar one weight for all features: ScaleNorm, see {@link Modules#scaleNorm}
   * @param bias with biases
   * @param eps added under the root
   * @param offset added to the weight (1 for Gemma)
   * @param placement where they stand
   * @param first the first block's attention has one (not in ModernBERT, whose embedding has)
   * @param last one after the last block
   */
  public record Norms(
      boolean rms,
      boolean scalar,
      boolean bias,
      float eps,
      float offset,
      Placement placement,
      boolean first,
      boolean last) {
    /** Layer norms with biases before each part and at the end. */
    public static Norms layer(float eps) {
      return new Norms(false, false, true, eps, 0, Placement.BEFORE, true, true);
    }

    /** RMS norms before each part and at the end. */
    public static Norms rms(float eps) {
      return new Norms(true, false, false, eps, 0, Placement.BEFORE, true, true);
    }

    /** ScaleNorm before each part and at the end. */
    public static Norms scale(float eps) {
      return new Norms(true, true, false, eps, 0, Placement.BEFORE, true, true);
    }

    /** The same elsewhere; norms that come after need none at the end. */
    public Norms placed(Placement other) {
      return new Norms(rms, scalar, bias, eps, offset, other, first, other != Placement.AFTER);
    }
  }

  /** The same with another schedule. */
  public StackConfig withSchedule(String other) {
    return new StackConfig(
        hidden, layers, heads, positions, mlp, norms, shared, cross, dropout, other);
  }

  /** The same with another dropout. */
  public StackConfig withDropout(float other) {
    return new StackConfig(
        hidden, layers, heads, positions, mlp, norms, shared, cross, other, schedule);
  }
}

// Generated from native/include/heddle/*.def by the native build (heddle_ops_gen). Do not edit.
package io.heddle.op;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;

/** The parameters of the ops: one record per struct of {@code params.def}. */
public sealed interface Params {
  /** Size of the C struct, in bytes. */
  int bytes();

  /** Writes the C struct to the start of {@code to}, which must hold {@link #bytes()} bytes and be 8-byte aligned. */
  void writeTo(MemorySegment to);

  /**
   * no parameters.
   *
   */
  record None() implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 8;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_LONG, 0, 0);
    }
  }

  /**
   * softmax(softcap(scale * q k^T) - slope * distance) v over a block layout.
   *
   * @param seed Philox key of the dropout mask
   * @param offset Philox counter offset: one value per call site and step
   * @param scale factor on q k^T, usually 1/sqrt(D)
   * @param softcap 0: none; else scores become softcap * tanh(score / softcap)
   * @param dropout probability of dropping an attention weight, in [0, 1)
   */
  record Attention(long seed, long offset, float scale, float softcap, float dropout) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 32;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_LONG, 0, seed);
      to.set(JAVA_LONG, 8, offset);
      to.set(JAVA_FLOAT, 16, scale);
      to.set(JAVA_FLOAT, 20, softcap);
      to.set(JAVA_FLOAT, 24, dropout);
      to.set(JAVA_INT, 28, 0);
    }
  }

  /**
   * block lists of runs of keys: windows, blocks, documents.
   *
   * @param queries T: the last query stands at the last key
   * @param keys S
   */
  record BlockLists(long queries, long keys) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 16;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_LONG, 0, queries);
      to.set(JAVA_LONG, 8, keys);
    }
  }

  /**
   * layer or RMS norm over the last dimension.
   *
   * @param kind 0: layer norm, 1: RMS norm
   * @param eps added to the variance (or mean square) under the root
   * @param weightOffset added to the weight before use (1 for Gemma-like norms), else 0
   * @param accumulate backward: 1 adds to dweight and dbias, 0 overwrites them
   */
  record Norm(int kind, float eps, float weightOffset, int accumulate) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 16;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_INT, 0, kind);
      to.set(JAVA_FLOAT, 4, eps);
      to.set(JAVA_FLOAT, 8, weightOffset);
      to.set(JAVA_INT, 12, accumulate);
    }
  }

  /**
   * element-wise activation with an optional bias over the last dimension.
   *
   * @param kind 0 identity, 1 relu, 2 gelu (erf), 3 gelu (tanh), 4 silu, 5 tanh, 6 sigmoid
   * @param accumulate backward: 1 adds to dbias, 0 overwrites it
   */
  record Activation(int kind, int accumulate) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 8;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_INT, 0, kind);
      to.set(JAVA_INT, 4, accumulate);
    }
  }

  /**
   * rotary position embedding.
   *
   * @param interleaved 0: pairs (i, i + R/2) as Llama; 1: neighbouring pairs (2i, 2i + 1) as GPT-J
   * @param inverse 1 rotates by the negative angle: the gradient
   * @param amplitude factor on cos and sin, usually 1
   */
  record Rotary(int interleaved, int inverse, float amplitude) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 16;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_INT, 0, interleaved);
      to.set(JAVA_INT, 4, inverse);
      to.set(JAVA_FLOAT, 8, amplitude);
      to.set(JAVA_INT, 12, 0);
    }
  }

  /**
   * table rows by id.
   *
   * @param accumulate backward: 1 adds to dtable, 0 overwrites it
   */
  record Embedding(int accumulate) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 8;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_INT, 0, accumulate);
      to.set(JAVA_INT, 4, 0);
    }
  }

  /**
   * zeroes elements and scales the rest by 1 / (1 - p).
   *
   * @param seed Philox key
   * @param offset Philox counter offset: one value per call site and step
   * @param p probability of dropping, in [0, 1)
   */
  record Dropout(long seed, long offset, float p) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 24;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_LONG, 0, seed);
      to.set(JAVA_LONG, 8, offset);
      to.set(JAVA_FLOAT, 16, p);
      to.set(JAVA_INT, 20, 0);
    }
  }

  /**
   * softmax cross-entropy fused with its gradient.
   *
   * @param ignoreIndex rows with this target give loss 0 and gradient 0
   * @param labelSmoothing weight of the uniform distribution in the target, in [0, 1)
   * @param gradScale factor on dlogits
   */
  record CrossEntropy(long ignoreIndex, float labelSmoothing, float gradScale) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 16;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_LONG, 0, ignoreIndex);
      to.set(JAVA_FLOAT, 8, labelSmoothing);
      to.set(JAVA_FLOAT, 12, gradScale);
    }
  }

  /**
   * y = f(a, b).
   *
   * @param kind 0 add, 1 sub, 2 mul, 3 div, 4 max, 5 min
   * @param alpha factor on a, before f
   * @param beta factor on b, before f
   */
  record Binary(int kind, float alpha, float beta) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 16;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_INT, 0, kind);
      to.set(JAVA_FLOAT, 4, alpha);
      to.set(JAVA_FLOAT, 8, beta);
      to.set(JAVA_INT, 12, 0);
    }
  }

  /**
   * y = f(scale * x + shift).
   *
   * @param kind 0 identity, 1 exp, 2 log, 3 sqrt, 4 reciprocal, 5 square, 6 abs, 7 tanh, 8 sigmoid, 9 relu
   * @param scale factor on x
   * @param shift added after the factor
   */
  record Unary(int kind, float scale, float shift) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 16;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_INT, 0, kind);
      to.set(JAVA_FLOAT, 4, scale);
      to.set(JAVA_FLOAT, 8, shift);
      to.set(JAVA_INT, 12, 0);
    }
  }

  /**
   * reduces the dimensions in which y has size 1 and x has not.
   *
   * @param kind 0 sum, 1 mean, 2 max
   * @param accumulate 1 adds to y (sum and mean only), 0 overwrites it
   */
  record Reduce(int kind, int accumulate) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 8;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_INT, 0, kind);
      to.set(JAVA_INT, 4, accumulate);
    }
  }

  /**
   * one AdamW step (Loshchilov & Hutter 2019, as torch.optim.AdamW).
   *
   * @param lr learning rate
   * @param beta1 decay of the first moment
   * @param beta2 decay of the second moment
   * @param eps added to the root of the second moment
   * @param weightDecay decoupled decay, times lr
   * @param correction1 1 - beta1^step
   * @param correction2 1 - beta2^step
   */
  record Adamw(float lr, float beta1, float beta2, float eps, float weightDecay, float correction1, float correction2) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 32;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_FLOAT, 0, lr);
      to.set(JAVA_FLOAT, 4, beta1);
      to.set(JAVA_FLOAT, 8, beta2);
      to.set(JAVA_FLOAT, 12, eps);
      to.set(JAVA_FLOAT, 16, weightDecay);
      to.set(JAVA_FLOAT, 20, correction1);
      to.set(JAVA_FLOAT, 24, correction2);
      to.set(JAVA_INT, 28, 0);
    }
  }

  /**
   * factor that brings a global norm down to a bound.
   *
   * @param maxNorm the bound; 0 or less: no clipping, factor 1
   */
  record Clip(float maxNorm) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 8;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_FLOAT, 0, maxNorm);
      to.set(JAVA_INT, 4, 0);
    }
  }

  /**
   * differences to a base, thinned out, whose signs may be elected, and summed.
   *
   * @param first number of element 0 in the whole tensor, a multiple of 4: cuts and random words go by it
   * @param lambda factor on the sum
   * @param elect 1: only terms with the sign of their sum count
   * @param normalize 1: divide by the weights of the terms that count
   * @param rescale 1: what a random thinning keeps is divided by its probability
   */
  record SparseCombination(long first, double lambda, int elect, int normalize, int rescale) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 32;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_LONG, 0, first);
      to.set(JAVA_DOUBLE, 8, lambda);
      to.set(JAVA_INT, 16, elect);
      to.set(JAVA_INT, 20, normalize);
      to.set(JAVA_INT, 24, rescale);
      to.set(JAVA_INT, 28, 0);
    }
  }

  /**
   * stochastic gradient steps of skip-gram or CBOW with negative sampling.
   *
   * @param lr learning rate
   */
  record WordVectors(float lr) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 8;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_FLOAT, 0, lr);
      to.set(JAVA_INT, 4, 0);
    }
  }

  /**
   * AdaGrad steps of weighted least squares on log co-occurrence counts.
   *
   * @param lr learning rate
   * @param xMax count from which on an entry has weight 1
   * @param alpha exponent of the weight below it
   */
  record Glove(float lr, float xMax, float alpha) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 16;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_FLOAT, 0, lr);
      to.set(JAVA_FLOAT, 4, xMax);
      to.set(JAVA_FLOAT, 8, alpha);
      to.set(JAVA_INT, 12, 0);
    }
  }

  /**
   * one direction of a recurrent layer.
   *
   * @param kind 0: LSTM, 1: GRU
   * @param reverse 1: from the last step to the first
   */
  record Recurrent(int kind, int reverse) implements Params {
    /** Size of the C struct. */
    public static final int BYTES = 8;

    @Override
    public int bytes() {
      return BYTES;
    }

    @Override
    public void writeTo(MemorySegment to) {
      to.set(JAVA_INT, 0, kind);
      to.set(JAVA_INT, 4, reverse);
    }
  }
}

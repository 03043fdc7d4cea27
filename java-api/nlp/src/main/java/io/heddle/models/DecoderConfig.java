package io.heddle.models;

/**
 * The shape of a decoder language model.
 *
 * @param family {@code llama}, {@code gpt2} or {@code gpt_neo}: names of files and tensors when
 *     saved
 * @param vocabulary number of tokens, V
 * @param hidden features of a token, d
 * @param layers number of blocks
 * @param heads query heads, H
 * @param kvHeads key/value heads, K
 * @param headDim features of a head, D
 * @param intermediate features inside the MLP, F
 * @param context most tokens of a sequence
 * @param learnedPositions a table of positions; else rotary
 * @param ropeTheta base of the rotary frequencies
 * @param ropeInterleaved neighbouring pairs (llama2.c) instead of halves (Hugging Face)
 * @param rmsNorm RMS norm without bias; else layer norm with bias
 * @param normEps added under the root
 * @param activation kind of {@code params.def}: 3 GELU (tanh), 4 SiLU
 * @param gated {@code f(gate) * up}; else {@code f(up)}
 * @param qkvBias biases on queries, keys and values
 * @param outBias biases on the output and MLP products
 * @param tied the output product uses the embedding table
 * @param scaled scores times 1/sqrt(D); GPT-Neo does not scale
 * @param dropout probability on embeddings, attention weights and branch outputs
 * @param schedule attention of each layer, see {@link Schedule}
 */
public record DecoderConfig(
    String family,
    int vocabulary,
    int hidden,
    int layers,
    int heads,
    int kvHeads,
    int headDim,
    int intermediate,
    int context,
    boolean learnedPositions,
    double ropeTheta,
    boolean ropeInterleaved,
    boolean rmsNorm,
    float normEps,
    int activation,
    boolean gated,
    boolean qkvBias,
    boolean outBias,
    boolean tied,
    boolean scaled,
    float dropout,
    String schedule) {

  /** Checks sizes, and that the schedule fits. */
  public DecoderConfig {
    positive("vocabulary", vocabulary);
    positive("hidden", hidden);
    positive("layers", layers);
    positive("heads", heads);
    positive("kvHeads", kvHeads);
    positive("headDim", headDim);
    positive("intermediate", intermediate);
    positive("context", context);
    if (heads % kvHeads != 0) {
      throw new IllegalArgumentException(
          "heads (" + heads + ") must be a multiple of kvHeads (" + kvHeads + ")");
    }
    if (dropout < 0 || dropout >= 1) {
      throw new IllegalArgumentException("dropout " + dropout + " must be in [0, 1)");
    }
    Schedule parsed = Schedule.parse(schedule, layers, heads);
    if (parsed.layers() != layers) {
      throw new IllegalArgumentException("the schedule is for " + parsed.layers() + " layers");
    }
  }

  private static void positive(String name, int value) {
    if (value < 1) {
      throw new IllegalArgumentException(name + " is " + value + "; it must be at least 1");
    }
  }

  /** A Llama-shaped model: RMS norm, rotary positions, SwiGLU, no biases, tied output. */
  public static DecoderConfig llama(
      int vocabulary,
      int hidden,
      int layers,
      int heads,
      int kvHeads,
      int intermediate,
      int context,
      String schedule) {
    return new DecoderConfig(
        "llama",
        vocabulary,
        hidden,
        layers,
        heads,
        kvHeads,
        hidden / heads,
        intermediate,
        context,
        false,
        10000,
        false,
        true,
        1e-5f,
        4,
        true,
        false,
        false,
        true,
        true,
        0,
        schedule);
  }

  /** A GPT-2-shaped model: layer norm, learned positions, GELU, biases, tied output. */
  public static DecoderConfig gpt2(
      int vocabulary, int hidden, int layers, int heads, int context, String schedule) {
    return new DecoderConfig(
        "gpt2",
        vocabulary,
        hidden,
        layers,
        heads,
        heads,
        hidden / heads,
        4 * hidden,
        context,
        true,
        0,
        false,
        false,
        1e-5f,
        3,
        false,
        true,
        true,
        true,
        true,
        0,
        schedule);
  }

  /** The same with another schedule. */
  public DecoderConfig withSchedule(String other) {
    return new DecoderConfig(
        family,
        vocabulary,
        hidden,
        layers,
        heads,
        kvHeads,
        headDim,
        intermediate,
        context,
        learnedPositions,
        ropeTheta,
        ropeInterleaved,
        rmsNorm,
        normEps,
        activation,
        gated,
        qkvBias,
        outBias,
        tied,
        scaled,
        dropout,
        other);
  }

  /** The same with another dropout. */
  public DecoderConfig withDropout(float other) {
    return new DecoderConfig(
        family,
        vocabulary,
        hidden,
        layers,
        heads,
        kvHeads,
        headDim,
        intermediate,
        context,
        learnedPositions,
        ropeTheta,
        ropeInterleaved,
        rmsNorm,
        normEps,
        activation,
        gated,
        qkvBias,
        outBias,
        tied,
        scaled,
        other,
        schedule);
  }
}

// Generated from native/include/heddle/*.def by the native build (heddle_ops_gen). Do not edit.
package io.heddle.op;

/** Every op of the door, in the order of {@code ops.def}, which holds each one's contract. */
public enum OpCode {
  /** {@code attention_fwd}: {@code q k v row_ptr? row_blocks? masks? head_group? slopes? offset? -> o lse?}. */
  ATTENTION_FWD(
      "attention_fwd",
      Params.Attention.BYTES,
      "q k v row_ptr? row_blocks? masks? head_group? slopes? offset? -> o lse?"),
  /** {@code attention_bwd}: {@code q k v o lse do row_ptr? row_blocks? col_ptr? col_blocks? masks? head_group? slopes? offset? -> dq dk dv}. */
  ATTENTION_BWD(
      "attention_bwd",
      Params.Attention.BYTES,
      "q k v o lse do row_ptr? row_blocks? col_ptr? col_blocks? masks? head_group? slopes? offset? -> dq dk dv"),
  /** {@code attention_step}: {@code q k v places slopes? -> keys values o}. */
  ATTENTION_STEP(
      "attention_step",
      Params.Attention.BYTES,
      "q k v places slopes? -> keys values o"),
  /** {@code norm_fwd}: {@code x residual? weight bias? -> y s? mean? rstd?}. */
  NORM_FWD(
      "norm_fwd",
      Params.Norm.BYTES,
      "x residual? weight bias? -> y s? mean? rstd?"),
  /** {@code norm_bwd}: {@code dy ds? s weight mean? rstd -> dx dweight? dbias?}. */
  NORM_BWD(
      "norm_bwd",
      Params.Norm.BYTES,
      "dy ds? s weight mean? rstd -> dx dweight? dbias?"),
  /** {@code bias_act_fwd}: {@code x bias? -> y}. */
  BIAS_ACT_FWD(
      "bias_act_fwd",
      Params.Activation.BYTES,
      "x bias? -> y"),
  /** {@code bias_act_bwd}: {@code dy x bias? -> dx dbias?}. */
  BIAS_ACT_BWD(
      "bias_act_bwd",
      Params.Activation.BYTES,
      "dy x bias? -> dx dbias?"),
  /** {@code glu_fwd}: {@code x bias? -> y}. */
  GLU_FWD(
      "glu_fwd",
      Params.Activation.BYTES,
      "x bias? -> y"),
  /** {@code glu_bwd}: {@code dy x bias? -> dx dbias?}. */
  GLU_BWD(
      "glu_bwd",
      Params.Activation.BYTES,
      "dy x bias? -> dx dbias?"),
  /** {@code rotary}: {@code x positions inv_freq -> y}. */
  ROTARY(
      "rotary",
      Params.Rotary.BYTES,
      "x positions inv_freq -> y"),
  /** {@code embedding_fwd}: {@code table ids -> y}. */
  EMBEDDING_FWD(
      "embedding_fwd",
      Params.Embedding.BYTES,
      "table ids -> y"),
  /** {@code embedding_bwd}: {@code dy ids -> dtable}. */
  EMBEDDING_BWD(
      "embedding_bwd",
      Params.Embedding.BYTES,
      "dy ids -> dtable"),
  /** {@code dropout}: {@code x offset? -> y}. */
  DROPOUT(
      "dropout",
      Params.Dropout.BYTES,
      "x offset? -> y"),
  /** {@code cross_entropy}: {@code logits targets -> loss dlogits?}. */
  CROSS_ENTROPY(
      "cross_entropy",
      Params.CrossEntropy.BYTES,
      "logits targets -> loss dlogits?"),
  /** {@code argmax}: {@code x -> y}. */
  ARGMAX(
      "argmax",
      Params.None.BYTES,
      "x -> y"),
  /** {@code softmax_fwd}: {@code x -> y}. */
  SOFTMAX_FWD(
      "softmax_fwd",
      Params.None.BYTES,
      "x -> y"),
  /** {@code softmax_bwd}: {@code dy y -> dx}. */
  SOFTMAX_BWD(
      "softmax_bwd",
      Params.None.BYTES,
      "dy y -> dx"),
  /** {@code binary}: {@code a b -> y}. */
  BINARY(
      "binary",
      Params.Binary.BYTES,
      "a b -> y"),
  /** {@code unary}: {@code x -> y}. */
  UNARY(
      "unary",
      Params.Unary.BYTES,
      "x -> y"),
  /** {@code reduce}: {@code x -> y}. */
  REDUCE(
      "reduce",
      Params.Reduce.BYTES,
      "x -> y"),
  /** {@code copy}: {@code x -> y}. */
  COPY(
      "copy",
      Params.None.BYTES,
      "x -> y"),
  /** {@code adamw}: {@code grad factor? rates? -> param m v master?}. */
  ADAMW(
      "adamw",
      Params.Adamw.BYTES,
      "grad factor? rates? -> param m v master?"),
  /** {@code sum_squares}: {@code x -> y}. */
  SUM_SQUARES(
      "sum_squares",
      Params.None.BYTES,
      "x -> y"),
  /** {@code clip_factor}: {@code squares -> norm factor}. */
  CLIP_FACTOR(
      "clip_factor",
      Params.Clip.BYTES,
      "squares -> norm factor"),
  /** {@code linear_combination}: {@code base? weights source* -> y}. */
  LINEAR_COMBINATION(
      "linear_combination",
      Params.None.BYTES,
      "base? weights source* -> y"),
  /** {@code inner_products}: {@code base? source* -> y}. */
  INNER_PRODUCTS(
      "inner_products",
      Params.None.BYTES,
      "base? source* -> y"),
  /** {@code magnitude_cuts}: {@code base? ranks source* -> cuts}. */
  MAGNITUDE_CUTS(
      "magnitude_cuts",
      Params.None.BYTES,
      "base? ranks source* -> cuts"),
  /** {@code sparse_combination}: {@code base weights cuts? keys? keep? source* -> y}. */
  SPARSE_COMBINATION(
      "sparse_combination",
      Params.SparseCombination.BYTES,
      "base weights cuts? keys? keep? source* -> y"),
  /** {@code word_vectors}: {@code row_ptr rows target_ptr targets negatives -> input output loss?}. */
  WORD_VECTORS(
      "word_vectors",
      Params.WordVectors.BYTES,
      "row_ptr rows target_ptr targets negatives -> input output loss?"),
  /** {@code glove}: {@code row column count -> word context word_squares context_squares loss?}. */
  GLOVE(
      "glove",
      Params.Glove.BYTES,
      "row column count -> word context word_squares context_squares loss?"),
  /** {@code linear_int8}: {@code x w scale bias? -> y}. */
  LINEAR_INT8(
      "linear_int8",
      Params.None.BYTES,
      "x w scale bias? -> y"),
  /** {@code recurrent_fwd}: {@code gates weight bias? h0? c0? -> y act c?}. */
  RECURRENT_FWD(
      "recurrent_fwd",
      Params.Recurrent.BYTES,
      "gates weight bias? h0? c0? -> y act c?"),
  /** {@code recurrent_bwd}: {@code dy dh? dc? weight act y h0? c? c0? -> dgates dhidden? dh0? dc0?}. */
  RECURRENT_BWD(
      "recurrent_bwd",
      Params.Recurrent.BYTES,
      "dy dh? dc? weight act y h0? c? c0? -> dgates dhidden? dh0? dc0?"),
  /** {@code block_lists}: {@code bounds documents? -> row_ptr row_blocks col_ptr col_blocks masks}. */
  BLOCK_LISTS(
      "block_lists",
      Params.BlockLists.BYTES,
      "bounds documents? -> row_ptr row_blocks col_ptr col_blocks masks");

  /** The version of the C ABI that this table belongs to. */
  public static final int ABI_VERSION = 3;

  private final String opName;
  private final int paramsBytes;
  private final Signature signature;

  OpCode(String opName, int paramsBytes, String signature) {
    this.opName = opName;
    this.paramsBytes = paramsBytes;
    this.signature = Signature.parse(signature);
  }

  /** The name in {@code ops.def}. */
  public String opName() {
    return opName;
  }

  /** Size of the C parameter struct, in bytes. */
  public int paramsBytes() {
    return paramsBytes;
  }

  /** Names of the tensors the op takes. */
  public Signature signature() {
    return signature;
  }
}

package io.heddle.backend.reference;

import io.heddle.backend.Backend;
import io.heddle.backend.profile.Profile;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.Memory;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** Plain Java, double accumulation, from the formulas. */
public final class ReferenceBackend implements Backend {
  @Override
  public String name() {
    return "reference";
  }

  @Override
  public String describe() {
    return "{\"java\":\"" + Runtime.version() + "\"}";
  }

  // An automatic arena per block: the collector frees it, so no restricted method is needed here.
  @Override
  public Memory memory() {
    return bytes -> {
      MemorySegment segment = Arena.ofAuto().allocate(Math.max(bytes, 1), 64).asSlice(0, bytes);
      return Storage.host(segment, address -> {});
    };
  }

  @Override
  public boolean supports(OpCode op) {
    return true;
  }

  @Override
  public void run(OpCode op, Params params, @Nullable Tensor... tensors) {
    int names = op.signature().names().size();
    if (op.signature().list() < 0 ? tensors.length != names : tensors.length < names) {
      throw new IllegalArgumentException(
          op.opName()
              + ": "
              + tensors.length
              + " tensors, expected "
              + names
              + " "
              + op.signature().names());
    }
    Profile.Span span = Profile.begin();
    held(tensors, () -> dispatch(op, params, tensors));
    if (span != null) {
      span.end(name(), op, tensors);
    }
  }

  // Tensors cannot be freed while an op reads or writes them.
  private static void held(@Nullable Tensor[] tensors, Runnable body) {
    int held = 0;
    try {
      for (Tensor tensor : tensors) {
        if (tensor != null) {
          tensor.storage().acquire();
        }
        held++;
      }
      body.run();
    } finally {
      for (int i = 0; i < held; i++) {
        Tensor tensor = tensors[i];
        if (tensor != null) {
          tensor.storage().release();
        }
      }
    }
  }

  private static void dispatch(OpCode op, Params params, @Nullable Tensor[] t) {
    switch (op) {
      case ATTENTION_FWD -> ReferenceAttention.forward((Params.Attention) params, t);
      case ATTENTION_BWD -> ReferenceAttention.backward((Params.Attention) params, t);
      case ATTENTION_STEP -> ReferenceAttention.step((Params.Attention) params, t);
      case NORM_FWD -> ReferenceNorms.forward((Params.Norm) params, t);
      case NORM_BWD -> ReferenceNorms.backward((Params.Norm) params, t);
      case BIAS_ACT_FWD -> ReferenceActivations.forward((Params.Activation) params, t);
      case BIAS_ACT_BWD -> ReferenceActivations.backward((Params.Activation) params, t);
      case GLU_FWD -> ReferenceActivations.gatedForward((Params.Activation) params, t);
      case GLU_BWD -> ReferenceActivations.gatedBackward((Params.Activation) params, t);
      case ROTARY -> ReferenceAttention.rotary((Params.Rotary) params, t);
      case EMBEDDING_FWD -> ReferenceLosses.embedding(t);
      case EMBEDDING_BWD -> ReferenceLosses.embeddingBackward((Params.Embedding) params, t);
      case DROPOUT -> ReferenceElementwise.dropout((Params.Dropout) params, t);
      case CROSS_ENTROPY -> ReferenceLosses.crossEntropy((Params.CrossEntropy) params, t);
      case ARGMAX -> ReferenceLosses.argmax(t);
      case SOFTMAX_FWD -> ReferenceLosses.softmaxForward(t);
      case SOFTMAX_BWD -> ReferenceLosses.softmaxBackward(t);
      case BINARY -> ReferenceElementwise.binary((Params.Binary) params, t);
      case UNARY -> ReferenceElementwise.unary((Params.Unary) params, t);
      case REDUCE -> ReferenceElementwise.reduce((Params.Reduce) params, t);
      case COPY -> ReferenceAttention.copy(t);
      case ADAMW -> ReferenceElementwise.adamw((Params.Adamw) params, t);
      case SUM_SQUARES -> ReferenceElementwise.sumSquares(t);
      case CLIP_FACTOR -> ReferenceElementwise.clip((Params.Clip) params, t);
      case LINEAR_COMBINATION -> ReferenceElementwise.combination(t);
      case INNER_PRODUCTS -> ReferenceMerging.innerProducts(t);
      case MAGNITUDE_CUTS -> ReferenceMerging.magnitudeCuts(t);
      case SPARSE_COMBINATION ->
          ReferenceMerging.sparseCombination((Params.SparseCombination) params, t);
      case WORD_VECTORS -> ReferenceVectors.wordVectors((Params.WordVectors) params, t);
      case GLOVE -> ReferenceVectors.glove((Params.Glove) params, t);
      case LINEAR_INT8 -> ReferenceElementwise.linearInt8(t);
      case RECURRENT_FWD -> ReferenceRecurrent.forward((Params.Recurrent) params, t);
      case RECURRENT_BWD -> ReferenceRecurrent.backward((Params.Recurrent) params, t);
      case BLOCK_LISTS -> ReferenceLists.run((Params.BlockLists) params, t);
    }
  }

  /** Tensor {@code i} of a call, which must be there. */
  static Tensor need(@Nullable Tensor[] tensors, int i, String name) {
    Tensor tensor = tensors[i];
    if (tensor == null) {
      throw new IllegalArgumentException("tensor '" + name + "' is required");
    }
    return tensor;
  }

  @Override
  public void matmul(Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float alpha, float beta) {
    held(
        new @Nullable Tensor[] {a, b, bias, c},
        () -> ReferenceElementwise.matmul(a, b, bias, c, alpha, beta));
  }

  @Override
  public void transfer(Tensor from, Tensor to) {
    to.segment().copyFrom(from.segment().asSlice(0, from.size() * from.dtype().bytes()));
  }

  @Override
  public void synchronize() {}

  @Override
  public void close() {}
}

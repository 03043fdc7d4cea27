package io.heddle.binding.cuda;

import static org.bytedeco.cuda.global.cudnn.CUDNN_FWD_MODE_INFERENCE;
import static org.bytedeco.cuda.global.cudnn.CUDNN_FWD_MODE_TRAINING;
import static org.bytedeco.cuda.global.cudnn.CUDNN_WGRAD_MODE_ADD;

import io.heddle.backend.RecurrentLibrary;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.cudnn.cudnnContext;
import org.bytedeco.cuda.global.cudnn;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.jspecify.annotations.Nullable;

/**
 * Recurrent layers by cuDNN (9.x) on a context's stream. cuDNN wants all weights of a layer in one
 * block of memory, which is filled for each pass: a copy beside products of as many rows as there
 * are tokens. A layer from the last step to the first is run on its steps turned around. Sums are
 * f32; {@code -Dheddle.cuda.tf32=true} lets f32 operands be rounded to TF32. Results repeat bit for
 * bit as long as cuBLAS does not choose between workspaces, as NVIDIA says of it: {@code
 * CUBLAS_WORKSPACE_CONFIG=:4096:2} in the environment.
 */
final class CudaRecurrent implements RecurrentLibrary, AutoCloseable {
  private static final Params.None NONE = new Params.None();

  private final CudaBackend backend;
  private final boolean tf32 = Boolean.getBoolean("heddle.cuda.tf32");
  private final cudnnContext handle = new cudnnContext();
  private final Map<RecurrentPlan.Key, RecurrentPlan> plans = new HashMap<>();

  /**
   * Opens the library for the thread's current device.
   *
   * @param stream where layers run
   */
  CudaRecurrent(CudaBackend backend, long stream) {
    this.backend = backend;
    RecurrentPlan.check(cudnn.cudnnCreate(handle), "opening cuDNN");
    CUstream_st where = new CUstream_st(new Address().at(stream));
    RecurrentPlan.check(cudnn.cudnnSetStream(handle, where), "setting the stream");
  }

  private RecurrentPlan plan(Params.Recurrent p, Tensor x, long features) {
    RecurrentPlan.Key key =
        new RecurrentPlan.Key(
            p.kind(),
            x.dtype(),
            Math.toIntExact(x.dim(0)),
            Math.toIntExact(x.dim(1)),
            Math.toIntExact(x.dim(2)),
            Math.toIntExact(features));
    RecurrentPlan known = plans.get(key);
    if (known == null) {
      known = new RecurrentPlan(handle, key, tf32, backend::lengths);
      plans.put(key, known);
    }
    return known;
  }

  private static void alike(Tensor x, @Nullable Tensor... others) {
    for (Tensor other : others) {
      if (other != null && (other.dtype() != x.dtype() || !other.isContiguous())) {
        throw new IllegalArgumentException(
            "a recurrent layer on CUDA: " + other + " must be contiguous and of the type of " + x);
      }
    }
  }

  @Override
  public synchronized List<Tensor> forward(
      Params.Recurrent p,
      Tensor x,
      int @Nullable [] lengths,
      Weights w,
      State before,
      Tensor y,
      State after,
      @Nullable Scope keep) {
    alike(x, x, w.input(), w.inputBias(), w.hidden(), w.hiddenBias(), before.h(), before.c(), y);
    RecurrentPlan plan = plan(p, x, y.dim(2));
    try (Scope scratch = new Scope(backend.memory())) {
      IntPointer ends = ends(plan, p, scratch, lengths);
      if (lengths != null) {
        backend.clear(y);
      }
      Tensor in = inOrder(p, scratch, x);
      Tensor out = p.reverse() != 0 ? scratch.tensor(y.dtype(), y.shape()) : y;
      Tensor space = bytes(keep != null ? keep : scratch, plan.weightBytes);
      Tensor reserve = keep == null ? null : bytes(keep, plan.reserveBytes);
      plan.parts(handle, space).forEach(part -> copy(part.of(w), part.in(space)));
      Tensor work = bytes(scratch, plan.workBytes);
      RecurrentPlan.check(
          cudnn.cudnnRNNForward(
              handle,
              plan.rnn,
              keep == null ? CUDNN_FWD_MODE_INFERENCE : CUDNN_FWD_MODE_TRAINING,
              ends,
              plan.x,
              at(in),
              plan.y,
              at(out),
              plan.state,
              at(before.h()),
              at(after.h()),
              plan.state,
              at(before.c()),
              at(after.c()),
              plan.weightBytes,
              at(space),
              plan.workBytes,
              at(work),
              reserve == null ? 0 : plan.reserveBytes,
              at(reserve)),
          "the forward pass of " + plan.key);
      if (out != y) {
        turn(scratch, out, y);
      }
      return reserve == null ? List.of() : List.of(space, reserve);
    }
  }

  @Override
  public synchronized void backward(
      Params.Recurrent p,
      Tensor x,
      int @Nullable [] lengths,
      State before,
      Tensor y,
      List<Tensor> kept,
      Tensor dy,
      State later,
      Tensor dx,
      Weights dw,
      State dbefore) {
    alike(x, x, before.h(), before.c(), y, dy, later.h(), later.c(), dx);
    RecurrentPlan plan = plan(p, x, y.dim(2));
    Tensor space = kept.get(0);
    Tensor reserve = kept.get(1);
    try (Scope scratch = new Scope(backend.memory())) {
      IntPointer ends = ends(plan, p, scratch, lengths);
      if (lengths != null) {
        backend.clear(dx);
      }
      Tensor in = inOrder(p, scratch, x);
      Tensor out = inOrder(p, scratch, y);
      Tensor up = inOrder(p, scratch, dy);
      Tensor down = p.reverse() != 0 ? scratch.tensor(dx.dtype(), dx.shape()) : dx;
      Tensor work = bytes(scratch, plan.workBytes);
      RecurrentPlan.check(
          cudnn.cudnnRNNBackwardData_v8(
              handle,
              plan.rnn,
              ends,
              plan.y,
              at(out),
              at(up),
              plan.x,
              at(down),
              plan.state,
              at(before.h()),
              at(later.h()),
              at(dbefore.h()),
              plan.state,
              at(before.c()),
              at(later.c()),
              at(dbefore.c()),
              plan.weightBytes,
              at(space),
              plan.workBytes,
              at(work),
              plan.reserveBytes,
              at(reserve)),
          "the backward pass of " + plan.key);
      Tensor dspace = bytes(scratch, plan.weightBytes);
      backend.clear(dspace); // the library only adds
      RecurrentPlan.check(
          cudnn.cudnnRNNBackwardWeights_v8(
              handle,
              plan.rnn,
              CUDNN_WGRAD_MODE_ADD,
              ends,
              plan.x,
              at(in),
              plan.state,
              at(before.h()),
              plan.y,
              at(out),
              plan.weightBytes,
              at(dspace),
              plan.workBytes,
              at(work),
              plan.reserveBytes,
              at(reserve)),
          "the gradients of the weights of " + plan.key);
      plan.parts(handle, space).forEach(part -> copy(part.in(dspace), part.of(dw)));
      if (down != dx) {
        turn(scratch, down, dx);
      }
    }
  }

  // Where rows end, on the device; the plan's descriptors say the same from now on.
  private static IntPointer ends(
      RecurrentPlan plan, Params.Recurrent p, Scope scratch, int @Nullable [] lengths) {
    if (lengths != null && p.reverse() != 0) {
      throw new IllegalArgumentException(
          "a recurrent layer on CUDA: rows of different lengths are turned before, not in reverse");
    }
    plan.ending(lengths);
    return lengths == null
        ? plan.lengths
        : new IntPointer(at(scratch.tensor(DType.I32, lengths.length).copyFrom(lengths)));
  }

  private static Pointer at(@Nullable Tensor tensor) {
    return new Address().at(tensor == null ? 0 : tensor.address());
  }

  private static Tensor bytes(Scope scope, long count) {
    return scope.tensor(DType.U8, Math.max(1, count));
  }

  private void copy(Tensor from, Tensor to) {
    backend.run(OpCode.COPY, NONE, from, to);
  }

  // The steps as the library walks them.
  private Tensor inOrder(Params.Recurrent p, Scope scratch, Tensor x) {
    return p.reverse() == 0 ? x : turn(scratch, x, scratch.tensor(x.dtype(), x.shape()));
  }

  // The steps in the other order: each is a row of a table.
  private Tensor turn(Scope scratch, Tensor from, Tensor to) {
    int steps = Math.toIntExact(from.dim(0));
    int[] ids = new int[steps];
    for (int i = 0; i < steps; i++) {
      ids[i] = steps - 1 - i;
    }
    Tensor order = scratch.tensor(DType.I32, steps).copyFrom(ids);
    long width = from.dim(1) * from.dim(2);
    backend.run(
        OpCode.EMBEDDING_FWD,
        new Params.Embedding(0),
        from.view(steps, width),
        order,
        to.view(steps, width));
    return to;
  }

  @Override
  public synchronized void close() {
    plans.values().forEach(plan -> plan.close(backend::release));
    plans.clear();
    cudnn.cudnnDestroy(handle);
  }
}

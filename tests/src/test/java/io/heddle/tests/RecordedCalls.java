package io.heddle.tests;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;

/**
 * The program that {@link ReplayTest} records; with the argument {@code all}, the cases of {@link
 * ConformanceTest}, which tests/gpu/run replays on a GPU under compute-sanitizer.
 */
final class RecordedCalls {
  private RecordedCalls() {}

  /** Runs five ops, or all cases, on the CPU. */
  public static void main(String[] args) {
    if (args.length > 0 && args[0].equals("all")) {
      try (Backend cpu = Backends.open("cpu")) {
        ConformanceCases.all().forEach(c -> ConformanceTest.run(c, cpu));
      }
      return;
    }
    try (Lab lab = new Lab("cpu")) {
      Tensor x = lab.put(DType.F32, Lab.normal(1, 6 * 40), 6, 40);
      Tensor y = lab.out(DType.F32, 6, 40);
      lab.run(OpCode.SOFTMAX_FWD, Lab.NONE, x, y);
      lab.run(
          OpCode.BIAS_ACT_FWD,
          new Params.Activation(2, 0),
          x.slice(1, 3, 20),
          null,
          y.slice(1, 5, 22));
      lab.run(
          OpCode.NORM_FWD,
          new Params.Norm(1, 1e-5f, 0, 0),
          lab.put(DType.BF16, Lab.normal(2, 240), 6, 40),
          null,
          lab.put(DType.BF16, Lab.normal(3, 40), 40),
          null,
          lab.out(DType.BF16, 6, 40),
          null,
          null,
          lab.out(DType.F32, 6));
      long[] shape = {1, 2, 70, 16};
      Tensor q = lab.put(DType.F32, Lab.normal(4, 2240), shape);
      Tensor k = lab.put(DType.F32, Lab.normal(5, 2240), shape);
      Tensor v = lab.put(DType.F32, Lab.normal(6, 2240), shape);
      Tensor o = lab.out(DType.F32, shape);
      Tensor lse = lab.out(DType.F32, 1, 2, 70);
      BlockLayout.Tensors t = lab.layout(BlockLayout.of(Patterns.causal(), 2, 70, 70));
      Params params = new Params.Attention(1, 2, 0.25f, 0, 0.25f);
      lab.run(
          OpCode.ATTENTION_FWD,
          params,
          q,
          k,
          v,
          t.rowPtr(),
          t.rowBlocks(),
          t.masks(),
          t.headGroup(),
          null,
          null,
          o,
          lse);
      lab.run(
          OpCode.ATTENTION_BWD,
          params,
          q,
          k,
          v,
          o,
          lse,
          lab.put(DType.F32, Lab.normal(7, 2240), shape),
          t.rowPtr(),
          t.rowBlocks(),
          t.colPtr(),
          t.colBlocks(),
          t.masks(),
          t.headGroup(),
          null,
          null,
          lab.out(DType.F32, shape),
          lab.out(DType.F32, shape),
          lab.out(DType.F32, shape));
    }
  }
}

package io.heddle.bench;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** What {@link ColdContest} starts: one small attention by one contestant, and its numbers. */
final class FirstCall {
  private static final long[] SHAPE = {1, 4, 128, 32};

  private FirstCall() {}

  /** Argument: who; anybody that is unknown does nothing. */
  public static void main(String[] args) {
    float[] answer =
        switch (args[0]) {
          case Contestant.OURS -> ours();
          case Torch.NAME -> theirs();
          default -> new float[0];
        };
    StringBuilder numbers = new StringBuilder();
    for (int i = 0; i < answer.length; i += 97) {
      numbers.append(answer[i]).append('\n');
    }
    System.out.print(numbers);
  }

  private static float[] input(int which) {
    float[] values = new float[(int) (SHAPE[1] * SHAPE[2] * SHAPE[3])];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) Math.sin(0.7 * i * (which + 1)); // no two rows alike
    }
    return values;
  }

  private static float[] ours() {
    try (Backend backend = Backends.open("cpu", new BackendOptions(0, 1));
        Scope scope = new Scope(backend.memory())) {
      Tensor[] qkv = new Tensor[3];
      for (int i = 0; i < 3; i++) {
        qkv[i] = scope.tensor(DType.F32, SHAPE).copyFrom(input(i));
      }
      Tensor o = scope.tensor(DType.F32, SHAPE);
      float scale = (float) (1 / Math.sqrt((double) SHAPE[3]));
      backend.run(
          OpCode.ATTENTION_FWD,
          new Params.Attention(0, 0, scale, 0, 0),
          qkv[0],
          qkv[1],
          qkv[2],
          null,
          null,
          null,
          null,
          null,
          null,
          o,
          null);
      double[] numbers = o.toDoubles();
      float[] answer = new float[numbers.length];
      for (int i = 0; i < answer.length; i++) {
        answer[i] = (float) numbers[i];
      }
      return answer;
    }
  }

  private static float[] theirs() {
    torch.set_num_threads(1);
    var qkv = new org.bytedeco.pytorch.Tensor[3];
    for (int i = 0; i < 3; i++) {
      qkv[i] = org.bytedeco.pytorch.Tensor.create(input(i), SHAPE);
    }
    var o =
        torch.scaled_dot_product_attention(
            qkv[0], qkv[1], qkv[2], new TensorOptional(), 0, false, new DoubleOptional(), false);
    float[] answer = new float[(int) o.numel()];
    new FloatPointer(o.contiguous().data_ptr()).get(answer);
    return answer;
  }
}

package io.heddle.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.SplittableRandom;

/**
 * What a call from Java costs when many follow each other without a wait, as in a training step:
 * RMS norms of a few sizes. {@code heddle_replay --repeat} makes the same calls from C++, recorded
 * with {@code HD_RECORD} and {@code --calls 1}.
 */
final class CallTimer {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int FEATURES = 1024;
  private static final int[] ROWS = {1, 1024, 8192, 16384};

  private CallTimer() {}

  /** Prints a JSON row for each size: the median of {@code rounds} runs of {@code calls} calls. */
  static void run(String backendName, int calls, int rounds, PrintWriter out) {
    try (Backend backend = Backends.open(backendName, BackendOptions.DEFAULT)) {
      for (int rows : ROWS) {
        try (Scope scope = new Scope(backend.memory())) {
          double micros = time(backend, scope, rows, calls, rounds);
          ObjectNode row =
              JSON.createObjectNode()
                  .put("op", "norm_fwd")
                  .put("backend", backendName)
                  .put("dtype", "f32")
                  .put("shape", rows + " x " + FEATURES)
                  .put("calls", calls)
                  .put("ours_us", Math.round(micros * 1000) / 1000.0);
          out.println(row);
          out.flush();
        }
      }
    }
  }

  private static double time(Backend backend, Scope scope, int rows, int calls, int rounds) {
    float[] values = new float[rows * FEATURES];
    SplittableRandom random = new SplittableRandom(1);
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) random.nextGaussian();
    }
    Tensor x = scope.tensor(DType.F32, rows, FEATURES).copyFrom(values);
    Tensor weight = scope.tensor(DType.F32, FEATURES).copyFrom(Arrays.copyOf(values, FEATURES));
    Tensor y = scope.tensor(DType.F32, rows, FEATURES);
    Tensor rstd = scope.tensor(DType.F32, rows);
    Params.Norm params = new Params.Norm(1, 1e-5f, 0, 0);
    double[] micros = new double[rounds];
    for (int round = 0; round < rounds; round++) {
      backend.synchronize();
      long start = System.nanoTime();
      for (int i = 0; i < calls; i++) {
        backend.run(OpCode.NORM_FWD, params, x, null, weight, null, y, null, null, rstd);
      }
      backend.synchronize();
      micros[round] = (System.nanoTime() - start) * 1e-3 / calls;
    }
    Arrays.sort(micros);
    return micros[rounds / 2];
  }
}

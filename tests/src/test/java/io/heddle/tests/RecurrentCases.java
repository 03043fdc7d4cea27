package io.heddle.tests;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tests.ConformanceCases.Arg;
import io.heddle.tests.ConformanceCases.Exactness;
import io.heddle.tests.ConformanceCases.Place;
import java.util.Arrays;

/** Recurrent layers. */
final class RecurrentCases extends CaseMaker {
  RecurrentCases(Collected to) {
    super(to);
  }

  // As if from sigmoids, so that nothing grows from step to step.
  private Arg shares(DType t, long... shape) {
    double[] x = draw(size(shape));
    Arrays.setAll(x, i -> 1 / (1 + Math.exp(-x[i])));
    return new Arg(t, Place.SLICED, x, shape);
  }

  private Arg weights(DType t, long rows, long features) {
    double[] x = draw(size(rows, features));
    Arrays.setAll(x, i -> x[i] / Math.sqrt((double) features));
    return new Arg(t, Place.SLICED, x, rows, features);
  }

  void recurrent(DType t, boolean lstm, int n, boolean all) {
    long steps = 4;
    long rows = n % 11;
    long wide = (lstm ? 4L : 3L) * n;
    Params params = new Params.Recurrent(lstm ? 0 : 1, n % 2 == 0 ? 1 : 0);
    String options = (lstm ? "lstm " : "gru ") + rows + "x" + n + (all ? " all" : " bare");
    add(
        OpCode.RECURRENT_FWD,
        options,
        t,
        params,
        Exactness.SUM,
        n,
        in(t, steps, rows, wide),
        weights(t, wide, n),
        all ? packed(t, wide) : null,
        all ? in(t, rows, n) : null,
        all && lstm ? in(t, rows, n) : null,
        out(t, steps, rows, n),
        out(t, steps, rows, 4L * n),
        lstm ? out(t, steps, rows, n) : null);
    add(
        OpCode.RECURRENT_BWD,
        options,
        t,
        params,
        Exactness.SUM,
        wide,
        in(t, steps, rows, n),
        all ? in(t, rows, n) : null,
        all && lstm ? in(t, rows, n) : null,
        weights(t, wide, n),
        shares(t, steps, rows, 4L * n),
        in(t, steps, rows, n),
        all ? in(t, rows, n) : null,
        lstm ? in(t, steps, rows, n) : null,
        all && lstm ? in(t, rows, n) : null,
        out(t, steps, rows, wide),
        lstm ? null : out(t, steps, rows, wide),
        all ? out(t, rows, n) : null,
        all && lstm ? out(t, rows, n) : null);
  }
}

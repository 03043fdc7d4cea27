package io.heddle.train;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.HashMap;
import java.util.Map;

/** Adafactor: for a matrix only the means of squares of its rows and columns are kept. */
record AdafactorUpdate(Recipe.Rule.Adafactor rule) implements Update {
  // Of the paper: added to squared gradients, and the least scale of a parameter.
  private static final double EPS_SQUARE = 1e-30;
  private static final double EPS_SCALE = 1e-3;
  private static final Params.Reduce MEAN = new Params.Reduce(1, 0);

  @Override
  public Map<String, long[]> kept(long[] shape) {
    Map<String, long[]> out = new HashMap<>();
    if (rule.momentum() > 0) {
      out.put("moment1", shape);
    }
    if (shape.length < 2) {
      out.put("moment2", shape);
    } else {
      out.put("rows", with(shape, shape.length - 1));
      out.put("columns", with(shape, shape.length - 2));
    }
    return out;
  }

  // The shape with a 1 at d.
  private static long[] with(long[] shape, int d) {
    long[] out = shape.clone();
    out[d] = 1;
    return out;
  }

  @Override
  public void direct(Slot p, At at) {
    double beta = 1 - Math.pow(at.step() + 1.0, rule.decay());
    Tensor g = p.gradient();
    Tensor squares = at.scratch().tensor(DType.F32, g.shape());
    at.unary(5, 1, 0, g, squares);
    at.unary(0, 1, EPS_SQUARE, squares, squares);
    if (g.rank() < 2) {
      Tensor v = p.kept("moment2");
      at.mix(v, beta, 1 - beta, squares);
      at.unary(3, 1, 0, v, squares);
      at.binary(3, 1, g, 1, squares, g);
    } else {
      factored(p, at, squares, beta);
    }
    at.sumSquares(g, p.first());
    at.sumSquares(p.exact(), p.second());
    at.scratch().free(squares);
  }

  // g / sqrt(row column / mean(row)), the product of the two roots taken one after the other.
  private static void factored(Slot p, At at, Tensor squares, double beta) {
    Tensor g = p.gradient();
    for (String name : new String[] {"rows", "columns"}) {
      Tensor kept = p.kept(name);
      Tensor mean = at.scratch().tensor(DType.F32, kept.shape());
      at.backend().run(OpCode.REDUCE, MEAN, squares, mean);
      at.mix(kept, beta, 1 - beta, mean);
      if (name.equals("rows")) {
        Tensor whole = at.scratch().tensor(DType.F32, with(kept.shape(), kept.rank() - 2));
        at.backend().run(OpCode.REDUCE, MEAN, kept, whole);
        at.binary(3, 1, kept, 1, whole, mean);
        at.unary(3, 1, 0, mean, mean);
        at.scratch().free(whole);
      } else {
        at.unary(3, 1, 0, kept, mean);
      }
      at.binary(3, 1, g, 1, mean, g);
      at.scratch().free(mean);
    }
  }

  @Override
  public void apply(Slot p, At at, double update, double weights) {
    double n = Math.max(1, p.gradient().size());
    double rate = at.rate(p);
    if (rule.relative()) {
      rate *= Math.min(1e-2, 1 / Math.sqrt(at.step() + 1.0)) / at.config().learningRate();
    }
    if (rule.scaled()) {
      rate *= Math.max(EPS_SCALE, Math.sqrt(weights / n));
    }
    double bounded = rate / Math.max(1, Math.sqrt(update / n) / rule.threshold());
    Tensor step = p.gradient();
    if (rule.momentum() > 0) {
      Tensor m = p.kept("moment1");
      at.mix(m, rule.momentum(), (1.0 - rule.momentum()) * bounded, step);
      step = m;
      bounded = 1;
    }
    at.mix(p.exact(), 1 - rate * at.decay(p), -bounded, step);
  }
}

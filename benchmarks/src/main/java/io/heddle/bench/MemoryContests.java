package io.heddle.bench;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.jspecify.annotations.Nullable;

/**
 * Work that memory bounds. Bytes count every operand once; rates are to be held against a copy's.
 */
final class MemoryContests {
  private MemoryContests() {}

  /** Layer norm of rows [N,F] with weight and bias. */
  static final class Norm extends CpuContest {
    private final long rows;
    private final long features;

    Norm(long rows, long features, String backendName, DType type, int threads) {
      super(backendName, type, threads);
      this.rows = rows;
      this.features = features;
      Tensor x = random(type, 1, rows, features);
      Tensor weight = random(type, 1, features);
      Tensor bias = random(type, 1, features);
      Tensor y = scope.tensor(type, rows, features);
      Tensor mean = scope.tensor(DType.F32, rows);
      Tensor rstd = scope.tensor(DType.F32, rows);
      Params params = new Params.Norm(0, 1e-5f, 0, 0);
      enterOurs(
          () -> backend.run(OpCode.NORM_FWD, params, x, null, weight, bias, y, null, mean, rstd),
          y);
      var input = Torch.view(x);
      var w = new TensorOptional(Torch.view(weight));
      var b = new TensorOptional(Torch.view(bias));
      enter(
          Torch.contestant(
              false,
              () -> List.of(torch.layer_norm(input, new long[] {features}, w, b, 1e-5, false))));
      Map<String, Tensor> operands = Map.of("x", x, "weight", weight, "bias", bias);
      Guest.enterAll(this, Guest.work("norm", false), operands);
      if (type == DType.F32) {
        Tensor out = scope.tensor(type, rows, features);
        enter(
            Contestant.of(
                "java",
                () -> layerNorm(x.segment(), weight.segment(), bias.segment(), out.segment()),
                () -> numbers(out)));
      }
    }

    private void layerNorm(MemorySegment x, MemorySegment w, MemorySegment b, MemorySegment y) {
      for (long r = 0; r < rows; r++) {
        long at = r * features;
        float sum = 0;
        for (long i = 0; i < features; i++) {
          sum += x.getAtIndex(ValueLayout.JAVA_FLOAT, at + i);
        }
        float mean = sum / features;
        float squares = 0;
        for (long i = 0; i < features; i++) {
          float d = x.getAtIndex(ValueLayout.JAVA_FLOAT, at + i) - mean;
          squares += d * d;
        }
        float rstd = (float) (1 / Math.sqrt(squares / features + 1e-5));
        for (long i = 0; i < features; i++) {
          float h = (x.getAtIndex(ValueLayout.JAVA_FLOAT, at + i) - mean) * rstd;
          float value =
              h * w.getAtIndex(ValueLayout.JAVA_FLOAT, i) + b.getAtIndex(ValueLayout.JAVA_FLOAT, i);
          y.setAtIndex(ValueLayout.JAVA_FLOAT, at + i, value);
        }
      }
    }

    @Override
    public String op() {
      return "layer_norm";
    }

    @Override
    public String shape() {
      return "N%d F%d".formatted(rows, features);
    }

    /** Mean, variance, scale and shift. */
    @Override
    public double flops() {
      return 8.0 * rows * features;
    }

    @Override
    public double bytes() {
      return 2.0 * rows * features * type.bytes();
    }

    @Override
    public Bound bound() {
      return Bound.MEMORY;
    }
  }

  /** Softmax cross-entropy of logits [N,V] and its gradient. */
  static final class Loss extends CpuContest {
    private final long rows;
    private final int vocabulary;

    Loss(long rows, int vocabulary, String backendName, DType type, int threads) {
      super(backendName, type, threads);
      this.rows = rows;
      this.vocabulary = vocabulary;
      Tensor logits = random(type, 4, rows, vocabulary);
      Tensor targets = indices(vocabulary, rows);
      Tensor loss = scope.tensor(DType.F32, rows);
      Tensor gradient = scope.tensor(type, rows, vocabulary);
      Params params = new Params.CrossEntropy(-100, 0, 1.0f / rows);
      enterOurs(
          () -> backend.run(OpCode.CROSS_ENTROPY, params, logits, targets, loss, gradient),
          gradient);
      var x = Torch.view(logits);
      x.set_requires_grad(true);
      var wanted = Torch.keep(Torch.view(targets).to(torch.ScalarType.Long));
      enter(
          Torch.contestant(
              true,
              () -> {
                var value = torch.cross_entropy_loss(x, wanted);
                var one =
                    torch.grad(
                        new org.bytedeco.pytorch.TensorVector(value),
                        new org.bytedeco.pytorch.TensorVector(x));
                return List.of(one.get(0));
              }));
      Guest.enterAll(this, Guest.work("loss", true), Map.of("logits", logits, "targets", targets));
    }

    @Override
    public String op() {
      return "cross_entropy";
    }

    @Override
    public String shape() {
      return "N%d V%d".formatted(rows, vocabulary);
    }

    /** Maximum, exponential, sum, quotient and scale. */
    @Override
    public double flops() {
      return 5.0 * rows * vocabulary;
    }

    @Override
    public double bytes() {
      return 2.0 * rows * vocabulary * type.bytes();
    }

    @Override
    public Bound bound() {
      return Bound.MEMORY;
    }
  }

  /** One step of AdamW over n parameters: 28 bytes each in f32. */
  static final class Optimizer extends CpuContest {
    private static final float RATE = 1e-3f;
    private final long count;

    Optimizer(long count, String backendName, int threads) {
      super(backendName, DType.F32, threads);
      this.count = count;
      Tensor gradient = random(type, 1, count);
      Tensor[] ours = state();
      Params params = new Params.Adamw(RATE, 0.9f, 0.95f, 1e-8f, 0.1f, 0.1f, 0.05f);
      enterOurs(
          () ->
              backend.run(
                  OpCode.ADAMW, params, gradient, null, null, ours[0], ours[1], ours[2], null),
          ours);
      Tensor[] theirs = state();
      var g = Torch.view(gradient);
      var p = Torch.view(theirs[0]);
      var m = Torch.view(theirs[1]);
      var v = Torch.view(theirs[2]);
      enter(
          Torch.inPlace(
              () -> {
                p.mul_(new Scalar(1 - RATE * 0.1f));
                m.mul_(new Scalar(0.9f)).add_(g, new Scalar(0.1f));
                v.mul_(new Scalar(0.95f)).addcmul_(g, g, new Scalar(0.05f));
                var root = v.div(new Scalar(0.05f)).sqrt_().add_(new Scalar(1e-8f));
                p.addcdiv_(m, root, new Scalar(-RATE / 0.1f));
              },
              List.of(p, m, v)));
      ObjectNode setting = Guest.work("adamw", false).put("rate", 1e-3).put("decay", 0.1);
      setting.put("beta1", 0.9).put("beta2", 0.95).put("eps", 1e-8);
      Guest.enterAll(this, setting, Map.of("gradient", gradient));
      Tensor[] plain = state();
      enter(
          Contestant.of(
              "java",
              () -> step(gradient.segment(), plain[0], plain[1], plain[2]),
              () -> numbers(plain)));
    }

    private Tensor[] state() {
      double[] zeros = new double[(int) count];
      return new Tensor[] {
        scope.tensor(type, count).copyFrom(zeros),
        scope.tensor(type, count).copyFrom(zeros),
        scope.tensor(type, count).copyFrom(zeros)
      };
    }

    private void step(MemorySegment g, Tensor param, Tensor first, Tensor second) {
      MemorySegment p = param.segment();
      MemorySegment m = first.segment();
      MemorySegment v = second.segment();
      for (long i = 0; i < count; i++) {
        float gi = g.getAtIndex(ValueLayout.JAVA_FLOAT, i);
        float mi = 0.9f * m.getAtIndex(ValueLayout.JAVA_FLOAT, i) + 0.1f * gi;
        float vi = 0.95f * v.getAtIndex(ValueLayout.JAVA_FLOAT, i) + 0.05f * gi * gi;
        float root = (float) Math.sqrt(vi / 0.05f) + 1e-8f;
        float pi = p.getAtIndex(ValueLayout.JAVA_FLOAT, i) * (1 - RATE * 0.1f);
        m.setAtIndex(ValueLayout.JAVA_FLOAT, i, mi);
        v.setAtIndex(ValueLayout.JAVA_FLOAT, i, vi);
        p.setAtIndex(ValueLayout.JAVA_FLOAT, i, pi - RATE / 0.1f * mi / root);
      }
    }

    @Override
    public String op() {
      return "adamw";
    }

    /** The largest number is a moment; a parameter has moved by a hundredth of it. */
    @Override
    public double tolerance() {
      return 1e-6;
    }

    @Override
    public String shape() {
      return "P%d".formatted(count);
    }

    @Override
    public double flops() {
      return 14.0 * count;
    }

    @Override
    public double bytes() {
      return 28.0 * count;
    }

    @Override
    public Bound bound() {
      return Bound.MEMORY;
    }
  }

  /** A Distribution Edited Model's tensor: base + sum of w_i (source_i - base). */
  static final class Merge extends CpuContest {
    private final long count;
    private final int sources;

    Merge(long count, int sources, String backendName, DType type, int threads) {
      super(backendName, type, threads);
      this.count = count;
      this.sources = sources;
      Tensor base = random(type, 1, count);
      @Nullable Tensor[] operands = new Tensor[sources + 3];
      operands[0] = base;
      double[] weights = new double[sources];
      for (int i = 0; i < sources; i++) {
        weights[i] = 0.3 + 0.1 * i;
        operands[2 + i] = random(type, 1, count);
      }
      operands[1] = scope.tensor(DType.F64, sources).copyFrom(weights);
      Tensor y = scope.tensor(type, count);
      operands[sources + 2] = y;
      enterOurs(() -> backend.run(OpCode.LINEAR_COMBINATION, new Params.None(), operands), y);
      var theirBase = Torch.view(base);
      var theirs = new org.bytedeco.pytorch.Tensor[sources];
      for (int i = 0; i < sources; i++) {
        theirs[i] = Torch.view(Objects.requireNonNull(operands[2 + i]));
      }
      enter(
          Torch.contestant(
              false,
              () -> {
                var sum = theirBase;
                for (int i = 0; i < sources; i++) {
                  sum = sum.add(theirs[i].sub(theirBase), new Scalar(weights[i]));
                }
                return List.of(sum);
              }));
      enterGuests(operands, weights);
    }

    // PyTorch as the formula reads, then as it is fastest, with weights gathered before the base.
    private void enterGuests(@Nullable Tensor[] operands, double[] weights) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      tensors.put("base", Objects.requireNonNull(operands[0]));
      for (int i = 0; i < sources; i++) {
        tensors.put("source" + i, Objects.requireNonNull(operands[2 + i]));
      }
      ObjectNode setting = Guest.work("merge", false).put("in_place", true);
      Arrays.stream(weights).forEach(setting.putArray("weights")::add);
      Guest.enterAs(this, Guest.PYTORCH, Guest.PYTORCH + " in place", setting, tensors);
      Guest.enterAll(this, setting.put("in_place", false), tensors);
    }

    @Override
    public String op() {
      return "merge";
    }

    @Override
    public String shape() {
      return "P%d, %d sources".formatted(count, sources);
    }

    @Override
    public double flops() {
      return 3.0 * sources * count;
    }

    @Override
    public double bytes() {
      return (sources + 2.0) * count * type.bytes();
    }

    @Override
    public Bound bound() {
      return Bound.MEMORY;
    }
  }
}

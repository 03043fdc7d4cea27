package io.heddle.methods.longrange;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.profile.LayerProfile;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/**
 * What each layer of a model takes of a training step, on the clock and in memory, beside what
 * {@link CostModel} predicts: steps with random weights and random tokens, which take as long as
 * any others.
 */
public final class LayerMeter {
  private final ModelConfig config;
  private final int length;
  private final DType dtype;
  private final boolean recompute;

  /**
   * One layer.
   *
   * @param layer counted from 0
   * @param pattern of its attention
   * @param flops predicted of a training step: three forward passes, four when it is run again on
   *     the way back
   * @param predicted these as a share of all layers'
   * @param forward milliseconds of the forward pass, the median of the steps
   * @param backward milliseconds of the backward pass, running again included
   * @param measured both as a share of all layers'
   * @param bytes predicted of activations that it keeps for the way back
   * @param kept bytes that it kept
   */
  public record Row(
      int layer,
      String pattern,
      double flops,
      double predicted,
      double forward,
      double backward,
      double measured,
      long bytes,
      long kept) {}

  /**
   * A model's step.
   *
   * @param rows by layer
   * @param step milliseconds of forward and backward pass, the median of the steps; what layers do
   *     not take of it are the embedding, the output layer and the loss
   * @param peak most bytes that activations and their gradients held
   */
  public record Measured(List<Row> rows, double step, long peak) {
    /** Keeps a copy. */
    public Measured {
      rows = List.copyOf(rows);
    }
  }

  /**
   * A meter.
   *
   * @param config the model's shape and schedule
   * @param length tokens of the one row of a step
   * @param recompute whether blocks are run again on the way back
   */
  public LayerMeter(ModelConfig config, int length, DType dtype, boolean recompute) {
    if (length < 1 || length > config.context()) {
      throw new IllegalArgumentException(
          length + " tokens do not fit a model with a context of " + config.context());
    }
    this.config = config;
    this.length = length;
    this.dtype = dtype;
    this.recompute = recompute;
  }

  // What layers said in one step: nanoseconds [layer][forward, backward], bytes kept.
  private static final class Heard implements LayerProfile.Listener {
    final long[][] nanos;
    final long[] kept;

    Heard(int layers) {
      nanos = new long[layers][2];
      kept = new long[layers];
    }

    @Override
    public void took(String stack, int layer, boolean back, long took, long bytes) {
      nanos[layer][back ? 1 : 0] += took;
      if (!back) {
        kept[layer] = bytes;
      }
    }
  }

  /**
   * Measures.
   *
   * @param steps timed, after one that is not
   */
  public Measured measure(Backend backend, int steps, ProgressListener progress) {
    if (steps < 1) {
      throw new IllegalArgumentException(steps + " steps measure nothing");
    }
    List<Heard> heard = new ArrayList<>();
    double[] took = new double[steps];
    long peak = 0;
    progress.begin("measure", steps + 1L, "step");
    try (Decoder model = Decoder.random(config, backend, dtype, 1)) {
      model.recompute(recompute);
      model.parameters().trainable();
      for (int i = -1; i < steps; i++) {
        Heard one = new Heard(config.layers());
        long start = System.nanoTime();
        peak = Math.max(peak, step(model, one, i));
        if (i >= 0) {
          took[i] = (System.nanoTime() - start) * 1e-6;
          heard.add(one);
        }
        progress.advance(i + 2L, "");
      }
    }
    progress.end("");
    return new Measured(rows(heard), median(took), peak);
  }

  private long step(Decoder model, Heard heard, int number) {
    SplittableRandom random = new SplittableRandom(number);
    int[] tokens = random.ints(length, 0, config.vocabulary()).toArray();
    try (AutoCloseable _ = LayerProfile.listen(heard);
        Tape t = new Tape(model.backend(), true, Randomness.NONE)) {
      Tensor ids = t.tensor(DType.I32, length).copyFrom(tokens);
      model.losses(t, model.hidden(t, ids, 1, null), ids, 1f / length);
      t.backward();
      model.backend().synchronize();
      return t.scope().peakBytes();
    } catch (RuntimeException e) {
      throw e;
    } catch (Exception e) {
      throw new IllegalStateException("closing a listener failed", e);
    }
  }

  private List<Row> rows(List<Heard> heard) {
    CostModel costs = new CostModel(CostModel.Shape.of(config), length, dtype.bytes());
    List<CostModel.LayerCost> predicted = costs.layers(config.schedule(), recompute);
    double flops = predicted.stream().mapToDouble(CostModel.LayerCost::flops).sum();
    int layers = config.layers();
    double[][] median = new double[layers][2];
    for (int layer = 0; layer < layers; layer++) {
      for (int way = 0; way < 2; way++) {
        int l = layer;
        int w = way;
        median[l][w] = median(heard.stream().mapToDouble(h -> h.nanos[l][w] * 1e-6).toArray());
      }
    }
    double all = Arrays.stream(median).mapToDouble(m -> m[0] + m[1]).sum();
    List<Row> out = new ArrayList<>();
    for (int layer = 0; layer < layers; layer++) {
      CostModel.LayerCost cost = predicted.get(layer);
      double forward = median[layer][0];
      double backward = median[layer][1];
      out.add(
          new Row(
              layer,
              cost.pattern(),
              cost.flops(),
              cost.flops() / flops,
              forward,
              backward,
              (forward + backward) / all,
              cost.activations(),
              heard.getLast().kept[layer]));
    }
    return out;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2];
  }
}

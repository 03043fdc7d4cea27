package io.heddle.methods.lm;

import io.heddle.autograd.Tape;
import io.heddle.data.BpttBatch;
import io.heddle.data.VariablePieces;
import io.heddle.models.RecurrentLm;
import io.heddle.nn.RecurrentStack;
import io.heddle.op.Losses;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.Recurrent;
import io.heddle.op.Sequences;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The objective of a {@link RecurrentLm} on pieces of text, as AWD-LSTM is trained: cross-entropy,
 * activation and temporal activation regularisation of the last layer (Merity et al. 2017), the
 * rate of a step in proportion to the length of its piece. The states at the end of a piece are
 * those before the next; they are part of a run's checkpoint.
 */
public final class RecurrentTraining implements Objective<VariablePieces.Piece>, AutoCloseable {
  private static final Params.None NONE = new Params.None();

  private final RecurrentLm model;
  private final Setting setting;
  private final Scope scope;
  private final List<Recurrent.Result> carried = new ArrayList<>();

  /**
   * Settings.
   *
   * @param rows texts side by side
   * @param usual usual length of a piece, for which the rate is meant
   * @param alpha of activation regularisation
   * @param beta of temporal activation regularisation
   * @param sampled classes drawn for the loss of a step; 0: all count
   */
  public record Setting(int rows, int usual, float alpha, float beta, int sampled) {
    /** Losses over all classes. */
    public Setting(int rows, int usual, float alpha, float beta) {
      this(rows, usual, alpha, beta, 0);
    }
  }

  /** An objective, nothing read yet. */
  public RecurrentTraining(RecurrentLm model, Setting setting) {
    this.model = model;
    this.setting = setting;
    this.scope = new Scope(model.backend().memory());
    RecurrentStack.Config layers = model.layers();
    for (int i = 0; i < layers.sizes().size(); i++) {
      Tensor h = zeros(setting.rows, layers.sizes().get(i));
      carried.add(new Recurrent.Result(h, h, zeros(setting.rows, layers.cells(i))));
    }
  }

  private Tensor zeros(long rows, int size) {
    return scope
        .tensor(model.parameters().dtype(), rows, size)
        .copyFrom(new float[Math.toIntExact(rows * size)]);
  }

  /** What is carried from step to step, by name: part of a checkpoint. */
  public Map<String, Tensor> state() {
    Map<String, Tensor> out = new LinkedHashMap<>();
    for (int i = 0; i < carried.size(); i++) {
      out.put("carried." + i + ".h", carried.get(i).h());
      out.put("carried." + i + ".c", carried.get(i).c());
    }
    return out;
  }

  @Override
  public float rate(VariablePieces.Piece piece) {
    return (float) piece.tokens().steps() / setting.usual;
  }

  @Override
  public Loss run(Tape t, VariablePieces.Piece piece, float gradScale) {
    BpttBatch batch = piece.tokens();
    List<Recurrent.Result> before = piece.first() ? null : carried;
    RecurrentLm.Hidden out = model.hidden(t, batch.data(), batch.rows(), before);
    for (int i = 0; i < carried.size(); i++) {
      t.run(OpCode.COPY, NONE, out.states().get(i).h(), carried.get(i).h());
      t.run(OpCode.COPY, NONE, out.states().get(i).c(), carried.get(i).c());
    }
    int count = batch.target().length;
    float scale = gradScale / count;
    Tensor losses =
        setting.sampled > 0
            ? model.sampledLosses(t, out.dropped(), batch.target(), setting.sampled, scale)
            : model.losses(t, out.dropped(), batch.target(), scale);
    if (setting.alpha > 0) {
      Sequences.activationPenalty(t, out.dropped(), setting.alpha, gradScale);
    }
    if (setting.beta > 0 && batch.steps() > 1) {
      Sequences.stepPenalty(t, out.raw(), batch.rows(), setting.beta, gradScale);
    }
    // Reported is the cross-entropy alone: that is what is compared.
    return new Loss(Losses.sum(losses), count);
  }

  /**
   * Scores documents from beginning to end, one token after the other.
   *
   * @param documents tokens; the first of each is not scored
   * @param bytes that the scored tokens stand for
   * @param steps tokens read at once
   * @param cache what also predicts; null for the model alone
   */
  public static Score evaluate(
      RecurrentLm model,
      List<int[]> documents,
      long bytes,
      int steps,
      @Nullable NeuralCache cache,
      ProgressListener progress) {
    double nats = 0;
    long scored = 0;
    long all = documents.stream().mapToLong(d -> d.length - 1L).sum();
    progress.begin("evaluate", all, "token");
    for (int[] document : documents) {
      try (Scope kept = new Scope(model.backend().memory())) {
        List<Recurrent.Result> states = null;
        for (int from = 0; from < document.length - 1; from += steps) {
          int to = Math.min(document.length - 1, from + steps);
          try (Tape t = Tape.inference(model.backend())) {
            int[] ids = Arrays.copyOfRange(document, from, to);
            int[] targets = Arrays.copyOfRange(document, from + 1, to + 1);
            RecurrentLm.Hidden out = model.hidden(t, ids, 1, states);
            nats += nats(t, model, out.raw(), targets, cache);
            states = copies(t, kept, out.states(), states);
          }
          scored += to - from;
          progress.advance(scored, String.format(Locale.ROOT, "loss %.3f", nats / scored));
        }
      }
    }
    Score score = new Score(nats, scored, bytes);
    progress.end(String.format(Locale.ROOT, "loss %.4f", score.loss()));
    return score;
  }

  private static double nats(
      Tape t, RecurrentLm model, Tensor hidden, int[] targets, @Nullable NeuralCache cache) {
    Tensor losses = model.losses(t, hidden, targets, 0);
    if (cache == null) {
      return Losses.sum(losses);
    }
    float[] each = losses.toFloats();
    float[] states = hidden.toFloats();
    int size = (int) hidden.dim(1);
    double nats = 0;
    for (int i = 0; i < each.length; i++) {
      nats += cache.loss(states, i * size, size, targets[i], each[i]);
    }
    return nats;
  }

  private static List<Recurrent.Result> copies(
      Tape t, Scope to, List<Recurrent.Result> from, @Nullable List<Recurrent.Result> into) {
    List<Recurrent.Result> out = new ArrayList<>();
    for (int i = 0; i < from.size(); i++) {
      Tensor h =
          into == null
              ? to.tensor(from.get(i).h().dtype(), from.get(i).h().shape())
              : into.get(i).h();
      Tensor c =
          into == null
              ? to.tensor(from.get(i).c().dtype(), from.get(i).c().shape())
              : into.get(i).c();
      t.run(OpCode.COPY, NONE, from.get(i).h(), h);
      t.run(OpCode.COPY, NONE, from.get(i).c(), c);
      out.add(new Recurrent.Result(h, h, c));
    }
    return out;
  }

  @Override
  public void close() {
    scope.close();
  }
}

package io.heddle.methods.lm;

import io.heddle.autograd.Tape;
import io.heddle.data.TokenBatch;
import io.heddle.models.Decoder;
import io.heddle.op.Losses;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** The objective of next-token prediction, and its evaluation. */
public final class LanguageModeling {
  private LanguageModeling() {}

  /**
   * Mean cross-entropy of the next token. Steps are repeatable but for rows of documents, whose
   * patterns no two batches share.
   */
  public static Objective<TokenBatch> objective(Decoder model) {
    return new Objective<>() {
      @Override
      public Loss run(Tape t, TokenBatch batch, float gradScale) {
        long count = scored(batch);
        return new Loss(LanguageModeling.run(t, model, batch, gradScale / count), count);
      }

      @Override
      public @Nullable Repeatable repeatable(TokenBatch batch, float gradScale) {
        if (batch.documents() != null) {
          return null;
        }
        long count = scored(batch);
        int rows = batch.rows();
        float scale = gradScale / count;
        return new Repeatable(
            List.of(rows, scale),
            List.of(batch.ids(), batch.targets()),
            (t, in) -> model.losses(t, model.hidden(t, in.get(0), rows, null), in.get(1), scale),
            count);
      }
    };
  }

  private static long scored(TokenBatch batch) {
    long count = 0;
    for (int target : batch.targets()) {
      count += target == Losses.IGNORE ? 0 : 1;
    }
    return count;
  }

  // With a cache, which sees the batch's rows one after the other.
  private static double run(Tape t, Decoder model, TokenBatch batch, NeuralCache cache) {
    int n = batch.ids().length;
    Tensor ids = t.tensor(DType.I32, n).copyFrom(batch.ids());
    Tensor targets = t.tensor(DType.I32, n).copyFrom(batch.targets());
    Tensor hidden = model.hidden(t, ids, batch.rows(), batch.documents());
    float[] losses = model.losses(t, hidden, targets, 0).toFloats();
    float[] states = hidden.toFloats();
    int size = (int) hidden.dim(1);
    double nats = 0;
    for (int i = 0; i < n; i++) {
      int target = batch.targets()[i];
      nats += target == Losses.IGNORE ? 0 : cache.loss(states, i * size, size, target, losses[i]);
    }
    return nats;
  }

  private static double run(Tape t, Decoder model, TokenBatch batch, float gradScale) {
    int n = batch.ids().length;
    Tensor ids = t.tensor(DType.I32, n).copyFrom(batch.ids());
    Tensor targets = t.tensor(DType.I32, n).copyFrom(batch.targets());
    Tensor hidden = model.hidden(t, ids, batch.rows(), batch.documents());
    return Losses.sum(model.losses(t, hidden, targets, gradScale));
  }

  /**
   * Scores a text.
   *
   * @param batches every token to be scored is a target exactly once
   * @param bytes bytes of the scored tokens
   */
  public static Score evaluate(
      Decoder model, List<TokenBatch> batches, long bytes, ProgressListener progress) {
    return evaluate(model, batches, bytes, null, progress);
  }

  /**
   * The same with a cache of what was just read.
   *
   * @param cache what also predicts; null for the model alone
   */
  public static Score evaluate(
      Decoder model,
      List<TokenBatch> batches,
      long bytes,
      @Nullable NeuralCache cache,
      ProgressListener progress) {
    double nats = 0;
    long tokens = 0;
    progress.begin("evaluate", batches.size(), "part");
    for (int i = 0; i < batches.size(); i++) {
      try (Tape t = Tape.inference(model.backend())) {
        nats +=
            cache == null ? run(t, model, batches.get(i), 0) : run(t, model, batches.get(i), cache);
      }
      tokens += scored(batches.get(i));
      progress.advance(i + 1L, String.format(Locale.ROOT, "loss %.3f", nats / tokens));
    }
    Score score = new Score(nats, tokens, bytes);
    progress.end(String.format(Locale.ROOT, "loss %.4f", score.loss()));
    return score;
  }
}

package io.heddle.methods.choice;

import io.heddle.autograd.Tape;
import io.heddle.data.MaskedTokens;
import io.heddle.models.Encoder;
import io.heddle.models.Head;
import io.heddle.op.Layers;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.text.PairEncoder;
import io.heddle.text.PairEncoder.Row;
import io.heddle.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;

/**
 * That of an encoder that names hidden tokens: the pseudo-log-likelihood of the option (Salazar et
 * al. 2020), the sum over its tokens of the log probability of each when it alone is hidden.
 */
final class HiddenTokens implements OptionScorer {
  static final String HEAD = "head";

  private final Encoder model;
  private final Head head;
  private final Tokenizer tokenizer;
  private final PairEncoder encoder;
  private final int rows;
  private final int mask;

  HiddenTokens(Encoder model, Tokenizer tokenizer, int rows) {
    this.model = model;
    this.head = Objects.requireNonNull(model.heads().get(HEAD));
    this.tokenizer = tokenizer;
    this.encoder = new PairEncoder(tokenizer, model.config().context());
    this.rows = rows;
    this.mask = MaskedTokens.mask(tokenizer);
  }

  @Override
  public boolean sums() {
    return true;
  }

  // A row with one token hidden.
  private record Hidden(int attempt, int at, int token) {}

  @Override
  public double[] scores(List<Attempt> attempts, ProgressListener progress) {
    List<Row> all = new ArrayList<>();
    List<Hidden> hidden = new ArrayList<>();
    for (int i = 0; i < attempts.size(); i++) {
      hide(attempts.get(i), i, all, hidden);
    }
    double[] out = new double[attempts.size()];
    EncoderRows.each(
        all,
        rows,
        progress,
        batch -> {
          int[] found = batch.indices();
          int[] places = new int[found.length];
          int[] targets = new int[found.length];
          for (int b = 0; b < found.length; b++) {
            places[b] = b * batch.length() + hidden.get(found[b]).at;
            targets[b] = hidden.get(found[b]).token;
          }
          float[] losses = losses(batch.rows(), places, targets);
          for (int b = 0; b < found.length; b++) {
            out[hidden.get(found[b]).attempt] -= losses[b];
          }
        });
    return out;
  }

  // Prompt and option are tokenised as one text; what exceeds the model is cut at the front.
  private void hide(Attempt attempt, int number, List<Row> all, List<Hidden> hidden) {
    int[] whole = tokenizer.encode(attempt.prompt() + " " + attempt.option());
    int before = tokenizer.encode(attempt.prompt()).length;
    int cut = Math.max(0, whole.length - encoder.room(false));
    int from = Math.min(before, whole.length - 1) - cut;
    if (from < 0) {
      throw new IllegalArgumentException(
          "option '"
              + attempt.option()
              + "' has more tokens than the model's context has room for");
    }
    Row row = encoder.row(Arrays.copyOfRange(whole, cut, whole.length), null);
    for (int i = from; i < row.firstLength(); i++) {
      int at = row.firstAt() + i;
      int[] ids = row.ids().clone();
      hidden.add(new Hidden(number, at, ids[at]));
      ids[at] = mask;
      all.add(new Row(ids, row.types(), row.firstAt(), row.firstLength(), row.secondAt()));
    }
  }

  // The vocabulary is reached from the hidden places alone.
  private float[] losses(Encoder.Batch batch, int[] places, int[] targets) {
    try (Tape t = Tape.inference(model.backend())) {
      Tensor at = t.tensor(DType.I32, places.length).copyFrom(places);
      Tensor wanted = t.tensor(DType.I32, targets.length).copyFrom(targets);
      Tensor chosen = Layers.embedding(t, model.hidden(t, batch), at);
      return head.losses(t, chosen, wanted, 0).toFloats();
    }
  }
}

package io.heddle.methods.choice;

import io.heddle.autograd.Tape;
import io.heddle.models.Encoder;
import io.heddle.models.Head;
import io.heddle.models.ModelConfig.Loss;
import io.heddle.progress.ProgressListener;
import io.heddle.text.PairEncoder;
import io.heddle.text.PairEncoder.Row;
import io.heddle.text.Tokenizer;
import java.util.List;

/**
 * That of an encoder with a head for multiple choice: what the head gives for the pair of prompt
 * and option, as it was trained (Radford et al. 2018, section 3.3; Zellers et al. 2018).
 */
final class ChoiceHead implements OptionScorer {
  private final Encoder model;
  private final PairEncoder pairs;
  private final int rows;
  private final String head;

  ChoiceHead(Encoder model, Tokenizer tokenizer, int rows) {
    this.model = model;
    this.pairs = new PairEncoder(tokenizer, model.config().context());
    this.rows = rows;
    this.head =
        model.heads().values().stream()
            .map(Head::config)
            .filter(c -> c.loss() == Loss.CHOICE)
            .findFirst()
            .orElseThrow()
            .name();
  }

  @Override
  public boolean sums() {
    return false;
  }

  @Override
  public double[] scores(List<Attempt> attempts, ProgressListener progress) {
    List<Row> all = attempts.stream().map(a -> pairs.encode(a.prompt(), a.option())).toList();
    double[] out = new double[all.size()];
    EncoderRows.each(
        all,
        rows,
        progress,
        batch -> {
          try (Tape t = Tape.inference(model.backend())) {
            int count = batch.indices().length;
            float[] found = model.outputs(t, head, model.hidden(t, batch.rows()), count).toFloats();
            for (int i = 0; i < count; i++) {
              out[batch.indices()[i]] = found[i];
            }
          }
        });
    return out;
  }
}

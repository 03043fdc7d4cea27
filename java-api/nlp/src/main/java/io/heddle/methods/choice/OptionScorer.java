package io.heddle.methods.choice;

import io.heddle.models.Decoder;
import io.heddle.models.Encoder;
import io.heddle.models.Model;
import io.heddle.models.ModelConfig.Loss;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import java.util.List;

/** How much a model holds of options. */
interface OptionScorer {
  /** A question's text and one of its options. */
  record Attempt(String prompt, String option) {}

  /** A number for each attempt; of a question the largest is the model's answer. */
  double[] scores(List<Attempt> attempts, ProgressListener progress);

  /** Whether scores are sums over an option's tokens, which favour short options. */
  boolean sums();

  /**
   * The scorer that suits a model.
   *
   * @param rows texts of a batch
   * @throws IllegalArgumentException for a model that says nothing of options
   */
  static OptionScorer of(Model model, Tokenizer tokenizer, int rows) {
    if (model instanceof Decoder decoder) {
      return new NextTokens(decoder, tokenizer, rows);
    }
    if (model instanceof Encoder encoder) {
      if (encoder.heads().values().stream().anyMatch(h -> h.config().loss() == Loss.CHOICE)) {
        return new ChoiceHead(encoder, tokenizer, rows);
      }
      if (encoder.heads().containsKey(HiddenTokens.HEAD)) {
        return new HiddenTokens(encoder, tokenizer, rows);
      }
      throw new IllegalArgumentException(
          "this "
              + model.config().family()
              + " model has the heads "
              + encoder.heads().keySet()
              + ", none of which chooses: an encoder needs a head for multiple choice"
              + " (...ForMultipleChoice) or for hidden tokens (...ForMaskedLM)");
    }
    throw new IllegalArgumentException(
        model.config().family()
            + " is an encoder-decoder; options are chosen by decoders and by encoders with a head"
            + " for multiple choice or for hidden tokens");
  }
}

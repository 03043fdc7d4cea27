package io.heddle.methods.choice;

import io.heddle.methods.choice.Continuations.Continuation;
import io.heddle.models.Decoder;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import java.util.List;

/** A decoder's: the log probability of the option's tokens after the prompt. */
final class NextTokens implements OptionScorer {
  private final Continuations scorer;
  private final Tokenizer tokenizer;

  NextTokens(Decoder model, Tokenizer tokenizer, int rows) {
    this.scorer = new Continuations(model, rows);
    this.tokenizer = tokenizer;
  }

  @Override
  public boolean sums() {
    return true;
  }

  @Override
  public double[] scores(List<Attempt> attempts, ProgressListener progress) {
    return scorer.logProbabilities(attempts.stream().map(this::continuation).toList(), progress);
  }

  // Prompt and option are tokenised as one text, since tokens may begin with the space between.
  private Continuation continuation(Attempt attempt) {
    int[] whole = tokenizer.prompt(attempt.prompt() + " " + attempt.option());
    int before = tokenizer.prompt(attempt.prompt()).length;
    int from = Math.max(1, Math.min(before, whole.length - 1));
    if (whole.length < 2) {
      throw new IllegalArgumentException(
          "option '" + attempt.option() + "' has no tokens after the prompt");
    }
    return new Continuation(whole, from);
  }
}

package io.heddle.methods.choice;

import io.heddle.methods.choice.Continuations.Continuation;
import io.heddle.models.Decoder;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import java.util.ArrayList;
import java.util.List;

/** A model's answers to questions. */
public final class ChoiceEvaluation {
  private final Continuations scorer;
  private final Tokenizer tokenizer;
  private final int shots;
  private final int limit;

  /**
   * An evaluation.
   *
   * @param shots solved examples before each question
   * @param limit most questions of a subject; 0 for all
   * @param rows texts of a batch
   */
  public ChoiceEvaluation(Decoder model, Tokenizer tokenizer, int shots, int limit, int rows) {
    if (shots < 0 || limit < 0) {
      throw new IllegalArgumentException(
          "neither shots (" + shots + ") nor limit (" + limit + ") can be below 0");
    }
    this.scorer = new Continuations(model, rows);
    this.tokenizer = tokenizer;
    this.shots = shots;
    this.limit = limit;
  }

  // One option of one question, tokenised.
  private record Attempt(Continuation continuation, int length) {}

  /** Asks the questions of each subject; the scores in the same order. */
  public List<Scored> run(List<QuestionSet> subjects, ProgressListener progress) {
    List<QuestionSet.Asked> asked = subjects.stream().map(s -> s.asked(shots, limit)).toList();
    List<Attempt> attempts = new ArrayList<>();
    for (QuestionSet.Asked set : asked) {
      for (int i = 0; i < set.questions().size(); i++) {
        for (String option : set.questions().get(i).options()) {
          attempts.add(attempt(set.prompts().get(i), option));
        }
      }
    }
    double[] sums =
        scorer.logProbabilities(attempts.stream().map(Attempt::continuation).toList(), progress);
    List<Scored> out = new ArrayList<>();
    int at = 0;
    for (int s = 0; s < asked.size(); s++) {
      int right = 0;
      int normalised = 0;
      for (Question question : asked.get(s).questions()) {
        int count = question.options().size();
        int best = at;
        int bestNormalised = at;
        for (int i = at + 1; i < at + count; i++) {
          best = sums[i] > sums[best] ? i : best;
          double mean = sums[i] / attempts.get(i).length;
          double most = sums[bestNormalised] / attempts.get(bestNormalised).length;
          bestNormalised = mean > most ? i : bestNormalised;
        }
        right += best - at == question.answer() ? 1 : 0;
        normalised += bestNormalised - at == question.answer() ? 1 : 0;
        at += count;
      }
      int questions = asked.get(s).questions().size();
      out.add(new Scored(subjects.get(s).subject(), questions, right, normalised));
    }
    return out;
  }

  // Prompt and option are tokenised as one text, since tokens may begin with the space between.
  private Attempt attempt(String prompt, String option) {
    int[] whole = tokenizer.prompt(prompt + " " + option);
    int before = tokenizer.prompt(prompt).length;
    int from = Math.max(1, Math.min(before, whole.length - 1));
    if (whole.length < 2) {
      throw new IllegalArgumentException("option '" + option + "' has no tokens after the prompt");
    }
    return new Attempt(new Continuation(whole, from), option.codePointCount(0, option.length()));
  }
}

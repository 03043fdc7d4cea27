package io.heddle.methods.choice;

import io.heddle.models.Model;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import java.util.ArrayList;
import java.util.List;

/** A model's answers to questions. */
public final class ChoiceEvaluation {
  private final OptionScorer scorer;
  private final int shots;
  private final int limit;

  /**
   * An evaluation.
   *
   * @param shots solved examples before each question
   * @param limit most questions of a subject; 0 for all
   * @param rows texts of a batch
   * @throws IllegalArgumentException for a model that cannot choose: it takes a decoder, or an
   *     encoder with a head for multiple choice or for hidden tokens
   */
  public ChoiceEvaluation(Model model, Tokenizer tokenizer, int shots, int limit, int rows) {
    if (shots < 0 || limit < 0) {
      throw new IllegalArgumentException(
          "neither shots (" + shots + ") nor limit (" + limit + ") can be below 0");
    }
    this.scorer = OptionScorer.of(model, tokenizer, rows);
    this.shots = shots;
    this.limit = limit;
  }

  /** Asks the questions of each subject; the scores in the same order. */
  public List<Scored> run(List<QuestionSet> subjects, ProgressListener progress) {
    List<QuestionSet.Asked> asked = subjects.stream().map(s -> s.asked(shots, limit)).toList();
    List<OptionScorer.Attempt> attempts = new ArrayList<>();
    for (QuestionSet.Asked set : asked) {
      for (int i = 0; i < set.questions().size(); i++) {
        for (String option : set.questions().get(i).options()) {
          attempts.add(new OptionScorer.Attempt(set.prompts().get(i), option));
        }
      }
    }
    double[] sums = scorer.scores(attempts, progress);
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
          double mean = sums[i] / length(attempts.get(i));
          double most = sums[bestNormalised] / length(attempts.get(bestNormalised));
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

  // A head's number is no sum over tokens, and short options have no advantage with it.
  private int length(OptionScorer.Attempt attempt) {
    String option = attempt.option();
    return scorer.sums() ? option.codePointCount(0, option.length()) : 1;
  }
}

package io.heddle.metrics;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * SQuAD 2.0 (Rajpurkar, Jia and Liang 2018, its evaluation script): questions may have no answer,
 * and then only the empty string is right. Accumulates questions; not safe for use by many threads.
 */
public final class SquadV2 {
  private record Question(
      double noAnswer, double exact, double f1, boolean answerable, boolean said) {}

  /**
   * Means over a set of questions.
   *
   * @param exact share of exact matches, 0 to 100; NaN without questions
   * @param f1 mean F1, 0 to 100; NaN without questions
   * @param questions how many
   */
  public record Part(double exact, double f1, int questions) {}

  /**
   * The best mean that a threshold can give.
   *
   * @param value 0 to 100
   * @param threshold answers count as given up to this probability of there being none
   */
  public record Best(double value, double threshold) {}

  /** All that the script prints. */
  public record Score(Part all, Part answerable, Part unanswerable, Best exact, Best f1) {}

  private final List<Question> questions = new ArrayList<>();

  /** Nothing added yet. */
  public SquadV2() {}

  /**
   * Adds a question.
   *
   * @param prediction the answer given, empty for none
   * @param answers right answers; none if the question has no answer
   * @param noAnswer how probable it is, to the model, that there is no answer
   */
  public SquadV2 add(String prediction, List<String> answers, double noAnswer) {
    List<String> right =
        answers.stream().filter(a -> !SquadAnswers.SQUAD.words(a).isEmpty()).toList();
    double exact = 0;
    double f1 = 0;
    for (String answer : right.isEmpty() ? List.of("") : right) {
      boolean same = SquadAnswers.SQUAD.exact(answer, prediction);
      exact = Math.max(exact, same ? 1 : 0);
      // Two answers of no words agree, which the older script does not say.
      boolean none = SquadAnswers.SQUAD.words(answer).isEmpty();
      f1 = Math.max(f1, none && same ? 1 : SquadAnswers.SQUAD.f1(answer, prediction));
    }
    boolean answerable = !answers.isEmpty();
    questions.add(new Question(noAnswer, exact, f1, answerable, !prediction.isEmpty()));
    return this;
  }

  /** Adds what another has. */
  public SquadV2 merge(SquadV2 other) {
    questions.addAll(other.questions);
    return this;
  }

  /**
   * The scores.
   *
   * @param threshold above this probability of there being no answer, none counts as given; the
   *     script's own default is 1
   */
  public Score score(double threshold) {
    return new Score(
        part(questions, threshold),
        part(questions.stream().filter(Question::answerable).toList(), threshold),
        part(questions.stream().filter(q -> !q.answerable()).toList(), threshold),
        best(Question::exact),
        best(Question::f1));
  }

  private static Part part(List<Question> of, double threshold) {
    double exact = 0;
    double f1 = 0;
    for (Question q : of) {
      boolean silent = q.noAnswer > threshold;
      double given = q.answerable ? 0 : 1;
      exact += silent ? given : q.exact;
      f1 += silent ? given : q.f1;
    }
    return new Part(100 * exact / of.size(), 100 * f1 / of.size(), of.size());
  }

  private Best best(ToDoubleFunction<Question> value) {
    double now = questions.stream().filter(q -> !q.answerable()).count();
    double most = now;
    double threshold = 0;
    // The sort keeps the order of equal ones, as the script's does.
    for (Question q :
        questions.stream().sorted(Comparator.comparingDouble(Question::noAnswer)).toList()) {
      now += q.answerable ? value.applyAsDouble(q) : q.said ? -1 : 0;
      if (now > most) {
        most = now;
        threshold = q.noAnswer;
      }
    }
    return new Best(100 * most / questions.size(), threshold);
  }
}

package io.heddle.methods.choice;

import java.util.List;

/**
 * Questions of one kind.
 *
 * @param subject their name
 * @param introduction what stands before the first example or question; empty for nothing
 * @param examples questions that can be shown with their answers, in the order in which they are
 *     taken; empty when there are none beside {@code questions}
 * @param questions what is asked
 */
public record QuestionSet(
    String subject, String introduction, List<Question> examples, List<Question> questions) {
  /** Copies the lists. */
  public QuestionSet {
    examples = List.copyOf(examples);
    questions = List.copyOf(questions);
  }

  /**
   * What a model is asked.
   *
   * @param prompts for each question the text before its options
   * @param questions the questions
   */
  public record Asked(List<String> prompts, List<Question> questions) {}

  /**
   * The questions behind solved examples. Where no examples stand beside the questions, the first
   * questions serve and are not asked.
   *
   * @param shots examples before each question
   * @param limit most questions; 0 for all
   */
  public Asked asked(int shots, int limit) {
    boolean beside = !examples.isEmpty();
    List<Question> from = beside ? examples : questions;
    int least = beside ? shots : shots + 1;
    if (from.size() < least) {
      throw new IllegalArgumentException(
          subject + " has " + from.size() + " questions: too few for " + shots + " examples");
    }
    StringBuilder before = new StringBuilder(introduction);
    from.subList(0, shots).forEach(q -> before.append(q.solved()).append("\n\n"));
    List<Question> rest = beside ? questions : questions.subList(shots, questions.size());
    List<Question> asked = limit > 0 && limit < rest.size() ? rest.subList(0, limit) : rest;
    return new Asked(asked.stream().map(q -> before + q.text()).toList(), asked);
  }
}

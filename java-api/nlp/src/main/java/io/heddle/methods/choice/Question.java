package io.heddle.methods.choice;

import java.util.List;

/**
 * A question whose answer is one of several texts.
 *
 * @param text what stands before the answer; ends without a space
 * @param options what may follow it, without the space between
 * @param answer index of the right option
 */
public record Question(String text, List<String> options, int answer) {
  /** Checks the answer. */
  public Question {
    options = List.copyOf(options);
    if (options.size() < 2 || answer < 0 || answer >= options.size()) {
      throw new IllegalArgumentException(
          "option " + answer + " cannot be right: there are " + options.size());
    }
    if (options.stream().anyMatch(String::isEmpty)) {
      throw new IllegalArgumentException("an option is empty");
    }
  }

  /** The question with its answer, as an example for the questions to come. */
  String solved() {
    return text + " " + options.get(answer);
  }
}

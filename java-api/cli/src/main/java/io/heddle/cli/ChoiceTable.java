package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.methods.choice.Scored;
import java.util.List;
import java.util.Locale;

/** Accuracies of all subjects, and of all questions together, for people and programs. */
final class ChoiceTable {
  private static final String ALL = "all questions";

  private final List<Scored> subjects;
  private final List<String> free;
  private final int shots;
  private final Scored all;

  /**
   * A table.
   *
   * @param subjects at least one
   * @param free subjects that were left out because they ask for free text
   */
  ChoiceTable(List<Scored> subjects, List<String> free, int shots) {
    this.subjects = subjects;
    this.free = free;
    this.shots = shots;
    Scored sum = new Scored(ALL, 0, 0, 0);
    for (Scored subject : subjects) {
      sum = sum.plus(subject, ALL);
    }
    this.all = sum;
  }

  private double mean(java.util.function.ToDoubleFunction<Scored> of) {
    return subjects.stream().mapToDouble(of).average().orElseThrow();
  }

  String text() {
    int width = Math.max(ALL.length(), 16);
    for (Scored subject : subjects) {
      width = Math.max(width, subject.subject().length());
    }
    StringBuilder out = new StringBuilder();
    String head = "%-" + width + "s  %9s  %16s  %16s%n";
    out.append(head.formatted("subject", "questions", "accuracy", "by length"));
    subjects.forEach(s -> row(out, head, s));
    if (subjects.size() > 1) {
      row(out, head, all);
      String accuracy = percent(mean(Scored::accuracy));
      String normalised = percent(mean(Scored::normalisedAccuracy));
      // The width of a standard error stays free: this is no sample of questions.
      String blank = " ".repeat(8);
      out.append(head.formatted("mean of subjects", "", accuracy + blank, normalised + blank));
    }
    if (!free.isEmpty()) {
      out.append("not asked, since they want free text: ").append(String.join(", ", free));
      out.append(System.lineSeparator());
    }
    return out.toString().stripTrailing();
  }

  private static void row(StringBuilder out, String format, Scored s) {
    out.append(
        format.formatted(
            s.subject(),
            s.questions(),
            percent(s.accuracy()) + error(s.error()),
            percent(s.normalisedAccuracy()) + error(s.normalisedError())));
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.2f %%", 100 * share);
  }

  private static String error(double share) {
    return Double.isNaN(share)
        ? " \u00b1     ?"
        : String.format(Locale.ROOT, " \u00b1 %5.2f", 100 * share);
  }

  ObjectNode json() {
    ObjectNode out =
        new ObjectMapper().createObjectNode().put("task", "choice").put("shots", shots);
    put(out, all);
    out.put("mean_accuracy", mean(Scored::accuracy));
    out.put("mean_normalised_accuracy", mean(Scored::normalisedAccuracy));
    ObjectNode each = out.putObject("subjects");
    subjects.forEach(s -> put(each.putObject(s.subject()), s));
    free.forEach(out.putArray("free_text")::add);
    return out;
  }

  private static void put(ObjectNode node, Scored s) {
    node.put("questions", s.questions()).put("accuracy", s.accuracy());
    number(node, "standard_error", s.error());
    node.put("normalised_accuracy", s.normalisedAccuracy());
    number(node, "normalised_standard_error", s.normalisedError());
  }

  // JSON has no NaN.
  private static void number(ObjectNode node, String key, double value) {
    if (Double.isNaN(value)) {
      node.putNull(key);
    } else {
      node.put(key, value);
    }
  }
}

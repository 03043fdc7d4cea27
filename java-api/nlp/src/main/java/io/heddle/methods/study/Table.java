package io.heddle.methods.study;

import io.heddle.report.Report;
import java.util.List;
import java.util.Locale;

/**
 * A table of results, for a Markdown file and a report alike.
 *
 * @param title of its section
 * @param note on how to read it; may be empty
 * @param header one name per column
 * @param rows cells, as many in each row as there are columns
 */
public record Table(String title, String note, List<String> header, List<List<String>> rows) {
  /** As a section of a Markdown file. */
  public String markdown() {
    StringBuilder text = new StringBuilder("\n## ").append(title).append("\n\n");
    if (!note.isEmpty()) {
      text.append(note).append("\n\n");
    }
    line(text, header);
    line(text, header.stream().map(h -> "---").toList());
    rows.forEach(row -> line(text, row));
    return text.toString();
  }

  private static void line(StringBuilder text, List<String> cells) {
    text.append("| ").append(String.join(" | ", cells)).append(" |\n");
  }

  /** As a section of a page. */
  public void addTo(Report report) {
    report.section(title);
    if (!note.isEmpty()) {
      report.paragraph(note);
    }
    report.table(header, rows);
  }

  /** The mean, and the standard deviation where there are two values or more. */
  public static String spread(List<Double> values, int places) {
    double mean = values.stream().mapToDouble(Double::doubleValue).average().orElse(Double.NaN);
    String text = String.format(Locale.ROOT, "%." + places + "f", mean);
    if (values.size() < 2) {
      return text;
    }
    double squares = values.stream().mapToDouble(v -> (v - mean) * (v - mean)).sum();
    double deviation = Math.sqrt(squares / (values.size() - 1));
    return text + String.format(Locale.ROOT, " \u00b1 %." + places + "f", deviation);
  }
}

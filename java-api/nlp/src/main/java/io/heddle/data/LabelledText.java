package io.heddle.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * A text, or a pair of texts, with a label.
 *
 * @param first the text
 * @param second the other text of a pair; null for none
 * @param label its class; null where it is not known
 */
public record LabelledText(String first, @Nullable String second, @Nullable String label) {
  /** One text and its label. */
  public static LabelledText of(String text, String label) {
    return new LabelledText(text, null, label);
  }

  private static final Pattern NUMBER = Pattern.compile("\\d+");
  private static final List<String> FIRST =
      List.of("text", "sentence", "sentence1", "premise", "question", "question1", "review");
  private static final List<String> SECOND =
      List.of("text2", "sentence2", "hypothesis", "question2", "answer");
  private static final List<String> LABEL =
      List.of("label", "gold_label", "class", "target", "sentiment", "category");

  /**
   * Which columns hold what: names of a header or of JSON keys, or numbers from 1 on for files
   * without a header; an empty string finds one of the usual names.
   *
   * @param text column of the first text
   * @param pair column of the second text; empty for one of the usual names, if there is one
   * @param label column of the label
   */
  public record Columns(String text, String pair, String label) {
    /** The usual names. */
    public static final Columns USUAL = new Columns("", "", "");

    boolean numbered() {
      return List.of(text, pair, label).stream().anyMatch(c -> NUMBER.matcher(c).matches());
    }
  }

  /**
   * Reads a file: {@code .tsv} and {@code .csv} with a header or numbered columns, {@code .jsonl},
   * or, as {@code .txt}, lines of a label, a space and the text; each gzipped or not.
   *
   * @param labelled whether every example must have a label
   * @throws IOException naming file and line that cannot be read
   */
  public static List<LabelledText> read(Path file, Columns columns, boolean labelled)
      throws IOException {
    String name =
        String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT).replaceFirst("\\.gz$", "");
    DataStream<LabelledText> stream;
    if (name.endsWith(".jsonl") || name.endsWith(".json")) {
      stream = JsonLines.of(file).map(node -> of(node, columns, labelled));
    } else if (name.endsWith(".tsv") || name.endsWith(".tab")) {
      stream = table(Delimited.TSV, file, columns, labelled);
    } else if (name.endsWith(".csv")) {
      stream = table(Delimited.CSV, file, columns, labelled);
    } else if (name.endsWith(".txt")) {
      stream = Lines.of(file).filter(line -> !line.isBlank()).map(line -> line(line, labelled));
    } else {
      throw new IllegalArgumentException(
          file + ": labelled text is read from .tsv, .csv, .jsonl and .txt, gzipped or not");
    }
    List<LabelledText> out = new ArrayList<>();
    try (Cursor<LabelledText> cursor = stream.open()) {
      for (LabelledText next = cursor.next(); next != null; next = cursor.next()) {
        out.add(next);
      }
    }
    if (out.isEmpty()) {
      throw new IllegalArgumentException(file + " has no examples");
    }
    return out;
  }

  private static LabelledText line(String line, boolean labelled) {
    int cut = line.indexOf(' ');
    if (!labelled && cut < 0) {
      return new LabelledText(line, null, null);
    }
    if (cut < 1) {
      throw new IllegalArgumentException("no label and space before the text");
    }
    return new LabelledText(line.substring(cut + 1), null, line.substring(0, cut));
  }

  private static LabelledText of(JsonNode node, Columns columns, boolean labelled) {
    List<String> keys = new ArrayList<>();
    node.fieldNames().forEachRemaining(keys::add);
    String first = column(keys, columns.text, FIRST, "text", true);
    String second = column(keys, columns.pair, SECOND, "pair", false);
    String label = column(keys, columns.label, LABEL, "label", labelled);
    return new LabelledText(
        node.path(first).asText(),
        second.isEmpty() ? null : node.path(second).asText(),
        label.isEmpty() || node.path(label).isNull() ? null : node.path(label).asText());
  }

  private static String column(
      List<String> names, String asked, List<String> usual, String what, boolean needed) {
    if (!asked.isEmpty()) {
      if (!names.contains(asked)) {
        throw new IllegalArgumentException(
            "no column '" + asked + "' (--" + what + "-column); there are " + names);
      }
      return asked;
    }
    String found = usual.stream().filter(names::contains).findFirst().orElse("");
    if (found.isEmpty() && needed) {
      throw new IllegalArgumentException(
          "none of the columns "
              + names
              + " is called as a "
              + what
              + " usually is "
              + usual
              + ": say which it is (--"
              + what
              + "-column)");
    }
    return found;
  }

  private static DataStream<LabelledText> table(
      Delimited format, Path file, Columns columns, boolean labelled) {
    if (!columns.numbered()) {
      return format
          .withHeader(file)
          .map(
              row -> {
                List<String> names = List.copyOf(row.keySet());
                String second = column(names, columns.pair, SECOND, "pair", false);
                String label = column(names, columns.label, LABEL, "label", labelled);
                return new LabelledText(
                    row.getOrDefault(column(names, columns.text, FIRST, "text", true), ""),
                    second.isEmpty() ? null : row.get(second),
                    label.isEmpty() ? null : row.get(label));
              });
    }
    return format
        .of(file)
        .map(
            row ->
                new LabelledText(
                    field(row, columns.text, "text"),
                    columns.pair.isEmpty() ? null : field(row, columns.pair, "pair"),
                    columns.label.isEmpty() && !labelled
                        ? null
                        : field(row, columns.label, "label")));
  }

  private static String field(List<String> row, String column, String what) {
    if (!NUMBER.matcher(column).matches()) {
      throw new IllegalArgumentException(
          "--" + what + "-column is '" + column + "'; where one is a number, all are");
    }
    int number = Integer.parseInt(column);
    if (number < 1 || number > row.size()) {
      throw new IllegalArgumentException(
          "--" + what + "-column is " + number + "; this line has " + row.size() + " columns");
    }
    return row.get(number - 1);
  }
}

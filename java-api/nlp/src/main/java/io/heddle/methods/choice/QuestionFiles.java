package io.heddle.methods.choice;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.data.Delimited;
import io.heddle.data.JsonLines;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Questions as benchmarks publish them, each file, gzipped or not, a subject. The ending of a name
 * tells the layout:
 *
 * <pre>
 * .csv    MMLU        question, four options, the right one's number or letter; with a header or not
 * .tsv    OpenBookQA  "Question Stem", "Choices" as "(A) ... (B) ...", "Answer Key"
 * .jsonl  AGIEval     "passage" or null, "question", "options" as ["(A)...", ...], "label"
 * .json   BIG-Bench Hard  "examples" of "input" and "target"
 * </pre>
 *
 * Of a folder with {@code test} the files there are asked and those of {@code dev} are examples; of
 * one with {@code tasks}, those; else those of the folder itself, where {@code train.tsv} gives the
 * examples of the other tables.
 */
public final class QuestionFiles {
  private static final String LAYOUT = "(csv|tsv|jsonl|json)";

  private QuestionFiles() {}

  /**
   * Reads a file or folder. A task that asks for free text, not for one of a few answers, has no
   * questions.
   *
   * @throws IllegalArgumentException when there are no questions, saying what was looked for
   * @throws IOException naming the file and record that cannot be read
   */
  public static List<QuestionSet> read(Path path) throws IOException {
    if (!Files.exists(path)) {
      throw new IllegalArgumentException("no questions at " + path + ": it does not exist");
    }
    if (!Files.isDirectory(path)) {
      return List.of(read(path, List.of()));
    }
    if (Files.isDirectory(path.resolve("test"))) {
      return all(files(path.resolve("test")), examples(path.resolve("dev")));
    }
    Path tasks = path.resolve("tasks");
    List<Path> files = files(Files.isDirectory(tasks) ? tasks : path);
    List<Path> train = files.stream().filter(f -> name(f).matches("train\\.tsv(\\.gz)?")).toList();
    if (train.isEmpty() || files.size() == 1) {
      return all(files, Map.of());
    }
    List<Question> shown = read(train.getFirst(), List.of()).questions();
    List<QuestionSet> out = new ArrayList<>();
    for (Path file : files) {
      if (!train.contains(file)) {
        out.add(read(file, name(file).contains(".tsv") ? shown : List.of()));
      }
    }
    return out;
  }

  private static List<QuestionSet> all(List<Path> files, Map<String, List<Question>> examples)
      throws IOException {
    List<QuestionSet> out = new ArrayList<>();
    for (Path file : files) {
      out.add(read(file, examples.getOrDefault(subject(file), List.of())));
    }
    return out;
  }

  private static Map<String, List<Question>> examples(Path folder) throws IOException {
    Map<String, List<Question>> out = new LinkedHashMap<>();
    if (Files.isDirectory(folder)) {
      for (Path file : files(folder)) {
        out.put(subject(file), read(file, List.of()).questions());
      }
    }
    return out;
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> all = Files.list(folder)) {
      List<Path> found =
          all.filter(f -> name(f).matches(".*\\." + LAYOUT + "(\\.gz)?"))
              .filter(Files::isRegularFile)
              .sorted()
              .toList();
      if (found.isEmpty()) {
        throw new IllegalArgumentException(
            folder
                + " has no questions: no file ends in .csv, .tsv, .jsonl or .json, or one of"
                + " these and .gz");
      }
      return found;
    }
  }

  private static String name(Path file) {
    return String.valueOf(file.getFileName());
  }

  private static String subject(Path file) {
    return name(file).replaceFirst("(_(test|dev|val))?\\." + LAYOUT + "(\\.gz)?$", "");
  }

  private static QuestionSet read(Path file, List<Question> examples) throws IOException {
    String name = name(file).replaceFirst("\\.gz$", "");
    String subject = subject(file);
    if (name.endsWith(".csv")) {
      return new QuestionSet(subject, mmluIntroduction(subject), examples, some(file, mmlu(file)));
    }
    if (name.endsWith(".tsv")) {
      List<Question> found = Delimited.TSV.withHeader(file).map(QuestionFiles::openBook).toList();
      return new QuestionSet(subject, "", examples, some(file, found));
    }
    if (name.endsWith(".jsonl")) {
      List<Question> found = JsonLines.of(file).map(QuestionFiles::exam).toList();
      return new QuestionSet(subject, "", examples, some(file, found));
    }
    if (name.endsWith(".json")) {
      return new QuestionSet(subject, "", examples, HardTasks.read(file));
    }
    throw new IllegalArgumentException(
        file + " is in no layout of questions that is known: .csv, .tsv, .jsonl and .json are");
  }

  private static List<Question> some(Path file, List<Question> found) {
    if (found.isEmpty()) {
      throw new IllegalArgumentException(file + " has no question");
    }
    return found;
  }

  private static String mmluIntroduction(String subject) {
    return "The following are multiple choice questions (with answers) about "
        + subject.replace('_', ' ')
        + ".\n\n";
  }

  private static List<Question> mmlu(Path file) throws IOException {
    return Delimited.CSV
        .of(file)
        .filter(row -> !(row.getFirst().equals("question") && row.getLast().equals("answer")))
        .map(QuestionFiles::mmlu)
        .toList();
  }

  // The prompt of Hendrycks et al. (2021).
  private static Question mmlu(List<String> row) {
    if (row.size() != 6) {
      throw new IllegalArgumentException(
          row.size() + " fields; a question has six: itself, four options and the answer");
    }
    StringBuilder text = new StringBuilder(row.getFirst());
    List<String> letters = letters(4);
    for (int i = 0; i < 4; i++) {
      text.append('\n').append(letters.get(i)).append(". ").append(row.get(i + 1));
    }
    String answer = row.getLast();
    int index = answer.matches("[0-3]") ? answer.charAt(0) - '0' : letter(answer, 4);
    return new Question(text + "\nAnswer:", letters, index);
  }

  private static Question openBook(Map<String, String> row) {
    List<String> options = Options.lettered(field(row, "Choices"));
    return new Question(
        field(row, "Question Stem").strip(),
        options,
        letter(field(row, "Answer Key"), options.size()));
  }

  private static String field(Map<String, String> row, String name) {
    String value = row.get(name);
    if (value == null) {
      throw new IllegalArgumentException("no column '" + name + "'; there are " + row.keySet());
    }
    return value;
  }

  // The zero-shot prompt of Zhong et al. (2023).
  private static Question exam(JsonNode line) {
    List<String> shown = new ArrayList<>();
    line.path("options").forEach(o -> shown.add(o.asText()));
    if (!line.path("question").isTextual() || !line.path("label").isTextual() || shown.isEmpty()) {
      throw new IllegalArgumentException("no 'question', 'options' and 'label' in this object");
    }
    List<String> letters = letters(shown.size());
    String passage = line.path("passage").isTextual() ? line.path("passage").asText() : "";
    String text =
        passage
            + "Q: "
            + line.path("question").asText()
            + " Answer Choices: "
            + String.join(" ", shown)
            + "\nA: Among A through "
            + letters.getLast()
            + ", the answer is";
    return new Question(text, letters, letter(line.path("label").asText(), letters.size()));
  }

  private static List<String> letters(int count) {
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        .substring(0, count)
        .chars()
        .mapToObj(Character::toString)
        .toList();
  }

  private static int letter(String text, int count) {
    int index = letters(count).indexOf(text.strip());
    if (index < 0) {
      throw new IllegalArgumentException(
          "'" + text + "' is not the letter of one of " + count + " options");
    }
    return index;
  }
}

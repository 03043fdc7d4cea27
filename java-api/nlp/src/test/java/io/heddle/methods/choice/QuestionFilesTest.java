package io.heddle.methods.choice;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.DataFolder;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The four layouts, in small and as staged. */
class QuestionFilesTest {
  private final Path folder;

  QuestionFilesTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private Path write(String name, String text) throws IOException {
    Path file = folder.resolve(name);
    Files.createDirectories(file.getParent());
    try (OutputStream out =
        name.endsWith(".gz")
            ? new GZIPOutputStream(Files.newOutputStream(file))
            : Files.newOutputStream(file)) {
      out.write(text.getBytes(StandardCharsets.UTF_8));
    }
    return file;
  }

  private static final String MMLU =
      """
      question,choice0,choice1,choice2,choice3,answer
      "Warp, or weft?",warp,weft,"both, always",neither,2
      Who lifts?,the heddle,the reed,the beam,the shuttle,0
      """;

  @Test
  void mmluIsAskedByLetter() throws IOException {
    write("test/hand_weaving_test.csv.gz", MMLU);
    write("dev/hand_weaving_dev.csv", "Which is soft?,wool,iron,glass,slate,A\n");
    QuestionSet set = QuestionFiles.read(folder).getFirst();
    assertEquals("hand_weaving", set.subject());
    assertEquals(2, set.questions().size());
    assertEquals(2, set.questions().getFirst().answer());
    assertEquals(List.of("A", "B", "C", "D"), set.questions().getFirst().options());
    assertEquals(
        """
        The following are multiple choice questions (with answers) about hand weaving.

        Which is soft?
        A. wool
        B. iron
        C. glass
        D. slate
        Answer: A

        Warp, or weft?
        A. warp
        B. weft
        C. both, always
        D. neither
        Answer:""",
        set.asked(1, 0).prompts().getFirst());
  }

  @Test
  void openBookOptionsAreTexts() throws IOException {
    String head = "ID\tQuestion Stem\tChoices\tComplete Question\tAnswer Key\n";
    write(
        "dev.tsv", head + "7\tThread is\t(A) soft (B) made (of wool) (C) see (D) (D) iron\tx\tB\n");
    write("train.tsv", head + "8\tA loom is\t(A) a tool (B) a fish\tx\tA\n");
    List<QuestionSet> sets = QuestionFiles.read(folder);
    assertEquals(1, sets.size(), "train.tsv is for examples");
    assertEquals("dev", sets.getFirst().subject());
    Question question = sets.getFirst().questions().getFirst();
    assertEquals("made (of wool)", question.options().get(1));
    assertEquals(1, question.answer());
    assertEquals("A loom is a tool\n\nThread is", sets.getFirst().asked(1, 0).prompts().getFirst());
  }

  @Test
  void examsAreAskedByLetterBehindTheirPassage() throws IOException {
    Path file =
        write(
            "exam.jsonl",
            "{\"passage\": \"Looms weave. \", \"question\": \"What weaves?\","
                + " \"options\": [\"(A)looms\", \"(B)fish\"], \"label\": \"A\"}\n"
                + "{\"passage\": null, \"question\": \"1+1?\","
                + " \"options\": [\"(A)1\", \"(B)2\", \"(C)3\"], \"label\": \"B\"}\n");
    List<Question> questions = QuestionFiles.read(file).getFirst().questions();
    assertEquals(
        "Looms weave. Q: What weaves? Answer Choices: (A)looms (B)fish\n"
            + "A: Among A through B, the answer is",
        questions.getFirst().text());
    assertEquals(List.of("A", "B", "C"), questions.get(1).options());
    assertEquals(1, questions.get(1).answer());
  }

  @Test
  void hardTasksListTheirOptionsOrShareThem() throws IOException {
    write(
        "tasks/listed.json",
        "{\"canary\": \"c\", \"examples\": ["
            + "{\"input\": \"Which (B)?\\nOptions:\\n(A) warp\\n(B) weft\", \"target\": \"(B)\"},"
            + "{\"input\": \"Return?\\nOptions:\\n- Yes\\n- No\", \"target\": \"No\"}]}");
    write(
        "tasks/shared.json",
        "{\"examples\": [{\"input\": \"not True is\", \"target\": \"False\"},"
            + "{\"input\": \"True is\", \"target\": \"True\"}]}");
    StringBuilder free = new StringBuilder("{\"examples\": [");
    for (int i = 0; i < 11; i++) {
      free.append(i == 0 ? "" : ",")
          .append("{\"input\": \"count\", \"target\": \"")
          .append(i)
          .append("\"}");
    }
    write("tasks/free.json", free + "]}");
    List<QuestionSet> sets = QuestionFiles.read(folder);
    assertEquals(
        List.of("free", "listed", "shared"), sets.stream().map(QuestionSet::subject).toList());
    assertTrue(sets.get(0).questions().isEmpty(), "eleven answers are no options");
    List<Question> listed = sets.get(1).questions();
    assertEquals(List.of("(A)", "(B)"), listed.get(0).options());
    assertEquals(List.of("Yes", "No"), listed.get(1).options());
    assertEquals(1, listed.get(1).answer());
    assertEquals(List.of("False", "True"), sets.get(2).questions().get(0).options());
    assertEquals("Q: not True is\nA:", sets.get(2).questions().get(0).text());
  }

  @Test
  void examplesWithoutAFileOfTheirOwnAreNotAsked() throws IOException {
    QuestionSet set = QuestionFiles.read(write("weaving.csv", MMLU)).getFirst();
    QuestionSet.Asked asked = set.asked(1, 0);
    assertEquals(1, asked.questions().size());
    assertEquals(0, asked.questions().getFirst().answer());
    assertTrue(asked.prompts().getFirst().contains("Answer: C\n\nWho lifts?"));
    assertEquals(1, set.asked(0, 1).questions().size());
    String message =
        assertThrows(IllegalArgumentException.class, () -> set.asked(2, 0)).getMessage();
    assertTrue(
        String.valueOf(message).contains("weaving has 2 questions: too few for 2 examples"),
        message);
  }

  @Test
  void damageNamesTheFile() throws IOException {
    for (String[] c :
        new String[][] {
          {"a.csv", "what,a,b,c,5,7\n", "'7' is not the letter"},
          {"b.csv", "what,a,b\n", "3 fields; a question has six"},
          {"c.tsv", "ID\tStem\n1\t2\n", "no column 'Choices'"},
          {"d.jsonl", "{\"question\": \"x\"}\n", "no 'question', 'options' and 'label'"},
          {"e.json", "{\"prompts\": []}", "no list 'examples'"},
          {"f.json", "{\"examples\": [", "is not JSON"},
          {"g.txt", "x", "in no layout of questions"},
        }) {
      Path file = write(c[0], c[1]);
      String message = assertThrows(Exception.class, () -> QuestionFiles.read(file)).getMessage();
      assertTrue(
          String.valueOf(message).contains(c[0]) && String.valueOf(message).contains(c[2]),
          message);
    }
    Path empty = Files.createDirectory(folder.resolve("empty"));
    String message =
        assertThrows(IllegalArgumentException.class, () -> QuestionFiles.read(empty)).getMessage();
    assertTrue(
        String.valueOf(message).contains("no file ends in .csv, .tsv, .jsonl or .json"), message);
  }

  private static int questions(List<QuestionSet> sets) {
    return sets.stream().mapToInt(s -> s.questions().size()).sum();
  }

  /** The counts that the data sets' own READMEs state. */
  @Test
  void stagedSetsAreReadWhole() throws IOException {
    List<QuestionSet> mmlu = QuestionFiles.read(DataFolder.of("mmlu"));
    assertEquals(38, mmlu.size());
    assertEquals(9765, questions(mmlu));
    assertTrue(mmlu.stream().allMatch(s -> s.examples().size() == 5));
    List<QuestionSet> open = QuestionFiles.read(DataFolder.of("openbookqa"));
    assertEquals(500, questions(open));
    assertEquals(4957, open.getFirst().examples().size());
    assertTrue(open.getFirst().questions().stream().allMatch(q -> q.options().size() == 4));
    List<QuestionSet> exams = QuestionFiles.read(DataFolder.of("agieval"));
    assertEquals(254 + 510, questions(exams));
    List<QuestionSet> hard = QuestionFiles.read(DataFolder.of("bbh"));
    assertEquals(18, hard.size());
    assertEquals(
        List.of("dyck_languages", "multistep_arithmetic_two"),
        hard.stream().filter(s -> s.questions().isEmpty()).map(QuestionSet::subject).toList());
    assertEquals(3760, questions(hard), "one of 3761 lists a single option");
  }
}

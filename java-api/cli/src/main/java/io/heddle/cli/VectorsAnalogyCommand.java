package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.vectors.VectorFile;
import io.heddle.data.vectors.WordLookup;
import io.heddle.data.vectors.WordTable;
import io.heddle.methods.vectors.Analogies;
import io.heddle.methods.vectors.Neighbours;
import io.heddle.methods.vectors.WordSimilarity;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle vectors analogy}. */
@Command(
    name = "analogy",
    description = {
      "Answers 'A is to A* as B is to ?' of three words, or counts how many answers of question",
      "files are right, by 3CosAdd and 3CosMul. The words of a question are no answers."
    })
final class VectorsAnalogyCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();

  @Option(names = "--vectors", required = true, description = "Word vectors in any format.")
  private Path vectors = Path.of("");

  @Option(
      names = "--questions",
      description = "Files of four words a line, or folders of .txt files; may be repeated.")
  private List<Path> questions = new ArrayList<>();

  @Option(
      names = "--among",
      defaultValue = "2147483647",
      description = "Answers come from this many first words of the file (default: all).")
  private int among;

  @Option(names = "--count", defaultValue = "5", description = "Answers to three words (5).")
  private int count;

  @Parameters(arity = "0..3", paramLabel = "WORD", description = "A, A* and B.")
  private List<String> words = new ArrayList<>();

  VectorsAnalogyCommand() {}

  @Override
  public Integer call() throws IOException {
    if (questions.isEmpty() == words.isEmpty() || (!words.isEmpty() && words.size() != 3)) {
      throw new ParameterException(
          spec.commandLine(), "Give three words, or --questions, and not both");
    }
    WordLookup lookup = VectorFile.open(vectors);
    WordTable table = lookup.table();
    PrintWriter out = spec.commandLine().getOut();
    try (Backend backend = session.open();
        Neighbours all = new Neighbours(backend, table, among)) {
      if (questions.isEmpty()) {
        answer(lookup, all, out);
      } else {
        ask(table, all, out);
      }
    }
    out.flush();
    return 0;
  }

  private void answer(WordLookup lookup, Neighbours all, PrintWriter out) {
    List<float[]> asked = new ArrayList<>();
    for (String word : words) {
      float[] vector = WordSimilarity.find(lookup, word);
      if (vector == null) {
        throw new IllegalArgumentException("'" + word + "' is not in " + vectors);
      }
      asked.add(vector);
    }
    for (boolean mul : new boolean[] {false, true}) {
      out.println(mul ? "3CosMul" : "3CosAdd");
      for (Neighbours.Near near :
          Analogies.answers(
              all, asked.get(0), asked.get(1), asked.get(2), Set.copyOf(words), count, mul)) {
        out.printf(Locale.ROOT, "  %.4f  %s%n", near.score(), near.word());
      }
    }
  }

  private void ask(WordTable table, Neighbours all, PrintWriter out) throws IOException {
    Map<String, List<Analogies.Question>> sections = new LinkedHashMap<>();
    for (Path file : VectorsSimilarityCommand.textFiles(questions)) {
      for (Analogies.Question question : Analogies.read(file)) {
        sections.computeIfAbsent(question.section(), s -> new ArrayList<>()).add(question);
      }
    }
    out.printf("%-28s %9s %9s %15s%n", "section", "3CosAdd", "3CosMul", "questions asked");
    int questionCount = 0;
    int asked = 0;
    int add = 0;
    int mul = 0;
    for (List<Analogies.Question> section : sections.values()) {
      Analogies.Outcome found = Analogies.ask(all, table, section);
      print(out, found);
      questionCount += found.questions();
      asked += found.asked();
      add += found.add();
      mul += found.mul();
    }
    print(out, new Analogies.Outcome("all", questionCount, asked, add, mul));
  }

  private static void print(PrintWriter out, Analogies.Outcome o) {
    out.printf(
        "%-28s %9s %9s %6d of %5d%n",
        o.section(),
        percent(o.add(), o.asked()),
        percent(o.mul(), o.asked()),
        o.asked(),
        o.questions());
  }

  private static String percent(int right, int of) {
    return of == 0 ? "-" : String.format(Locale.ROOT, "%.1f %%", 100.0 * right / of);
  }
}

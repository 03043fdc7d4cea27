package io.heddle.methods.vectors;

import io.heddle.data.Cursor;
import io.heddle.data.Lines;
import io.heddle.data.vectors.WordTable;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/**
 * Questions a : a* :: b : ?, answered by one of the words. 3CosAdd (Mikolov et al. 2013) takes the
 * word nearest to b - a + a*, of vectors of length 1; 3CosMul (Levy &amp; Goldberg 2014) the one
 * with the largest cos(x, b) cos(x, a*) / (cos(x, a) + 0.001), cosines moved to [0, 1]. The three
 * words of the question are no answers.
 */
public final class Analogies {
  private static final float EPSILON = 0.001f;
  private static final int TOGETHER = 64; // questions in one product

  private Analogies() {}

  /** A question and its answer. */
  public record Question(String section, String a, String aStar, String b, String answer) {}

  /**
   * How many answers were right.
   *
   * @param section of the questions
   * @param questions in it
   * @param asked those whose four words are known; the others do not count
   * @param add right by 3CosAdd
   * @param mul right by 3CosMul
   */
  public record Outcome(String section, int questions, int asked, int add, int mul) {}

  /**
   * Reads questions: four words a line. A line {@code : name} begins a section; before the first
   * one the section is the file's name.
   *
   * @throws IOException naming file and line
   */
  public static List<Question> read(Path file) throws IOException {
    List<Question> out = new ArrayList<>();
    String section = String.valueOf(file.getFileName()).replaceAll("\\.txt(\\.gz)?$", "");
    try (Cursor<String> lines = Lines.of(file).open()) {
      for (String line = lines.next(); line != null; line = lines.next()) {
        String text = line.strip();
        if (text.startsWith(":")) {
          section = text.substring(1).strip();
        } else if (!text.isEmpty()) {
          String[] w = text.split("\\s+", -1);
          if (w.length != 4) {
            throw new IOException(lines.place() + ": " + w.length + " words, expected four");
          }
          out.add(new Question(section, w[0], w[1], w[2], w[3]));
        }
      }
    }
    if (out.isEmpty()) {
      throw new IOException(file + " has no question");
    }
    return out;
  }

  /**
   * The words that answer a : a* :: b : ? by 3CosAdd, the best first.
   *
   * @throws IllegalArgumentException when one of the words has no vector
   */
  public static List<Neighbours.Near> answers(
      Neighbours words, String a, String aStar, String b, int count) {
    return answers(
        words,
        words.vector(a),
        words.vector(aStar),
        words.vector(b),
        new HashSet<>(List.of(a, aStar, b)),
        count,
        false);
  }

  /** The words that answer a : a* :: b : ?, the best first. */
  public static List<Neighbours.Near> answers(
      Neighbours words,
      float[] a,
      float[] aStar,
      float[] b,
      Set<String> asked,
      int count,
      boolean mul) {
    float[][] cosines = words.cosines(List.of(a, aStar, b));
    float[] scores = mul ? multiplied(cosines, 0) : added(cosines, 0, length(List.of(a, aStar, b)));
    return words.highest(scores, count, asked);
  }

  // |b - a + a*| of unit vectors, so that scores are cosines.
  private static double length(List<float[]> question) {
    float[] a = Neighbours.unit(question.get(0));
    float[] aStar = Neighbours.unit(question.get(1));
    float[] b = Neighbours.unit(question.get(2));
    double squares = 0;
    for (int i = 0; i < a.length; i++) {
      double x = (double) b[i] - a[i] + aStar[i];
      squares += x * x;
    }
    return Math.sqrt(squares);
  }

  private static float[] added(float[][] cosines, int first, double length) {
    float[] out = new float[cosines[first].length];
    float scale = length == 0 ? 0 : (float) (1 / length);
    for (int i = 0; i < out.length; i++) {
      out[i] = (cosines[first + 2][i] - cosines[first][i] + cosines[first + 1][i]) * scale;
    }
    return out;
  }

  private static float[] multiplied(float[][] cosines, int first) {
    float[] out = new float[cosines[first].length];
    for (int i = 0; i < out.length; i++) {
      float a = (1 + cosines[first][i]) / 2;
      float aStar = (1 + cosines[first + 1][i]) / 2;
      float b = (1 + cosines[first + 2][i]) / 2;
      out[i] = b * aStar / (a + EPSILON);
    }
    return out;
  }

  /**
   * Asks all questions of one section. A word that is not in the table is tried in lower case.
   *
   * @param table the words of {@code words}
   */
  public static Outcome ask(Neighbours words, WordTable table, List<Question> questions) {
    List<int[]> known = new ArrayList<>();
    for (Question q : questions) {
      int[] ids = {
        id(words, table, q.a),
        id(words, table, q.aStar),
        id(words, table, q.b),
        id(words, table, q.answer)
      };
      if (Math.min(Math.min(ids[0], ids[1]), Math.min(ids[2], ids[3])) >= 0) {
        known.add(ids);
      }
    }
    int add = 0;
    int mul = 0;
    for (int from = 0; from < known.size(); from += TOGETHER) {
      List<int[]> some = known.subList(from, Math.min(known.size(), from + TOGETHER));
      List<float[]> queries = new ArrayList<>();
      for (int[] ids : some) {
        for (int i = 0; i < 3; i++) {
          queries.add(table.row(ids[i]));
        }
      }
      float[][] cosines = words.cosines(queries);
      for (int i = 0; i < some.size(); i++) {
        int[] ids = some.get(i);
        add += best(added(cosines, 3 * i, 1), ids) == ids[3] ? 1 : 0;
        mul += best(multiplied(cosines, 3 * i), ids) == ids[3] ? 1 : 0;
      }
    }
    String section = questions.isEmpty() ? "" : questions.getFirst().section;
    return new Outcome(section, questions.size(), known.size(), add, mul);
  }

  private static int id(Neighbours words, WordTable table, String word) {
    int found = table.index(word).orElse(-1);
    int id = found >= 0 ? found : table.index(word.toLowerCase(Locale.ROOT)).orElse(-1);
    return id < words.size() ? id : -1;
  }

  // The place of the highest score but those of the question's words.
  private static int best(float[] scores, int[] question) {
    int best = -1;
    for (int i = 0; i < scores.length; i++) {
      boolean asked = i == question[0] || i == question[1] || i == question[2];
      if (!asked && (best < 0 || scores[i] > scores[best])) {
        best = i;
      }
    }
    return best;
  }
}

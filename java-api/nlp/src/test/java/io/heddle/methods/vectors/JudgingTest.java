package io.heddle.methods.vectors;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.DataFolder;
import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.data.vectors.WordTable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Neighbours, similarity and analogies on vectors made by hand. */
class JudgingTest {
  // Royalty, sex, and a third direction; lengths differ, directions count.
  private static final WordTable WORDS =
      WordTable.of(
          List.of("king", "queen", "man", "woman", "apple", "nothing", "prince"),
          List.of(
              new float[] {2, 2, 0},
              new float[] {3, -3, 0},
              new float[] {0, 1, 0},
              new float[] {0, -5, 0},
              new float[] {0, 0.1f, 1},
              new float[] {0, 0, 0},
              new float[] {2, 1, 0.5f}));

  @TempDir private Path folder = Path.of("");

  @Test
  void nearestFirst() {
    try (ReferenceBackend backend = new ReferenceBackend();
        Neighbours all = new Neighbours(backend, WORDS)) {
      List<Neighbours.Near> near = all.nearest(WORDS.row(0), 3, Set.of("king"));
      assertEquals(
          List.of("prince", "man", "apple"), near.stream().map(Neighbours.Near::word).toList());
      assertEquals(1 / Math.sqrt(2), near.get(1).score(), 1e-6);
      assertEquals(7, all.nearest(WORDS.row(0), 100, Set.of()).size());
      assertEquals(0, all.nearest(WORDS.row(0), 0, Set.of()).size());
      assertEquals(0, all.cosines(List.of(WORDS.row(5)))[0][0], "zeros are near nothing");
      assertThrows(IllegalArgumentException.class, () -> all.nearest(new float[2], 1, Set.of()));
    }
    try (ReferenceBackend backend = new ReferenceBackend();
        Neighbours few = new Neighbours(backend, WORDS, 3)) {
      assertEquals(3, few.nearest(WORDS.row(0), 9, Set.of()).size());
    }
  }

  @Test
  void wordsAreAskedByName() {
    try (ReferenceBackend backend = new ReferenceBackend();
        Neighbours all = new Neighbours(backend, WORDS)) {
      assertEquals(all.nearest(WORDS.row(0), 3, Set.of("king")), all.nearest("king", 3));
      assertEquals("queen", Analogies.answers(all, "man", "king", "woman", 1).getFirst().word());
      assertEquals(4, Analogies.answers(all, "man", "king", "woman", 9).size());
      String message =
          assertThrows(IllegalArgumentException.class, () -> all.nearest("pear", 1)).getMessage();
      assertEquals("'pear' has no vector", message);
    }
  }

  @Test
  void analogies() throws IOException {
    Path file = folder.resolve("q.txt");
    Files.writeString(file, "man king woman queen\nman king woman unknown\nMan King Woman queen\n");
    List<Analogies.Question> questions = Analogies.read(file);
    try (ReferenceBackend backend = new ReferenceBackend();
        Neighbours all = new Neighbours(backend, WORDS)) {
      Analogies.Outcome found = Analogies.ask(all, WORDS, questions);
      assertEquals(new Analogies.Outcome("q", 3, 2, 2, 2), found);
      for (boolean mul : new boolean[] {false, true}) {
        List<Neighbours.Near> answers =
            Analogies.answers(
                all,
                WORDS.row(2),
                WORDS.row(0),
                WORDS.row(3),
                Set.of("man", "king", "woman"),
                2,
                mul);
        assertEquals("queen", answers.getFirst().word());
        // By hand: b - a + a* = (0.7071, -1.2929, 0), queen = (0.7071, -0.7071, 0); and
        // cos(x, b) = cos(x, a*) ... of unit vectors.
        double add = (0.70710678 * 0.70710678 + 1.29289322 * 0.70710678) / 1.47362605;
        double multiplied = (1.70710678 / 2) * 0.5 / ((1 - 0.70710678) / 2 + 0.001);
        assertEquals(mul ? multiplied : add, answers.getFirst().score(), 1e-5);
      }
    }
    Path bad = folder.resolve("bad.txt");
    Files.writeString(bad, ": one\na b c d\na b c\n");
    String message =
        String.valueOf(assertThrows(IOException.class, () -> Analogies.read(bad)).getMessage());
    assertEquals(bad + ":3: 3 words, expected four", message);
  }

  @Test
  void similarity() throws IOException {
    Path file = folder.resolve("s.txt");
    Files.writeString(file, "# people\nking\tqueen\t4\nKing prince 9.5\nking man 6\nking xyz 1\n");
    WordSimilarity.Outcome found = WordSimilarity.of(WORDS, WordSimilarity.read(file));
    assertEquals(4, found.pairs());
    assertEquals(3, found.scored());
    assertEquals(1, found.spearman(), 1e-12);
    Files.writeString(file, "king queen 4\nking man much\n");
    String message =
        String.valueOf(
            assertThrows(IOException.class, () -> WordSimilarity.read(file)).getMessage());
    assertEquals(file + ":2: 'much' is no number", message);
  }

  @Test
  void stagedSetsAreRead() throws IOException {
    Path sets = DataFolder.of("word-similarity");
    int[] sizes = {30, 287, 65, 999, 353, 252, 203};
    String[] names = {
      "MC-30", "MTurk-287", "RG-65", "SIMLEX-999", "WS-353-ALL", "WS-353-REL", "WS-353-SIM"
    };
    for (int i = 0; i < names.length; i++) {
      assertEquals(sizes[i], WordSimilarity.read(sets.resolve("EN-" + names[i] + ".txt")).size());
    }
    Path questions = DataFolder.of("word-analogies");
    try (var files = Files.list(questions)) {
      int count = 0;
      for (Path file :
          (Iterable<Path>) files.filter(f -> f.toString().endsWith(".txt"))::iterator) {
        List<Analogies.Question> read = Analogies.read(file);
        assertTrue(
            Objects.requireNonNull(file.getFileName())
                .toString()
                .startsWith(read.getFirst().section()));
        count += read.size();
      }
      assertEquals(10_660, count);
    }
  }
}

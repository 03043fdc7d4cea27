package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.DataFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SubwordBpeTest {
  private static final SubwordBpe SMALL =
      SubwordBpe.of(List.of("#version: 0.2", "a b", "ab c</w>", "x x", "d e</w>"));

  @Test
  void agreesWithSubwordNmt() throws IOException {
    Path folder = DataFolder.of("tok-subword-nmt");
    SubwordBpe bpe = SubwordBpe.load(folder.resolve("bpe.ref"));
    List<String> plain = TextFiles.lines(folder.resolve("corpus.en"));
    List<String> cut = TextFiles.lines(folder.resolve("corpus.bpe.ref.en"));
    assertEquals(1015, plain.size());
    assertEquals(1015, cut.size());
    for (int i = 0; i < plain.size(); i++) {
      assertEquals(cut.get(i), bpe.segment(plain.get(i)));
      assertEquals(plain.get(i).strip(), SubwordBpe.join(bpe.pieces(plain.get(i))));
    }
    for (String line : TextFiles.lines(folder.resolve("text.tok.de"))) {
      assertEquals(line, SubwordBpe.join(bpe.pieces(line)));
    }
    System.out.println("corpus.bpe.ref.en: 1015 lines agree");
  }

  @Test
  void mergesWithinWords() {
    assertEquals("abc ab@@ d", SMALL.segment("abc abd"));
    assertEquals(List.of("ab@@", "c@@", "c"), SMALL.pieces("abcc"));
    assertEquals(List.of("xx@@", "xx@@", "x"), SMALL.pieces("xxxxx"));
    assertEquals(List.of("c", "\uD83D\uDE80", "d@@", "\uD83D\uDE80"), SMALL.pieces("c  🚀 d🚀"));
    assertEquals("  abc c\n", SMALL.segment("  abc   c\n"));
    assertEquals("", SMALL.segment(""));
  }

  // The end of a word is a symbol that may stay alone, and then is not shown.
  @Test
  void olderCodes() {
    SubwordBpe old = SubwordBpe.of(List.of("a b", "c </w>", "ab c</w>"));
    assertEquals(List.of("abc"), old.pieces("abc"));
    assertEquals(List.of("ab"), old.pieces("ab"));
    assertEquals(List.of("c@@", "ab"), old.pieces("cab"));
  }

  @Test
  void piecesOutsideTheVocabularyComeApart(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("vocab");
    Files.writeString(file, "abc 5\nab@@ 9\na@@ 2\nde 1\n");
    Set<String> rare = SubwordBpe.vocabulary(file, 6);
    assertEquals(Set.of("ab@@"), rare);
    assertEquals(List.of("ab@@", "c"), SMALL.withVocabulary(rare).pieces("abc"));
    Set<String> all = SubwordBpe.vocabulary(file, 1);
    assertEquals(List.of("abc", "de"), SMALL.withVocabulary(all).pieces("abc de"));
    assertEquals(List.of("d@@", "e"), SMALL.withVocabulary(Set.of("z")).pieces("de"));
    Files.writeString(file, "abc\n");
    var bad = assertThrows(IllegalArgumentException.class, () -> SubwordBpe.vocabulary(file, 1));
    assertTrue(bad.toString().contains("line 1 'abc'"), bad.toString());
  }

  @Test
  void glossariesStayWhole() {
    SubwordBpe bpe = SMALL.withGlossaries(List.of("ab", "<[0-9]+>"));
    assertEquals(List.of("ab@@", "c", "ab"), bpe.pieces("abc ab"));
    assertEquals(List.of("d@@", "<12>@@", "de"), bpe.pieces("d<12>de"));
  }

  // The rule itself, written down as plainly as can be.
  private static List<String> slow(List<String> codes, String word) {
    List<String> symbols = new ArrayList<>(word.chars().mapToObj(c -> "" + (char) c).toList());
    symbols.add(symbols.removeLast() + SubwordBpe.WORD_END);
    while (true) {
      int best = codes.size();
      for (int i = 0; i + 1 < symbols.size(); i++) {
        int rank = codes.indexOf(symbols.get(i) + " " + symbols.get(i + 1));
        best = rank >= 0 ? Math.min(best, rank) : best;
      }
      if (best == codes.size()) {
        String last = symbols.removeLast();
        symbols.add(last.endsWith("</w>") ? last.substring(0, last.length() - 4) : last);
        return symbols;
      }
      for (int i = 0; i + 1 < symbols.size(); i++) {
        if ((symbols.get(i) + " " + symbols.get(i + 1)).equals(codes.get(best))) {
          symbols.set(i, symbols.get(i) + symbols.remove(i + 1));
        }
      }
    }
  }

  // Codes in any order, so that a merge may make a pair that should have gone before it.
  @Test
  void agreesWithTheRuleForAnyCodes() {
    Random random = new Random(3);
    for (int round = 0; round < 300; round++) {
      Set<String> made = new LinkedHashSet<>(List.of("a", "b", "a</w>", "b</w>"));
      List<String> codes = new ArrayList<>();
      for (int i = 0; i < 12; i++) {
        List<String> left = made.stream().filter(s -> !s.endsWith("</w>")).toList();
        List<String> right = List.copyOf(made);
        String l = left.get(random.nextInt(left.size()));
        String r = right.get(random.nextInt(right.size()));
        codes.add(random.nextInt(codes.size() + 1), l + " " + r);
        made.add(l + r);
      }
      List<String> lines = new ArrayList<>(List.of("#version: 0.2"));
      lines.addAll(codes);
      SubwordBpe fast = SubwordBpe.of(lines);
      for (int k = 0; k < 20; k++) {
        StringBuilder word = new StringBuilder("a");
        for (int n = random.nextInt(14) + 1; n > 0; n--) {
          word.append(random.nextBoolean() ? 'a' : 'b');
        }
        List<String> expected = slow(codes, word.toString());
        List<String> got = fast.pieces(word.toString());
        assertEquals(expected, got.stream().map(p -> p.replace(SubwordBpe.SEPARATOR, "")).toList());
      }
    }
  }

  @Test
  void longWordsAreFast() {
    String word = "xxabc".repeat(100_000);
    assertTimeoutPreemptively(
        Duration.ofSeconds(20), () -> assertEquals(word, SubwordBpe.join(SMALL.pieces(word))));
  }

  @Test
  void badCodesAreNamed(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("codes");
    Files.writeString(file, "#version: 0.2\na b\nabc\n");
    var bad = assertThrows(IllegalArgumentException.class, () -> SubwordBpe.load(file));
    assertTrue(bad.toString().contains("line 3 'abc'"), bad.toString());
    assertThrows(
        IllegalArgumentException.class, () -> SubwordBpe.of(List.of("#version: 0.3", "a b")));
  }
}

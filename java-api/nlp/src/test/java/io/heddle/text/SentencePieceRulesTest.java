package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Against models small enough to work out by hand. */
class SentencePieceRulesTest {
  private static final int UNIGRAM = 1;
  private static final int BPE = 2;

  // Pieces as "text score", or "text score kind" with the file's number of the kind.
  private static byte[] file(int algorithm, String... pieces) {
    Protobuf.Writer out = new Protobuf.Writer();
    out.bytes(1, new Protobuf.Writer().string(1, "<unk>").integer(3, 2).message());
    for (String piece : pieces) {
      List<String> parts = Arrays.asList(piece.split(" ", -1));
      out.bytes(
          1,
          new Protobuf.Writer()
              .string(1, parts.get(0))
              .real(2, Float.parseFloat(parts.get(1)))
              .integer(3, parts.size() > 2 ? Integer.parseInt(parts.get(2)) : 1)
              .message());
    }
    out.bytes(2, new Protobuf.Writer().integer(3, algorithm).message());
    out.bytes(3, new Protobuf.Writer().bool(3, false).message());
    return out.message();
  }

  private static SentencePiece model(int algorithm, String... pieces) {
    return new SentencePiece(file(algorithm, pieces));
  }

  private static String cut(SentencePiece model, String text) {
    return join(model.pieces(text));
  }

  private static String join(List<SentencePiece.Piece> pieces) {
    return pieces.stream().map(SentencePiece.Piece::text).collect(Collectors.joining(" "));
  }

  @Test
  void bestSumWins() {
    SentencePiece model = model(UNIGRAM, "a -1", "b -1", "ab -1.5", "aba -2.6", "ba -1.2");
    assertEquals("a ba", cut(model, "aba"));
    List<SentencePiece.Cut> cuts = model.nBest("aba", 10);
    assertEquals(
        List.of("a ba", "ab a", "aba", "a b a"), cuts.stream().map(c -> join(c.pieces())).toList());
    assertEquals(-2.2, cuts.get(0).score(), 1e-6);
    assertEquals(-3, cuts.get(3).score(), 1e-6);
    assertEquals("xyz b", cut(model, "xyzb"));
  }

  @Test
  void userDefinedAndUnusedPieces() {
    SentencePiece unigram = model(UNIGRAM, "a -1", "b -1", "aab 0 5", "ab 0 4", "aa -0.3");
    assertEquals("a ab", cut(unigram, "aab"));
    // "abc" is made and comes apart again as it was joined.
    SentencePiece bpe =
        model(BPE, "ab -1", "abc -2 5", "bc -1.5", "a -3", "b -3", "c -3", "cc -1 4");
    assertEquals("ab c", cut(bpe, "abc"));
    assertEquals("ab cc c", cut(bpe, "abccc"));
  }

  @Test
  void bpeTakesTheLeftmostOfEquals() {
    SentencePiece bpe = model(BPE, "aa -1", "a -3", "aaa -1");
    assertEquals("aaa aa", cut(bpe, "aaaaa"));
  }

  // The share of each cut is that of exp(alpha * score).
  @Test
  void samplesInProportion() {
    SentencePiece model = model(UNIGRAM, "a -1", "b -1", "ab -1.5", "aba -2.6", "ba -1.2");
    int draws = 20_000;
    for (double alpha : new double[] {0.2, 1, 3}) {
      Random random = new Random(5);
      Map<String, Integer> counts = new HashMap<>();
      for (int i = 0; i < draws; i++) {
        counts.merge(join(model.sample("aba", alpha, random)), 1, Integer::sum);
      }
      List<SentencePiece.Cut> cuts = model.nBest("aba", 10);
      double all = cuts.stream().mapToDouble(c -> Math.exp(alpha * c.score())).sum();
      for (SentencePiece.Cut c : cuts) {
        double share = Math.exp(alpha * c.score()) / all;
        double sigma = Math.sqrt(share * (1 - share) / draws);
        assertEquals(share, counts.getOrDefault(join(c.pieces()), 0) / (double) draws, 5 * sigma);
      }
      assertEquals(cuts.size(), counts.size());
    }
    assertEquals(
        model.sample("abaabab", 0.5, new Random(9)), model.sample("abaabab", 0.5, new Random(9)));
  }

  @Test
  void dropsMerges() {
    SentencePiece bpe = model(BPE, "ab -1", "a -3", "b -3");
    assertEquals("a b", join(bpe.sample("ab", 1, new Random(1))));
    assertEquals("ab", join(bpe.sample("ab", 0, new Random(1))));
    Random random = new Random(2);
    int kept = 0;
    for (int i = 0; i < 10_000; i++) {
      kept += bpe.sample("ab", 0.3, random).size() == 1 ? 1 : 0;
    }
    assertEquals(0.7, kept / 10_000.0, 0.025);
  }

  @Test
  void longTextsAreFast() {
    SentencePiece unigram = model(UNIGRAM, "a -1", "aa -2", "aaa -3");
    SentencePiece bpe = model(BPE, "a -9", "aa -1", "aaa -1", "aaaa -2");
    String text = "a".repeat(200_000);
    assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () -> {
          assertEquals(text, unigram.decode(unigram.encode(text)));
          assertEquals(text, bpe.decode(bpe.encode(text)));
          assertEquals(20, unigram.nBest(text.substring(0, 500), 20).size());
        });
  }

  @Test
  void savesWhatItRead(@TempDir Path folder) throws IOException {
    byte[] file = file(UNIGRAM, "a -1", "<s> 0 3", "</s> 0 3");
    SentencePiece model = new SentencePiece(file);
    model.save(folder);
    SentencePiece back = SentencePiece.load(folder.resolve(SentencePiece.FILE));
    assertArrayEquals(file, Files.readAllBytes(folder.resolve(SentencePiece.FILE)));
    assertArrayEquals(new int[] {2, 1}, back.prompt("a"));
    assertEquals(3, back.endOfText().orElseThrow());
    assertEquals("a", back.decode(2, 1, 3));
  }

  @Test
  void badFilesAreNamed(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("m.model");
    byte[] good = file(UNIGRAM, "abc -1", "d -1");
    for (int size = 1; size < good.length; size++) {
      Files.write(file, Arrays.copyOf(good, size));
      try {
        SentencePiece.load(file); // some cuts fall between fields
      } catch (IllegalArgumentException e) {
        assertTrue(e.toString().contains("m.model is not a SentencePiece model"), e.toString());
      }
    }
    Files.writeString(file, "not a model");
    assertThrows(IllegalArgumentException.class, () -> SentencePiece.load(file));
    Files.write(file, new byte[0]);
    var empty = assertThrows(IllegalArgumentException.class, () -> SentencePiece.load(file));
    assertTrue(empty.toString().contains("unknown text"), empty.toString());
    var twice = assertThrows(IllegalArgumentException.class, () -> model(UNIGRAM, "a 0", "a 0"));
    assertTrue(twice.toString().contains("'a'"), twice.toString());
    SentencePiece bpe = model(BPE, "a -1");
    assertThrows(UnsupportedOperationException.class, () -> bpe.nBest("a", 2));
    assertThrows(IllegalArgumentException.class, () -> bpe.token(2));
  }
}

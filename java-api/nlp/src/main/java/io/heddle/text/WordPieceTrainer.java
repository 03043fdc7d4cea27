package io.heddle.text;

import io.heddle.progress.ProgressListener;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.TreeSet;

/**
 * Learns the vocabulary of a {@link WordPiece}, as Hugging Face does: pieces are joined as in
 * byte-pair encoding, the most frequent pair of neighbours first, and those that do not begin a
 * word are written with {@code ##}. The same texts always give the same vocabulary: equally
 * frequent pairs go in the order of their ids, and characters have theirs in the order of Unicode.
 */
public final class WordPieceTrainer {
  private static final int LEAST_COUNT = 2;
  private static final String WITHIN = "##";

  private final int vocabularySize;
  private final BertWords words;
  private final ProgressListener progress;
  private final Map<String, long[]> counts = new TreeMap<>();

  /**
   * A trainer.
   *
   * @param vocabularySize BERT's five special tokens, characters and what is made of them
   * @param lowerCase whether case and accents are dropped
   * @param progress hears of every piece
   */
  public WordPieceTrainer(int vocabularySize, boolean lowerCase, ProgressListener progress) {
    this.vocabularySize = vocabularySize;
    this.words = new BertWords(lowerCase, lowerCase, true);
    this.progress = progress;
  }

  /** Counts the words of {@code text}. */
  public WordPieceTrainer add(String text) {
    words.split(text).forEach(w -> counts.computeIfAbsent(w, k -> new long[1])[0]++);
    return this;
  }

  /**
   * Learns. There are fewer pieces than asked for when no pair occurs twice any more.
   *
   * @throws IllegalArgumentException when the characters alone are more than the vocabulary holds
   */
  public WordPiece train() {
    TreeSet<Integer> starts = new TreeSet<>();
    TreeSet<Integer> insides = new TreeSet<>();
    for (String word : counts.keySet()) {
      starts.add(word.codePointAt(0));
      word.codePoints().skip(1).forEach(insides::add);
    }
    List<String> pieces = new ArrayList<>(WordPiece.SPECIALS);
    starts.forEach(c -> pieces.add(Character.toString(c)));
    insides.forEach(c -> pieces.add(WITHIN + Character.toString(c)));
    if (pieces.size() > vocabularySize) {
      throw new IllegalArgumentException(
          "a vocabulary of "
              + vocabularySize
              + " cannot hold the special tokens and characters of the text, which are "
              + pieces.size());
    }
    Map<String, Integer> ids = new HashMap<>();
    pieces.forEach(piece -> ids.put(piece, ids.size()));
    PairCounts pairs = new PairCounts(LEAST_COUNT);
    counts.forEach((word, count) -> pairs.add(spelt(word, ids), count[0]));
    int first = pieces.size();
    progress.begin("learn pieces", vocabularySize - first, "piece");
    while (pieces.size() < vocabularySize) {
      OptionalLong best = pairs.mostFrequent();
      if (best.isEmpty()) {
        break;
      }
      String left = pieces.get((int) (best.getAsLong() >>> 32));
      String right = pieces.get((int) best.getAsLong());
      String joined = left + right.substring(WITHIN.length());
      Integer known = ids.putIfAbsent(joined, pieces.size());
      if (known == null) {
        pieces.add(joined);
      }
      pairs.join(best.getAsLong(), known == null ? pieces.size() - 1 : known);
      progress.advance(pieces.size() - first, joined);
    }
    progress.end(pieces.size() + " pieces");
    return new WordPiece(pieces, words);
  }

  /**
   * Whole words instead of pieces: those that occur at least {@code least} times, the most frequent
   * first, words of one frequency in the order of Unicode. All others are {@code [UNK]}.
   */
  public WordPiece words(int least) {
    List<String> pieces = new ArrayList<>(WordPiece.SPECIALS);
    counts.entrySet().stream()
        .filter(e -> e.getValue()[0] >= least)
        // The map is sorted, and sorting keeps the order of equals.
        .sorted((a, b) -> Long.compare(b.getValue()[0], a.getValue()[0]))
        .limit(Math.max(0, vocabularySize - pieces.size()))
        .forEach(e -> pieces.add(e.getKey()));
    return new WordPiece(pieces, words);
  }

  private static int[] spelt(String word, Map<String, Integer> ids) {
    int[] characters = word.codePoints().toArray();
    int[] out = new int[characters.length];
    for (int i = 0; i < out.length; i++) {
      String piece = (i == 0 ? "" : WITHIN) + Character.toString(characters[i]);
      out[i] = ids.getOrDefault(piece, 0);
    }
    return out;
  }
}

package io.heddle.text;

import io.heddle.progress.ProgressListener;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;

/**
 * Learns the merges of a {@link ByteLevelBpe} (Sennrich, Haddow &amp; Birch 2016): again and again
 * the most frequent pair of neighbours is joined. Counts are kept up to date by touching only the
 * words that hold the pair. Ties go to the pair with the lower ids, and ids of bytes follow GPT-2's
 * alphabet, so that the same texts give the vocabulary that Hugging Face's trainer gives with
 * {@code min_frequency} 2.
 */
public final class BpeTrainer {
  private static final int LEAST_COUNT = 2;

  private final int vocabularySize;
  private final List<String> specials;
  private final ProgressListener progress;
  private final Map<String, long[]> wordCounts = new HashMap<>();

  /** A trainer of {@code vocabularySize} pieces: the end of text, 256 bytes and the merges. */
  public BpeTrainer(int vocabularySize, ProgressListener progress) {
    this(vocabularySize, List.of(ByteLevelBpe.END_OF_TEXT), progress);
  }

  /**
   * A trainer with other special tokens.
   *
   * @param vocabularySize special tokens, 256 bytes and merges together
   * @param specials get the ids from 0 on; may be empty
   * @param progress hears of every merge
   */
  public BpeTrainer(int vocabularySize, List<String> specials, ProgressListener progress) {
    if (vocabularySize < 256 + specials.size()) {
      throw new IllegalArgumentException(
          "a vocabulary of " + vocabularySize + " cannot hold 256 bytes and " + specials);
    }
    this.vocabularySize = vocabularySize;
    this.specials = List.copyOf(specials);
    this.progress = progress;
  }

  /** Counts the words of {@code text}. */
  public BpeTrainer add(String text) {
    String clean = WordScanner.wellFormed(text);
    for (int from = 0; from < clean.length(); ) {
      int end = WordScanner.next(clean, from);
      wordCounts.computeIfAbsent(clean.substring(from, end), w -> new long[1])[0]++;
      from = end;
    }
    return this;
  }

  /** Counts the words of all texts. */
  public BpeTrainer addAll(Iterable<String> texts) {
    texts.forEach(this::add);
    return this;
  }

  /** Learns. Fewer merges than asked for are learnt when no pair occurs twice any more. */
  public ByteLevelBpe train() {
    List<String> pieces = new ArrayList<>(specials);
    int[] byteIds = new int[256];
    for (int b : ByteAlphabet.byCharacter()) {
      byteIds[b] = pieces.size();
      pieces.add(String.valueOf(ByteAlphabet.of(b)));
    }
    Map<String, Integer> ids = new HashMap<>();
    pieces.forEach(piece -> ids.put(piece, ids.size()));
    List<String[]> merges = new ArrayList<>();
    int wanted = vocabularySize - pieces.size();
    int first = pieces.size();
    progress.begin("learn merges", wanted, "merge");
    PairCounts words = new PairCounts(LEAST_COUNT);
    wordCounts.forEach((word, count) -> words.add(bytes(word, byteIds), count[0]));
    while (pieces.size() < vocabularySize) {
      OptionalLong best = words.mostFrequent();
      if (best.isEmpty()) {
        break;
      }
      String left = pieces.get((int) (best.getAsLong() >>> 32));
      String right = pieces.get((int) best.getAsLong());
      // There may be two ways to one piece; the second merge is kept and makes the same id.
      Integer joined = ids.putIfAbsent(left + right, pieces.size());
      if (joined == null) {
        pieces.add(left + right);
      }
      merges.add(new String[] {left, right});
      words.join(best.getAsLong(), joined == null ? pieces.size() - 1 : joined);
      progress.advance(pieces.size() - first, left + right);
    }
    progress.end(pieces.size() + " pieces");
    return new ByteLevelBpe(pieces, merges, specials);
  }

  private static int[] bytes(String word, int[] byteIds) {
    byte[] utf8 = word.getBytes(StandardCharsets.UTF_8);
    int[] out = new int[utf8.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = byteIds[utf8[i] & 0xff];
    }
    return out;
  }
}

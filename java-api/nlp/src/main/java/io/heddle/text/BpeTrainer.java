package io.heddle.text;

import io.heddle.train.ProgressListener;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.TreeSet;

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
    Words words = new Words(wordCounts, byteIds);
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

  /** How often a pair occurs, and the words it was seen in; some may have lost it since. */
  private static final class Occurrences {
    private long count;
    private int[] words = new int[4];
    private int size;

    void seen(int word) {
      if (size > 0 && words[size - 1] == word) {
        return;
      }
      if (size == words.length) {
        words = Arrays.copyOf(words, 2 * size);
      }
      words[size++] = word;
    }
  }

  /** A pair with its count at some time; the most frequent first, then the lowest ids. */
  private record Entry(long count, long pair) implements Comparable<Entry> {
    @Override
    public int compareTo(Entry other) {
      int byCount = Long.compare(other.count, count);
      return byCount != 0 ? byCount : Long.compare(pair, other.pair);
    }
  }

  /** The distinct words as sequences of ids, with the counts of all pairs in them. */
  private static final class Words {
    private final int[][] ids;
    private final long[] counts;
    private final Map<Long, Occurrences> pairs = new HashMap<>();
    private final PriorityQueue<Entry> queue = new PriorityQueue<>();

    Words(Map<String, long[]> wordCounts, int[] byteIds) {
      ids = new int[wordCounts.size()][];
      counts = new long[wordCounts.size()];
      int w = 0;
      for (Map.Entry<String, long[]> word : wordCounts.entrySet()) {
        byte[] utf8 = word.getKey().getBytes(StandardCharsets.UTF_8);
        ids[w] = new int[utf8.length];
        for (int i = 0; i < utf8.length; i++) {
          ids[w][i] = byteIds[utf8[i] & 0xff];
        }
        counts[w] = word.getValue()[0];
        count(w, counts[w]);
        w++;
      }
      pairs.forEach((pair, seen) -> queue.add(new Entry(seen.count, pair)));
    }

    private void count(int w, long change) {
      int[] word = ids[w];
      for (int i = 0; i + 1 < word.length; i++) {
        Occurrences pair =
            pairs.computeIfAbsent(PairTable.key(word[i], word[i + 1]), p -> new Occurrences());
        pair.count += change;
        if (change > 0) {
          pair.seen(w);
        }
      }
    }

    // Entries of the queue may be out of date; the true count decides.
    OptionalLong mostFrequent() {
      while (!queue.isEmpty()) {
        Entry top = queue.remove();
        Occurrences pair = pairs.get(top.pair);
        long now = pair == null ? 0 : pair.count;
        if (now == top.count) {
          return now >= LEAST_COUNT ? OptionalLong.of(top.pair) : OptionalLong.empty();
        }
        if (now > 0) {
          queue.add(new Entry(now, top.pair));
        }
      }
      return OptionalLong.empty();
    }

    void join(long pair, int joined) {
      Occurrences places = pairs.get(pair);
      if (places == null) {
        return;
      }
      Set<Long> grown = new TreeSet<>();
      for (int k = 0; k < places.size; k++) {
        int w = places.words[k];
        int[] fresh = joined(ids[w], pair, joined);
        if (fresh.length == ids[w].length) {
          continue; // the pair has gone from this word
        }
        count(w, -counts[w]);
        ids[w] = fresh;
        count(w, counts[w]);
        for (int i = 0; i + 1 < fresh.length; i++) {
          if (fresh[i] == joined || fresh[i + 1] == joined) {
            grown.add(PairTable.key(fresh[i], fresh[i + 1]));
          }
        }
      }
      pairs.remove(pair);
      for (long p : grown) {
        Occurrences now = pairs.get(p);
        if (now != null && now.count > 0) {
          queue.add(new Entry(now.count, p));
        }
      }
    }

    private static int[] joined(int[] word, long pair, int joined) {
      int left = (int) (pair >>> 32);
      int right = (int) pair;
      int[] out = new int[word.length];
      int n = 0;
      for (int i = 0; i < word.length; i++) {
        boolean here = i + 1 < word.length && word[i] == left && word[i + 1] == right;
        out[n++] = here ? joined : word[i];
        i += here ? 1 : 0;
      }
      return Arrays.copyOf(out, n);
    }
  }
}

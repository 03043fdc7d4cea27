package io.heddle.text;

import io.heddle.train.ProgressListener;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;

/**
 * Learns the merges of a {@link ByteLevelBpe} (Sennrich, Haddow &amp; Birch 2016): again and again the most frequent pair of neighbours is
 * joined. Counts are kept up to date by touching only the words that hold the pair. Ties go to the pair with the lower ids, so that the
 * same texts give the same merges.
 */
public final class BpeTrainer {
  private final int vocabularySize;
  private final ProgressListener progress;
  private final Map<String, Long> wordCounts = new TreeMap<>();

  /** A trainer of {@code vocabularySize} pieces: the end of text, 256 bytes and the merges. */
  public BpeTrainer(int vocabularySize, ProgressListener progress) {
    if (vocabularySize < 257) {
      throw new IllegalArgumentException(
          "a vocabulary of " + vocabularySize + " cannot hold 256 bytes and " + ByteLevelBpe.END_OF_TEXT);
    }
    this.vocabularySize = vocabularySize;
    this.progress = progress;
  }

  /** Counts the words of {@code text}. */
  public BpeTrainer add(String text) {
    Matcher words = ByteLevelBpe.WORDS.matcher(text);
    while (words.find()) {
      wordCounts.merge(words.group(), 1L, Long::sum);
    }
    return this;
  }

  private record Pair(int left, int right) {}

  private record Entry(Pair pair, long count) implements Comparable<Entry> {
    @Override
    public int compareTo(Entry other) {
      if (count != other.count) {
        return Long.compare(other.count, count);
      }
      int byLeft = Integer.compare(pair.left, other.pair.left);
      return byLeft != 0 ? byLeft : Integer.compare(pair.right, other.pair.right);
    }
  }

  /** Learns. Fewer merges than asked for are learnt when no pair occurs twice any more. */
  public ByteLevelBpe train() {
    List<String> pieces = new ArrayList<>();
    pieces.add(ByteLevelBpe.END_OF_TEXT);
    for (int b = 0; b < 256; b++) {
      pieces.add(String.valueOf(ByteAlphabet.of(b)));
    }
    List<String[]> merges = new ArrayList<>();
    Words words = new Words(wordCounts);
    int wanted = vocabularySize - pieces.size();
    progress.begin("learn merges", wanted, "merge");
    Set<String> made = new HashSet<>(pieces);
    while (merges.size() < wanted) {
      Pair best = words.mostFrequent();
      if (best == null) {
        break;
      }
      String piece = pieces.get(best.left) + pieces.get(best.right);
      if (!made.add(piece)) {
        words.forget(best); // two ways to one piece: the first one stays
        continue;
      }
      merges.add(new String[] {pieces.get(best.left), pieces.get(best.right)});
      words.join(best, pieces.size());
      pieces.add(piece);
      progress.advance(merges.size(), piece);
    }
    progress.end(pieces.size() + " pieces");
    return new ByteLevelBpe(pieces, merges);
  }

  /** The distinct words as sequences of ids, with the counts of all pairs in them. */
  private static final class Words {
    private final int[][] ids;
    private final long[] counts;
    private final Map<Pair, Long> pairs = new HashMap<>();
    private final Map<Pair, Set<Integer>> places = new HashMap<>();
    private final PriorityQueue<Entry> queue = new PriorityQueue<>();

    Words(Map<String, Long> wordCounts) {
      ids = new int[wordCounts.size()][];
      counts = new long[wordCounts.size()];
      int w = 0;
      for (Map.Entry<String, Long> word : wordCounts.entrySet()) {
        byte[] utf8 = word.getKey().getBytes(StandardCharsets.UTF_8);
        ids[w] = new int[utf8.length];
        for (int i = 0; i < utf8.length; i++) {
          ids[w][i] = 1 + (utf8[i] & 0xff);
        }
        counts[w] = word.getValue();
        count(w, 1);
        w++;
      }
      pairs.forEach((pair, n) -> queue.add(new Entry(pair, n)));
    }

    private void count(int w, int sign) {
      for (int i = 0; i + 1 < ids[w].length; i++) {
        Pair pair = new Pair(ids[w][i], ids[w][i + 1]);
        pairs.merge(pair, sign * counts[w], Long::sum);
        if (sign > 0) {
          places.computeIfAbsent(pair, p -> new HashSet<>()).add(w);
        }
      }
    }

    // Entries of the queue may be out of date; the true count decides.
    @org.jspecify.annotations.Nullable Pair mostFrequent() {
      while (!queue.isEmpty()) {
        Entry top = queue.remove();
        long now = pairs.getOrDefault(top.pair, 0L);
        if (now == top.count) {
          return now >= 2 ? top.pair : null;
        }
        if (now > 0) {
          queue.add(new Entry(top.pair, now));
        }
      }
      return null;
    }

    void forget(Pair pair) {
      pairs.remove(pair);
      places.remove(pair);
    }

    void join(Pair pair, int joined) {
      Set<Integer> touched = places.remove(pair);
      Set<Pair> grown = new HashSet<>();
      for (int w : touched == null ? Set.<Integer>of() : touched) {
        count(w, -1);
        int[] old = ids[w];
        int[] fresh = new int[old.length];
        int n = 0;
        for (int i = 0; i < old.length; i++) {
          boolean here = i + 1 < old.length && old[i] == pair.left && old[i + 1] == pair.right;
          fresh[n++] = here ? joined : old[i];
          i += here ? 1 : 0;
        }
        ids[w] = Arrays.copyOf(fresh, n);
        count(w, 1);
        for (int i = 0; i + 1 < n; i++) {
          if (ids[w][i] == joined || ids[w][i + 1] == joined) {
            grown.add(new Pair(ids[w][i], ids[w][i + 1]));
          }
        }
      }
      pairs.remove(pair);
      grown.forEach(p -> queue.add(new Entry(p, pairs.getOrDefault(p, 0L))));
    }
  }
}

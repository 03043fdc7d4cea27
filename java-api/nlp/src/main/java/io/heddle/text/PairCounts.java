package io.heddle.text;

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
 * The distinct words of a text as sequences of ids, with the counts of all pairs of neighbours in
 * them. Joining a pair touches only the words that hold it.
 */
final class PairCounts {
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

  private final long leastCount;
  private final List<int[]> ids = new ArrayList<>();
  private final List<Long> counts = new ArrayList<>();
  private final Map<Long, Occurrences> pairs = new HashMap<>();
  private final PriorityQueue<Entry> queue = new PriorityQueue<>();
  private boolean queued;

  /** Pairs that occur less often are never joined. */
  PairCounts(long leastCount) {
    this.leastCount = leastCount;
  }

  /** Adds a word; all are to be there before {@link #mostFrequent} is asked. */
  void add(int[] word, long count) {
    ids.add(word);
    counts.add(count);
    count(ids.size() - 1, count);
  }

  private void count(int w, long change) {
    int[] word = ids.get(w);
    for (int i = 0; i + 1 < word.length; i++) {
      Occurrences pair =
          pairs.computeIfAbsent(PairTable.key(word[i], word[i + 1]), p -> new Occurrences());
      pair.count += change;
      if (change > 0) {
        pair.seen(w);
      }
    }
  }

  /** The most frequent pair, of equals that of the lowest ids, or none that is frequent enough. */
  OptionalLong mostFrequent() {
    if (!queued) {
      pairs.forEach((pair, seen) -> queue.add(new Entry(seen.count, pair)));
      queued = true;
    }
    // Entries of the queue may be out of date; the true count decides.
    while (!queue.isEmpty()) {
      Entry top = queue.remove();
      Occurrences pair = pairs.get(top.pair);
      long now = pair == null ? 0 : pair.count;
      if (now == top.count) {
        return now >= leastCount ? OptionalLong.of(top.pair) : OptionalLong.empty();
      }
      if (now > 0) {
        queue.add(new Entry(now, top.pair));
      }
    }
    return OptionalLong.empty();
  }

  /** Writes one id for a pair wherever it is. */
  void join(long pair, int joined) {
    Occurrences places = pairs.get(pair);
    if (places == null) {
      return;
    }
    Set<Long> grown = new TreeSet<>();
    for (int k = 0; k < places.size; k++) {
      int w = places.words[k];
      int[] fresh = joined(ids.get(w), pair, joined);
      if (fresh.length == ids.get(w).length) {
        continue; // the pair has gone from this word
      }
      count(w, -counts.get(w));
      ids.set(w, fresh);
      count(w, counts.get(w));
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

package io.heddle.methods.vectors;

import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * A text as ids of its words, the most frequent first (equal counts: the one seen first), without
 * those that are rare. Four bytes a token, at most 2^31 tokens. Immutable; made by a {@link
 * Builder} in one pass over the text.
 */
public final class WordCorpus {
  /** A passage that is longer is cut: a window never spans more. */
  static final int LONGEST_PASSAGE = 1000;

  private final List<String> words;
  private final long[] counts;
  private final long tokens;
  private final int[] ids;
  private final int[] starts;

  private WordCorpus(List<String> words, long[] counts, long tokens, int[] ids, int[] starts) {
    this.words = List.copyOf(words);
    this.counts = counts;
    this.tokens = tokens;
    this.ids = ids;
    this.starts = starts;
  }

  /** The words by id. */
  public List<String> words() {
    return words;
  }

  /** How often a word occurs. */
  public long count(int id) {
    return counts[id];
  }

  long[] counts() {
    return counts.clone();
  }

  /** Tokens of the text, rare ones included. */
  public long tokens() {
    return tokens;
  }

  /** Tokens that are not rare. */
  public int kept() {
    return ids.length;
  }

  /** Number of passages. */
  int passages() {
    return starts.length - 1;
  }

  /** Where a passage begins among the ids; that of {@link #passages()} is the end. */
  int start(int passage) {
    return starts[passage];
  }

  /** The id at a place. */
  int id(int place) {
    return ids[place];
  }

  /** A number that two texts share only by accident. */
  long fingerprint() {
    long hash = words.hashCode();
    hash = 31 * hash + Arrays.hashCode(ids);
    return 31 * hash + Arrays.hashCode(starts);
  }

  /** Collects passages. Not safe for threads. */
  public static final class Builder {
    private final Map<String, Integer> types = new HashMap<>();
    private final Ints ids = new Ints(1 << 16);
    private final Ints starts = new Ints(1 << 12);
    private long[] counts = new long[1 << 10];
    private int passage;

    /** Nothing yet. */
    public Builder() {}

    /** Adds a word to the passage. */
    public void word(String word) {
      Integer known = types.get(word);
      int type = known == null ? types.size() : known;
      if (known == null) {
        types.put(word, type);
        if (type == counts.length) {
          counts = Arrays.copyOf(counts, 2 * type);
        }
      }
      counts[type]++;
      ids.add(type);
      if (++passage == LONGEST_PASSAGE) {
        endPassage();
      }
    }

    /** Ends the passage: no window reaches across. */
    public void endPassage() {
      if (passage > 0) {
        starts.add(ids.size());
        passage = 0;
      }
    }

    /**
     * The corpus.
     *
     * @param minCount words seen less often are left out; their neighbours move together
     * @throws IllegalArgumentException when no word is left
     */
    public WordCorpus build(long minCount) {
      endPassage();
      int[] order =
          IntStream.range(0, types.size())
              .filter(type -> counts[type] >= minCount)
              .boxed()
              .sorted(Comparator.comparingLong((Integer type) -> -counts[type]))
              .mapToInt(Integer::intValue)
              .toArray();
      if (order.length < 2) {
        throw new IllegalArgumentException(
            "of %d tokens %d different words occur %d times or more; two are needed"
                .formatted(ids.size(), order.length, minCount));
      }
      int[] renamed = new int[types.size()];
      Arrays.fill(renamed, -1);
      long[] kept = new long[order.length];
      for (int id = 0; id < order.length; id++) {
        renamed[order[id]] = id;
        kept[id] = counts[order[id]];
      }
      String[] names = new String[order.length];
      types.forEach(
          (word, type) -> {
            if (renamed[type] >= 0) {
              names[renamed[type]] = word;
            }
          });
      return renamed(List.of(names), kept, renamed);
    }

    private WordCorpus renamed(List<String> names, long[] kept, int[] renamed) {
      int[] old = ids.toArray();
      int[] ends = starts.toArray();
      Ints places = new Ints(ends.length + 1);
      places.add(0);
      int to = 0;
      int from = 0;
      for (int end : ends) {
        for (; from < end; from++) {
          int id = renamed[old[from]];
          if (id >= 0) {
            old[to++] = id;
          }
        }
        places.add(to);
      }
      return new WordCorpus(names, kept, old.length, Arrays.copyOf(old, to), places.toArray());
    }
  }
}

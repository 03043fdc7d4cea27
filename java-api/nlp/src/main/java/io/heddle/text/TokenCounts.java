package io.heddle.text;

import java.util.LinkedHashMap;
import java.util.Map;

/** How often each token occurs, in the order of their first occurrence. Not safe for threads. */
public final class TokenCounts {
  private final Map<String, Long> counts = new LinkedHashMap<>();

  /** Counts nothing yet. */
  public TokenCounts() {}

  /** Counts tokens. */
  public static TokenCounts of(Iterable<String> tokens) {
    TokenCounts out = new TokenCounts();
    tokens.forEach(out::add);
    return out;
  }

  /** Counts one occurrence. */
  public void add(String token) {
    add(token, 1);
  }

  /** Counts {@code times} occurrences, at least one. */
  public void add(String token, long times) {
    if (times < 1) {
      throw new IllegalArgumentException("'" + token + "' cannot occur " + times + " times");
    }
    counts.merge(token, times, Math::addExact);
  }

  /** Occurrences of a token; 0 if it was not seen. */
  public long count(String token) {
    return counts.getOrDefault(token, 0L);
  }

  /** Number of different tokens. */
  public int size() {
    return counts.size();
  }

  /** All counts, a view. */
  public Map<String, Long> asMap() {
    return java.util.Collections.unmodifiableMap(counts);
  }

  /**
   * The counts in which every token seen less than {@code minFrequency} times is counted as {@code
   * unknown} (GluonNLP's {@code Counter.discard}).
   */
  public TokenCounts discard(long minFrequency, String unknown) {
    TokenCounts out = new TokenCounts();
    counts.forEach((token, n) -> out.add(n < minFrequency ? unknown : token, n));
    return out;
  }
}

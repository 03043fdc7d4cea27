package io.heddle.methods.longrange;

import io.heddle.models.Schedule;
import io.heddle.op.pattern.AttentionPattern;
import java.util.HashMap;
import java.util.Map;

/**
 * Scored pairs of query and key, counted from the patterns themselves: n (n + 1) / 2 for causal
 * attention over n tokens, (b + 1) / 2 a query for blocks of b.
 */
final class Pairs {
  private Pairs() {}

  /** Pairs of a pattern over {@code length} tokens, of one head. */
  static long of(AttentionPattern pattern, long length) {
    long sum = 0;
    for (long q = 0; q < length; q++) {
      long end = Math.min(pattern.end(q, q), length);
      long first = pattern.first(q, q) / 64 * 64;
      for (long k = first; k < end; k += 64) {
        long valid = end - k >= 64 ? -1L : (1L << (end - k)) - 1;
        sum += Long.bitCount(pattern.word(q, k) & valid);
      }
    }
    return sum;
  }

  /** Pairs of all layers and heads. */
  static long of(Schedule schedule, long length) {
    Map<String, Long> known = new HashMap<>();
    long sum = 0;
    for (int layer = 0; layer < schedule.layers(); layer++) {
      sum += of(schedule, layer, length, known);
    }
    return sum;
  }

  /** Pairs of all heads of one layer. */
  static long of(Schedule schedule, int layer, long length, Map<String, Long> known) {
    long[] groups =
        schedule.groups(layer).stream()
            .mapToLong(text -> known.computeIfAbsent(text, x -> of(Schedule.pattern(x), length)))
            .toArray();
    long sum = 0;
    for (int group : schedule.headGroups(layer)) {
      sum += groups[group];
    }
    return sum;
  }

  /** Pairs as a share of those of full attention everywhere. */
  static double ratio(Schedule schedule, long length) {
    long heads = schedule.headGroups(0).length;
    double full = length * (length + 1.0) / 2 * heads * schedule.layers();
    return of(schedule, length) / full;
  }
}

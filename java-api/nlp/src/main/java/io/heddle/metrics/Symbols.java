package io.heddle.metrics;

import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Numbers the words of a few texts, equal words alike. */
final class Symbols {
  private final Map<String, Integer> numbers = new HashMap<>();

  int[] of(List<String> words) {
    int[] out = new int[words.size()];
    for (int i = 0; i < out.length; i++) {
      Integer known = numbers.putIfAbsent(words.get(i), numbers.size());
      out[i] = known == null ? numbers.size() - 1 : known;
    }
    return out;
  }
}

package io.heddle.text;

import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * What the words of texts became: a word that comes again is found where it stands in its text,
 * without a string made of it. The table has a fixed size and two places for a word; a new one
 * moves what is in its first place to the second. Any thread may ask: entries never change, and at
 * worst two threads make the same one.
 *
 * @param <V> what a word becomes
 */
final class WordCache<V> {
  private static final int BITS = 16;
  private static final int LONGEST = 64; // characters; longer ones hardly come again

  private final Function<String, V> make;
  private final @Nullable Entry<V>[] entries = table();

  private record Entry<V>(int hash, String word, V value) {
    boolean is(int wanted, String text, int from, int length) {
      return hash == wanted && word.length() == length && word.regionMatches(0, text, from, length);
    }
  }

  /**
   * An empty cache.
   *
   * @param make what a word becomes: a pure function
   */
  WordCache(Function<String, V> make) {
    this.make = make;
  }

  @SuppressWarnings({"unchecked", "rawtypes"}) // an array of a generic record
  private static <V> @Nullable Entry<V>[] table() {
    return new Entry[1 << BITS];
  }

  /** What became of the word {@code text[from, to)}. */
  V get(String text, int from, int to) {
    int length = to - from;
    if (length > LONGEST) {
      return make.apply(text.substring(from, to));
    }
    int hash = length;
    for (int at = from; at < to; at++) {
      hash = 31 * hash + text.charAt(at);
    }
    int first = (hash * 0x9E3779B9) >>> (Integer.SIZE - BITS);
    Entry<V> near = entries[first];
    if (near != null && near.is(hash, text, from, length)) {
      return near.value;
    }
    int second = first ^ 1;
    Entry<V> far = entries[second];
    if (far != null && far.is(hash, text, from, length)) {
      return far.value;
    }
    String word = text.substring(from, to);
    V value = make.apply(word);
    if (near != null) {
      entries[second] = near;
    }
    entries[first] = new Entry<>(hash, word, value);
    return value;
  }
}

package io.heddle.data.vectors;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Vectors by word. Safe for many threads. */
public interface WordLookup {
  /** Numbers in a vector. */
  int dimension();

  /** The words that have a vector of their own, the most frequent first where that is known. */
  List<String> words();

  /** The vector of a word, a copy; null where nothing is known of it. */
  float @Nullable [] vector(String word);

  /** The vectors of {@link #words}. */
  WordTable table();
}

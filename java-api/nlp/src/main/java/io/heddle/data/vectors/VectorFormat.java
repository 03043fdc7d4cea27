package io.heddle.data.vectors;

/** The files that word vectors come in. */
public enum VectorFormat {
  /**
   * Text, numbers of words and of dimensions in the first line, then a word and its numbers a line:
   * word2vec's, and fastText's {@code .vec}.
   */
  WORD2VEC,
  /** The same first line, then each word, a space and its numbers as little-endian f32. */
  WORD2VEC_BINARY,
  /** Text, a word and its numbers a line. */
  GLOVE,
  /** fastText's {@code .bin}, version 12: words, counts, settings, n-grams, both tables. */
  FASTTEXT
}

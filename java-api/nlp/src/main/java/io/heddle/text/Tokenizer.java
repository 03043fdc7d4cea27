package io.heddle.text;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.OptionalInt;

/**
 * Text to token ids and back. Implementations are immutable but for caches, and safe for use by
 * many threads.
 */
public interface Tokenizer {
  /** Token ids of {@code text}; special tokens written in it are not recognised. */
  int[] encode(String text);

  /**
   * Token ids to begin generating from: those of {@code text}, after whatever begins a text for
   * this tokenizer. Never empty, so that a model has something to go on, as far as there is an end
   * of text.
   */
  default int[] prompt(String text) {
    int[] ids = encode(text);
    return ids.length > 0 ? ids : endOfText().stream().toArray();
  }

  /** The bytes that {@code ids} stand for. */
  byte[] decodeBytes(int... ids);

  /** Those bytes as UTF-8; what is not becomes U+FFFD. */
  default String decode(int... ids) {
    return new String(decodeBytes(ids), StandardCharsets.UTF_8);
  }

  /** Number of ids. */
  int vocabularySize();

  /** The piece with this id, as the vocabulary file writes it. */
  String token(int id);

  /** The id of a piece, as the vocabulary file writes it. */
  OptionalInt id(String token);

  /** The id that stands between documents, if there is one. */
  OptionalInt endOfText();

  /** Writes the vocabulary's files to {@code folder}. */
  void save(Path folder) throws IOException;
}

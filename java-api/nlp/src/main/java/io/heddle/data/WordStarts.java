package io.heddle.data;

import io.heddle.text.Tokenizer;
import java.util.Arrays;
import java.util.BitSet;

/**
 * Which tokens begin a word, by how a vocabulary writes its pieces: WordPiece marks what continues
 * a word ({@code ##}); byte-level BPE and SentencePiece what begins one (a space, written Ġ or ▁).
 */
public final class WordStarts {
  private static final String CONTINUES = "##";
  private static final String[] BEGINS = {"\u0120", "\u2581"};

  private final BitSet starts = new BitSet();

  /** Reads a vocabulary. */
  public WordStarts(Tokenizer tokenizer) {
    int size = tokenizer.vocabularySize();
    String[] pieces = new String[size];
    Arrays.setAll(pieces, tokenizer::token);
    boolean marked = Arrays.stream(pieces).anyMatch(WordStarts::begins);
    for (int id = 0; id < size; id++) {
      starts.set(id, marked ? begins(pieces[id]) : !pieces[id].startsWith(CONTINUES));
    }
  }

  private static boolean begins(String piece) {
    return Arrays.stream(BEGINS).anyMatch(piece::startsWith);
  }

  /** Whether a token begins a word; the first of a text does anyway. */
  public boolean begins(int id) {
    return starts.get(id);
  }
}

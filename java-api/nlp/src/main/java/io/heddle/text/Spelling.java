package io.heddle.text;

import java.util.Arrays;
import java.util.stream.IntStream;

/**
 * The characters of every token of a vocabulary, for models that read words by them: the bytes that
 * a token stands for, framed as {@link ElmoCharacters} has it and padded to the longest of them.
 * The end of a text is the one character of a sentence's end.
 */
public final class Spelling {
  private final int[] characters; // [V, L]
  private final int length;

  private Spelling(int[] characters, int length) {
    this.characters = characters;
    this.length = length;
  }

  /**
   * The spelling of a tokenizer's tokens.
   *
   * @param least characters of a word at least, at most {@link ElmoCharacters#LENGTH}
   */
  public static Spelling of(Tokenizer tokenizer, int least) {
    int end = tokenizer.endOfText().orElse(-1);
    int[][] all = new int[tokenizer.vocabularySize()][];
    int longest = least;
    for (int id = 0; id < all.length; id++) {
      all[id] =
          id == end
              ? ElmoCharacters.framed(ElmoCharacters.SENTENCE_END)
              : ElmoCharacters.of(tokenizer.decodeBytes(id));
      int used = ElmoCharacters.LENGTH;
      while (all[id][used - 1] == ElmoCharacters.PADDING) {
        used--;
      }
      longest = Math.max(longest, used);
    }
    int[] out = new int[all.length * longest];
    for (int id = 0; id < all.length; id++) {
      System.arraycopy(all[id], 0, out, id * longest, longest);
    }
    return new Spelling(out, longest);
  }

  /** Characters of a word, those of its frame and padding among them. */
  public int length() {
    return length;
  }

  /** Number of tokens. */
  public int vocabularySize() {
    return characters.length / length;
  }

  /** The characters of a token, {@link #length} of them, less than {@link ElmoCharacters#SIZE}. */
  public IntStream characters(int token) {
    return Arrays.stream(characters, token * length, (token + 1) * length);
  }
}

package io.heddle.text;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Words as the characters that ELMo reads (Peters et al. 2018; GluonNLP's ELMoCharVocab): the bytes
 * of a word's UTF-8, framed and padded to 50 numbers.
 */
public final class ElmoCharacters {
  /** Numbers of a word. */
  public static final int LENGTH = 50;

  /** The one character of the beginning of a sentence. */
  public static final int SENTENCE_BEGIN = 256;

  /** The one character of its end. */
  public static final int SENTENCE_END = 257;

  /** Before the characters of a word. */
  public static final int WORD_BEGIN = 258;

  /** After them. */
  public static final int WORD_END = 259;

  /** After that. */
  public static final int PADDING = 260;

  /** Number of different characters; the last one is not used. */
  public static final int SIZE = 262;

  private static final int LONGEST = LENGTH - 2;

  private final String begin;
  private final String end;

  /**
   * Characters.
   *
   * @param begin the token that begins a sentence; likewise {@code end}
   */
  public ElmoCharacters(String begin, String end) {
    this.begin = begin;
    this.end = end;
  }

  /** The numbers of a word, {@link #LENGTH} of them; bytes beyond the 48th are cut off. */
  public int[] of(String word) {
    if (word.equals(begin) || word.equals(end)) {
      return framed(word.equals(begin) ? SENTENCE_BEGIN : SENTENCE_END);
    }
    return of(paired(word).getBytes(StandardCharsets.UTF_8));
  }

  /** The numbers of a word that is no border of a sentence, whatever its bytes. */
  static int[] of(byte[] word) {
    int[] characters = new int[Math.min(word.length, LONGEST)];
    Arrays.setAll(characters, i -> Byte.toUnsignedInt(word[i]));
    return framed(characters);
  }

  /** Characters as a word of {@link #LENGTH} numbers. */
  static int[] framed(int... characters) {
    int[] out = new int[LENGTH];
    Arrays.fill(out, PADDING);
    out[0] = WORD_BEGIN;
    System.arraycopy(characters, 0, out, 1, characters.length);
    out[1 + characters.length] = WORD_END;
    return out;
  }

  // Halves of surrogate pairs have no UTF-8; they are left out.
  private static String paired(String word) {
    return word.codePoints()
        .filter(c -> c < Character.MIN_SURROGATE || c > Character.MAX_SURROGATE)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }
}

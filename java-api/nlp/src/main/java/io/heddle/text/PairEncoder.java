package io.heddle.text;

import java.util.Arrays;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * A text or a pair of texts as the row that an encoder is given: BERT's {@code [CLS] first [SEP]
 * second [SEP]} or RoBERTa's {@code <s> first </s></s> second </s>}, by which of these tokens the
 * tokenizer has; the texts alone where it has neither. Rows that are too long lose tokens at the
 * end of the longer text, one at a time.
 */
public final class PairEncoder {
  private static final String[][] STYLES = {{"[CLS]", "[SEP]"}, {"<s>", "</s>"}};

  private final Tokenizer tokenizer;
  private final int longest;
  private final int begin;
  private final int end;
  private final boolean doubled;

  /**
   * An encoder of rows.
   *
   * @param longest most tokens of a row
   */
  public PairEncoder(Tokenizer tokenizer, int longest) {
    this.tokenizer = tokenizer;
    this.longest = longest;
    int first = -1;
    int last = -1;
    int style = 0;
    for (int i = 0; i < STYLES.length && first < 0; i++) {
      OptionalInt a = tokenizer.id(STYLES[i][0]);
      OptionalInt b = tokenizer.id(STYLES[i][1]);
      if (a.isPresent() && b.isPresent()) {
        first = a.getAsInt();
        last = b.getAsInt();
        style = i;
      }
    }
    this.begin = first;
    this.end = last;
    this.doubled = style == 1;
    if (longest < 4 + STYLES.length) {
      throw new IllegalArgumentException("rows of " + longest + " tokens are too short");
    }
  }

  /**
   * A row.
   *
   * @param ids tokens
   * @param types 1 for the tokens of the second text and what ends it, else 0
   * @param firstAt index of the first text's first token
   * @param firstLength tokens of the first text
   * @param secondAt index of the second text's first token; the row's length without one
   */
  @SuppressWarnings("ArrayRecordComponent") // as a batch holds them; never compared
  public record Row(int[] ids, int[] types, int firstAt, int firstLength, int secondAt) {
    /** Number of tokens. */
    public int length() {
      return ids.length;
    }
  }

  /** The row of a text, or of a pair. */
  public Row encode(String first, @Nullable String second) {
    return row(tokenizer.encode(first), second == null ? null : tokenizer.encode(second));
  }

  /** Most tokens of both texts together. */
  public int room(boolean pair) {
    return longest - (begin < 0 ? 0 : pair ? (doubled ? 4 : 3) : 2);
  }

  /** The row of tokens. */
  public Row row(int[] first, int @Nullable [] second) {
    int a = first.length;
    int b = second == null ? 0 : second.length;
    while (a + b > room(second != null)) {
      if (a >= b) {
        a--;
      } else {
        b--;
      }
    }
    Ids ids = new Ids(a + b + 4);
    if (begin >= 0) {
      ids.add(begin);
    }
    int firstAt = ids.toArray().length;
    ids.add(Arrays.copyOf(first, a));
    if (begin >= 0) {
      ids.add(end);
    }
    int plain = ids.toArray().length;
    int secondAt = plain;
    if (second != null) {
      if (begin >= 0 && doubled) {
        ids.add(end);
        secondAt++;
      }
      ids.add(Arrays.copyOf(second, b));
      if (begin >= 0) {
        ids.add(end);
      }
    }
    int[] all = ids.toArray();
    int[] types = new int[all.length];
    Arrays.fill(types, Math.min(secondAt, all.length), all.length, 1);
    return new Row(all, types, firstAt, a, secondAt);
  }
}

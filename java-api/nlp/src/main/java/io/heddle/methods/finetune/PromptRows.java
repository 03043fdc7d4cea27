package io.heddle.methods.finetune;

import io.heddle.data.PromptedText;
import io.heddle.text.Tokenizer;
import java.util.Arrays;
import java.util.Locale;
import java.util.stream.IntStream;

/**
 * Documents with questions as one row of tokens each: what begins a text, the document, two
 * newlines and the question, two newlines and what announces the target, the target, the end of
 * text. A document that does not fit is cut; the rest never is, but for targets longer than their
 * room.
 */
public final class PromptRows {
  private final Tokenizer tokenizer;
  private final String announced;
  private final int longest;
  private final int room;
  private final Keep keep;
  private final int end;

  /** What stays of a document that does not fit. */
  public enum Keep {
    /** Its beginning. */
    START,
    /** Its end. */
    END,
    /** Half from the beginning, half from the end. */
    BOTH
  }

  /**
   * A row.
   *
   * @param ids prompt and target; the prompt alone where no target is known
   * @param prompt tokens of the prompt
   * @param lost tokens of the document that did not fit
   */
  @SuppressWarnings("ArrayRecordComponent") // as the model takes them; never compared
  public record Row(int[] ids, int prompt, int lost) {
    /** The prompt alone. */
    public int[] question() {
      return Arrays.copyOf(ids, prompt);
    }
  }

  /**
   * A layout.
   *
   * @param announced the word before the target, {@code Summary} or {@code Answer}
   * @param longest tokens of a row, target included
   * @param room most tokens of a target, its end among them
   */
  public PromptRows(Tokenizer tokenizer, String announced, int longest, int room, Keep keep) {
    this.tokenizer = tokenizer;
    this.announced = announced;
    this.longest = longest;
    this.room = room;
    this.keep = keep;
    this.end =
        tokenizer
            .endOfText()
            .orElseThrow(
                () ->
                    new IllegalArgumentException(
                        "the tokenizer has no end-of-text token, by which a target ends"));
    if (room < 2 || room >= longest) {
      throw new IllegalArgumentException(
          "targets of up to " + room + " tokens do not fit rows of " + longest);
    }
  }

  /** The token that ends a target. */
  public int end() {
    return end;
  }

  /** Most tokens of a target. */
  public int room() {
    return room;
  }

  /** The row of a text, with its first target if it has one. */
  public Row row(PromptedText text) {
    int[] begin = tokenizer.prompt("");
    int[] document = tokenizer.encode(text.document());
    String asked = text.question() == null ? "" : "\n\nQuestion: " + text.question();
    int[] tail = tokenizer.encode(asked + "\n\n" + announced + ":");
    int left = longest - room - begin.length - tail.length;
    if (left < 0) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "a question of %d tokens and a target of up to %d do not fit a row of %d: give more"
                  + " (--max-length) or ask less",
              tail.length,
              room,
              longest));
    }
    int[] kept = cut(document, left);
    int[] prompt = join(begin, kept, tail);
    int[] target = new int[0];
    if (!text.targets().isEmpty()) {
      int[] whole = tokenizer.encode(" " + text.targets().getFirst());
      target =
          whole.length < room
              ? join(whole, new int[] {end}, new int[0])
              : Arrays.copyOf(whole, room);
    }
    int[] ids = join(prompt, target, new int[0]);
    return new Row(ids, prompt.length, document.length - kept.length);
  }

  private int[] cut(int[] document, int left) {
    if (document.length <= left) {
      return document;
    }
    int first =
        switch (keep) {
          case START -> left;
          case END -> 0;
          case BOTH -> left / 2;
        };
    return join(
        Arrays.copyOf(document, first),
        Arrays.copyOfRange(document, document.length - (left - first), document.length),
        new int[0]);
  }

  private static int[] join(int[] a, int[] b, int[] c) {
    return IntStream.concat(IntStream.concat(Arrays.stream(a), Arrays.stream(b)), Arrays.stream(c))
        .toArray();
  }
}

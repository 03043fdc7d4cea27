package io.heddle.metrics;

import io.heddle.text.Spaces;
import java.util.List;
import java.util.Locale;

/**
 * How {@link Bleu} cuts a line into words: sacreBLEU's tokenizers (Post 2018) but for those that
 * need MeCab or a downloaded model.
 */
public enum BleuTokenizer {
  /** Lines that are tokenized already, cut at white space. */
  NONE("none") {
    @Override
    String mark(String line) {
      return line;
    }
  },
  /** NIST's mteval-v13a: for Western text, the usual choice. */
  V13A("13a") {
    @Override
    String mark(String line) {
      String joined = line.replace("<skipped>", "").replace("-\n", "").replace('\n', ' ');
      String text = " " + MtevalRules.entities(joined) + " ";
      return MtevalRules.stopsAndDashes(MtevalRules.punctuation(text));
    }
  },
  /** NIST's mteval-v14 with its international switch: by Unicode's classes. */
  INTL("intl") {
    @Override
    String mark(String line) {
      return International.mark(line);
    }
  },
  /** Every character a word. */
  CHAR("char") {
    @Override
    String mark(String line) {
      StringBuilder out = new StringBuilder(2 * line.length());
      line.codePoints().forEach(c -> out.appendCodePoint(c).append(' '));
      return out.toString();
    }
  },
  /** Every Chinese character a word, the rest as {@link #V13A} cuts it. */
  ZH("zh") {
    @Override
    String mark(String line) {
      StringBuilder out = new StringBuilder(3 * line.length());
      String inner = Spaces.strip(line);
      for (int i = 0; i < inner.length(); i++) {
        char c = inner.charAt(i);
        if (isChinese(c)) {
          out.append(' ').append(c).append(' ');
        } else {
          out.append(c);
        }
      }
      return MtevalRules.stopsAndDashes(MtevalRules.punctuation(out));
    }
  };

  private final String label;

  BleuTokenizer(String label) {
    this.label = label;
  }

  /** sacreBLEU's name for it. */
  public String label() {
    return label;
  }

  /**
   * The tokenizer with sacreBLEU's name.
   *
   * @throws IllegalArgumentException if there is none, with the names that there are
   */
  public static BleuTokenizer of(String label) {
    for (BleuTokenizer tokenizer : values()) {
      if (tokenizer.label.equals(label.toLowerCase(Locale.ROOT))) {
        return tokenizer;
      }
    }
    throw new IllegalArgumentException(
        "no tokenizer is called '" + label + "'; there are none, 13a, intl, char and zh");
  }

  /** The words of a line. */
  public List<String> words(String line) {
    return Spaces.split(mark(line));
  }

  /** The line with spaces where words end. */
  abstract String mark(String line);

  // The reference writes its ranges for characters beyond U+FFFF with four hexadecimal digits and a
  // rest, so that they mean U+2001 to U+2A6D and U+2F81 to U+2FA1 instead: part of its definition.
  private static boolean isChinese(char c) {
    return (c >= 0x2001 && c <= 0x2A6D)
        || (c >= 0x2E80 && c <= 0x2FDF)
        || (c >= 0x2FF0 && c <= 0x303F)
        || (c >= 0x3100 && c <= 0x312F)
        || (c >= 0x31A0 && c <= 0x31BF)
        || (c >= 0x31C0 && c <= 0x31EF)
        || (c >= 0x3200 && c <= 0x4DB5)
        || (c >= 0x4E00 && c <= 0x9FBB)
        || (c >= 0xF900 && c <= 0xFA2D)
        || (c >= 0xFA30 && c <= 0xFA6A)
        || (c >= 0xFA70 && c <= 0xFAD9)
        || (c >= 0xFE10 && c <= 0xFE1F)
        || (c >= 0xFE30 && c <= 0xFE4F)
        || (c >= 0xFF00 && c <= 0xFFEF);
  }

  /** The rules of mteval-v14. */
  private static final class International {
    private static final int NUMBER =
        1 << Character.DECIMAL_DIGIT_NUMBER
            | 1 << Character.LETTER_NUMBER
            | 1 << Character.OTHER_NUMBER;
    private static final int PUNCTUATION =
        1 << Character.CONNECTOR_PUNCTUATION
            | 1 << Character.DASH_PUNCTUATION
            | 1 << Character.START_PUNCTUATION
            | 1 << Character.END_PUNCTUATION
            | 1 << Character.INITIAL_QUOTE_PUNCTUATION
            | 1 << Character.FINAL_QUOTE_PUNCTUATION
            | 1 << Character.OTHER_PUNCTUATION;
    private static final int SYMBOL =
        1 << Character.MATH_SYMBOL
            | 1 << Character.CURRENCY_SYMBOL
            | 1 << Character.MODIFIER_SYMBOL
            | 1 << Character.OTHER_SYMBOL;

    private static boolean is(int classes, int c) {
      return (classes >>> Character.getType(c) & 1) != 0;
    }

    static String mark(String line) {
      return symbols(before(after(line.codePoints().toArray())));
    }

    // Punctuation after anything but a number.
    private static int[] after(int[] line) {
      StringBuilder out = new StringBuilder(line.length + 16);
      for (int i = 0; i < line.length; i++) {
        out.appendCodePoint(line[i]);
        if (!is(NUMBER, line[i]) && i + 1 < line.length && is(PUNCTUATION, line[i + 1])) {
          out.append(' ').appendCodePoint(line[++i]).append(' ');
        }
      }
      return out.codePoints().toArray();
    }

    // Punctuation before anything but a number.
    private static int[] before(int[] line) {
      StringBuilder out = new StringBuilder(line.length + 16);
      for (int i = 0; i < line.length; i++) {
        if (is(PUNCTUATION, line[i]) && i + 1 < line.length && !is(NUMBER, line[i + 1])) {
          out.append(' ').appendCodePoint(line[i]).append(' ').appendCodePoint(line[++i]);
        } else {
          out.appendCodePoint(line[i]);
        }
      }
      return out.codePoints().toArray();
    }

    private static String symbols(int[] line) {
      StringBuilder out = new StringBuilder(line.length + 16);
      for (int c : line) {
        if (is(SYMBOL, c)) {
          out.append(' ').appendCodePoint(c).append(' ');
        } else {
          out.appendCodePoint(c);
        }
      }
      return out.toString();
    }
  }
}

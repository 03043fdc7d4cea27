package io.heddle.text;

/**
 * What SentencePiece does to a text before it is cut (Kudo and Richardson 2018): characters are
 * rewritten by the model's rules, spaces at the ends and doubled ones go, a space is put in front,
 * and spaces become U+2581. User-defined pieces are left as they are.
 */
final class PieceNormalizer {
  /** Stands for a space. */
  static final String SPACE = "\u2581";

  /**
   * The switches.
   *
   * @param dummyPrefix whether a space is added
   * @param removeExtra whether spaces at the ends and doubled ones go
   * @param escape whether spaces become {@link #SPACE}
   * @param asSuffix whether the added space stands behind
   */
  record Options(boolean dummyPrefix, boolean removeExtra, boolean escape, boolean asSuffix) {}

  private final CharsMap map;
  private final Options options;
  private final PieceTrie untouched;
  private final boolean[] plain = new boolean[0x80]; // stays as it is before another one of ASCII

  PieceNormalizer(CharsMap map, Options options, PieceTrie untouched) {
    this.map = map;
    this.options = options;
    this.untouched = untouched;
    for (int c = 0; c < plain.length; c++) {
      plain[c] = map.leaves(c) && untouched.child(PieceTrie.ROOT, (char) c) == PieceTrie.NONE;
    }
  }

  /** The text as it will be cut; nothing for a text of nothing but spaces that all go. */
  String normalize(String text) {
    String clean = WordScanner.wellFormed(text);
    Output out = new Output(clean.length());
    int length = clean.length();
    for (int at = 0; at < length; ) {
      char c = clean.charAt(at);
      if (c < plain.length && plain[c] && (at + 1 == length || clean.charAt(at + 1) < 0x80)) {
        out.add(c);
        at++;
        continue;
      }
      int chars = untouched.longest(clean, at);
      long rule = chars > 0 ? 0 : map.longest(clean, at);
      if (rule != 0) {
        chars = (int) (rule >>> 32);
        out.add(map.text((int) rule));
      } else {
        chars = chars > 0 ? chars : Character.charCount(clean.codePointAt(at));
        out.add(clean.substring(at, at + chars));
      }
      at += chars;
    }
    return out.finish();
  }

  /** Collects the rewritten parts and takes care of spaces. */
  private final class Output {
    private final StringBuilder out;
    private final char space = options.escape ? SPACE.charAt(0) : ' ';
    private boolean begun;
    private boolean afterSpace = options.removeExtra;

    Output(int length) {
      out = new StringBuilder(length + 1);
    }

    // A part of one character.
    void add(char c) {
      if (c != ' ') {
        begin();
        out.append(c);
        afterSpace = false;
      } else if (begun || !options.removeExtra) { // at the very beginning a space is nothing
        begin();
        if (!afterSpace) {
          out.append(space);
        }
        afterSpace = options.removeExtra;
      }
    }

    void add(String part) {
      if (part.length() == 1) {
        add(part.charAt(0));
        return;
      }
      begin();
      int from = 0;
      while (afterSpace && from < part.length() && part.charAt(from) == ' ') {
        from++;
      }
      if (from < part.length()) {
        out.append(part.substring(from).replace(' ', space));
        afterSpace = options.removeExtra && part.endsWith(" ");
      }
    }

    private void begin() {
      if (!begun && options.dummyPrefix && !options.asSuffix) {
        out.append(space);
      }
      begun = true;
    }

    String finish() {
      if (!begun) {
        return "";
      }
      int end = out.length();
      while (options.removeExtra && end > 0 && out.charAt(end - 1) == space) {
        end--;
      }
      out.setLength(end);
      return (options.dummyPrefix && options.asSuffix ? out.append(space) : out).toString();
    }
  }
}

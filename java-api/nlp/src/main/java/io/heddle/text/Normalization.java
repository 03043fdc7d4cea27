package io.heddle.text;

import java.text.Normalizer;
import java.util.Locale;
import java.util.function.IntPredicate;

/**
 * A rewriting of a text before it is cut. Rewritings compose: {@code
 * form(NFD).then(withoutMarks()).then(lowerCase())}.
 */
@FunctionalInterface
public interface Normalization {
  /** The rewritten text. */
  String of(String text);

  /** This one first, and then another. */
  default Normalization then(Normalization next) {
    return text -> next.of(of(text));
  }

  /** No change. */
  static Normalization none() {
    return text -> text;
  }

  /** One of Unicode's normal forms (UAX 15). */
  static Normalization form(Normalizer.Form form) {
    return text -> Normalizer.normalize(text, form);
  }

  /** Lower case, whatever the language: a final sigma is one, a dotted I keeps its dot. */
  static Normalization lowerCase() {
    return text -> text.toLowerCase(Locale.ROOT);
  }

  /** Drops non-spacing marks that stand by themselves; letters that hold one keep it. */
  static Normalization withoutMarks() {
    return without(c -> Character.getType(c) == Character.NON_SPACING_MARK);
  }

  /** Drops accents: {@link #withoutMarks} after canonical decomposition. */
  static Normalization withoutAccents() {
    Normalization both = form(Normalizer.Form.NFD).then(withoutMarks());
    return text -> isAscii(text) ? text : both.of(text);
  }

  /** Drops code points. */
  static Normalization without(IntPredicate dropped) {
    return text -> {
      StringBuilder out = new StringBuilder(text.length());
      text.codePoints().filter(dropped.negate()).forEach(out::appendCodePoint);
      return out.toString();
    };
  }

  private static boolean isAscii(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (text.charAt(i) >= 0x80) {
        return false;
      }
    }
    return true;
  }
}

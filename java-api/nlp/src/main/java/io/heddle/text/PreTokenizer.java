package io.heddle.text;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Cuts a text into the words that a model spells. */
@FunctionalInterface
interface PreTokenizer {
  /**
   * The words of words.
   *
   * @param words as cut so far
   * @param atStart whether the first of them begins the text
   */
  List<String> cut(List<String> words, boolean atStart);

  /** This one first, and then another. */
  default PreTokenizer then(PreTokenizer next) {
    return (words, atStart) -> next.cut(cut(words, atStart), atStart);
  }

  /** What becomes of the matches of a pattern that words are cut at. */
  enum Behavior {
    REMOVED,
    ISOLATED,
    MERGED_WITH_PREVIOUS,
    MERGED_WITH_NEXT,
    CONTIGUOUS
  }

  /** Part of a word, and whether the pattern matched it. */
  record Span(int from, int to, boolean matched) {}

  /** Cuts at what matches, or with {@code invert} at what does not. */
  static PreTokenizer at(Pattern pattern, Behavior behavior, boolean invert) {
    return (words, atStart) -> {
      List<String> out = new ArrayList<>();
      for (String word : words) {
        for (Span span : joined(spans(word, pattern, invert), behavior)) {
          if (span.from < span.to) {
            out.add(word.substring(span.from, span.to));
          }
        }
      }
      return out;
    };
  }

  private static List<Span> spans(String word, Pattern pattern, boolean invert) {
    List<Span> out = new ArrayList<>();
    int done = 0;
    for (Matcher m = pattern.matcher(word); m.find(); ) {
      if (m.start() > done) {
        out.add(new Span(done, m.start(), invert));
      }
      if (m.end() > m.start()) {
        out.add(new Span(m.start(), m.end(), !invert));
      }
      done = m.end();
    }
    if (done < word.length()) {
      out.add(new Span(done, word.length(), invert));
    }
    return out;
  }

  private static List<Span> joined(List<Span> spans, Behavior behavior) {
    List<Span> out = new ArrayList<>();
    switch (behavior) {
      case REMOVED -> spans.stream().filter(s -> !s.matched).forEach(out::add);
      case ISOLATED -> out.addAll(spans);
      case MERGED_WITH_PREVIOUS, CONTIGUOUS -> {
        boolean before = false;
        for (Span span : spans) {
          boolean joins =
              behavior == Behavior.CONTIGUOUS ? span.matched == before : span.matched && !before;
          if (joins && !out.isEmpty()) {
            out.add(new Span(out.removeLast().from, span.to, span.matched));
          } else {
            out.add(span);
          }
          before = span.matched;
        }
      }
      case MERGED_WITH_NEXT -> {
        boolean after = false;
        for (Span span : spans.reversed()) {
          if (span.matched && !after && !out.isEmpty()) {
            out.add(new Span(span.from, out.removeLast().to, true));
          } else {
            out.add(span);
          }
          after = span.matched;
        }
        return out.reversed();
      }
    }
    return out;
  }
}

package io.heddle.text;

import java.util.ArrayList;
import java.util.List;

/**
 * Words of English as the Penn Treebank cuts them (MacIntyre's sed script), in the form of NLTK's
 * {@code TreebankWordTokenizer}: contractions come apart ({@code do n't}), quotation marks become
 * {@code ``} and {@code ''}, and of full stops only that at the end of the text is cut off. Give it
 * one sentence at a time.
 */
public final class PennWords {
  private static final String[][] MARKS = {
    {"^\"", "``"},
    {"(``)", " $1 "},
    {"([ \\(\\[{<])(\"|'{2})", "$1 `` "},
    {"([:,])([^\\d])", " $1 $2"},
    {"([:,])$", " $1 "},
    {"\\.\\.\\.", " ... "},
    {"[;@#$%&]", " $0 "},
    {"([^\\.])(\\.)([\\]\\)}>\"']*)\\s*$", "$1 $2$3 "},
    {"[?!]", " $0 "},
    {"([^'])' ", "$1 ' "},
    {"[\\]\\[\\(\\)\\{\\}\\<\\>]", " $0 "},
    {"--", " -- "}
  };

  private static final String[][] ENDINGS = {
    {"''", " '' "},
    {"\"", " '' "},
    {"([^' ])('[sS]|'[mM]|'[dD]|') ", "$1 $2 "},
    {"([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T) ", "$1 $2 "}
  };

  private static final String[] CONTRACTIONS = {
    "\\b(can)(not)\\b", "\\b(d)('ye)\\b", "\\b(gim)(me)\\b", "\\b(gon)(na)\\b", "\\b(got)(ta)\\b",
    "\\b(lem)(me)\\b", "\\b(more)('n)\\b", "\\b(wan)(na)(?=\\s)", " ('t)(is)\\b", " ('t)(was)\\b"
  };

  private static final List<Substitution> INSIDE = steps(MARKS);
  private static final List<Substitution> AFTERWARDS = afterwards();

  private PennWords() {}

  private static List<Substitution> steps(String[][] rules) {
    List<Substitution> out = new ArrayList<>();
    for (String[] rule : rules) {
      out.add(Substitution.of(rule[0], rule[1]));
    }
    return out;
  }

  private static List<Substitution> afterwards() {
    List<Substitution> out = steps(ENDINGS);
    for (String contraction : CONTRACTIONS) {
      out.add(Substitution.of("(?iu)" + contraction, " $1 $2 "));
    }
    return out;
  }

  /** The words of a sentence. */
  public static List<String> of(String sentence) {
    String padded = " " + Substitution.all(INSIDE, sentence) + " ";
    return Spaces.split(Substitution.all(AFTERWARDS, padded));
  }
}

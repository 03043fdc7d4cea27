package io.heddle.metrics;

import java.util.Map;

/**
 * Porter's stemmer ("An algorithm for suffix stripping", 1980) with the departures that NLTK makes
 * by default, which are part of ROUGE as it is reported: a list of irregular words, words of two
 * letters left alone, {@code -ies} and {@code -ied} of short words to {@code -ie}, {@code -y} to
 * {@code -i} only after a consonant, and the suffixes {@code -bli}, {@code -fulli} and {@code
 * -logi}.
 */
final class PorterStemmer {
  private static final Map<String, String> IRREGULAR =
      Map.ofEntries(
          Map.entry("sky", "sky"),
          Map.entry("skies", "sky"),
          Map.entry("dying", "die"),
          Map.entry("lying", "lie"),
          Map.entry("tying", "tie"),
          Map.entry("news", "news"),
          Map.entry("innings", "inning"),
          Map.entry("inning", "inning"),
          Map.entry("outings", "outing"),
          Map.entry("outing", "outing"),
          Map.entry("cannings", "canning"),
          Map.entry("canning", "canning"),
          Map.entry("howe", "howe"),
          Map.entry("proceed", "proceed"),
          Map.entry("exceed", "exceed"),
          Map.entry("succeed", "succeed"));

  private static final String[][] STEP_2 = {
    {"ational", "ate"},
    {"tional", "tion"},
    {"enci", "ence"},
    {"anci", "ance"},
    {"izer", "ize"},
    {"bli", "ble"},
    {"alli", "al"},
    {"entli", "ent"},
    {"eli", "e"},
    {"ousli", "ous"},
    {"ization", "ize"},
    {"ation", "ate"},
    {"ator", "ate"},
    {"alism", "al"},
    {"iveness", "ive"},
    {"fulness", "ful"},
    {"ousness", "ous"},
    {"aliti", "al"},
    {"iviti", "ive"},
    {"biliti", "ble"},
    {"fulli", "ful"}
  };

  private static final String[][] STEP_3 = {
    {"icate", "ic"},
    {"ative", ""},
    {"alize", "al"},
    {"iciti", "ic"},
    {"ical", "ic"},
    {"ful", ""},
    {"ness", ""}
  };

  private static final String[] STEP_4 = {
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou",
    "ism", "ate", "iti", "ous", "ive", "ize"
  };

  private PorterStemmer() {}

  /** The stem of a word in lower case. */
  static String stem(String word) {
    String known = IRREGULAR.get(word);
    if (known != null) {
      return known;
    }
    if (word.length() <= 2) {
      return word;
    }
    String stem = step2(step1c(step1b(step1a(word))));
    for (String[] rule : STEP_3) {
      if (stem.endsWith(rule[0])) {
        stem = replaced(stem, rule[0], rule[1]);
        break;
      }
    }
    return step5(step4(stem));
  }

  private static String step1a(String word) {
    if (word.endsWith("ies")) {
      return cut(word, word.length() == 4 ? 1 : 2);
    }
    if (word.endsWith("sses")) {
      return cut(word, 2);
    }
    return word.endsWith("s") && !word.endsWith("ss") ? cut(word, 1) : word;
  }

  private static String step1b(String word) {
    if (word.endsWith("ied")) {
      return cut(word, word.length() == 4 ? 1 : 2);
    }
    if (word.endsWith("eed")) {
      return measure(cut(word, 3)) > 0 ? cut(word, 1) : word;
    }
    for (String suffix : new String[] {"ed", "ing"}) {
      String stem = word.endsWith(suffix) ? cut(word, suffix.length()) : "";
      if (hasVowel(stem)) {
        return mended(stem);
      }
    }
    return word;
  }

  private static String mended(String stem) {
    if (stem.endsWith("at") || stem.endsWith("bl") || stem.endsWith("iz")) {
      return stem + "e";
    }
    if (endsDouble(stem)) {
      return "lsz".indexOf(last(stem)) < 0 ? cut(stem, 1) : stem;
    }
    return measure(stem) == 1 && endsClosed(stem) ? stem + "e" : stem;
  }

  private static String step1c(String word) {
    boolean turns = word.length() > 2 && word.endsWith("y") && isConsonant(word, word.length() - 2);
    return turns ? cut(word, 1) + "i" : word;
  }

  private static String step2(String word) {
    if (word.endsWith("alli") && measure(cut(word, 4)) > 0) {
      return step2(cut(word, 2));
    }
    for (String[] rule : STEP_2) {
      if (word.endsWith(rule[0])) {
        return replaced(word, rule[0], rule[1]);
      }
    }
    return word.endsWith("logi") && measure(cut(word, 3)) > 0 ? cut(word, 1) : word;
  }

  private static String replaced(String word, String suffix, String by) {
    String stem = cut(word, suffix.length());
    return measure(stem) > 0 ? stem + by : word;
  }

  private static String step4(String word) {
    for (String suffix : STEP_4) {
      if (word.endsWith(suffix)) {
        String stem = cut(word, suffix.length());
        boolean goes =
            measure(stem) > 1 && (!suffix.equals("ion") || "st".indexOf(last(stem)) >= 0);
        return goes ? stem : word;
      }
    }
    return word;
  }

  private static String step5(String word) {
    String out = word;
    if (word.endsWith("e")) {
      String stem = cut(word, 1);
      int measure = measure(stem);
      if (measure > 1 || (measure == 1 && !endsClosed(stem))) {
        out = stem;
      }
    }
    return out.endsWith("ll") && measure(cut(out, 1)) > 1 ? cut(out, 1) : out;
  }

  private static String cut(String word, int count) {
    return word.substring(0, word.length() - count);
  }

  private static char last(String word) {
    return word.charAt(word.length() - 1);
  }

  private static boolean[] consonants(String word) {
    boolean[] out = new boolean[word.length()];
    for (int i = 0; i < out.length; i++) {
      char c = word.charAt(i);
      out[i] = c == 'y' ? i == 0 || !out[i - 1] : "aeiou".indexOf(c) < 0;
    }
    return out;
  }

  private static boolean isConsonant(String word, int at) {
    return consonants(word)[at];
  }

  /** How many times a vowel is followed by a consonant. */
  private static int measure(String stem) {
    boolean[] consonants = consonants(stem);
    int count = 0;
    for (int i = 1; i < consonants.length; i++) {
      count += consonants[i] && !consonants[i - 1] ? 1 : 0;
    }
    return count;
  }

  private static boolean hasVowel(String stem) {
    for (boolean consonant : consonants(stem)) {
      if (!consonant) {
        return true;
      }
    }
    return false;
  }

  private static boolean endsDouble(String word) {
    int n = word.length();
    return n >= 2 && word.charAt(n - 1) == word.charAt(n - 2) && isConsonant(word, n - 1);
  }

  // Consonant, vowel, consonant that is not w, x or y; or just vowel and consonant.
  private static boolean endsClosed(String word) {
    int n = word.length();
    boolean[] consonants = consonants(word);
    if (n == 2) {
      return !consonants[0] && consonants[1];
    }
    return n > 2
        && consonants[n - 3]
        && !consonants[n - 2]
        && consonants[n - 1]
        && "wxy".indexOf(word.charAt(n - 1)) < 0;
  }
}

package io.heddle.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Moses' word tokenizer (Koehn et al. 2007, {@code tokenizer.perl}) as its Python form sacremoses
 * has it: marks are cut off words but for those within numbers, abbreviations and web addresses;
 * apostrophes go by language (en; fr and it; others stand alone, but within words of Tetun).
 *
 * <p>Immutable, and safe for use by many threads. Letters are Unicode's alphabetic characters; Han,
 * kana and Hangul are cut one by one, unless the language is zh, ja or ko. Lists of abbreviations:
 * {@link NonbreakingPrefixes}.
 */
public final class MosesTokenizer {
  /** Web addresses, mail addresses, and tags. */
  public static final List<Pattern> WEB =
      List.of(
          insensitive("<\\/?\\S+\\/?>"),
          insensitive("<\\S+( [a-zA-Z0-9]+\\=\"?[^\"]\")+ ?\\/?>"),
          insensitive("<\\S+( [a-zA-Z0-9]+\\='?[^']')+ ?\\/?>"),
          insensitive("[\\w\\-\\_\\.]+\\@([\\w\\-\\_]+\\.)+[a-zA-Z]{2,}"),
          insensitive("(http[s]?|ftp):\\/\\/[^:\\/\\s]+(\\/\\w+)*\\/[\\w\\-\\.]+"));

  private static final String CJK = "\\p{IsHan}\\p{IsHiragana}\\p{IsKatakana}\\p{IsHangul}";
  private static final Set<String> OWN_SCRIPT = Set.of("zh", "ja", "ko", "cjk");
  private static final Substitution SPACES = Substitution.of("[\\s\\x1c-\\x1f]+", " ");
  private static final Substitution JUNK = Substitution.of("[\\x00-\\x1f]", "");
  private static final Substitution LAST_QUOTE = Substitution.of("\\.' ?$", " . ' ");
  private static final Substitution DOT_RUN = Substitution.of("\\.([\\.]+)", " DOTMULTI$1");
  private static final List<Substitution> COMMAS =
      List.of(
          Substitution.of("([^\\p{N}])[,]", "$1 , "),
          Substitution.of("[,]([^\\p{N}])", " , $1"),
          Substitution.of("([\\p{N}])[,]$", "$1 , "));
  private static final Pattern MORE_DOTS = Pattern.compile("DOTMULTI\\.");
  private static final List<Substitution> DOTS =
      List.of(
          Substitution.of("DOTMULTI\\.([^\\.])", "DOTDOTMULTI $1"),
          Substitution.of("DOTMULTI\\.", "DOTDOTMULTI"));

  private final String language;
  private final NonbreakingPrefixes prefixes;
  private final boolean splitDashes;
  private final boolean escape;
  private final List<Pattern> protectedPatterns;
  private final List<Substitution> marks;
  private final List<Substitution> apostrophes;

  /**
   * All settings.
   *
   * @param language ISO 639 code
   * @param prefixes abbreviations of the language
   * @param splitDashes whether dashes between letters become {@code @-@}
   * @param escape whether characters that Moses uses itself become entities
   * @param protectedPatterns what is never cut, such as {@link #WEB}
   */
  public MosesTokenizer(
      String language,
      NonbreakingPrefixes prefixes,
      boolean splitDashes,
      boolean escape,
      List<Pattern> protectedPatterns) {
    this.language = language;
    this.prefixes = prefixes;
    this.splitDashes = splitDashes;
    this.escape = escape;
    this.protectedPatterns = List.copyOf(protectedPatterns);
    this.marks = marks();
    this.apostrophes = apostrophes();
  }

  /** The usual settings: no dash is split, entities are made, nothing is protected. */
  public static MosesTokenizer of(String language) {
    return new MosesTokenizer(language, NonbreakingPrefixes.of(language), false, true, List.of());
  }

  /** The same, splitting dashes or not. */
  public MosesTokenizer splittingDashes(boolean split) {
    return new MosesTokenizer(language, prefixes, split, escape, protectedPatterns);
  }

  /** The same, making entities or not. */
  public MosesTokenizer escaping(boolean entities) {
    return new MosesTokenizer(language, prefixes, splitDashes, entities, protectedPatterns);
  }

  /** The same, keeping what matches whole. */
  public MosesTokenizer protecting(List<Pattern> patterns) {
    return new MosesTokenizer(language, prefixes, splitDashes, escape, patterns);
  }

  private static Pattern insensitive(String expression) {
    return Pattern.compile(
        expression,
        Pattern.CASE_INSENSITIVE | Pattern.UNICODE_CASE | Pattern.UNICODE_CHARACTER_CLASS);
  }

  /** The words of a text. */
  public List<String> words(String text) {
    return Spaces.split(tokenize(text));
  }

  /** The words of a text with a space between them. */
  public String tokenize(String text) {
    String line = JUNK.of(SPACES.of(text));
    List<String> kept = new ArrayList<>();
    for (Pattern pattern : protectedPatterns) {
      for (Matcher m = pattern.matcher(line); m.find(); ) {
        kept.add(m.group());
      }
    }
    for (int i = 0; i < kept.size(); i++) {
      line = line.replace(kept.get(i), placeholder(i));
    }
    line = Substitution.all(marks, Spaces.strip(line));
    line = Substitution.all(apostrophes, together(line));
    line = Spaces.strip(SPACES.of(fullStops(line)));
    line = LAST_QUOTE.of(line);
    for (int i = 0; i < kept.size(); i++) {
      line = line.replace(placeholder(i), kept.get(i));
    }
    line = apart(line);
    return escape ? MosesEntities.escape(line) : line;
  }

  private static String placeholder(int i) {
    return String.format(Locale.ROOT, "THISISPROTECTED%03d", i);
  }

  // The class of letters and digits, or of letters, as this language has them.
  private String alphabetic(String more) {
    String all = "\\p{IsAlphabetic}" + more;
    return OWN_SCRIPT.contains(language) ? "[" + all + "]" : "[" + all + "&&[^" + CJK + "]]";
  }

  private List<Substitution> marks() {
    String letter = alphabetic("\\p{Nd}");
    List<Substitution> out = new ArrayList<>();
    out.add(Substitution.of("(?!" + letter + ")([^\\s\\.'\\`\\,\\-])", " $1 "));
    if (splitDashes) {
      out.add(Substitution.of("(" + letter + ")\\-(?=" + letter + ")", "$1 @-@ "));
    }
    return out;
  }

  // Dots in a row are written as a word until the end, so that no rule for a dot sees them.
  private static String together(String line) {
    String out = DOT_RUN.of(line);
    while (MORE_DOTS.matcher(out).find()) {
      out = Substitution.all(DOTS, out);
    }
    return Substitution.all(COMMAS, out);
  }

  private static String apart(String line) {
    String out = line;
    while (out.contains("DOTDOTMULTI")) {
      out = out.replace("DOTDOTMULTI", "DOTMULTI.");
    }
    return out.replace("DOTMULTI", ".");
  }

  private List<Substitution> apostrophes() {
    String letter = "(" + alphabetic("") + ")";
    String other = "((?!" + alphabetic("") + ").)";
    return switch (language) {
      case "en" ->
          List.of(
              Substitution.of(other + "[']" + other, "$1 ' $2"),
              Substitution.of("((?!" + alphabetic("\\p{N}") + ").)[']" + letter, "$1 ' $2"),
              Substitution.of(letter + "[']" + other, "$1 ' $2"),
              Substitution.of(letter + "[']" + letter, "$1 '$2"),
              Substitution.of("([\\p{N}])[']([s])", "$1 '$2"));
      case "fr", "it" ->
          List.of(
              Substitution.of(other + "[']" + other, "$1 ' $2"),
              Substitution.of(other + "[']" + letter, "$1 ' $2"),
              Substitution.of(letter + "[']" + other, "$1 ' $2"),
              Substitution.of(letter + "[']" + letter, "$1' $2"));
      case "tdt" ->
          List.of(
              Substitution.of(other + "[']" + other, "$1 ' $2"),
              Substitution.of(other + "[']" + letter, "$1 ' $2"),
              Substitution.of(letter + "[']" + other, "$1 ' $2"));
      default -> List.of(Substitution.of("'", " ' "));
    };
  }

  /** Cuts full stops off words that are no abbreviation. */
  private String fullStops(String line) {
    List<String> words = Spaces.split(line);
    for (int i = 0; i < words.size(); i++) {
      String word = words.get(i);
      if (word.length() > 1 && word.endsWith(".")) {
        String stem = word.substring(0, word.length() - 1);
        String next = i + 1 < words.size() ? words.get(i + 1) : "";
        if (!staysWith(stem, next)) {
          words.set(i, stem + " .");
        }
      }
    }
    return String.join(" ", words);
  }

  private boolean staysWith(String stem, String next) {
    return (stem.indexOf('.') >= 0 && stem.codePoints().anyMatch(this::isLetter))
        || prefixes.always().contains(stem)
        || (!next.isEmpty() && Character.isLowerCase(next.codePointAt(0)))
        || (prefixes.beforeNumbers().contains(stem)
            && !next.isEmpty()
            && next.charAt(0) >= '0'
            && next.charAt(0) <= '9');
  }

  private boolean isLetter(int c) {
    return Character.isAlphabetic(c)
        && (OWN_SCRIPT.contains(language) || !MosesEntities.isCjkScript(c));
  }
}

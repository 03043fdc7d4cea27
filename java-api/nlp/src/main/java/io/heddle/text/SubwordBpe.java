package io.heddle.text;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Byte-pair encoding of words as subword-nmt applies it (Sennrich, Haddow &amp; Birch 2016): each
 * word of a tokenized line is cut on its own, and all its pieces but the last end with {@code @@}.
 * Reads codes of versions 0.1, where the end of a word is a symbol, and 0.2, where it is part of
 * the last character.
 */
public final class SubwordBpe {
  /** Marks a piece that its word goes on after. */
  public static final String SEPARATOR = "@@";

  static final String WORD_END = "</w>";

  private static final int CACHED_WORDS = 1 << 16;
  private static final int LONGEST_CACHED_WORD = 64;
  private static final int CHARACTERS = Character.MAX_CODE_POINT + 1;

  /** What merges make, by itself or at the end of a word. */
  private record Halves(String left, String right) {}

  private final List<String> codes; // each two symbols with a space between
  private final boolean endIsSymbol;
  private final Set<String> vocabulary;
  private final @Nullable Pattern glossary;
  private final List<String> symbols = new ArrayList<>();
  private final Map<String, Integer> ids = new HashMap<>();
  private final Map<String, Halves> madeOf = new HashMap<>();
  private final PairTable pairs;
  private final Map<String, List<String>> cache = new ConcurrentHashMap<>();

  private SubwordBpe(
      List<String> codes, boolean endIsSymbol, Set<String> vocabulary, @Nullable Pattern glossary) {
    this.codes = codes;
    this.endIsSymbol = endIsSymbol;
    this.vocabulary = vocabulary;
    this.glossary = glossary;
    // Of a code that is there twice, the first counts.
    Map<String, Integer> ranks = new LinkedHashMap<>();
    for (String code : codes) {
      ranks.putIfAbsent(code, ranks.size());
    }
    pairs = new PairTable(ranks.size());
    ranks.forEach(
        (code, rank) -> {
          int space = code.indexOf(' ');
          Halves halves = new Halves(code.substring(0, space), code.substring(space + 1));
          String joined = halves.left + halves.right;
          madeOf.putIfAbsent(joined, halves);
          pairs.put(symbol(halves.left), symbol(halves.right), rank, symbol(joined));
        });
  }

  private int symbol(String text) {
    Integer known = ids.putIfAbsent(text, symbols.size());
    if (known == null) {
      symbols.add(text);
      return symbols.size() - 1;
    }
    return known;
  }

  /**
   * From the lines of a codes file: two symbols each, the first to merge first, after {@code
   * #version: 0.2} or not.
   *
   * @throws IllegalArgumentException naming the line that is no merge
   */
  public static SubwordBpe of(List<String> lines) {
    boolean versioned = !lines.isEmpty() && lines.getFirst().startsWith("#version:");
    String version = versioned ? lines.getFirst().substring("#version:".length()).strip() : "0.1";
    if (!version.matches("0\\.[12](\\.0)*")) {
      throw new IllegalArgumentException(
          "codes of version " + version + " are not known; 0.1 and 0.2 are");
    }
    List<String> codes = new ArrayList<>();
    for (int i = versioned ? 1 : 0; i < lines.size(); i++) {
      String line = lines.get(i).replaceAll("^[\r\n ]+|[\r\n ]+$", "");
      if (!line.matches("[^ ]+ [^ ]+")) {
        throw new IllegalArgumentException(
            "line " + (i + 1) + " '" + line + "' is not a merge of two symbols");
      }
      codes.add(line);
    }
    return new SubwordBpe(codes, version.startsWith("0.1"), Set.of(), null);
  }

  /** Reads a codes file, gzipped or not. */
  public static SubwordBpe load(Path file) throws IOException {
    try {
      return of(TextFiles.lines(file));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          file + " is not a codes file of subword-nmt: " + e.getMessage(), e);
    }
  }

  /** The same codes, but pieces outside {@code allowed} come apart again; none means all. */
  public SubwordBpe withVocabulary(Set<String> allowed) {
    return new SubwordBpe(codes, endIsSymbol, Set.copyOf(allowed), glossary);
  }

  /**
   * The same codes, but text that matches one of these regular expressions is a piece of its own.
   */
  public SubwordBpe withGlossaries(List<String> expressions) {
    Pattern any =
        expressions.isEmpty() ? null : Pattern.compile("(?:" + String.join("|", expressions) + ")");
    return new SubwordBpe(codes, endIsSymbol, vocabulary, any);
  }

  /**
   * The pieces of a vocabulary file ({@code piece count} a line) that occur often enough.
   *
   * @throws IllegalArgumentException naming the line that is neither
   */
  public static Set<String> vocabulary(Path file, long threshold) throws IOException {
    Set<String> out = new LinkedHashSet<>();
    int number = 0;
    for (String line : TextFiles.lines(file)) {
      number++;
      Matcher parts = Pattern.compile(" *([^ ]+) (\\d{1,18}) *").matcher(line);
      if (!parts.matches()) {
        throw new IllegalArgumentException(
            file + " line " + number + " '" + line + "' is not a piece and its count");
      }
      if (Long.parseLong(parts.group(2)) >= threshold) {
        out.add(parts.group(1));
      }
    }
    return out;
  }

  /** A line with its words cut; spaces at its ends are kept, doubled ones within are not. */
  public String segment(String line) {
    int from = 0;
    int to = line.length();
    while (from < to && isEdge(line.charAt(from))) {
      from++;
    }
    while (to > from && isEdge(line.charAt(to - 1))) {
      to--;
    }
    return line.substring(0, from)
        + String.join(" ", pieces(line.substring(from, to)))
        + line.substring(to);
  }

  private static boolean isEdge(char c) {
    return c == ' ' || c == '\r' || c == '\n';
  }

  /** The pieces of a line of words with spaces between, each with its mark. */
  public List<String> pieces(String line) {
    List<String> out = new ArrayList<>();
    for (int from = 0; from < line.length(); ) {
      int space = line.indexOf(' ', from);
      int to = space < 0 ? line.length() : space;
      if (to > from) {
        List<String> word = word(line.substring(from, to));
        for (int i = 0; i + 1 < word.size(); i++) {
          out.add(word.get(i) + SEPARATOR);
        }
        out.add(word.getLast());
      }
      from = to + 1;
    }
    return out;
  }

  /** The words again: pieces joined where they are marked. */
  public static String join(List<String> pieces) {
    StringBuilder out = new StringBuilder();
    for (String piece : pieces) {
      boolean goesOn = piece.endsWith(SEPARATOR);
      out.append(goesOn ? piece.substring(0, piece.length() - SEPARATOR.length()) : piece + " ");
    }
    return out.isEmpty() || out.charAt(out.length() - 1) != ' '
        ? out.toString()
        : out.substring(0, out.length() - 1);
  }

  private List<String> word(String word) {
    if (glossary == null) {
      return cached(word);
    }
    List<String> out = new ArrayList<>();
    Matcher found = glossary.matcher(word);
    int done = 0;
    while (found.find()) {
      if (found.end() > found.start()) {
        if (found.start() > done) {
          out.addAll(cached(word.substring(done, found.start())));
        }
        out.add(found.group());
        done = found.end();
      }
    }
    if (done < word.length()) {
      out.addAll(cached(word.substring(done)));
    }
    return out;
  }

  private List<String> cached(String word) {
    List<String> known = cache.get(word);
    if (known != null) {
      return known;
    }
    List<String> cut = cut(word);
    if (word.length() <= LONGEST_CACHED_WORD && cache.size() < CACHED_WORDS) {
      cache.put(word, cut);
    }
    return cut;
  }

  private List<String> cut(String word) {
    int[] characters = word.codePoints().toArray();
    int n = characters.length;
    if (n == 1) {
      return List.of(word);
    }
    int[] work = new int[endIsSymbol ? n + 1 : n];
    for (int i = 0; i < n; i++) {
      boolean ends = i == n - 1 && !endIsSymbol;
      String text = Character.toString(characters[i]) + (ends ? WORD_END : "");
      work[i] = ids.getOrDefault(text, symbols.size() + characters[i] + (ends ? CHARACTERS : 0));
    }
    if (endIsSymbol) {
      work[n] = ids.getOrDefault(WORD_END, symbols.size() + 2 * CHARACTERS);
    }
    int left = pairs.merge(work, work.length, true);
    List<String> out = new ArrayList<>();
    for (int i = 0; i < left; i++) {
      int unknown = work[i] - symbols.size();
      String text =
          unknown < 0
              ? symbols.get(work[i])
              : unknown == 2 * CHARACTERS ? WORD_END : Character.toString(unknown % CHARACTERS);
      out.add(text);
    }
    String last = out.removeLast();
    if (last.endsWith(WORD_END)) {
      last = last.substring(0, last.length() - WORD_END.length());
    }
    if (!last.isEmpty()) {
      out.add(last);
    }
    return List.copyOf(vocabulary.isEmpty() ? out : allowed(out));
  }

  private List<String> allowed(List<String> pieces) {
    List<String> out = new ArrayList<>();
    for (int i = 0; i < pieces.size(); i++) {
      split(pieces.get(i), i == pieces.size() - 1, out);
    }
    return out;
  }

  // A piece outside the vocabulary becomes what it was joined from, as far as that goes.
  private void split(String piece, boolean ends, List<String> out) {
    Halves halves = madeOf.get(ends ? piece + WORD_END : piece);
    if (halves == null || vocabulary.contains(ends ? piece : piece + SEPARATOR)) {
      out.add(piece);
      return;
    }
    split(halves.left, false, out);
    int suffix = ends ? WORD_END.length() : 0;
    split(halves.right.substring(0, halves.right.length() - suffix), ends, out);
  }

  /** The codes, the first to merge first. */
  List<String> codes() {
    return codes;
  }

  /** Whether the end of a word is a symbol, as in version 0.1. */
  boolean endIsSymbol() {
    return endIsSymbol;
  }
}

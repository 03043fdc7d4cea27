package io.heddle.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Set;

/**
 * Moses' normalization of punctuation ({@code normalize-punctuation.perl}) as sacremoses has it:
 * one form of quotation marks, dashes and dots; spaces round brackets and marks; quotation marks
 * and commas in a language's order; full-width marks if asked for.
 */
public final class MosesPunctuation implements Normalization {
  private static final Set<String> QUOTE_FIRST = Set.of("de", "es", "fr");
  private static final Set<String> DECIMAL_COMMA = Set.of("de", "es", "cz", "cs", "fr");
  private static final Substitution WIDE_STOP = Substitution.of("[。．]\\s*", ". ");
  private static final String WIDE = "，、”“∶：？《》）！（；」「０１２３４５６７８９～’━〈〉【】％";
  private static final String NARROW = ",,\"\"::?\"\")!(;\"\"0123456789~'-<>[]%";

  private static final String[][] SPACING = {
    {"\\r", ""}, {"\\(", " ("}, {"\\)", ") "}, {" +", " "}, {"\\) ([.!:?;,])", ")$1"},
    {" ([.!:?;,])", "$1"}, {"\\( ", "("}, {" \\)", ")"}, {"(\\d) %", "$1%"}, {" :", ":"},
    {" ;", ";"}, {"`", "'"}, {"''", " \" "}
  };

  private static final String[][] MARKS = {
    {"„", "\""},
    {"“", "\""},
    {"”", "\""},
    {"–", "-"},
    {"—", " - "},
    {" +", " "},
    {"´", "'"},
    {"([a-zA-Z])‘([a-zA-Z])", "$1'$2"},
    {"([a-zA-Z])’([a-zA-Z])", "$1'$2"},
    {"‘", "'"},
    {"‚", "'"},
    {"’", "'"},
    {"''", "\""},
    {"´´", "\""},
    {"…", "..."},
    {"\u00A0«\u00A0", "\""},
    {"«\u00A0", "\""},
    {"«", "\""},
    {"\u00A0»\u00A0", "\""},
    {"\u00A0»", "\""},
    {"»", "\""}
  };

  private static final String[][] NO_BREAK_SPACES = {
    {"\u00A0%", "%"}, {"nº\u00A0", "nº "}, {"\u00A0:", ":"}, {"\u00A0ºC", " ºC"},
    {"\u00A0cm", " cm"}, {"\u00A0\\?", "?"}, {"\u00A0\\!", "!"}, {"\u00A0;", ";"},
    {",\u00A0", ", "}, {" +", " "}
  };

  private final List<Substitution> steps = new ArrayList<>();
  private final boolean wide;

  /**
   * The rules of a language.
   *
   * @param language ISO 639 code; en, de, es, fr and cs have rules of their own
   * @param wide whether full-width marks and digits become narrow first
   */
  public MosesPunctuation(String language, boolean wide) {
    this.wide = wide;
    add(SPACING);
    add(MARKS);
    add(NO_BREAK_SPACES);
    if (language.equals("en")) {
      add(new String[][] {{"\"([,.]+)", "$1\""}});
    } else if (QUOTE_FIRST.contains(language)) {
      add(new String[][] {{",\"", "\","}, {"(\\.+)\"(\\s*[^<])", "\"$1$2"}});
    }
    String mark = DECIMAL_COMMA.contains(language) ? "," : ".";
    add(new String[][] {{"(\\d)\u00A0(\\d)", "$1" + mark + "$2"}});
  }

  private void add(String[][] rules) {
    for (String[] rule : rules) {
      steps.add(Substitution.of(rule[0], rule[1]));
    }
  }

  @Override
  public String of(String text) {
    return Spaces.strip(Substitution.all(steps, wide ? narrow(text) : text));
  }

  private static String narrow(String text) {
    String dots = WIDE_STOP.of(text).replace("…", "...");
    StringBuilder out = new StringBuilder(dots.length());
    for (int i = 0; i < dots.length(); i++) {
      int at = WIDE.indexOf(dots.charAt(i));
      out.append(at < 0 ? dots.charAt(i) : NARROW.charAt(at));
    }
    return out.toString();
  }
}

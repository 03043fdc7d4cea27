package io.heddle.data;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import net.sf.extjwnl.JWNLException;
import net.sf.extjwnl.data.POS;
import net.sf.extjwnl.data.Synset;
import net.sf.extjwnl.dictionary.Dictionary;

/**
 * Real English text that comes with the build: the definitions and example sentences of WordNet 3.1 (Princeton University), through
 * extjwnl and its data artifact. Each synset gives one line; its topic is WordNet's lexicographer file, such as {@code noun.animal}.
 */
public final class WordNetText {
  private final List<Line> lines;

  /**
   * One synset's text.
   *
   * @param topic lexicographer file, e.g. {@code verb.motion}
   * @param key stable number of the synset, for splits
   * @param text words, definition and examples
   */
  public record Line(String topic, long key, String text) {}

  private WordNetText(List<Line> lines) {
    this.lines = lines;
  }

  /** Reads the dictionary on the class or module path; a few seconds. */
  public static WordNetText load() {
    try {
      Dictionary dictionary = Dictionary.getDefaultResourceInstance();
      List<Line> lines = new ArrayList<>();
      for (POS pos : new POS[] {POS.NOUN, POS.VERB, POS.ADJECTIVE, POS.ADVERB}) {
        Iterator<Synset> synsets = dictionary.getSynsetIterator(pos);
        while (synsets.hasNext()) {
          Synset synset = synsets.next();
          String words = synset.getWords().get(0).getLemma().replace('_', ' ');
          lines.add(
              new Line(
                  synset.getLexFileName(),
                  synset.getOffset() * 4 + pos.getId(),
                  words + ": " + synset.getGloss().strip()));
        }
      }
      return new WordNetText(lines);
    } catch (JWNLException e) {
      throw new IllegalStateException("WordNet could not be read: " + e.getMessage(), e);
    }
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

  /** The lines of one part whose topic starts with one of {@code topics}, in random but fixed order, one a line. */
  public String text(Part part, String... topics) {
    StringBuilder out = new StringBuilder();
    lines.stream()
        .filter(line -> partOf(line.key) == part && matches(line.topic, topics))
        .sorted(java.util.Comparator.comparingLong(line -> mix(line.key)))
        .forEach(line -> out.append(line.text).append('\n'));
    return out.toString();
  }

  private static boolean matches(String topic, String... topics) {
    for (String wanted : topics) {
      if (topic.startsWith(wanted)) {
        return true;
      }
    }
    return false;
  }

  /** Where a synset belongs: a hash of its key, so that the split never depends on order. */
  static Part partOf(long key) {
    long share = Math.floorMod(mix(key ^ 0x5DEECE66DL), 20);
    return share == 0 ? Part.TEST : share == 1 ? Part.VALIDATION : Part.TRAIN;
  }

  // SplittableRandom's finaliser (Stafford's Mix13).
  private static long mix(long z) {
    long a = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    long b = (a ^ (a >>> 27)) * 0x94d049bb133111ebL;
    return b ^ (b >>> 31);
  }
}

package io.heddle.data;

import io.heddle.data.WordNetText.Line;
import io.heddle.data.WordNetText.Part;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Kinds of text drawn from {@link WordNetText}: a mixture to pretrain on and two that differ
 * clearly from each other, for methods that shift, merge or continue models. All split by synset
 * alike: what is held out of one is trained on in none, and no text is in two parts.
 */
public enum Distribution {
  /** Definitions and example sentences of all parts of speech. */
  GENERAL,
  /** Definitions of animals and plants: noun phrases full of Latin and habitats. */
  NATURE,
  /** Example sentences of verbs, adjectives and adverbs: everyday speech about people. */
  USAGE;

  private static final String[] LIVING = {"noun.animal", "noun.plant"};
  private static final String[] NOT_NOUNS = {"verb.", "adj.", "adv."};

  /**
   * The documents of one part, one definition or sentence each, in random but fixed order. A text
   * that WordNet has more than once is there once, in the training part if it can be.
   *
   * @return documents named {@code topic/key}, or {@code topic/key#n} for the n-th example
   */
  public List<Document> documents(WordNetText words, Part part) {
    Set<String> taken = new HashSet<>();
    for (Part earlier : Part.values()) {
      List<Document> out = new ArrayList<>();
      for (Line line : words.lines(earlier)) {
        // Over everything, whatever is drawn, so that the parts of all kinds stay apart.
        add(line, taken, out);
      }
      if (earlier == part) {
        return out;
      }
    }
    throw new AssertionError(part);
  }

  private void add(Line line, Set<String> taken, List<Document> out) {
    String name = line.topic() + "/" + line.key();
    if (taken.add(line.definition()) && defines(line)) {
      out.add(new Document(name, line.definition()));
    }
    for (int i = 0; i < line.examples().size(); i++) {
      String example = line.examples().get(i);
      if (taken.add(example) && quotes(line)) {
        out.add(new Document(name + "#" + (i + 1), example));
      }
    }
  }

  private boolean defines(Line line) {
    if (line.definition().isEmpty()) {
      return false;
    }
    return this == GENERAL || (this == NATURE && WordNetText.matches(line.topic(), LIVING));
  }

  private boolean quotes(Line line) {
    return this == GENERAL || (this == USAGE && WordNetText.matches(line.topic(), NOT_NOUNS));
  }

  /** The same, one a line. */
  public String text(WordNetText words, Part part) {
    StringBuilder out = new StringBuilder();
    documents(words, part).forEach(d -> out.append(d.text()).append('\n'));
    return out.toString();
  }
}

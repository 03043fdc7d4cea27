package io.heddle.data;

import io.heddle.data.WordNetText.Part;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * A source of text in three disjoint parts. Splits are fixed rules, so that what was held out once
 * stays held out.
 *
 * @param name of the source
 * @param train to learn from
 * @param validation to choose by
 * @param test to report
 */
public record TextSource(
    String name, List<Document> train, List<Document> validation, List<Document> test) {
  private static final int MANY = 40;
  private static final int PARTS = 20;
  private static final double HELD = 0.1;

  /** Copies the lists. */
  public TextSource {
    train = List.copyOf(train);
    validation = List.copyOf(validation);
    test = List.copyOf(test);
    if (train.isEmpty() || validation.isEmpty() || test.isEmpty()) {
      throw new IllegalArgumentException(
          "source '%s' has %d documents to train on, %d to validate and %d to test: too few"
              .formatted(name, train.size(), validation.size(), test.size()));
    }
  }

  /**
   * Reads a file or folder, see {@link Texts#readAny}.
   *
   * @param characters most characters of the training part
   */
  public static TextSource read(String name, Path path, int characters) throws IOException {
    return split(name, Texts.readAny(path), characters);
  }

  /**
   * Splits documents: many are held out as wholes, by a hash of their text, a twentieth each for
   * validation and test; of few the last lines are, likewise.
   */
  public static TextSource split(String name, List<Document> documents, int characters) {
    return documents.size() >= MANY
        ? splitMany(name, documents, characters)
        : splitFew(name, documents, characters);
  }

  private static TextSource splitMany(String name, List<Document> documents, int characters) {
    List<Document> train = new ArrayList<>();
    List<Document> validation = new ArrayList<>();
    List<Document> test = new ArrayList<>();
    List<Document> order = new ArrayList<>(documents);
    // By text alone: names depend on where files lie. Equal texts fall into one part.
    order.sort(Comparator.comparingLong((Document d) -> hash(d)).thenComparing(Document::text));
    for (Document document : order) {
      long part = Math.floorMod(hash(document) >>> 7, PARTS);
      (part == 0 ? test : part == 1 ? validation : train).add(document);
    }
    return new TextSource(name, upTo(train, characters), validation, test);
  }

  private static long hash(Document document) {
    return Mix.hash(document.text().hashCode());
  }

  private static List<Document> upTo(List<Document> documents, long characters) {
    List<Document> out = new ArrayList<>();
    long sum = 0;
    for (Document document : documents) {
      if (sum >= characters) {
        break;
      }
      out.add(document);
      sum += document.text().length();
    }
    return out;
  }

  private static TextSource splitFew(String name, List<Document> documents, int characters) {
    List<Document> train = new ArrayList<>();
    List<Document> validation = new ArrayList<>();
    List<Document> test = new ArrayList<>();
    for (Document document : documents) {
      List<Document> parts = document.holdOut(HELD);
      List<Document> held = parts.get(1).holdOut(0.5);
      train.add(cut(parts.get(0), characters / documents.size()));
      validation.add(held.get(0));
      test.add(held.get(1));
    }
    return new TextSource(name, filled(train), filled(validation), filled(test));
  }

  private static List<Document> filled(List<Document> documents) {
    return documents.stream().filter(d -> !d.text().isEmpty()).toList();
  }

  /**
   * WordNet's lines whose topic begins with one of {@code topics}, as one document a part.
   *
   * @param characters most characters of the training part
   */
  public static TextSource wordNet(
      WordNetText words, String name, int characters, String... topics) {
    return new TextSource(
        name,
        List.of(cut(new Document(name, words.text(Part.TRAIN, topics)), characters)),
        List.of(new Document(name, words.text(Part.VALIDATION, topics))),
        List.of(new Document(name, words.text(Part.TEST, topics))));
  }

  private static Document cut(Document document, int characters) {
    if (document.text().length() <= characters) {
      return document;
    }
    int end = document.text().indexOf('\n', characters);
    return end < 0
        ? document
        : new Document(document.name(), document.text().substring(0, end + 1));
  }

  /** Characters of the training part. */
  public long characters() {
    return train.stream().mapToLong(d -> d.text().length()).sum();
  }

  /**
   * The beginning of the training part: what a base has seen a little of.
   *
   * @param share in (0, 1], of the characters
   */
  public List<Document> beginning(double share) {
    if (train.size() >= MANY) {
      return upTo(train, (long) (share * characters()));
    }
    return train.stream().map(d -> cut(d, (int) (share * d.text().length()))).toList();
  }
}

package io.heddle.methods.finetune;

import io.heddle.data.LabelledText;
import io.heddle.text.PairEncoder;
import io.heddle.text.PairEncoder.Row;
import io.heddle.text.Tokenizer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeSet;

/**
 * Labelled texts as rows of tokens.
 *
 * @param texts the examples
 * @param rows their tokens
 * @param targets index of each label; -1 where an example has none, or one that was not learnt
 */
@SuppressWarnings("ArrayRecordComponent") // one number per example; never compared
public record ClassifyData(List<LabelledText> texts, List<Row> rows, int[] targets) {
  /** Tokenises. */
  public static ClassifyData of(
      List<LabelledText> texts, List<String> labels, Tokenizer tokenizer, int longest) {
    PairEncoder encoder = new PairEncoder(tokenizer, longest);
    Map<String, Integer> ids = new HashMap<>();
    labels.forEach(label -> ids.put(label, ids.size()));
    List<Row> rows = new ArrayList<>();
    int[] targets = new int[texts.size()];
    for (int i = 0; i < targets.length; i++) {
      LabelledText text = texts.get(i);
      rows.add(encoder.encode(text.first(), text.second()));
      targets[i] = text.label() == null ? -1 : ids.getOrDefault(text.label(), -1);
    }
    return new ClassifyData(List.copyOf(texts), List.copyOf(rows), targets);
  }

  /** The same; an example with a label that was not learnt is an error. */
  public ClassifyData allKnown(List<String> labels) {
    for (int i = 0; i < targets.length; i++) {
      if (targets[i] < 0) {
        throw new IllegalArgumentException(
            "the development part has the label '"
                + texts.get(i).label()
                + "', the training part only "
                + labels);
      }
    }
    return this;
  }

  /** The labels of texts, sorted; numbers by their value. */
  public static List<String> labels(List<LabelledText> texts) {
    TreeSet<String> found = new TreeSet<>(ClassifyData::compare);
    for (LabelledText text : texts) {
      if (text.label() == null) {
        throw new IllegalArgumentException("an example to train on has no label: " + text.first());
      }
      found.add(text.label());
    }
    if (found.size() < 2) {
      throw new IllegalArgumentException(
          "all examples have the label '" + found.first() + "': there is nothing to learn");
    }
    return List.copyOf(found);
  }

  private static int compare(String a, String b) {
    boolean numbers = a.matches("-?\\d{1,9}") && b.matches("-?\\d{1,9}");
    int byValue = numbers ? Integer.compare(Integer.parseInt(a), Integer.parseInt(b)) : 0;
    return byValue == 0 ? a.compareTo(b) : byValue;
  }

  /**
   * Splits off a share of examples, drawn by the seed: two lists, the rest and the share, both in
   * their old order.
   */
  public static <T> List<List<T>> split(List<T> all, double share, long seed) {
    SplittableRandom random = new SplittableRandom(seed);
    List<Integer> order = new ArrayList<>();
    for (int i = 0; i < all.size(); i++) {
      order.add(random.nextInt(i + 1), i);
    }
    int count = (int) Math.round(share * all.size());
    TreeSet<Integer> held = new TreeSet<>(order.subList(0, count));
    List<T> rest = new ArrayList<>();
    List<T> part = new ArrayList<>();
    for (int i = 0; i < all.size(); i++) {
      (held.contains(i) ? part : rest).add(all.get(i));
    }
    return List.of(rest, part);
  }
}

package io.heddle.metrics;

import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Precision, recall and F1 of whole chunks told by tags such as {@code B-PER}, {@code I-PER},
 * {@code O}: a chunk is right if its ends and its type are. Chunks begin and end as CoNLL's {@code
 * conlleval} has it, so IOB1, IOB2, IOE and IOBES read alike: after {@code O} or another type any
 * tag begins one; {@code B} and {@code S} always do; {@code E} and {@code S} end one. Accumulates;
 * not safe for use by many threads.
 */
public final class Chunks {
  private long right;
  private long found;
  private long there;

  /** Nothing added yet. */
  public Chunks() {}

  private record Chunk(String type, int from, int to) {}

  /**
   * Adds a sentence.
   *
   * @throws IllegalArgumentException when there are not as many predictions as targets
   */
  public Chunks add(List<String> targets, List<String> predictions) {
    if (targets.size() != predictions.size()) {
      throw new IllegalArgumentException(
          predictions.size() + " predicted tags for " + targets.size() + " words");
    }
    Set<Chunk> wanted = chunks(targets);
    Set<Chunk> got = chunks(predictions);
    there += wanted.size();
    found += got.size();
    got.retainAll(wanted);
    right += got.size();
    return this;
  }

  private static Set<Chunk> chunks(List<String> tags) {
    Set<Chunk> out = new HashSet<>();
    int from = -1;
    for (int i = 0; i <= tags.size(); i++) {
      String tag = i < tags.size() ? tags.get(i) : "O";
      String last = i > 0 ? tags.get(i - 1) : "O";
      boolean ends = from >= 0 && ends(last, tag);
      if (ends) {
        out.add(new Chunk(type(last), from, i));
        from = -1;
      }
      if (from < 0 && !outside(tag)) {
        from = i;
      }
    }
    return out;
  }

  private static boolean outside(String tag) {
    return tag.equals("O") || tag.isEmpty();
  }

  private static String type(String tag) {
    int cut = tag.indexOf('-');
    return cut < 0 ? "" : tag.substring(cut + 1);
  }

  private static char kind(String tag) {
    return tag.charAt(0);
  }

  private static boolean ends(String last, String tag) {
    return outside(tag)
        || !type(last).equals(type(tag))
        || kind(tag) == 'B'
        || kind(tag) == 'S'
        || kind(last) == 'E'
        || kind(last) == 'S';
  }

  /**
   * The scores, each from 0 to 1; 0 where nothing is divided by nothing.
   *
   * @param chunks how many there are
   */
  public record Score(long chunks, double precision, double recall, double f1) {}

  /** The scores over all sentences. */
  public Score score() {
    double precision = found == 0 ? 0 : (double) right / found;
    double recall = there == 0 ? 0 : (double) right / there;
    double f1 = right == 0 ? 0 : 2 * precision * recall / (precision + recall);
    return new Score(there, precision, recall, f1);
  }
}

package io.heddle.methods.finetune;

import io.heddle.data.TaggedWords;
import io.heddle.text.PairEncoder;
import io.heddle.text.PairEncoder.Row;
import io.heddle.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;

/**
 * Tagged sentences as rows of tokens. A word's tag stands at the first of its pieces; a sentence
 * that is too long for a row is cut between words.
 *
 * @param sentences the examples
 * @param parts rows, in the order of the sentences
 */
public record TagData(List<TaggedWords> sentences, List<Part> parts) {
  /**
   * A row and what it holds.
   *
   * @param row tokens
   * @param sentence index of its sentence
   * @param from index of its first word
   * @param at for each word the index of its first piece in the row
   * @param targets for each word the index of its tag; -1 where that is not known
   */
  @SuppressWarnings("ArrayRecordComponent") // one number per word; never compared
  public record Part(Row row, int sentence, int from, int[] at, int[] targets) {}

  /** The tags of sentences, sorted, {@code O} first where there is one. */
  public static List<String> tags(List<TaggedWords> sentences) {
    TreeSet<String> found = new TreeSet<>();
    for (TaggedWords sentence : sentences) {
      if (sentence.tags().isEmpty()) {
        throw new IllegalArgumentException(
            "a sentence to train on has no tags: " + String.join(" ", sentence.words()));
      }
      found.addAll(sentence.tags());
    }
    if (found.size() < 2) {
      throw new IllegalArgumentException(
          "all words have the tag '" + found.first() + "': there is nothing to learn");
    }
    List<String> out = new ArrayList<>(found);
    if (out.remove("O")) {
      out.add(0, "O");
    }
    return List.copyOf(out);
  }

  /** Tokenises. */
  public static TagData of(
      List<TaggedWords> sentences, List<String> tags, Tokenizer tokenizer, int longest) {
    PairEncoder encoder = new PairEncoder(tokenizer, longest);
    int room = encoder.room(false);
    Map<String, Integer> ids = new HashMap<>();
    tags.forEach(tag -> ids.put(tag, ids.size()));
    List<Part> parts = new ArrayList<>();
    for (int s = 0; s < sentences.size(); s++) {
      TaggedWords sentence = sentences.get(s);
      int word = 0;
      while (word < sentence.words().size()) {
        int from = word;
        int used = 0;
        List<int[]> taken = new ArrayList<>();
        while (word < sentence.words().size()) {
          int[] pieces = pieces(tokenizer, sentence.words().get(word), word > 0);
          if (used > 0 && used + pieces.length > room) {
            break;
          }
          // A word longer than a row keeps what fits.
          taken.add(Arrays.copyOf(pieces, Math.min(pieces.length, room)));
          used += taken.getLast().length;
          word++;
        }
        parts.add(part(encoder, sentence, ids, s, from, taken));
      }
    }
    return new TagData(List.copyOf(sentences), List.copyOf(parts));
  }

  // Byte-level tokenizers tell a word's beginning by the space before it.
  private static int[] pieces(Tokenizer tokenizer, String word, boolean inside) {
    int[] pieces = tokenizer.encode((inside ? " " : "") + word);
    return pieces.length > 0
        ? pieces
        : new int[] {tokenizer.id("[UNK]").orElse(tokenizer.id("<unk>").orElse(0))};
  }

  private static Part part(
      PairEncoder encoder,
      TaggedWords sentence,
      Map<String, Integer> ids,
      int number,
      int from,
      List<int[]> pieces) {
    int[] all = pieces.stream().flatMapToInt(Arrays::stream).toArray();
    Row row = encoder.row(all, null);
    int[] at = new int[pieces.size()];
    int[] targets = new int[pieces.size()];
    int next = row.firstAt();
    for (int i = 0; i < at.length; i++) {
      at[i] = next;
      next += pieces.get(i).length;
      boolean known = !sentence.tags().isEmpty();
      targets[i] = known ? ids.getOrDefault(sentence.tags().get(from + i), -1) : -1;
    }
    return new Part(row, number, from, at, targets);
  }

  /** The rows. */
  List<Row> rows() {
    return parts.stream().map(Part::row).toList();
  }
}

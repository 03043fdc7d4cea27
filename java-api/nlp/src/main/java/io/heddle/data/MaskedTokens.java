package io.heddle.data;

import io.heddle.op.Losses;
import io.heddle.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.OptionalInt;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Hides tokens that a model then has to name (Devlin et al. 2019, section 3.1, and the whole-word
 * rule of their later checkpoints). Of each row {@code max(1, round(rate * tokens))} tokens that
 * are not special are chosen, words in random order, a word that would be too much being passed
 * over. Of the chosen ones 80 % become the mask, 10 % any token, 10 % stay; all are targets. The
 * draw depends on the seed and the number of the row alone.
 */
public final class MaskedTokens {
  /** What tokenizers call the token that hides others. */
  public static final List<String> MASKS = List.of("[MASK]", "<mask>");

  private static final int MASKED = 80; // of a hundred chosen tokens
  private static final int ANY = 90; // from MASKED to here: any token

  private final int mask;
  private final int vocabulary;
  private final Set<Integer> special;
  private final double rate;
  private final @Nullable WordStarts words;
  private final long seed;

  /**
   * A rule.
   *
   * @param mask id of the mask token
   * @param vocabulary number of ids that a chosen token can become
   * @param special ids that are never chosen: padding, [CLS], [SEP]
   * @param rate share of tokens that are chosen, in (0, 1)
   * @param words to choose whole words; null to choose tokens
   */
  public MaskedTokens(
      int mask,
      int vocabulary,
      Set<Integer> special,
      double rate,
      @Nullable WordStarts words,
      long seed) {
    if (!(rate > 0 && rate < 1)) {
      throw new IllegalArgumentException("masking rate " + rate + " must be in (0, 1)");
    }
    if (mask < 0 || mask >= vocabulary) {
      throw new IllegalArgumentException(
          "mask token " + mask + " is not one of " + vocabulary + " ids");
    }
    this.mask = mask;
    this.vocabulary = vocabulary;
    this.special = Set.copyOf(special);
    this.rate = rate;
    this.words = words;
    this.seed = seed;
  }

  /**
   * A row with hidden tokens.
   *
   * @param ids what the model reads
   * @param targets the token of each chosen place, {@link Losses#IGNORE} elsewhere
   */
  @SuppressWarnings("ArrayRecordComponent") // a carrier to the tape, never compared
  public record Masked(int[] ids, int[] targets) {}

  /**
   * The id of the token that hides others.
   *
   * @throws IllegalArgumentException when the tokenizer has none of {@link #MASKS}
   */
  public static int mask(Tokenizer tokenizer) {
    return MASKS.stream()
        .map(tokenizer::id)
        .flatMapToInt(OptionalInt::stream)
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "the tokenizer has none of the tokens that hide others: " + MASKS));
  }

  /** Hides tokens of the row with this number, counted over all epochs. */
  public Masked mask(int[] row, long number) {
    Mix random = new Mix(Mix.hash(Mix.hash(seed) + number));
    List<int[]> all = units(row);
    int tokens = all.stream().mapToInt(u -> u.length).sum();
    int wanted = tokens == 0 ? 0 : Math.max(1, (int) Math.round(rate * tokens));
    int[] ids = row.clone();
    int[] targets = new int[row.length];
    Arrays.fill(targets, Losses.IGNORE);
    int chosen = 0;
    for (int unit : random.order(all.size())) {
      int[] places = all.get(unit);
      if (chosen + places.length > wanted) {
        continue;
      }
      chosen += places.length;
      for (int at : places) {
        targets[at] = row[at];
        int dice = random.below(100);
        ids[at] = dice < MASKED ? mask : dice < ANY ? random.below(vocabulary) : row[at];
      }
    }
    return new Masked(ids, targets);
  }

  // The places of each word, or each place for itself.
  private List<int[]> units(int[] row) {
    List<int[]> out = new ArrayList<>();
    int at = 0;
    while (at < row.length) {
      if (special.contains(row[at])) {
        at++;
        continue;
      }
      int end = at + 1;
      while (words != null
          && end < row.length
          && !special.contains(row[end])
          && !words.begins(row[end])) {
        end++;
      }
      int[] places = new int[end - at];
      int first = at;
      Arrays.setAll(places, i -> first + i);
      out.add(places);
      at = end;
    }
    return Collections.unmodifiableList(out);
  }
}

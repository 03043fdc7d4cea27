package io.heddle.data;

import java.util.Arrays;

/**
 * Replaces spans of a text by sentinels; the target says what each stood for (Raffel et al. 2020,
 * section 3.1.4). As T5's own code draws them: {@code round(density * tokens)} tokens are hidden in
 * {@code round(hidden / span)} spans, both kinds of spans are random parts of their sums, and a row
 * begins with what is shown. Sentinels are the last ids of the vocabulary, downwards. The draw
 * depends on the seed and the number of the row alone.
 *
 * @param vocabulary number of ids; {@code vocabulary - 1} is the first sentinel
 * @param end the token at the end of input and target
 * @param density share of tokens that are hidden, in (0, 1)
 * @param span mean tokens of a hidden span, at least 1
 * @param seed of the draws
 */
public record SpanCorruption(int vocabulary, int end, double density, double span, long seed) {
  /** Checks the numbers. */
  public SpanCorruption {
    if (!(density > 0 && density < 1) || !(span >= 1)) {
      throw new IllegalArgumentException(
          "density " + density + " must be in (0, 1) and spans of " + span + " at least 1");
    }
  }

  /** T5's own: 15 % in spans of 3. */
  public static SpanCorruption t5(int vocabulary, int end, long seed) {
    return new SpanCorruption(vocabulary, end, 0.15, 3, seed);
  }

  /**
   * An input and its target.
   *
   * @param input shown tokens, a sentinel for each hidden span, the end
   * @param target each sentinel with what it hid, the end
   */
  @SuppressWarnings("ArrayRecordComponent") // a carrier to the tape, never compared
  public record Pair(int[] input, int[] target) {}

  /** Hides spans of the row with this number, counted over all epochs; at least 2 tokens. */
  public Pair corrupt(int[] row, long number) {
    return corrupt(row, hidden(row.length, number));
  }

  /** Replaces the hidden tokens of a row. */
  public Pair corrupt(int[] row, boolean[] hidden) {
    int[] input = new int[2 * row.length + 1];
    int[] target = new int[2 * row.length + 1];
    int read = 0;
    int written = 0;
    int sentinel = vocabulary;
    for (int i = 0; i < row.length; i++) {
      if (!hidden[i]) {
        input[read++] = row[i];
        continue;
      }
      if (i == 0 || !hidden[i - 1]) {
        sentinel--;
        input[read++] = sentinel;
        target[written++] = sentinel;
      }
      target[written++] = row[i];
    }
    input[read++] = end;
    target[written++] = end;
    return new Pair(Arrays.copyOf(input, read), Arrays.copyOf(target, written));
  }

  /** Which tokens of the row with this number are hidden. */
  public boolean[] hidden(int length, long number) {
    if (length < 2) {
      throw new IllegalArgumentException(
          "a row of " + length + " tokens has none to hide and none to show");
    }
    int noise = noise(length);
    int spans = Math.min(spans(noise), length - noise);
    Mix random = new Mix(Mix.hash(Mix.hash(seed) + number));
    int[] hiddenParts = parts(noise, spans, random);
    int[] shownParts = parts(length - noise, spans, random);
    boolean[] out = new boolean[length];
    int at = 0;
    for (int i = 0; i < spans; i++) {
      at += shownParts[i];
      Arrays.fill(out, at, at + hiddenParts[i], true);
      at += hiddenParts[i];
    }
    return out;
  }

  private int noise(int length) {
    return Math.clamp(Math.round(length * density), 1, length - 1);
  }

  private int spans(int noise) {
    return Math.max(1, (int) Math.round(noise / span));
  }

  // A random composition of `sum` into `count` parts of at least 1: count - 1 of the sum - 1 places
  // between units are borders.
  private static int[] parts(int sum, int count, Mix random) {
    int[] places = random.order(sum - 1);
    int[] borders = Arrays.copyOf(places, count - 1);
    Arrays.sort(borders);
    int[] out = new int[count];
    int before = -1;
    for (int i = 0; i < count - 1; i++) {
      out[i] = borders[i] - before;
      before = borders[i];
    }
    out[count - 1] = sum - 1 - before;
    return out;
  }

  /**
   * Tokens of a row, and of its target.
   *
   * @param row so many that the input has the wanted length
   * @param target of such a row
   */
  public record Lengths(int row, int target) {}

  /** The longest rows whose inputs have at most {@code input} tokens. */
  public Lengths lengths(int input) {
    if (inputLength(2) > input) {
      throw new IllegalArgumentException("an input of " + input + " tokens is too short");
    }
    int row = 2;
    while (inputLength(row + 1) <= input) {
      row++;
    }
    return new Lengths(row, noise(row) + spans(noise(row)) + 1);
  }

  private int inputLength(int row) {
    return row - noise(row) + spans(noise(row)) + 1;
  }
}

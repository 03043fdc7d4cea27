package io.heddle.methods.longrange;

import io.heddle.autograd.Tape;
import io.heddle.data.TokenBatch;
import io.heddle.models.Decoder;
import io.heddle.op.Losses;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.LongFunction;

/**
 * Rows whose early tokens say what a late token must be. Filler is a Markov chain of first order
 * over 16 symbols (logits of a row are drawn as u^6 and normalised, so that a few symbols follow
 * each). At six even places of the first quarter stands a fused token "key k holds value v", six
 * different keys of eight; at six even places of the second half a token "k?", one for each of
 * these keys, and after it the value. Between the two lie 36 to 124 tokens in rows of 128.
 */
final class RecallData {
  static final int SYMBOLS = 16;
  static final int KEYS = 8;
  static final int VALUES = 8;
  static final int ASKED = 6;
  static final int FUSED = SYMBOLS;
  static final int QUERY = FUSED + KEYS * VALUES;
  static final int VALUE = QUERY + KEYS;

  /** Number of different tokens. */
  static final int VOCABULARY = VALUE + VALUES;

  /** Share of right answers of a model that knows the values' frequencies alone. */
  static final double CHANCE = 1.0 / VALUES;

  // Not SplittableRandom's own step: the streams of two rows would be one, a number further on.
  private static final long ROW = 0xD1B54A32D192ED03L;
  private static final int SCORED_ROWS = 64;

  private final double[][] cumulative = new double[SYMBOLS][SYMBOLS];
  private final int length;
  private final long seed;

  /**
   * What a model made of the test rows.
   *
   * @param recall share of values that it ranks first of all tokens
   * @param perplexity of the filler, which takes nothing but the last few tokens to predict
   */
  record Score(double recall, double perplexity) {}

  RecallData(int length, long seed) {
    if (length / 8 < ASKED || length % 8 != 0) {
      throw new IllegalArgumentException(
          "rows of " + length + " tokens: a multiple of 8 from " + 8 * ASKED + " on is needed");
    }
    this.length = length;
    this.seed = seed;
    SplittableRandom random = new SplittableRandom(seed);
    for (double[] row : cumulative) {
      Arrays.setAll(row, i -> Math.pow(random.nextDouble(), 6));
      double sum = Arrays.stream(row).sum();
      double at = 0;
      for (int i = 0; i < SYMBOLS; i++) {
        at += row[i] / sum;
        row[i] = at;
      }
    }
  }

  private int next(int symbol, double at) {
    int found = 0;
    while (found + 1 < SYMBOLS && cumulative[symbol][found] <= at) {
      found++;
    }
    return found;
  }

  /** A row and the token after it. */
  private int[] row(SplittableRandom random) {
    int[] out = new int[length + 1];
    int[] keys = first(ASKED, KEYS, random);
    int[] places = first(ASKED, length / 8, random); // even ones of the first quarter
    int from = length / 2 + 2;
    int[] asked = first(ASKED, (length - 4 - from) / 2 + 1, random);
    int symbol = random.nextInt(SYMBOLS);
    Arrays.fill(out, -1);
    for (int i = 0; i < ASKED; i++) {
      int value = random.nextInt(VALUES);
      out[2 * places[i]] = FUSED + keys[i] * VALUES + value;
      out[from + 2 * asked[i]] = QUERY + keys[i];
      out[from + 2 * asked[i] + 1] = VALUE + value;
    }
    for (int i = 0; i <= length; i++) {
      if (out[i] < 0) {
        symbol = next(symbol, random.nextDouble());
        out[i] = symbol;
      }
    }
    return out;
  }

  // `count` different numbers below `of`, in random order.
  private static int[] first(int count, int of, SplittableRandom random) {
    int[] all = new int[of];
    Arrays.setAll(all, i -> i);
    for (int i = 0; i < count; i++) {
      int j = i + random.nextInt(of - i);
      int swap = all[i];
      all[i] = all[j];
      all[j] = swap;
    }
    return Arrays.copyOf(all, count);
  }

  private TokenBatch batch(long purpose, long first, int rows, int of) {
    int[] ids = new int[rows * length];
    int[] targets = new int[rows * length];
    for (int r = 0; r < rows; r++) {
      long number = (first + r) % of;
      int[] row =
          row(new SplittableRandom((seed * 3 + purpose) * 0x9E3779B97F4A7C15L + number * ROW));
      System.arraycopy(row, 0, ids, r * length, length);
      System.arraycopy(row, 1, targets, r * length, length);
    }
    return new TokenBatch(rows, ids, targets, null);
  }

  /** Training batches: {@code different} rows, again and again. */
  LongFunction<TokenBatch> batches(int rows, int different) {
    return number -> batch(0, number * rows, rows, different);
  }

  /** Rows to be scored, none of which was trained on but by accident. */
  List<TokenBatch> test(int rows) {
    List<TokenBatch> out = new ArrayList<>();
    for (int first = 0; first < rows; first += SCORED_ROWS) {
      out.add(batch(1, first, Math.min(SCORED_ROWS, rows - first), rows));
    }
    return out;
  }

  private static boolean asked(int id) {
    return id >= QUERY && id < VALUE;
  }

  private static int[] values(TokenBatch batch) {
    int[] out = new int[batch.ids().length];
    for (int i = 0; i < out.length; i++) {
      out[i] = asked(batch.ids()[i]) ? batch.targets()[i] : Losses.IGNORE;
    }
    return out;
  }

  /** The mean loss of all tokens plus that of the values. */
  static Objective<TokenBatch> objective(Decoder model) {
    return (t, batch, gradScale) -> {
      int n = batch.ids().length;
      int[] values = values(batch);
      long count = Losses.scored(values);
      Tensor ids = t.tensor(DType.I32, n).copyFrom(batch.ids());
      Tensor hidden = model.hidden(t, ids, batch.rows(), null);
      double all = sum(t, model, hidden, batch.targets(), gradScale / n);
      double asked = sum(t, model, hidden, values, gradScale / count);
      return new Objective.Loss(all + asked / count * n, n);
    };
  }

  private static double sum(Tape t, Decoder model, Tensor hidden, int[] targets, float gradScale) {
    Tensor to = t.tensor(DType.I32, targets.length).copyFrom(targets);
    return Losses.sum(model.losses(t, hidden, to, gradScale));
  }

  /** Scores a model. */
  static Score score(Decoder model, List<TokenBatch> batches) {
    long right = 0;
    long asked = 0;
    double nats = 0;
    long local = 0;
    for (TokenBatch batch : batches) {
      int n = batch.ids().length;
      try (Tape t = Tape.inference(model.backend())) {
        Tensor ids = t.tensor(DType.I32, n).copyFrom(batch.ids());
        Tensor hidden = model.hidden(t, ids, batch.rows(), null);
        float[] logits = model.logits(t, hidden).toFloats();
        Tensor targets = t.tensor(DType.I32, n).copyFrom(batch.targets());
        float[] losses = model.losses(t, hidden, targets, 0).toFloats();
        for (int i = 0; i < n; i++) {
          if (asked(batch.ids()[i])) {
            asked++;
            right += best(logits, i) == batch.targets()[i] ? 1 : 0;
          } else if (batch.targets()[i] < SYMBOLS) {
            local++;
            nats += losses[i];
          }
        }
      }
    }
    return new Score((double) right / asked, Math.exp(nats / local));
  }

  private static int best(float[] logits, int row) {
    int best = 0;
    for (int v = 1; v < VOCABULARY; v++) {
      best = logits[row * VOCABULARY + v] > logits[row * VOCABULARY + best] ? v : best;
    }
    return best;
  }
}

package io.heddle.methods.toolkit;

import io.heddle.autograd.Tape;
import io.heddle.data.MaskedTokens;
import io.heddle.data.Mix;
import io.heddle.data.SentencePairs;
import io.heddle.data.SentencePairs.Pair;
import io.heddle.methods.study.Claim;
import io.heddle.methods.study.EvaluationLog;
import io.heddle.methods.study.Table;
import io.heddle.models.AutoModel;
import io.heddle.models.Encoder;
import io.heddle.models.Head;
import io.heddle.models.ModelConfig;
import io.heddle.op.Losses;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import io.heddle.train.RunDirectory.Curve;
import io.heddle.train.TrainConfig;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * BERT's two tasks on documents whose words, each document's of one of several vocabularies, follow
 * from the two before them.
 */
final class MaskedPairs implements Experiment {
  private static final int PADDING = 0;
  private static final int BEGIN = 1;
  private static final int END = 2;
  private static final int MASK = 3;
  private static final int FIRST = 4; // tokens below are marks
  private static final int TOPICS = 16;
  private static final int WORDS = 6; // of a topic
  private static final int VOCABULARY = FIRST + TOPICS * WORDS;
  private static final int SENTENCES = 12;
  private static final int LENGTH = 32;
  private static final int ROWS = 32;
  private static final double FAR = 10;

  private final boolean quick;
  private final long steps;
  private final int documents;

  MaskedPairs(boolean quick) {
    this.quick = quick;
    this.steps = quick ? 400 : 10_000;
    this.documents = quick ? 400 : 2_000;
  }

  @Override
  public String name() {
    return "bert";
  }

  @Override
  public String title() {
    return "Hidden words and pairs of segments";
  }

  @Override
  public long steps() {
    return steps;
  }

  @SuppressWarnings("ArrayRecordComponent") // a carrier to the tape, never compared
  private record Batch(Encoder.Batch rows, int[] hidden, int[] follows) {}

  /** Pairs and the rule that hides their words. */
  private record Data(List<Pair> pairs, MaskedTokens rule) {
    static Data of(int documents, long table, long draw) {
      Mix random = new Mix(Mix.hash(draw));
      List<List<int[]>> all = new ArrayList<>();
      for (int d = 0; d < documents; d++) {
        int topic = d % TOPICS;
        Chain chain = new Chain(WORDS, 2, 2, 0.05, table + topic);
        int[] words = chain.draw(SENTENCES * 8, random);
        List<int[]> sentences = new ArrayList<>();
        int at = 0;
        while (at < words.length) {
          int to = Math.min(words.length, at + 4 + random.below(5));
          int[] sentence = Arrays.copyOfRange(words, at, to);
          sentences.add(Arrays.stream(sentence).map(w -> FIRST + topic * WORDS + w).toArray());
          at = to;
        }
        all.add(sentences);
      }
      Set<Integer> marks = Set.of(PADDING, BEGIN, END);
      return new Data(
          SentencePairs.of(all, LENGTH, 0.1, draw),
          new MaskedTokens(MASK, VOCABULARY, marks, 0.15, null, draw));
    }

    Batch batch(long number) {
      long first = number * ROWS;
      long epoch = first / pairs.size();
      int[][] ids = new int[ROWS][];
      int[][] mask = new int[ROWS][];
      int[][] types = new int[ROWS][];
      int[] hidden = new int[ROWS * LENGTH];
      int[] follows = new int[ROWS];
      for (int r = 0; r < ROWS; r++) {
        // Strides that share no factor with the number of pairs visit all of them.
        long place = (first + r) * 7_919 + epoch * 104_729;
        Pair pair = pairs.get((int) (place % pairs.size()));
        MaskedTokens.Masked masked = rule.mask(pair.row(BEGIN, END, PADDING, LENGTH), first + r);
        ids[r] = masked.ids();
        mask[r] = pair.mask(LENGTH);
        types[r] = pair.segments(LENGTH);
        System.arraycopy(masked.targets(), 0, hidden, r * LENGTH, LENGTH);
        follows[r] = pair.follows() ? 0 : 1; // as BERT's head has it: 1 is another document
      }
      return new Batch(new Encoder.Batch(ids, mask, types, null), hidden, follows);
    }

    /**
     * How often a hidden word is named by frequency alone: as the most frequent word of all, or of
     * the right vocabulary.
     */
    double byFrequency(boolean knowsVocabulary) {
      long[] counts = new long[VOCABULARY];
      for (Pair pair : pairs) {
        Arrays.stream(pair.first()).forEach(w -> counts[w]++);
        Arrays.stream(pair.second()).forEach(w -> counts[w]++);
      }
      long right = 0;
      int size = knowsVocabulary ? WORDS : TOPICS * WORDS;
      for (int from = FIRST; from < counts.length; from += size) {
        right += Arrays.stream(counts, from, from + size).max().orElse(0);
      }
      return (double) right / Arrays.stream(counts).sum();
    }
  }

  private static Head head(Encoder model, String name) {
    return Objects.requireNonNull(model.heads().get(name), name);
  }

  // Two means, added up.
  private static Objective<Batch> objective(Encoder model) {
    return (t, batch, gradScale) -> {
      long count = Losses.scored(batch.hidden);
      Tensor states = model.hidden(t, batch.rows);
      Tensor wanted = t.tensor(DType.I32, batch.hidden.length).copyFrom(batch.hidden);
      Tensor named = head(model, "head").losses(t, states, wanted, gradScale / count);
      Tensor pair = model.outputs(t, "pair", states, ROWS);
      Tensor follows = t.tensor(DType.I32, ROWS).copyFrom(batch.follows);
      Tensor told = Losses.crossEntropy(t, pair, follows, 0, gradScale / ROWS);
      return new Objective.Loss(Losses.sum(named) / count + Losses.sum(told) / ROWS, 1);
    };
  }

  // The shares of hidden words that are named and of pairs that are told.
  private static double[] accuracies(Encoder model, Data data, int batches) {
    long named = 0;
    long hidden = 0;
    long told = 0;
    for (int b = 0; b < batches; b++) {
      Batch batch = data.batch(b);
      try (Tape t = Tape.inference(model.backend())) {
        Tensor states = model.hidden(t, batch.rows);
        int[] best = best(head(model, "head").outputs(t, states), VOCABULARY);
        int[] pairs = best(model.outputs(t, "pair", states, ROWS), 2);
        for (int i = 0; i < best.length; i++) {
          hidden += batch.hidden[i] == Losses.IGNORE ? 0 : 1;
          named += best[i] == batch.hidden[i] ? 1 : 0;
        }
        for (int i = 0; i < ROWS; i++) {
          told += pairs[i] == batch.follows[i] ? 1 : 0;
        }
      }
    }
    return new double[] {(double) named / hidden, (double) told / ((long) batches * ROWS)};
  }

  private static int[] best(Tensor outputs, int classes) {
    float[] all = outputs.toFloats();
    int[] out = new int[all.length / classes];
    for (int i = 0; i < out.length; i++) {
      for (int c = 1; c < classes; c++) {
        out[i] = all[i * classes + c] > all[i * classes + out[i]] ? c : out[i];
      }
    }
    return out;
  }

  @Override
  public @Nullable Outcome run(Bench bench) {
    long seed = bench.seed();
    Data train = Data.of(documents, seed, seed);
    Data test = Data.of(Math.max(2 * TOPICS, documents / 5), seed, seed + 1);
    TrainConfig loop = TrainConfig.of(steps, 2e-3f, seed).every(0, 200);
    ModelConfig shape = ModelConfig.bert(VOCABULARY, 64, 2, 4, LENGTH);
    EvaluationLog log = new EvaluationLog(bench.folder().resolve("accuracy.jsonl"));
    try (Encoder model = (Encoder) AutoModel.random(shape, bench.backend(), DType.F32, seed)) {
      if (!bench.fit(
          name(), loop, model.parameters(), train::batch, objective(model), null, Map.of())) {
        return null;
      }
      double[] found = log.get("test", () -> accuracies(model, test, 16)).values();
      return outcome(
          found[0],
          found[1],
          test.byFrequency(false),
          test.byFrequency(true),
          bench.curve(name(), "loss"));
    }
  }

  private Outcome outcome(double named, double told, double unigram, double right, Curve losses) {
    List<Claim> claims = new ArrayList<>();
    claims.add(
        Outcome.claim(
            "hidden words are named ten times as often as by frequency",
            named >= FAR * unigram,
            percent(named) + " against " + percent(unigram)));
    if (!quick) { // what the words before say is learnt late
      claims.add(
          Outcome.claim(
              "and one and a half times as often as by frequency in the right vocabulary",
              named >= 1.5 * right,
              percent(named) + " against " + percent(right)));
    }
    claims.add(
        Outcome.claim(
            "more than 90 % of pairs are told (16 vocabularies, no two alike)",
            told > 0.9, percent(told)));
    return Outcome.of(
        claims,
        List.of(
            new Table(
                "BERT",
                "d = 64, 2 layers, %d steps of %d rows of %d tokens; %d documents of one of %d vocabularies of %d words."
                    .formatted(steps, ROWS, LENGTH, documents, TOPICS, WORDS),
                List.of("", "right"),
                List.of(
                    List.of("hidden words", percent(named)),
                    List.of("hidden words by frequency", percent(unigram)),
                    List.of("by frequency in the right vocabulary", percent(right)),
                    List.of("pairs", percent(told))))),
        List.of(
            Outcome.Plot.lines(
                "Loss of both tasks",
                "step",
                "nats",
                List.of(Outcome.Series.of("training", losses.steps(), losses.values())))));
  }

  private static String percent(double share) {
    return String.format(Locale.ROOT, "%.1f %%", 100 * share);
  }
}

package io.heddle.models;

import io.heddle.models.NextTokenModel.Continuation;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.IntPredicate;

/**
 * Continues texts token by token, by chance or greedily. Every text has random numbers of its own,
 * drawn from the seed and the number of the sample alone: what is beside it in the batch does not
 * change them.
 */
public final class Sampler {
  private final Options options;

  /**
   * How to choose the next token.
   *
   * @param temperature divides the logits; 0 takes the most likely token
   * @param topK only the k most likely tokens; 0 for all
   * @param topP only the most likely tokens that together have this probability (nucleus, Holtzman
   *     et al. 2020); 1 for all
   * @param minP only tokens with this part of the most likely one's probability; 0 for all
   * @param typicalP only the tokens of typical surprise that together have this probability
   *     (Meister et al. 2023); 1 for all
   * @param rules what comes before all that
   * @param seed of the choice
   */
  public record Options(
      double temperature,
      int topK,
      double topP,
      double minP,
      double typicalP,
      TokenRules rules,
      long seed) {
    /** The most likely token always. */
    public static final Options GREEDY = new Options(0, 0, 1, 0);

    /** Checks the values. */
    public Options {
      if (!(temperature >= 0) || topK < 0 || !(topP > 0 && topP <= 1)) {
        throw new IllegalArgumentException(
            "temperature "
                + temperature
                + " and top-k "
                + topK
                + " must not be negative, top-p "
                + topP
                + " in (0, 1]");
      }
      if (!(minP >= 0 && minP <= 1) || !(typicalP > 0 && typicalP <= 1)) {
        throw new IllegalArgumentException(
            "min-p " + minP + " must be in [0, 1], typical-p " + typicalP + " in (0, 1]");
      }
    }

    /** Without min-p, typical-p and rules. */
    public Options(double temperature, int topK, double topP, long seed) {
      this(temperature, topK, topP, 0, 1, TokenRules.NONE, seed);
    }

    /** The same without unlikely tokens. */
    public Options minP(double value) {
      return new Options(temperature, topK, topP, value, typicalP, rules, seed);
    }

    /** The same with tokens of typical surprise only. */
    public Options typicalP(double value) {
      return new Options(temperature, topK, topP, minP, value, rules, seed);
    }

    /** The same under other rules. */
    public Options rules(TokenRules other) {
      return new Options(temperature, topK, topP, minP, typicalP, other, seed);
    }
  }

  /**
   * How much to write.
   *
   * @param samples continuations of each prompt
   * @param maxTokens most new tokens of each
   * @param ends tokens that end a text
   */
  public record Limits(int samples, int maxTokens, Set<Integer> ends) {
    /** Checks the values. */
    public Limits {
      if (samples < 1 || maxTokens < 0) {
        throw new IllegalArgumentException(samples + " samples of " + maxTokens + " tokens");
      }
      ends = Set.copyOf(ends);
    }
  }

  /** Hears tokens as they are chosen. */
  @FunctionalInterface
  public interface Listener {
    /** Hears a token of a sample of a text; false ends that sample. */
    boolean accept(int text, int sample, int token);
  }

  /** A sampler. */
  public Sampler(Options options) {
    this.options = options;
  }

  /**
   * Continues {@code prompt} by at most {@code count} tokens.
   *
   * @param prompt at least one token
   * @param accept hears each new token; false ends the text
   * @return prompt and continuation
   */
  public int[] generate(NextTokenModel model, int[] prompt, int count, IntPredicate accept) {
    Limits limits = new Limits(1, count, Set.of());
    Listener listener = (text, sample, token) -> accept.test(token);
    int[] fresh = continuations(model, new int[][] {prompt}, limits, listener).getFirst().tokens();
    int[] all = Arrays.copyOf(prompt, prompt.length + fresh.length);
    System.arraycopy(fresh, 0, all, prompt.length, fresh.length);
    return all;
  }

  /**
   * Continues several prompts at once.
   *
   * @param prompts at least one token each, of any lengths
   * @param listener hears each token as it is chosen
   * @return the samples of the first prompt, then those of the second, and so on. A score is the
   *     sum of the log probabilities among the tokens that the filters left, at temperature 1
   *     (GluonNLP's), a log probability that among all
   */
  public List<Hypothesis> continuations(
      NextTokenModel model, int[][] prompts, Limits limits, Listener listener) {
    List<Text> all = new ArrayList<>();
    for (int p = 0; p < prompts.length; p++) {
      SplittableRandom random = new SplittableRandom(options.seed());
      for (int s = 0; s < limits.samples(); s++) {
        all.add(new Text(p, s, prompts[p], limits.maxTokens(), s == 0 ? random : random.split()));
      }
    }
    if (limits.maxTokens() > 0) {
      try (Continuation at = model.begin(prompts, limits.samples(), limits.maxTokens())) {
        run(at, all, limits, listener);
      }
    }
    return all.stream().map(Text::hypothesis).toList();
  }

  private void run(Continuation at, List<Text> all, Limits limits, Listener listener) {
    if (limits.samples() > 1) {
      at.select(all.stream().mapToInt(text -> text.prompt).toArray());
    }
    boolean plain = options.temperature() == 0 && options.rules().equals(TokenRules.NONE);
    List<Text> rows = all;
    for (int step = 1; ; step++) {
      NextTokenModel.Choice chosen = plain ? at.likeliest() : null;
      float[] logits = chosen == null ? at.logits() : new float[0];
      for (int r = 0; r < rows.size(); r++) {
        Text text = rows.get(r);
        if (text.done) {
          continue;
        }
        if (chosen == null) {
          write(text, logits, r * at.vocabulary(), at.vocabulary(), limits, listener);
        } else {
          double logP = chosen.logProbabilities()[r];
          note(text, chosen.tokens()[r], logP, logP, limits, listener);
        }
      }
      if (step == limits.maxTokens()) {
        return;
      }
      // A prompt is dropped when all of its samples are done.
      Set<Integer> live = new java.util.HashSet<>();
      rows.stream().filter(text -> !text.done).forEach(text -> live.add(text.prompt));
      if (live.isEmpty()) {
        return;
      }
      List<Text> before = rows;
      int[] kept =
          java.util.stream.IntStream.range(0, rows.size())
              .filter(r -> live.contains(before.get(r).prompt))
              .toArray();
      if (kept.length < rows.size()) {
        at.select(kept);
        rows = Arrays.stream(kept).mapToObj(before::get).toList();
      }
      at.append(rows.stream().mapToInt(Text::last).toArray());
    }
  }

  /** Chooses the next token of a text by its logits, which begin at {@code at}. */
  void write(Text text, float[] logits, int at, int vocabulary, Limits limits, Listener listener) {
    double[] scores = new double[vocabulary];
    Arrays.setAll(scores, i -> logits[at + i]);
    options.rules().apply(scores, text.tokens(), text.fresh(), limits.ends(), text.prompt);
    double all = LogSoftmax.of(scores, 0, vocabulary);
    int token;
    double among;
    if (options.temperature() == 0) {
      token = 0;
      for (int i = 1; i < vocabulary; i++) {
        token = scores[i] > scores[token] ? i : token;
      }
      among = all;
    } else {
      TokenFilter filter = new TokenFilter(options);
      filter.take(scores);
      token = filter.choose(text.random.nextDouble());
      double[] kept = Arrays.stream(filter.kept()).mapToDouble(i -> scores[i]).toArray();
      among = kept.length == vocabulary ? all : LogSoftmax.of(kept, 0, kept.length);
    }
    note(text, token, scores[token] - among, scores[token] - all, limits, listener);
  }

  private static void note(
      Text text, int token, double score, double logP, Limits limits, Listener listener) {
    text.add(token, score, logP);
    text.ended = limits.ends().contains(token);
    text.done = !listener.accept(text.prompt, text.sample, token) || text.ended;
  }

  /** A text that is being written. */
  static final class Text {
    final int prompt;
    final int sample;
    final SplittableRandom random;
    private final int given;
    private final int[] tokens;
    private int length;
    private double score;
    private double logProbability;
    boolean done;
    boolean ended;

    Text(int number, int sample, int[] prompt, int room, SplittableRandom random) {
      this.prompt = number;
      this.sample = sample;
      this.random = random;
      this.given = prompt.length;
      this.length = prompt.length;
      this.tokens = Arrays.copyOf(prompt, prompt.length + room);
    }

    void add(int token, double scored, double logP) {
      tokens[length++] = token;
      score += scored;
      logProbability += logP;
    }

    int[] tokens() {
      return Arrays.copyOf(tokens, length);
    }

    int fresh() {
      return length - given;
    }

    int last() {
      return tokens[length - 1];
    }

    Hypothesis hypothesis() {
      int[] fresh = Arrays.copyOfRange(tokens, given, length);
      return new Hypothesis(fresh, score, logProbability, ended);
    }
  }
}

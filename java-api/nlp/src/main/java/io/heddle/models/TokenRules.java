package io.heddle.models;

import java.util.Arrays;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * What may not, or should not, come next, whoever chooses among the rest: a search changes log
 * probabilities by these rules, sampling changes logits, in transformers' order.
 *
 * @param repetitionPenalty divides the positive scores of tokens that the text has, prompt
 *     included, and multiplies the negative ones (Keskar et al. 2019); 1 for none
 * @param noRepeatNgram no sequence of this many tokens comes twice, prompt included; 0 for none
 * @param minTokens fewest new tokens before the text may end
 * @param allowed the only tokens that may follow; null for all
 */
public record TokenRules(
    double repetitionPenalty, int noRepeatNgram, int minTokens, @Nullable AllowedTokens allowed) {
  /** No rule. */
  public static final TokenRules NONE = new TokenRules(1, 0, 0, null);

  /** Constrains a text: a grammar, a trie of names, a forced beginning. */
  @FunctionalInterface
  public interface AllowedTokens {
    /**
     * The tokens that may follow.
     *
     * @param text number of the prompt
     * @param tokens prompt and continuation; not to be changed
     * @return at least one token
     */
    int[] after(int text, int[] tokens);
  }

  /** Checks the values. */
  public TokenRules {
    if (!(repetitionPenalty > 0) || noRepeatNgram < 0 || minTokens < 0) {
      throw new IllegalArgumentException(
          "repetition penalty "
              + repetitionPenalty
              + " must be positive, no-repeat-ngram "
              + noRepeatNgram
              + " and min-tokens "
              + minTokens
              + " not negative");
    }
  }

  /** The same with a penalty on tokens that the text has. */
  public TokenRules repetitionPenalty(double value) {
    return new TokenRules(value, noRepeatNgram, minTokens, allowed);
  }

  /** The same without repeated sequences of {@code size} tokens. */
  public TokenRules noRepeatNgram(int size) {
    return new TokenRules(repetitionPenalty, size, minTokens, allowed);
  }

  /** The same with texts of at least {@code count} new tokens. */
  public TokenRules minTokens(int count) {
    return new TokenRules(repetitionPenalty, noRepeatNgram, count, allowed);
  }

  /** The same with only some tokens allowed. */
  public TokenRules allowed(AllowedTokens which) {
    return new TokenRules(repetitionPenalty, noRepeatNgram, minTokens, which);
  }

  /**
   * Applies the rules to the scores of one text, in place; what is forbidden becomes -inf.
   *
   * @param scores by token: logits or log probabilities
   * @param tokens prompt and continuation
   * @param fresh tokens of the continuation
   * @param ends tokens that end a text
   * @param text number of the prompt
   */
  void apply(double[] scores, int[] tokens, int fresh, Set<Integer> ends, int text) {
    if (repetitionPenalty != 1) {
      for (int token : Arrays.stream(tokens).distinct().toArray()) {
        double s = scores[token];
        scores[token] = s < 0 ? s * repetitionPenalty : s / repetitionPenalty;
      }
    }
    if (noRepeatNgram > 0) {
      forbidRepeats(scores, tokens);
    }
    if (fresh < minTokens) {
      for (int end : ends) {
        scores[end] = Double.NEGATIVE_INFINITY;
      }
    }
    if (allowed != null) {
      keepAllowed(scores, allowed.after(text, tokens), text);
    }
  }

  private void forbidRepeats(double[] scores, int[] tokens) {
    int known = noRepeatNgram - 1;
    int tail = tokens.length - known;
    for (int i = 0; i + known < tokens.length; i++) {
      if (Arrays.equals(tokens, i, i + known, tokens, tail, tokens.length)) {
        scores[tokens[i + known]] = Double.NEGATIVE_INFINITY;
      }
    }
  }

  private static void keepAllowed(double[] scores, int[] kept, int text) {
    if (kept.length == 0) {
      throw new IllegalStateException("no token is allowed to follow in text " + text);
    }
    double[] old = scores.clone();
    Arrays.fill(scores, Double.NEGATIVE_INFINITY);
    for (int token : kept) {
      if (token < 0 || token >= scores.length) {
        throw new IllegalStateException(
            "token " + token + " is allowed, but there are only " + scores.length);
      }
      scores[token] = old[token];
    }
  }
}

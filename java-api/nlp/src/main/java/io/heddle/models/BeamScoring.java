package io.heddle.models;

/** How a beam search ranks continuations and when it stops. */
public sealed interface BeamScoring {
  /** When transformers' search stops. */
  enum Stopping {
    /** As soon as there are as many ended texts as beams ({@code early_stopping=True}). */
    FIRST,
    /**
     * When the best running beam, scored as if it ended now, is no better than the worst ended text
     * ({@code False}).
     */
    LIKELY,
    /**
     * When no running beam can still do better: scored at the greatest length if that favours it
     * ({@code "never"}).
     */
    CERTAIN
  }

  /**
   * GluonNLP's: scores are kept normalised, {@code s_t = (s_(t-1) lp(t-1) + log p) / lp(t)} with
   * {@code lp(t) = ((k + t) / (k + 1))^alpha}, t the number of new tokens, the end among them. An
   * ended beam keeps its score and its place as long as it is among the best; the search stops when
   * all have ended. Texts that are cut get an end without its log probability.
   *
   * @param alpha 0 for no penalty; larger favours longer texts
   * @param k softens the penalty, 5 in Wu et al. 2016
   */
  record Normalised(double alpha, double k) implements BeamScoring {
    /** GluonNLP's defaults. */
    public static final Normalised DEFAULT = new Normalised(1, 5);

    /** Checks the values. */
    public Normalised {
      if (!Double.isFinite(alpha) || !(k >= 0)) {
        throw new IllegalArgumentException("length penalty with alpha " + alpha + ", k " + k);
      }
    }
  }

  /**
   * transformers': running beams are ranked by their summed log probability; an ended text scores
   * {@code sum / t^penalty}, t its new tokens with the end, and waits in a list.
   *
   * @param lengthPenalty 0 for none; positive favours longer texts, since sums are negative
   */
  record HuggingFace(double lengthPenalty, Stopping stopping) implements BeamScoring {
    /** transformers' defaults. */
    public static final HuggingFace DEFAULT = new HuggingFace(1, Stopping.LIKELY);

    /** Checks the value. */
    public HuggingFace {
      if (!Double.isFinite(lengthPenalty)) {
        throw new IllegalArgumentException("length penalty " + lengthPenalty);
      }
    }
  }

  /**
   * Diverse beam search (Vijayakumar et al. 2018): groups of beams, one after the other in each
   * step; a token costs {@code penalty} for each beam of an earlier group that has just taken it
   * (Hamming diversity). Scores contain the penalties, as in the authors' program and transformers.
   *
   * @param groups number of groups; divides the number of beams
   * @param scoring of each group
   */
  record Diverse(int groups, double penalty, HuggingFace scoring) implements BeamScoring {
    /** Checks the values. */
    public Diverse {
      if (groups < 1 || !(penalty >= 0)) {
        throw new IllegalArgumentException(groups + " groups with diversity penalty " + penalty);
      }
    }
  }

  /**
   * Stochastic beam search (Kool et al. 2019): as many continuations as beams, drawn without
   * replacement from the model's distribution over texts of at most the greatest length. The score
   * is the log probability with Gumbel noise, by which they are drawn.
   *
   * @param seed of the noise; every prompt has noise of its own, whatever is beside it
   */
  record Stochastic(long seed) implements BeamScoring {}
}

package io.heddle.train;

import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * How parameters follow their gradients.
 *
 * @param rule the optimiser
 * @param averaging which average of the parameters is evaluated and kept
 * @param groups rates and decays of parameters by name; the first that matches counts
 * @param plateau what happens to the rate when evaluations stop improving
 * @param scaling factor on losses, for f16
 */
public record Recipe(
    Rule rule, Averaging averaging, List<Group> groups, Plateau plateau, Scaling scaling) {
  /** AdamW, no averaging, all parameters alike. */
  public static final Recipe ADAMW =
      new Recipe(new Rule.Adam(true), Averaging.NONE, List.of(), Plateau.NONE);

  /** Losses as they are. */
  public Recipe(Rule rule, Averaging averaging, List<Group> groups, Plateau plateau) {
    this(rule, averaging, groups, plateau, Scaling.NONE);
  }

  /** Keeps a copy of the list. */
  public Recipe {
    groups = List.copyOf(groups);
  }

  /** The same with another rule. */
  public Recipe with(Rule other) {
    return new Recipe(other, averaging, groups, plateau, scaling);
  }

  /** The same with another average. */
  public Recipe with(Averaging other) {
    return new Recipe(rule, other, groups, plateau, scaling);
  }

  /** The same with other groups. */
  public Recipe with(List<Group> others) {
    return new Recipe(rule, averaging, others, plateau, scaling);
  }

  /** The same with another reaction to a plateau. */
  public Recipe with(Plateau other) {
    return new Recipe(rule, averaging, groups, other, scaling);
  }

  /** The same with another factor on losses. */
  public Recipe with(Scaling other) {
    return new Recipe(rule, averaging, groups, plateau, other);
  }

  /**
   * The factor on losses while gradients are formed; they are divided by it before they are used. A
   * step whose gradients are not finite then is skipped.
   *
   * @param first the factor at the beginning
   * @param dynamic whether it is halved when steps are skipped, and doubled after many that are not
   */
  public record Scaling(double first, boolean dynamic) {
    /** No factor; gradients that are not finite are used as they are. */
    public static final Scaling NONE = new Scaling(1, false);

    /** GluonNLP's: 2^15 at first, dynamic. */
    public static final Scaling DYNAMIC = new Scaling(0x1p15, true);

    /** Checks the factor. */
    public Scaling {
      if (!(first >= 1) || Double.isInfinite(first)) {
        throw new IllegalArgumentException(
            "the loss scale " + first + " is not a number of 1 or more");
      }
    }

    boolean wanted() {
      return first != 1 || dynamic;
    }
  }

  /** The group of a parameter. */
  Group group(Tensor parameter) {
    String name = String.valueOf(parameter.name());
    return groups.stream().filter(g -> g.names.matcher(name).matches()).findFirst().orElse(ALL);
  }

  private static final Group ALL = Group.of(".*", 1, 1);

  /** An optimiser; betas, eps and weight decay are {@link TrainConfig}'s. */
  public sealed interface Rule {
    /**
     * AdamW (Loshchilov &amp; Hutter 2019).
     *
     * @param corrected divides the moments by {@code 1 - beta^t}; without, it is BERT's and
     *     GluonNLP's BERTAdam: {@code w -= lr (m / (sqrt(v) + eps) + decay w)}
     */
    record Adam(boolean corrected) implements Rule {}

    /**
     * LAMB (You et al. 2020) as GluonNLP has it: Adam's direction, decay added, times {@code
     * clip(|w|, lower, upper) / |direction|} of each tensor (1 where either is 0).
     *
     * @param corrected with bias correction; eps is then added inside the root
     * @param lower bound on the norm of the weights
     * @param upper bound on the norm of the weights
     */
    record Lamb(boolean corrected, float lower, float upper) implements Rule {
      /** GluonNLP's values: no correction, norms from 1e-3 to 10. */
      public static final Lamb STANDARD = new Lamb(false, 1e-3f, 10);
    }

    /**
     * Adafactor (Shazeer &amp; Stern 2018) as transformers has it: second moments of matrices kept
     * as row and column means.
     *
     * @param relative the rate is {@code min(1e-2, 1 / sqrt(t))} times the schedule's share of its
     *     peak, and the learning rate itself is not used
     * @param scaled the rate is multiplied by {@code max(1e-3, root mean square of w)}
     * @param momentum decay of the first moment; 0 for none
     * @param threshold bound on the root mean square of an update
     * @param decay exponent of {@code beta2 = 1 - t^decay}
     */
    record Adafactor(boolean relative, boolean scaled, float momentum, float threshold, float decay)
        implements Rule {
      /** The paper's values, relative rates. */
      public static final Adafactor STANDARD = new Adafactor(true, true, 0, 1, -0.8f);
    }

    /**
     * Stochastic gradient descent as torch has it; decay is added to the gradient.
     *
     * @param momentum 0 for none
     * @param nesterov looks ahead
     */
    record Sgd(float momentum, boolean nesterov) implements Rule {
      /** Checks the values. */
      public Sgd {
        if (momentum < 0 || momentum >= 1 || (nesterov && momentum == 0)) {
          throw new IllegalArgumentException(
              "momentum "
                  + momentum
                  + " must be in [0, 1)"
                  + (nesterov ? ", and above 0 with Nesterov's step" : ""));
        }
      }
    }
  }

  /**
   * An average of the parameters over steps: evaluations and the final model use it, training goes
   * on without it.
   *
   * @param kind which
   * @param decay of an exponential average
   * @param from step after which a mean begins
   * @param patience evaluations without gain that trigger NT-ASGD
   */
  public record Averaging(Kind kind, float decay, long from, int patience) {
    /** No averaging. */
    public static final Averaging NONE = new Averaging(Kind.NONE, 0, 0, 0);

    /** Kinds of averages. */
    public enum Kind {
      /** None. */
      NONE,
      /** {@code avg = decay avg + (1 - decay) w}, starting from w. */
      EXPONENTIAL,
      /** The mean of all steps from one on (Polyak &amp; Juditsky 1992). */
      MEAN,
      /**
       * The mean from the evaluation on that is above the smallest of the {@code patience} before
       * it (Merity et al. 2018, as GluonNLP has it).
       */
      TRIGGERED,
      /** The same, held against all evaluations but the last {@code patience} (as published). */
      TRIGGERED_AS_PUBLISHED
    }

    /** Checks the values. */
    public Averaging {
      boolean waits = kind == Kind.TRIGGERED || kind == Kind.TRIGGERED_AS_PUBLISHED;
      if (decay < 0 || decay >= 1 || from < 0 || patience < (waits ? 1 : 0)) {
        throw new IllegalArgumentException(
            "averaging with decay " + decay + " from step " + from + ", patience " + patience);
      }
    }

    /** An exponential average. */
    public static Averaging exponential(float decay) {
      return new Averaging(Kind.EXPONENTIAL, decay, 0, 0);
    }

    /** The mean from a step on. */
    public static Averaging mean(long from) {
      return new Averaging(Kind.MEAN, 0, from, 0);
    }

    /** NT-ASGD; the usual patience is 5. */
    public static Averaging triggered(int patience, boolean asPublished) {
      Kind kind = asPublished ? Kind.TRIGGERED_AS_PUBLISHED : Kind.TRIGGERED;
      return new Averaging(kind, 0, 0, patience);
    }

    /** Whether evaluations so far, the newest last, start a triggered mean. */
    boolean triggeredBy(List<Double> losses) {
      int before = losses.size() - 1;
      if (before <= patience) {
        return false;
      }
      List<Double> held =
          switch (kind) {
            case TRIGGERED -> losses.subList(before - patience, before);
            case TRIGGERED_AS_PUBLISHED -> losses.subList(0, before - patience);
            default -> List.of();
          };
      double least = held.stream().mapToDouble(x -> x).min().orElse(Double.POSITIVE_INFINITY);
      return losses.getLast() > least;
    }
  }

  /**
   * Rate and decay of some parameters.
   *
   * @param names whole names
   * @param rate factor on the learning rate
   * @param decay factor on the weight decay
   */
  public record Group(Pattern names, float rate, float decay) {
    /** A group by a regular expression. */
    public static Group of(String names, float rate, float decay) {
      if (rate < 0 || decay < 0) {
        throw new IllegalArgumentException(
            "group '"
                + names
                + "': rate "
                + rate
                + " and decay "
                + decay
                + " must not be negative");
      }
      return new Group(Pattern.compile(names), rate, decay);
    }

    /**
     * Rates that fall by {@code factor} with every layer from the top (Howard &amp; Ruder 2018):
     * heads have 1, the last of L layers {@code factor}, the first {@code factor^L}, embeddings
     * {@code factor^(L+1)}.
     */
    public static List<Group> layerwise(int layers, double factor) {
      List<Group> out = new ArrayList<>();
      for (int i = 0; i < layers; i++) {
        String names = "(.*\\b)?layers\\." + i + "\\..*";
        out.add(of(names, (float) Math.pow(factor, layers - i), 1));
      }
      String embeddings = "(.*\\.)?(embed|positions|types)\\..*";
      out.add(of(embeddings, (float) Math.pow(factor, layers + 1.0), 1));
      return out;
    }
  }

  /**
   * Lowers the rate when evaluations stop improving.
   *
   * @param evaluations without gain before each drop; 0 for never
   * @param factor on the rate
   */
  public record Plateau(int evaluations, float factor) {
    /** Never. */
    public static final Plateau NONE = new Plateau(0, 1);

    /** Checks the values. */
    public Plateau {
      if (evaluations < 0 || !(factor > 0 && factor <= 1)) {
        throw new IllegalArgumentException(
            "a plateau of " + evaluations + " evaluations with factor " + factor);
      }
    }
  }
}

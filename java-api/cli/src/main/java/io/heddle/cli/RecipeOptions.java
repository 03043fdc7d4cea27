package io.heddle.cli;

import io.heddle.train.Recipe;
import io.heddle.train.Recipe.Averaging;
import io.heddle.train.Recipe.Group;
import io.heddle.train.Recipe.Plateau;
import io.heddle.train.Recipe.Rule;
import io.heddle.train.Recipe.Scaling;
import java.util.List;
import picocli.CommandLine.Option;

/** Options that say how parameters follow their gradients. */
final class RecipeOptions {
  /** Optimisers. */
  enum Optimizer {
    ADAMW,
    BERTADAM,
    LAMB,
    ADAFACTOR,
    SGD,
    NESTEROV
  }

  @Option(
      names = "--optimizer",
      defaultValue = "ADAMW",
      description =
          "adamw, bertadam, lamb, adafactor, sgd or nesterov (default: adamw); adafactor sets its"
              + " own rate, which --decay shapes.")
  private Optimizer optimizer = Optimizer.ADAMW;

  @Option(
      names = "--momentum",
      defaultValue = "0.9",
      description = "Momentum of sgd and nesterov (default: 0.9).")
  private float momentum;

  @Option(
      names = "--average",
      defaultValue = "none",
      description =
          "What is evaluated and kept: none, ema:DECAY, mean:STEP (all parameters from that step on"
              + " averaged), or nt:N (averaged once a loss is above the N before it); default:"
              + " none.")
  private String average = "none";

  @Option(
      names = "--layer-decay",
      defaultValue = "1",
      description = "Factor on the rate per layer from the top down (default: 1).")
  private double layerDecay;

  @Option(
      names = "--plateau",
      defaultValue = "",
      description = "N:F lowers the rate by F after every N evaluations without gain.")
  private String plateau = "";

  @Option(
      names = "--loss-scale",
      defaultValue = "none",
      description =
          "Factor on losses while gradients are formed, for f16: none, dynamic (from 32768 on;"
              + " halved when gradients overflow, doubled after 2000 steps without), dynamic:FIRST"
              + " or a number; steps whose gradients overflow are skipped (default: none).")
  private String lossScale = "none";

  RecipeOptions() {}

  /** The recipe for a model of so many layers. */
  Recipe recipe(int layers) {
    List<Group> groups = layerDecay == 1 ? List.of() : Group.layerwise(layers, layerDecay);
    return new Recipe(rule(), averaging(), groups, plateau(), scaling());
  }

  private Rule rule() {
    return switch (optimizer) {
      case ADAMW -> new Rule.Adam(true);
      case BERTADAM -> new Rule.Adam(false);
      case LAMB -> Rule.Lamb.STANDARD;
      case ADAFACTOR -> Rule.Adafactor.STANDARD;
      case SGD -> new Rule.Sgd(momentum, false);
      case NESTEROV -> new Rule.Sgd(momentum, true);
    };
  }

  private Averaging averaging() {
    int colon = average.indexOf(':');
    String kind = colon < 0 ? average : average.substring(0, colon);
    String value = colon < 0 ? "" : average.substring(colon + 1);
    try {
      return switch (kind) {
        case "none" -> Averaging.NONE;
        case "ema" -> Averaging.exponential(Float.parseFloat(value));
        case "mean" -> Averaging.mean(Long.parseLong(value));
        case "nt" -> Averaging.triggered(Integer.parseInt(value), false);
        default -> throw new NumberFormatException(kind);
      };
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "--average is '" + average + "'; it can be none, ema:0.99, mean:1000 or nt:5", e);
    }
  }

  private Scaling scaling() {
    try {
      return switch (lossScale) {
        case "none" -> Scaling.NONE;
        case "dynamic" -> Scaling.DYNAMIC;
        default ->
            lossScale.startsWith("dynamic:")
                ? new Scaling(Double.parseDouble(lossScale.substring(8)), true)
                : new Scaling(Double.parseDouble(lossScale), false);
      };
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException(
          "--loss-scale is '" + lossScale + "'; it can be none, dynamic, dynamic:65536 or 1024", e);
    }
  }

  private Plateau plateau() {
    if (plateau.isEmpty()) {
      return Plateau.NONE;
    }
    try {
      int colon = plateau.indexOf(':');
      return new Plateau(
          Integer.parseInt(plateau.substring(0, Math.max(0, colon))),
          Float.parseFloat(plateau.substring(colon + 1)));
    } catch (NumberFormatException e) {
      throw new IllegalArgumentException("--plateau is '" + plateau + "'; it is like 3:0.5", e);
    }
  }
}

package io.heddle.methods.pretrain;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.models.AutoModel;
import io.heddle.models.Encoder;
import io.heddle.models.ModelConfig;
import io.heddle.nn.Parameters;
import io.heddle.op.Losses;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.train.Objective;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * ELECTRA's pretraining (Clark et al. 2020, sections 2 and 3.2): a generator and a discriminator
 * learn together, over the same embeddings of tokens, positions and segments, by {@code L_masked +
 * 50 L_replaced}. The generator learns from the hidden tokens alone: no gradient passes through its
 * draws.
 */
public final class JointReplacement implements AutoCloseable {
  /** The discriminator's share of the loss, lambda of the paper. */
  public static final float WEIGHT = 50;

  private static final List<String> EMBEDDINGS =
      List.of(
          "embed.weight",
          "positions.weight",
          "types.weight",
          "embed.norm.weight",
          "embed.norm.bias");

  private final Parameters parameters;
  private final Encoder generator;
  private final Encoder discriminator;

  private JointReplacement(Parameters parameters, Encoder generator, Encoder discriminator) {
    this.parameters = parameters;
    this.generator = generator;
    this.discriminator = discriminator;
  }

  /**
   * Both with random weights.
   *
   * @param generator with a head for hidden tokens; the paper makes it a quarter to a half of the
   *     other's size
   * @param discriminator with a head for replaced tokens, and embeddings of the same shapes
   * @throws IllegalArgumentException naming the head that is missing or the embedding that differs
   */
  public static JointReplacement random(
      ModelConfig generator, ModelConfig discriminator, Backend backend, DType dtype, long seed) {
    need(generator, MaskedLanguage.HEAD);
    need(discriminator, ReplacedTokens.HEAD);
    Parameters all = Parameters.awaiting(backend, dtype, false);
    try {
      Encoder judge = AutoModel.encoder(discriminator, all.part("discriminator.", Map.of()), seed);
      try {
        Encoder writer = AutoModel.encoder(generator, beside(all, judge.parameters()), seed + 1);
        all.drawAll();
        return new JointReplacement(all, writer, judge);
      } catch (RuntimeException | Error e) {
        judge.close();
        throw e;
      }
    } catch (RuntimeException | Error e) {
      all.close();
      throw e;
    }
  }

  private static Parameters beside(Parameters all, Parameters judge) {
    Map<String, Tensor> shared = new HashMap<>();
    for (String name : EMBEDDINGS) {
      Tensor table = judge.byName().get(name);
      if (table != null) {
        shared.put(name, table);
      }
    }
    return all.part("generator.", shared);
  }

  private static void need(ModelConfig config, String head) {
    List<String> names = config.heads().stream().map(ModelConfig.HeadConfig::name).toList();
    if (!names.contains(head)) {
      throw new IllegalArgumentException(
          "this " + config.family() + " model has no head '" + head + "'; it has " + names);
    }
  }

  /** The weights of both, those that they share once. */
  public Parameters parameters() {
    return parameters;
  }

  /** Fills hidden places. */
  public Encoder generator() {
    return generator;
  }

  /** What is kept: tells which tokens are replaced. */
  public Encoder discriminator() {
    return discriminator;
  }

  /**
   * Rows with hidden tokens.
   *
   * @param number of the batch: with the seed it fixes the draws of the generator
   */
  public record Batch(MaskedLanguage.Batch masked, long number) {}

  /**
   * The sum of both mean losses, the discriminator's times {@code weight}.
   *
   * @param seed of the generator's draws
   */
  public Objective<Batch> objective(float weight, long seed) {
    return (t, batch, gradScale) -> {
      Objective.Loss named = MaskedLanguage.run(t, generator, batch.masked, gradScale);
      ReplacedTokens.Batch replaced = replaced(batch, seed);
      Objective.Loss told =
          ReplacedTokens.objective(discriminator).run(t, replaced, gradScale * weight);
      // Two means over different counts, as a mean over the tokens that were read.
      double count = told.count();
      return new Objective.Loss((named.mean() + weight * told.mean()) * count, count);
    };
  }

  private ReplacedTokens.Batch replaced(Batch batch, long seed) {
    return ReplacedTokens.replaced(generator, batch.masked, seed, batch.number);
  }

  /**
   * How far both are, over some batches: {@code generator_loss} and {@code discriminator_loss}, in
   * nats; {@code accuracy}, the share of tokens of which the discriminator is right; {@code
   * majority}, what it would be by calling every token the text's own.
   */
  public Map<String, Double> measure(List<Batch> batches, long seed) {
    Objective.Loss named = new Objective.Loss(0, 0);
    Objective.Loss told = new Objective.Loss(0, 0);
    long right = 0;
    long own = 0;
    long all = 0;
    for (Batch batch : batches) {
      ReplacedTokens.Batch replaced = replaced(batch, seed);
      try (Tape t = Tape.inference(parameters.backend())) {
        named = named.plus(MaskedLanguage.run(t, generator, batch.masked, 0));
        told = told.plus(ReplacedTokens.objective(discriminator).run(t, replaced, 0));
        Tensor hidden = discriminator.hidden(t, replaced.rows());
        float[] outputs =
            MaskedLanguage.head(discriminator, ReplacedTokens.HEAD).outputs(t, hidden).toFloats();
        for (int i = 0; i < outputs.length; i++) {
          int target = replaced.targets()[i];
          if (target != Losses.IGNORE) {
            all++;
            own += target == 0 ? 1 : 0;
            right += (outputs[i] > 0) == (target == 1) ? 1 : 0;
          }
        }
      }
    }
    Map<String, Double> out = new LinkedHashMap<>();
    out.put("discriminator_loss", told.mean());
    out.put("generator_loss", named.mean());
    out.put("accuracy", (double) right / all);
    out.put("majority", (double) own / all);
    return out;
  }

  @Override
  public void close() {
    generator.close();
    discriminator.close();
    parameters.close();
  }
}

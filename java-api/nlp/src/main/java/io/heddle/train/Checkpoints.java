package io.heddle.train;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.checkpoint.Safetensors;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The state of a run on disk, {@code checkpoint/state.safetensors}: optimiser state and, in its
 * metadata, the step and the best value so far. One file, renamed into place: a kill at any moment
 * leaves the old state or the new one.
 */
final class Checkpoints {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path file;

  Checkpoints(Path root) {
    this.file = root.resolve("checkpoint").resolve("state.safetensors");
  }

  /**
   * Where a run stands.
   *
   * @param step steps done
   * @param best smallest value of the watched metric
   * @param stale evaluations since then
   * @param rate factor on the learning rate, lowered at plateaus
   * @param trigger steps done when a triggered average began; negative while it has not
   * @param losses the watched metric of every evaluation
   */
  record Progress(
      long step, double best, int stale, double rate, long trigger, List<Double> losses) {
    /** Nothing done yet. */
    static final Progress START = new Progress(0, Double.POSITIVE_INFINITY, 0, 1, -1, List.of());

    Progress at(long other) {
      return new Progress(other, best, stale, rate, trigger, losses);
    }

    /** All of it as numbers, for other ranks. */
    double[] numbers() {
      double[] all = new double[5 + losses.size()];
      all[0] = step;
      all[1] = best;
      all[2] = stale;
      all[3] = rate;
      all[4] = trigger;
      for (int i = 0; i < losses.size(); i++) {
        all[5 + i] = losses.get(i);
      }
      return all;
    }

    /** What {@link #numbers} were made of. */
    static Progress of(double[] all) {
      List<Double> losses = Arrays.stream(all).skip(5).boxed().toList();
      return new Progress((long) all[0], all[1], (int) all[2], all[3], (long) all[4], losses);
    }

    /** After an evaluation. */
    Progress evaluated(double watched, Recipe recipe) {
      List<Double> all = new ArrayList<>(losses);
      all.add(watched);
      boolean better = watched < best;
      int since = better ? 0 : stale + 1;
      Recipe.Plateau p = recipe.plateau();
      boolean drop = p.evaluations() > 0 && since > 0 && since % p.evaluations() == 0;
      boolean begins = trigger < 0 && recipe.averaging().triggeredBy(all);
      return new Progress(
          step,
          Math.min(watched, best),
          since,
          drop ? rate * p.factor() : rate,
          begins ? step : trigger,
          List.copyOf(all));
    }
  }

  void save(Progress progress, Map<String, Tensor> state) {
    ObjectNode json = JSON.createObjectNode();
    json.put("step", progress.step)
        .put("best", Double.toHexString(progress.best))
        .put("stale", progress.stale)
        .put("rate", Double.toHexString(progress.rate))
        .put("trigger", progress.trigger);
    ArrayNode losses = json.putArray("losses");
    progress.losses.forEach(loss -> losses.add(Double.toHexString(loss)));
    try {
      Files.createDirectories(file.getParent());
      Safetensors.write(file, state, Map.of("progress", json.toString()));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + file, e);
    }
  }

  /** Fills {@code state} from the last checkpoint, if there is one. */
  Optional<Progress> load(Map<String, Tensor> state) {
    if (!Files.exists(file)) {
      return Optional.empty();
    }
    try (SafetensorsFile saved = SafetensorsFile.open(file)) {
      for (Map.Entry<String, Tensor> entry : state.entrySet()) {
        Tensor from = saved.tensor(entry.getKey());
        Tensor to = entry.getValue();
        if (from.size() != to.size() || from.dtype() != to.dtype()) {
          throw new IllegalArgumentException(
              file + ": '" + entry.getKey() + "' is " + from + ", expected " + to);
        }
        to.copyFrom(from.segment().asSlice(0, to.size() * to.dtype().bytes()));
      }
      ObjectNode json = (ObjectNode) JSON.readTree(saved.metadata().get("progress"));
      return Optional.of(progress(json));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file, e);
    }
  }

  private static Progress progress(ObjectNode json) {
    List<Double> losses = new ArrayList<>();
    json.path("losses").forEach(loss -> losses.add(Double.parseDouble(loss.asText())));
    return new Progress(
        json.get("step").asLong(),
        Double.parseDouble(json.get("best").asText()),
        json.get("stale").asInt(),
        Double.parseDouble(json.path("rate").asText("1")),
        json.path("trigger").asLong(-1),
        List.copyOf(losses));
  }

  /** Keeps parameters as the best so far. */
  void saveBest(Map<String, Tensor> parameters) {
    try {
      Files.createDirectories(file.getParent());
      Safetensors.write(best(), parameters, Map.of());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + best(), e);
    }
  }

  /** Brings back the best parameters. */
  void loadBest(Map<String, Tensor> parameters) {
    try (SafetensorsFile saved = SafetensorsFile.open(best())) {
      for (Map.Entry<String, Tensor> entry : parameters.entrySet()) {
        Tensor to = entry.getValue();
        long bytes = to.size() * to.dtype().bytes();
        to.copyFrom(saved.tensor(entry.getKey()).segment().asSlice(0, bytes));
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + best(), e);
    }
  }

  private Path best() {
    return file.resolveSibling("best.safetensors");
  }
}

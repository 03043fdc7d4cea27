package io.heddle.methods.merge;

import io.heddle.backend.Backend;
import io.heddle.methods.study.ModelRun;
import io.heddle.methods.study.ModelRuns;
import io.heddle.methods.study.StageProgress;
import io.heddle.models.ModelConfig;
import io.heddle.progress.ProgressListener;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The paper's comparison at small scale: one model per source from a common base, their merge with
 * searched weights, the baselines, and what adding and leaving out sources does; each seed with a
 * base of its own. Every model has a folder, so an interrupted reproduction goes on where it was.
 */
public final class DemReproduction {
  private final StudyPlan plan;
  private final Data data;
  private final List<Long> seeds;
  private final Backend backend;
  private final Path root;
  private final ProgressListener progress;
  private final ModelRuns runs = new ModelRuns();

  /** Gives the data of each seed. */
  @FunctionalInterface
  public interface Data {
    /**
     * The data.
     *
     * @param root folder of the reproduction, for what is made of the data once
     */
    StudyData of(StudyPlan plan, long seed, Path root, ProgressListener progress)
        throws IOException;
  }

  /** A reproduction in {@code root}. */
  public DemReproduction(
      StudyPlan plan,
      Data data,
      List<Long> seeds,
      Backend backend,
      Path root,
      ProgressListener progress) {
    if (seeds.isEmpty()) {
      throw new IllegalArgumentException("a reproduction needs a seed");
    }
    this.plan = plan;
    this.data = data;
    this.seeds = List.copyOf(seeds);
    this.backend = backend;
    this.root = root;
    this.progress = progress;
  }

  /** Markov chains whose entropy is known. */
  public static Data chains() {
    return (plan, seed, root, progress) ->
        ChainData.of(seed, plan.validationTokens(), plan.testTokens());
  }

  /** The text that comes with the build. */
  public static Data wordNet() {
    return (plan, seed, root, progress) ->
        StudyData.wordNet(StudyData.TextSizes.of(plan), root.resolve("tokenizer"), progress);
  }

  /**
   * Text of one's own.
   *
   * @param folder with a file or folder of text for each source
   * @param names of these, two at least and one more: the last is added when all else is done
   */
  public static Data folders(Path folder, List<String> names) {
    if (names.size() < 3) {
      throw new IllegalArgumentException(
          "a reproduction needs three sources or more, the last to be added later; there are "
              + names);
    }
    return (plan, seed, root, progress) ->
        StudyData.folders(
            folder, names, StudyData.TextSizes.of(plan), root.resolve("tokenizer"), progress);
  }

  /** Asks {@link #run} to save its state and return. */
  public void stop() {
    runs.stop();
  }

  /** Runs what is not done yet and writes the report; null when it was asked to stop. */
  public @Nullable List<Findings> run() throws IOException {
    RunDirectory directory = new RunDirectory(root);
    // Not the seeds: more of them may be asked for later.
    directory.begin(RunDirectory.object().put("plan", plan.toString()));
    List<StudyData> datas = new ArrayList<>();
    long left = 0;
    for (long seed : seeds) {
      StudyData one =
          datas.isEmpty() || datas.getFirst().tokenizer() == null
              ? data.of(plan, seed, root, progress)
              : datas.getFirst(); // text is the same for all seeds
      datas.add(one);
      for (Stages.Stage stage : Stages.of(one, plan, seed)) {
        left += ModelRun.finished(folder(seed).resolve(stage.name())) == null ? stage.steps() : 0;
      }
    }
    List<Findings> findings = new ArrayList<>();
    StageProgress overall = new StageProgress(progress, "reproduce dem", left);
    try {
      for (int i = 0; i < seeds.size(); i++) {
        if (!train(datas.get(i), seeds.get(i), overall)) {
          return null;
        }
        overall.stage("seed " + seeds.get(i) + ": search and tables");
        findings.add(
            new SeedStudy(plan, datas.get(i), backend, folder(seeds.get(i)), seeds.get(i))
                .measure());
      }
    } finally {
      overall.close();
    }
    ReproductionReport.write(root, plan, datas.getFirst(), findings);
    return findings;
  }

  private Path folder(long seed) {
    return root.resolve("seed-" + seed);
  }

  private boolean train(StudyData of, long seed, StageProgress overall) {
    ModelConfig shape =
        ModelConfig.llama(
            of.vocabulary(),
            plan.dim(),
            plan.layers(),
            plan.heads(),
            plan.heads(),
            (plan.dim() * 8 / 3 + 31) / 32 * 32,
            plan.length(),
            "full");
    Path folder = folder(seed);
    for (Stages.Stage stage : Stages.of(of, plan, seed)) {
      overall.stage("seed " + seed + ": " + stage.name());
      ModelRun run = new ModelRun(folder.resolve(stage.name()), backend, overall);
      // Batches of a stage are its own: the second fine-tuning of a source sees other ones.
      long stageSeed = seed * 1_000_003 + stage.name().hashCode();
      Path start = stage.start() == null ? null : folder.resolve(stage.start()).resolve("model");
      ModelRun.Trained done =
          runs.fit(
              run,
              r ->
                  r.fit(
                      stage.name(),
                      shape,
                      start,
                      plan.loop(
                          stage.steps(),
                          stage.start() == null,
                          !stage.validation().isEmpty(),
                          stageSeed),
                      stage.rows().batches(stageSeed, plan.rows()),
                      stage.validation()));
      if (done == null) {
        return false;
      }
    }
    return true;
  }
}

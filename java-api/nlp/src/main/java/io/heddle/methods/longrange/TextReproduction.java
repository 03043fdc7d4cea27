package io.heddle.methods.longrange;

import io.heddle.backend.Backend;
import io.heddle.data.Document;
import io.heddle.data.HoldOut;
import io.heddle.data.Texts;
import io.heddle.methods.lm.LmData;
import io.heddle.methods.study.ModelRuns;
import io.heddle.methods.study.StageProgress;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * MASFormer's claim on long texts: full attention in the bottom quarter of the layers is as good as
 * full attention everywhere, and what windows alone lose are the tokens whose evidence they cannot
 * see. Three models on the same tokens; an interrupted comparison goes on where it was.
 */
public final class TextReproduction {
  private final TextPlan plan;
  private final Path data;
  private final List<Long> seeds;
  private final Backend backend;
  private final Path root;
  private final ProgressListener progress;
  private final ModelRuns runs = new ModelRuns();

  /**
   * A comparison in {@code root}.
   *
   * @param data file or folder of long documents, see {@link Texts#readAny}
   */
  public TextReproduction(
      TextPlan plan,
      Path data,
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

  /** Asks {@link #run} to save its state and return. */
  public void stop() {
    runs.stop();
  }

  /** Runs what is not done yet and writes the report; null when it was asked to stop. */
  public @Nullable List<TextFindings> run() throws IOException {
    RunDirectory directory = new RunDirectory(root);
    directory.begin(RunDirectory.object().put("plan", plan.toString()));
    HoldOut parts = HoldOut.lastLines(Texts.readAny(data), plan.holdOut());
    Tokenizer tokenizer =
        Tokenizers.keptOrTrained(
            root.resolve("tokenizer"),
            plan.vocabulary(),
            () -> parts.train().stream().map(Document::text).iterator(),
            progress);
    LmData tokens = LmData.of(tokenizer, parts.train(), parts.heldOut());
    List<TextStudy> studies = new ArrayList<>();
    for (long seed : seeds) {
      studies.add(new TextStudy(plan, tokens, backend, root.resolve("seed-" + seed), seed));
    }
    long left = ModelRuns.left(studies);
    List<TextFindings> findings;
    try (StageProgress overall = new StageProgress(progress, "reproduce masformer on text", left)) {
      findings = runs.all(studies, overall);
    }
    if (findings != null) {
      TextReport.write(root, plan, backend, tokens, findings);
    }
    return findings;
  }
}

package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.methods.merge.DemStudy;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle quickstart}: the main job on text that comes with the build. */
@Command(
    name = "quickstart",
    description = {
      "Trains a small mixed-attention language model on WordNet's English beside its full-attention twin,",
      "fine-tunes it on two distributions, merges the results (DEM) and shows the table. A few minutes on two",
      "cores; interrupted, the same command goes on where it was."
    })
final class QuickstartCommand implements Callable<Integer> {
  private static final int INTERRUPTED = 1;

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();

  @Option(
      names = "--out",
      defaultValue = "runs/quickstart",
      description = "Folder (default: ${DEFAULT-VALUE}).")
  private Path out = Path.of("");

  @Option(
      names = "--base-steps",
      defaultValue = "250",
      description = "Steps of the base (default: 250).")
  private long baseSteps;

  @Option(
      names = "--tune-steps",
      defaultValue = "80",
      description = "Steps of each fine-tuning (default: 80).")
  private long tuneSteps;

  @Option(names = "--seed", defaultValue = "1", description = "Seed (default: 1).")
  private long seed;

  QuickstartCommand() {}

  @Override
  public Integer call() {
    long start = System.nanoTime();
    try (Backend backend = session.open()) {
      DemStudy study =
          new DemStudy(
              new DemStudy.Settings(baseSteps, tuneSteps, seed), backend, out, session.progress());
      DemStudy.Findings findings = Session.interruptible(study::stop, () -> findings(study));
      if (findings == null) {
        return INTERRUPTED;
      }
      print(findings, (System.nanoTime() - start) * 1e-9);
      return 0;
    }
  }

  private static DemStudy.@Nullable Findings findings(DemStudy study) {
    try {
      return study.run();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void print(DemStudy.Findings findings, double seconds) {
    PrintWriter writer = spec.commandLine().getOut();
    writer.println();
    writer.printf("%-44s", "perplexity on test text");
    findings.distributions().forEach(name -> writer.printf("%10s", name));
    writer.println();
    for (DemStudy.Row row : findings.rows()) {
      writer.printf("%-44s", row.model());
      for (double perplexity : row.perplexities()) {
        writer.printf(Locale.ROOT, "%10.2f", perplexity);
      }
      writer.println();
    }
    writer.printf("%-44s", "by frequency alone (unigram entropy)");
    findings.unigram().forEach(p -> writer.printf(Locale.ROOT, "%10.1f", p));
    writer.println("\n\nsentences from the merged model:");
    findings.samples().forEach(s -> writer.println("  " + s));
    writer.printf(
        Locale.ROOT,
        "%n%.0f s; %.0f tokens/s with mixed attention, %.0f with full; report: %s%n",
        seconds,
        new RunDirectory(out.resolve("base")).tokensPerSecond(),
        new RunDirectory(out.resolve("twin")).tokensPerSecond(),
        out.resolve("report.html"));
    writer.flush();
  }
}

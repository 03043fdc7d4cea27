package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.methods.merge.DemReproduction;
import io.heddle.methods.merge.Findings;
import io.heddle.methods.merge.StudyData;
import io.heddle.methods.merge.StudyPlan;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code heddle reproduce dem}: the comparison of the Distribution Edited Model. */
@Command(
    name = "dem",
    description = {
      "Distribution Edited Model (arXiv 2406.15570) at small scale: one model per source from one base, merged with",
      "searched weights, beside data mixing, averages, TIES and training one after the other; leaving out and",
      "adding sources; cosines; cost in tokens and seconds. Interrupted, the same command goes on."
    })
final class ReproduceDemCommand implements Callable<Integer> {
  private static final int INTERRUPTED = 1;

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();

  @Option(
      names = "--data",
      defaultValue = "wordnet",
      description = {
        "wordnet (text that comes with the build; the default), chains-short or chains-long (Markov",
        "chains with known entropy), or a folder with a file or folder of text for each source."
      })
  private String data = "wordnet";

  @Option(
      names = "--source",
      description = {
        "Name of a source in the folder; may be repeated, the last is the one added later. Without it:",
        "those of lm-books, lm-speeches, mathqa-python and instructions-p3 that are there."
      })
  private List<String> sources = new ArrayList<>();

  @Option(names = "--out", required = true, description = "Folder of the models and the results.")
  private Path out = Path.of("");

  @Option(names = "--seeds", defaultValue = "3", description = "Number of seeds (default: 3).")
  private int seeds;

  @Option(
      names = "--base-steps",
      description = "Steps of the base (default: 1200 chains-short, 1500 chains-long, 800 text).")
  private @Nullable Long baseSteps;

  @Option(
      names = "--tune-steps",
      description =
          "Steps of each fine-tuning (default: 80 chains-short, 200 chains-long, 100 text).")
  private @Nullable Long tuneSteps;

  @Option(names = "--quick", description = "A tenth of the steps: to see that it runs.")
  private boolean quick;

  ReproduceDemCommand() {}

  @Override
  public Integer call() {
    if (seeds < 1) {
      throw new ParameterException(spec.commandLine(), "--seeds is " + seeds + "; one is needed");
    }
    StudyPlan plan =
        switch (data) {
          case "chains-short" -> StudyPlan.CHAINS_SHORT;
          case "chains-long" -> StudyPlan.CHAINS_LONG;
          case "wordnet" -> StudyPlan.TEXT.titled("WordNet's English");
          default -> StudyPlan.TEXT.titled(String.join(", ", names()));
        };
    plan = quick ? plan.quick() : plan;
    plan =
        plan.steps(
            baseSteps == null ? plan.baseSteps() : baseSteps,
            tuneSteps == null ? plan.tuneSteps() : tuneSteps);
    try (Backend backend = session.open()) {
      DemReproduction reproduction =
          new DemReproduction(
              plan,
              source(),
              LongStream.rangeClosed(1, seeds).boxed().toList(),
              backend,
              out,
              session.progress());
      List<Findings> findings =
          Session.interruptible(reproduction::stop, () -> findings(reproduction));
      if (findings == null) {
        return INTERRUPTED;
      }
      PrintWriter print = spec.commandLine().getOut();
      print.print(Files.readString(out.resolve("results.md")));
      print.println("\nreport: " + out.resolve("report.html"));
      print.flush();
      return 0;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static @Nullable List<Findings> findings(DemReproduction reproduction) {
    try {
      return reproduction.run();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private DemReproduction.Data source() {
    return switch (data) {
      case "chains-short", "chains-long" -> DemReproduction.chains();
      case "wordnet" -> DemReproduction.wordNet();
      default -> DemReproduction.folders(Path.of(data), names());
    };
  }

  private List<String> names() {
    Path folder = Path.of(data);
    if (!Files.isDirectory(folder)) {
      throw new ParameterException(
          spec.commandLine(),
          "--data is '" + data + "': neither wordnet, chains-short or chains-long, nor a folder");
    }
    if (!sources.isEmpty()) {
      return sources;
    }
    List<String> known =
        StudyData.KNOWN.stream().filter(name -> Files.exists(folder.resolve(name))).toList();
    if (known.size() < 3) {
      throw new ParameterException(
          spec.commandLine(),
          folder
              + " has fewer than three of "
              + StudyData.KNOWN
              + ": name its sources by --source");
    }
    return known;
  }
}

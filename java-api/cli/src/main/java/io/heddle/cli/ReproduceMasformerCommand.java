package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.methods.longrange.MasformerReproduction;
import io.heddle.methods.longrange.RecallFindings;
import io.heddle.methods.longrange.RecallPlan;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
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

/** {@code heddle reproduce masformer}: where full attention must stand. */
@Command(
    name = "masformer",
    description = {
      "MASFormer (arXiv 2310.12442) at small scale: full attention in some layers, blocks or windows in the rest,",
      "by number and place of the full layers; recall over long distances, local perplexity, cost, and the",
      "conversion of a model with full attention. Interrupted, the same command goes on."
    })
final class ReproduceMasformerCommand implements Callable<Integer> {
  private static final int INTERRUPTED = 1;

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();

  @Option(names = "--out", required = true, description = "Folder of the models and the results.")
  private Path out = Path.of("");

  @Option(names = "--seeds", defaultValue = "3", description = "Number of seeds (default: 3).")
  private int seeds;

  @Option(
      names = "--steps",
      description = "Steps of each model (default: 500); conversions in proportion.")
  private @Nullable Long steps;

  @Option(names = "--quick", description = "A tenth of the steps: to see that it runs.")
  private boolean quick;

  ReproduceMasformerCommand() {}

  @Override
  public Integer call() {
    if (seeds < 1) {
      throw new ParameterException(spec.commandLine(), "--seeds is " + seeds + "; one is needed");
    }
    RecallPlan plan = quick ? RecallPlan.FULL.quick() : RecallPlan.FULL;
    plan = steps == null ? plan : plan.sized(plan.title(), steps);
    try (Backend backend = session.open()) {
      MasformerReproduction reproduction =
          new MasformerReproduction(
              plan,
              LongStream.rangeClosed(1, seeds).boxed().toList(),
              backend,
              out,
              session.progress());
      List<RecallFindings> findings =
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

  private static @Nullable List<RecallFindings> findings(MasformerReproduction reproduction) {
    try {
      return reproduction.run();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

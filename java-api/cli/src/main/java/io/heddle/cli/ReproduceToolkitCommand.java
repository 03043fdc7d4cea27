package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.methods.toolkit.Outcome;
import io.heddle.methods.toolkit.ToolkitReproduction;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle reproduce toolkit}: the tutorial's small experiments. */
@Command(
    name = "toolkit",
    description = {
      "The text toolkit (Lin et al., EMNLP 2019 tutorial) in small experiments on data of their"
          + " own:",
      "bucketing, beam search, sampling, cache, NT-ASGD, placement of norms, BERT's tasks,"
          + " subwords.",
      "Each holds its claims against what it finds. Interrupted, the same command goes on."
    })
final class ReproduceToolkitCommand implements Callable<Integer> {
  private static final int INTERRUPTED = 1;

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();

  @Option(names = "--out", required = true, description = "Folder of the results.")
  private Path out = Path.of("");

  @Option(
      names = "--only",
      split = ",",
      description = "Names of experiments; without it all: ${COMPLETION-CANDIDATES}.",
      completionCandidates = Names.class)
  private List<String> only = new ArrayList<>();

  @Option(names = "--seed", defaultValue = "1", description = "Of everything random (default: 1).")
  private long seed;

  @Option(names = "--quick", description = "Small forms, to see that they run.")
  private boolean quick;

  ReproduceToolkitCommand() {}

  /** The experiments, for the help. */
  static final class Names extends ArrayList<String> {
    private static final long serialVersionUID = 1;

    Names() {
      super(ToolkitReproduction.names());
    }
  }

  @Override
  public Integer call() {
    try (Backend backend = session.open()) {
      ToolkitReproduction reproduction =
          new ToolkitReproduction(backend, out, quick, seed, only, session.progress());
      Map<String, Outcome> found =
          Session.interruptible(reproduction::stop, () -> found(reproduction));
      if (found == null) {
        return INTERRUPTED;
      }
      PrintWriter print = spec.commandLine().getOut();
      found.forEach(
          (name, outcome) ->
              outcome
                  .claims()
                  .forEach(
                      claim ->
                          print.printf(
                              "%-12s %-13s %s (%s)%n",
                              name,
                              claim.held().getFirst() ? "held" : "did not hold",
                              claim.text(),
                              claim.evidence().getFirst())));
      print.println("report: " + out.resolve("report.html"));
      print.flush();
      return 0;
    }
  }

  private static @Nullable Map<String, Outcome> found(ToolkitReproduction reproduction) {
    try {
      return reproduction.run();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}

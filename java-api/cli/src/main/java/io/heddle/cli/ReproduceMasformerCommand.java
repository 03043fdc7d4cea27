package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.methods.longrange.MasformerReproduction;
import io.heddle.methods.longrange.RecallPlan;
import io.heddle.methods.longrange.TextPlan;
import io.heddle.methods.longrange.TextReproduction;
import io.heddle.models.Schedule.Placement;
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
      "MASFormer (arXiv 2310.12442) at small scale: full attention in some layers, blocks or"
          + " windows in the rest,",
      "by number and place of the full layers; recall over long distances, local perplexity, cost,"
          + " and the",
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

  @Option(
      names = "--data",
      description = {
        "File or folder of long texts: adds, in OUT/text, three models on rows of 4096 tokens, with"
            + " full",
        "attention everywhere, in a quarter of the layers, and nowhere (for a GPU)."
      })
  private @Nullable Path data;

  @Option(names = "--text-only", description = "With --data: leave the recall experiment out.")
  private boolean textOnly;

  @Option(
      names = "--text-seeds",
      defaultValue = "1",
      description = "Seeds of the models on text (default: 1).")
  private int textSeeds;

  @Option(
      names = "--text-steps",
      defaultValue = "300",
      description = "Steps of each model on text (default: 300).")
  private long textSteps;

  @Option(
      names = "--text-batch",
      defaultValue = "8",
      description = "Rows of a batch of text (default: 8).")
  private int textBatch;

  @Option(
      names = "--text-vocab",
      paramLabel = "TOKENS",
      defaultValue = "4096",
      description = "Tokens of the tokenizer of text (default: 4096).")
  private int textVocabulary;

  @Option(
      names = "--text-quoted",
      paramLabel = "SHARE",
      defaultValue = "0",
      description = {
        "Share of each row's tokens that repeat an earlier passage from beyond all sparse layers'"
            + " reach, in training",
        "and, apart, when scored (default: 0)."
      })
  private double textQuoted;

  @Option(
      names = "--text-start",
      paramLabel = "STEPS",
      defaultValue = "0",
      description = {
        "Steps on rows of 512 tokens before, windows or blocks an eighth as long (default: 0)."
      })
  private long textStart;

  @Option(
      names = "--sparse",
      defaultValue = "window:256",
      description = "Attention of sparse layers on text (default: window:256).")
  private String sparse = "window:256";

  @Option(
      names = "--text-full",
      paramLabel = "PLACE",
      defaultValue = "BOTTOM",
      description =
          "Where the mixed model's full layers stand on text: bottom, middle, top or every"
              + " (default: bottom).")
  private Placement textFull = Placement.BOTTOM;

  ReproduceMasformerCommand() {}

  @Override
  public Integer call() {
    if (seeds < 1 || textSeeds < 1) {
      throw new ParameterException(
          spec.commandLine(), "--seeds and --text-seeds must be at least 1");
    }
    if (!(textQuoted >= 0 && textQuoted < 1)) {
      throw new ParameterException(spec.commandLine(), "--text-quoted must be from 0 to below 1");
    }
    if (textStart < 0) {
      throw new ParameterException(spec.commandLine(), "--text-start must not be negative");
    }
    if (textOnly && data == null) {
      throw new ParameterException(spec.commandLine(), "--text-only needs --data");
    }
    try (Backend backend = session.open()) {
      if (!textOnly && !recall(backend)) {
        return INTERRUPTED;
      }
      if (data != null && !text(backend, data)) {
        return INTERRUPTED;
      }
      return 0;
    }
  }

  private boolean recall(Backend backend) {
    RecallPlan plan = quick ? RecallPlan.FULL.quick() : RecallPlan.FULL;
    plan = steps == null ? plan : plan.sized(plan.title(), steps);
    MasformerReproduction reproduction =
        new MasformerReproduction(plan, seeds(seeds), backend, out, session.progress());
    return finished(reproduction::stop, reproduction::run, out);
  }

  private boolean text(Backend backend, Path texts) {
    long each = quick ? Math.max(1, textSteps / 10) : textSteps;
    TextPlan plan =
        TextPlan.LARGE.with(
            textVocabulary,
            each,
            textBatch,
            sparse,
            textFull,
            textQuoted,
            quick ? textStart / 10 : textStart);
    Path folder = out.resolve("text");
    TextReproduction reproduction =
        new TextReproduction(plan, texts, seeds(textSeeds), backend, folder, session.progress());
    return finished(reproduction::stop, reproduction::run, folder);
  }

  private static List<Long> seeds(int count) {
    return LongStream.rangeClosed(1, count).boxed().toList();
  }

  private interface Study {
    @Nullable Object run() throws IOException;
  }

  // False when it was interrupted; prints the results otherwise.
  private boolean finished(Runnable stop, Study study, Path folder) {
    Boolean done =
        Session.interruptible(
            stop,
            () -> {
              try {
                return study.run() != null;
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    if (done) {
      PrintWriter print = spec.commandLine().getOut();
      try {
        print.print(Files.readString(folder.resolve("results.md")));
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
      print.println("\nreport: " + folder.resolve("report.html"));
      print.flush();
    }
    return done;
  }
}

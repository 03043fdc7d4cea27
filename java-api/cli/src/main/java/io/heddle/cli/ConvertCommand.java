package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.models.Conversion;
import io.heddle.models.Conversion.PositionMode;
import io.heddle.models.ModelConfig;
import io.heddle.models.Schedule;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle convert}: a pretrained model under another attention schedule. */
@Command(
    name = "convert",
    description = {
      "Writes a model folder whose attention follows another schedule, for longer sequences if"
          + " wanted. Weights",
      "stay as they are, learned positions are extended; 'train lm --start OUT' trains on from"
          + " there."
    })
final class ConvertCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();

  @Parameters(paramLabel = "MODEL", description = "Model folder.")
  private Path model = Path.of("");

  @Option(names = "--out", required = true, description = "New folder; it must not exist.")
  private Path out = Path.of("");

  @Option(
      names = {"--schedule", "--pattern"},
      defaultValue = "",
      description = {
        "Attention per layer, e.g. 'block:1024,full@bottom:4', or a preset as masformer",
        "(default: as it was)."
      })
  private String schedule = "";

  @Option(
      names = "--context",
      defaultValue = "0",
      description = "Most tokens of a sequence; 0: as it was (default: 0).")
  private int context;

  @Option(
      names = "--positions",
      defaultValue = "tile",
      description = {
        "How a table of learned positions becomes longer: tile (again and again), interpolate",
        "(stretched) or init (new rows at random) (default: tile)."
      })
  private String positions = "tile";

  @Option(names = "--seed", defaultValue = "1", description = "Seed of random rows (default: 1).")
  private long seed;

  ConvertCommand() {}

  @Override
  public Integer call() throws IOException {
    PositionMode mode = PositionMode.of(positions);
    try (Backend backend = session.open()) {
      ModelConfig made = Conversion.write(model, out, backend, schedule, context, mode, seed);
      Schedule of = Schedule.parse(made.schedule(), made.layers(), made.stack().heads().count());
      PrintWriter print = spec.commandLine().getOut();
      print.printf("%s: %s, %d tokens%n", out, of.letters(), made.context());
      for (int layer = 0; layer < of.layers(); layer++) {
        print.printf("  layer %d: %s%n", layer, of.describe(layer));
      }
      print.flush();
      return 0;
    }
  }
}

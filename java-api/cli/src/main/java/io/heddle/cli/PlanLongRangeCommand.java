package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.backend.Backend;
import io.heddle.methods.longrange.CostModel;
import io.heddle.methods.longrange.LayerMeter;
import io.heddle.methods.longrange.SchedulePlanner;
import io.heddle.methods.longrange.SchedulePlanner.Budget;
import io.heddle.methods.longrange.SchedulePlanner.Choice;
import io.heddle.models.ModelConfig;
import io.heddle.models.ModelFolder;
import io.heddle.models.Schedule.Placement;
import io.heddle.report.LineChart;
import io.heddle.report.Report;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code heddle plan longrange}: full attention in how many layers? */
@Command(
    name = "longrange",
    description = {
      "What full attention in some layers and windows or blocks in the rest will cost: scored"
          + " pairs, FLOPs of a",
      "forward pass, bytes of the key/value cache and of activations, each beside full attention"
          + " everywhere.",
      "With a budget it proposes the schedule with the most full layers that fits; with --measure"
          + " it runs training",
      "steps of the schedule and prints what each layer took beside what was predicted."
    })
final class PlanLongRangeCommand implements Callable<Integer> {
  private static final int BAR = 20;
  private static final double MIB = 1 << 20;

  @Spec private CommandSpec spec = CommandSpec.create();

  @Mixin private Session session = new Session();

  @Option(names = "--model", description = "Model folder whose shape is taken.")
  private @Nullable Path model;

  @Option(names = "--layers", defaultValue = "24", description = "Blocks (default: 24).")
  private int layers;

  @Option(names = "--dim", defaultValue = "2048", description = "Features (default: 2048).")
  private int dim;

  @Option(names = "--heads", defaultValue = "16", description = "Query heads (default: 16).")
  private int heads;

  @Option(names = "--seq", defaultValue = "8192", description = "Tokens (default: 8192).")
  private long seq;

  @Option(names = "--full", defaultValue = "-1", description = "Full layers; -1: a sixth of all.")
  private int full;

  @Option(names = "--window", description = "Tokens of the window of sparse layers (default: 512).")
  private @Nullable Integer window;

  @Option(names = "--block", description = "Tokens of a block of sparse layers, instead.")
  private @Nullable Integer block;

  @Option(
      names = "--placement",
      defaultValue = "BOTTOM",
      description = "Of the full layers: bottom, middle, top or every (default: bottom).")
  private Placement placement = Placement.BOTTOM;

  @Option(names = "--bytes", defaultValue = "2", description = "Of an element (default: 2, bf16).")
  private int bytes;

  @Option(
      names = "--budget-flops",
      description = "Most FLOPs of a forward pass, as a number (3e13) or a share (70%%).")
  private @Nullable String budgetFlops;

  @Option(
      names = "--budget-memory",
      converter = ByteCount.class,
      description = "Most bytes of keys and values of a sequence, e.g. 512m.")
  private @Nullable Long budgetMemory;

  @Option(
      names = "--measure",
      defaultValue = "0",
      description = {
        "Run so many training steps of the schedule marked > (or proposed) and print time and"
            + " memory of each",
        "layer; elements are bf16 with --bytes 2, f32 with --bytes 4 (default: 0, none)."
      })
  private int measure;

  @Option(
      names = "--recompute",
      description = "Measure with blocks that are run again on the way back.")
  private boolean recompute;

  @Option(names = "--report", description = "HTML file with the trade-off as a chart.")
  private @Nullable Path report;

  @Option(names = "--json", description = "Print JSON.")
  private boolean json;

  private String machine = "";

  PlanLongRangeCommand() {}

  @Override
  public Integer call() throws IOException {
    if (window != null && block != null) {
      throw new ParameterException(
          spec.commandLine(), "give --window or --block: sparse layers have one of them");
    }
    CostModel.Shape shape = shape();
    String kind = block != null ? "block" : "window";
    int size = block != null ? block : window != null ? window : 512;
    int wanted = full < 0 ? Math.max(1, shape.layers() / 6) : full;
    SchedulePlanner planner = new SchedulePlanner(shape, seq, bytes, placement);
    List<Choice> choices = planner.choices(wanted, kind + ":" + size);
    Choice all = choices.getLast();
    Budget budget = budget(all);
    Choice proposed = budget == null ? null : planner.propose(budget, kind, size);
    Choice chosen = proposed != null ? proposed : planner.choice(wanted, kind + ":" + size);
    LayerMeter.Measured measured = measure > 0 ? measured(chosen.schedule()) : null;
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      Map<String, Object> tree = new TreeMap<>();
      tree.put("shape", shape);
      tree.put("tokens", seq);
      tree.put("choices", choices);
      if (proposed != null) {
        tree.put("proposed", proposed);
      }
      if (measured != null) {
        tree.put("measured", measured);
      }
      out.println(new ObjectMapper().writerWithDefaultPrettyPrinter().writeValueAsString(tree));
    } else {
      print(out, shape, choices, wanted);
      if (proposed != null) {
        out.printf(
            Locale.ROOT,
            "%nwithin the budget: --schedule '%s' (%s), %.1f %% of the FLOPs, %.1f MiB of keys and"
                + " values%n",
            proposed.schedule(),
            proposed.cost().letters(),
            100 * proposed.cost().model(),
            proposed.cost().cache() / MIB);
      }
      if (measured != null) {
        new LayerTable(measured).print(out, machine);
      }
    }
    if (report != null) {
      Report page = page(shape, choices);
      if (measured != null) {
        new LayerTable(measured).add(page);
      }
      page.write(report);
    }
    out.flush();
    if (budget != null && proposed == null) {
      throw new IllegalArgumentException(
          "no schedule fits the budget: without any full layer and with a %s of 64 tokens it takes %.3g FLOPs"
              .formatted(kind, planner.choice(0, kind + ":64").cost().flops()));
    }
    return 0;
  }

  // Random weights take as long as any; a vocabulary of a few tokens leaves the output layer out,
  // as the prediction does.
  private LayerMeter.Measured measured(String schedule) throws IOException {
    int length = Math.toIntExact(seq);
    ModelConfig config =
        model == null
            ? ModelConfig.gpt2(64, dim, layers, heads, length, schedule)
            : ModelFolder.readConfig(model.resolve("config.json")).withSchedule(schedule);
    if (bytes != 2 && bytes != 4) {
      throw new ParameterException(
          spec.commandLine(), "--bytes is " + bytes + "; what is measured has 2 (bf16) or 4 (f32)");
    }
    try (Backend backend = session.open()) {
      machine = backend.describe();
      return new LayerMeter(config, length, bytes == 2 ? DType.BF16 : DType.F32, recompute)
          .measure(backend, measure, session.progress());
    }
  }

  private CostModel.Shape shape() throws IOException {
    if (model == null) {
      return CostModel.Shape.plain(layers, dim, heads);
    }
    ModelConfig config = ModelFolder.readConfig(model.resolve("config.json"));
    return CostModel.Shape.of(config);
  }

  private @Nullable Budget budget(Choice all) {
    if (budgetFlops == null && budgetMemory == null) {
      return null;
    }
    return new Budget(
        budgetFlops == null ? Double.POSITIVE_INFINITY : flops(budgetFlops, all.cost().flops()),
        budgetMemory == null ? Double.POSITIVE_INFINITY : budgetMemory);
  }

  // 3e13, or 70% of `whole`.
  private double flops(String text, double whole) {
    boolean share = text.endsWith("%");
    try {
      double value = Double.parseDouble(share ? text.substring(0, text.length() - 1) : text);
      if (value > 0) {
        return share ? value * whole / 100 : value;
      }
    } catch (NumberFormatException e) {
      // said below
    }
    throw new ParameterException(
        spec.commandLine(), "--budget-flops is '" + text + "'; it can be 3e13 or 70%, say");
  }

  private void print(PrintWriter out, CostModel.Shape shape, List<Choice> choices, int wanted) {
    Choice all = choices.getLast();
    out.printf(
        Locale.ROOT,
        "%d layers, %d features, %d heads of %d; %d tokens; full attention everywhere takes %.2f"
            + " TFLOP a forward pass, %.1f MiB of keys and values.%nA training step keeps %.1f MiB"
            + " of activations of a sequence whatever the schedule, with recomputation %.1f"
            + " MiB.%n%n",
        shape.layers(),
        shape.dim(),
        shape.heads(),
        shape.headDim(),
        seq,
        all.cost().flops() * 1e-12,
        all.cost().cache() / MIB,
        all.cost().activations() / MIB,
        all.cost().recomputed() / MIB);
    int width = Math.max(6, shape.layers());
    out.printf(
        Locale.ROOT,
        "   full  %-" + width + "s  pairs %%  attention less  model FLOPs %%  KV MiB%n",
        "layers");
    for (Choice choice : choices) {
      CostModel.Cost cost = choice.cost();
      out.printf(
          Locale.ROOT,
          "%s %5d  %-" + width + "s  %7.1f  %12.1f %%  %13.1f  %6.0f  %s%n",
          choice.full() == wanted ? ">" : " ",
          choice.full(),
          cost.letters(),
          100 * cost.attention(),
          100 * (1 - cost.attention()),
          100 * cost.model(),
          cost.cache() / MIB,
          "#".repeat((int) Math.round(BAR * cost.attention())));
    }
  }

  private Report page(CostModel.Shape shape, List<Choice> choices) {
    double[] full = choices.stream().mapToDouble(Choice::full).toArray();
    LineChart chart =
        new LineChart(
                "Cost by number of full layers", "full layers", "1 = full attention everywhere")
            .series("scored pairs", full, column(choices, c -> c.cost().attention()))
            .series("FLOPs of the model", full, column(choices, c -> c.cost().model()))
            .series("keys and values", full, column(choices, c -> c.cost().cached()));
    return Report.title("Long-range attention: what a schedule costs")
        .paragraph(
            "%d layers, %d features, %d heads, %d tokens."
                .formatted(shape.layers(), shape.dim(), shape.heads(), seq))
        .chart(chart)
        .table(
            List.of("full layers", "schedule", "pairs", "model FLOPs", "KV bytes"),
            choices.stream()
                .map(
                    c ->
                        List.<Object>of(
                            c.full(),
                            c.schedule(),
                            c.cost().attention(),
                            c.cost().model(),
                            c.cost().cache()))
                .toList());
  }

  private static double[] column(List<Choice> choices, ToDoubleFunction<Choice> value) {
    return choices.stream().mapToDouble(value).toArray();
  }
}

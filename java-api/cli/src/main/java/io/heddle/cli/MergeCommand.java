package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.StorageType;
import io.heddle.checkpoint.merge.Alignment;
import io.heddle.checkpoint.merge.Merge;
import io.heddle.checkpoint.merge.MergeOptions;
import io.heddle.checkpoint.merge.MergePlan;
import io.heddle.checkpoint.merge.MergeResult;
import io.heddle.checkpoint.merge.Method;
import io.heddle.checkpoint.merge.Setting;
import io.heddle.progress.ProgressListener;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle merge}: weighted combinations of checkpoints. */
@Command(
    name = "merge",
    description = {
      "Combines checkpoints tensor by tensor, in bounded memory, rounding once. dem is base + sum of"
          + " weight * (source - base) (Ram et al. 2024); docs/merging.md has all methods.",
      "An interrupted merge goes on when the same command is given again."
    })
final class MergeCommand implements Callable<Integer> {
  private static final long MIB = 1 << 20;

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();

  @Parameters(
      arity = "0..1",
      paramLabel = "RECIPE",
      description = "A recipe in mergekit's YAML, instead of --method, --base and --source.")
  private @Nullable Path recipe;

  @Option(
      names = "--method",
      description =
          "dem (default), task_arithmetic, linear, average, slerp, nuslerp, karcher, ties,"
              + " dare_linear, dare_ties, della, della_linear, breadcrumbs, breadcrumbs_ties,"
              + " model_stock, sce, passthrough.")
  private @Nullable String method;

  @Option(names = "--base", description = "Base checkpoint: a file or a model folder.")
  private @Nullable Path base;

  @Option(
      names = "--source",
      paramLabel = "PATH[=WEIGHT]",
      description = {
        "A file or a model folder; repeat for more. WEIGHT is a number, values over the layers"
            + " ([0,0.5,1]), or rules by parts of names (mlp:0.3;attn:[0.1,0.9];0.5)."
      })
  private List<String> sources = new ArrayList<>();

  @Option(
      names = "--set",
      paramLabel = "KEY=VALUE",
      description = "A setting of the method: density, lambda, t and so on; VALUE as WEIGHT above.")
  private Map<String, String> settings = new LinkedHashMap<>();

  @Option(
      names = "--out",
      required = true,
      description = "Output: a .safetensors file or a model folder.")
  private Path out = Path.of("");

  @Option(names = "--dtype", description = "keep (default), f32, bf16 or f16.")
  private @Nullable String dtype;

  @Option(names = "--seed", description = "Seed of the methods that draw (default: 0).")
  private long seed;

  @Option(
      names = "--max-memory",
      defaultValue = "2g",
      converter = ByteCount.class,
      description = "Most memory, whatever the models' size (default: 2g).")
  private long maxMemory;

  @Option(
      names = "--shard-size",
      defaultValue = "5g",
      converter = ByteCount.class,
      description = "Most bytes of a file of the output folder (default: 5g).")
  private long shardSize;

  @Option(
      names = "--missing",
      defaultValue = "error",
      description = "When a source lacks a tensor: error (default), base.")
  private Alignment.Missing missing = Alignment.Missing.ERROR;

  @Option(
      names = "--extra",
      defaultValue = "error",
      description = "When a source has a tensor of its own: error (default), drop, copy.")
  private Alignment.Extra extra = Alignment.Extra.ERROR;

  @Option(
      names = "--tied",
      defaultValue = "error",
      description = "When only some heads are tied to the embedding: error (default), untie.")
  private Alignment.Tied tied = Alignment.Tied.ERROR;

  @Option(
      names = "--vocabulary",
      defaultValue = "error",
      description = "When vocabularies differ in size: error (default), base, extend.")
  private Alignment.Vocabulary vocabulary = Alignment.Vocabulary.ERROR;

  @Option(names = "--no-hash", description = "Do not record the digests of the inputs.")
  private boolean noHash;

  @Option(names = "--dry-run", description = "Print what would be done, from the headers alone.")
  private boolean dryRun;

  MergeCommand() {}

  @Override
  public Integer call() throws IOException {
    List<Checkpoint> open = new ArrayList<>();
    PrintWriter print = spec.commandLine().getOut();
    // The merge has threads of its own, each of which calls the backend.
    try (Backend backend = session.open(1)) {
      Merge merge = recipe == null ? fromOptions(open) : fromRecipe(recipe, open, print);
      merge.align(new Alignment(missing, extra, tied, vocabulary)).seed(seed);
      StorageType type = type();
      if (type != null) {
        merge.dtype(type);
      }
      ProgressListener progress = session.progress();
      MergeOptions options =
          MergeOptions.DEFAULT
              .maxMemory(maxMemory)
              .shardSize(shardSize)
              .threads(session.threads())
              .hash(!noHash)
              .progress((done, total) -> progress.advance(done / MIB, ""));
      // The merge's own kernels in Java write the same bytes, far sooner than the oracle's ops.
      merge.options(backend instanceof ReferenceBackend ? options : options.backend(backend));
      MergePlan plan = merge.plan();
      if (dryRun) {
        print.print(plan.toText());
      } else {
        progress.begin("merge", (plan.bytesRead() + plan.bytesWritten()) / MIB, "MiB");
        MergeResult result = plan.writeTo(out);
        progress.end("");
        result.report().forEach(line -> print.println("note: " + line));
        print.println(summary(result));
      }
    } finally {
      open.forEach(Checkpoint::close);
    }
    print.flush();
    return 0;
  }

  private String summary(MergeResult result) {
    double moved = (result.bytesRead() + result.bytesWritten()) / 1e9;
    String reused =
        result.bytesReused() == 0
            ? ""
            : ", %d bytes of an interrupted run were used again".formatted(result.bytesReused());
    return "wrote %s: %d bytes read, %d written in %.1f s (%.2f GB/s)%s"
        .formatted(
            out,
            result.bytesRead(),
            result.bytesWritten(),
            result.seconds(),
            moved / Math.max(1e-9, result.seconds()),
            reused);
  }

  private Merge fromRecipe(Path file, List<Checkpoint> open, PrintWriter print) throws IOException {
    if (method != null || base != null || !sources.isEmpty() || !settings.isEmpty()) {
      throw new ParameterException(
          spec.commandLine(),
          "a recipe stands alone: --method, --base, --source and --set are in it");
    }
    Recipe read = Recipe.read(file);
    Merge merge = read.merge(open);
    read.notes().forEach(line -> print.println("note: " + line));
    return merge;
  }

  private Merge fromOptions(List<Checkpoint> open) throws IOException {
    if (sources.isEmpty()) {
      throw new ParameterException(spec.commandLine(), "a merge needs --source, or a recipe");
    }
    Method how;
    try {
      how = Method.of(method == null ? "dem" : method);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), "--method: " + e.getMessage(), e);
    }
    if (base == null ? how.needsBase() : !how.takesBase()) {
      throw new ParameterException(
          spec.commandLine(),
          "--method " + how.id() + (base == null ? " needs --base" : " takes no --base"));
    }
    Merge merge = Merge.of(how, base == null ? null : opened(open, base));
    for (String source : sources) {
      int equals = source.lastIndexOf('=');
      if (equals < 0) {
        merge.add(opened(open, Path.of(source)));
        continue;
      }
      Path path = Path.of(source.substring(0, equals));
      Setting weight = setting("--source " + source, source.substring(equals + 1));
      if (!how.sourceSettings().containsKey("weight")) {
        throw new ParameterException(
            spec.commandLine(), "--source " + source + ": " + how.id() + " takes no weights");
      }
      merge.add(opened(open, path), Map.of("weight", weight));
    }
    for (Map.Entry<String, String> entry : settings.entrySet()) {
      Setting value = setting("--set " + entry.getKey(), entry.getValue());
      try {
        merge.set(entry.getKey(), value);
      } catch (IllegalArgumentException e) {
        throw new ParameterException(spec.commandLine(), "--set: " + e.getMessage(), e);
      }
    }
    return merge;
  }

  private Setting setting(String option, String text) {
    try {
      return Setting.parse(text);
    } catch (IllegalArgumentException e) {
      throw new ParameterException(spec.commandLine(), option + ": " + e.getMessage(), e);
    }
  }

  private static Checkpoint opened(List<Checkpoint> open, Path path) throws IOException {
    Checkpoint checkpoint = Checkpoint.open(path);
    open.add(checkpoint);
    return checkpoint;
  }

  private @Nullable StorageType type() {
    return switch (dtype) {
      case null -> null;
      case "keep" -> null;
      case "f32" -> StorageType.F32;
      case "bf16" -> StorageType.BF16;
      case "f16" -> StorageType.F16;
      default ->
          throw new ParameterException(
              spec.commandLine(), "--dtype is '" + dtype + "'; it can be keep, f32, bf16 or f16");
    };
  }
}

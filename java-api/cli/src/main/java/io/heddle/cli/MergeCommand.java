package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.Merge;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
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
import picocli.CommandLine.Spec;

/** {@code heddle merge}: weighted combinations of checkpoints. */
@Command(
    name = "merge",
    description = {
      "Combines checkpoints tensor by tensor, rounding once: dem is base + sum of weight * (source - base)",
      "(Ram et al. 2024), average the mean of the sources."
    })
final class MergeCommand implements Callable<Integer> {
  private static final List<String> COMPANIONS =
      List.of(
          "config.json",
          "generation_config.json",
          "vocab.json",
          "merges.txt",
          "tokenizer.json",
          "tokenizer_config.json",
          "special_tokens_map.json",
          "tokenizer.model",
          "tokenizer.bin");

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();

  @Option(names = "--method", defaultValue = "dem", description = "dem or average (default: dem).")
  private String method = "dem";

  @Option(names = "--base", description = "Base checkpoint: a file or a model folder (dem).")
  private @Nullable Path base;

  @Option(
      names = "--source",
      required = true,
      description =
          "PATH=WEIGHT (dem) or PATH (average): a file or a model folder; repeat for more.")
  private Map<Path, Double> sources = new LinkedHashMap<>();

  @Option(
      names = "--out",
      required = true,
      description = "Output: a .safetensors file or a model folder.")
  private Path out = Path.of("");

  @Option(
      names = "--dtype",
      defaultValue = "keep",
      description = "keep, f32, bf16 or f16 (default: keep).")
  private String dtype = "keep";

  MergeCommand() {}

  @Override
  public Integer call() throws IOException {
    boolean dem = method.equals("dem");
    if (!dem && !method.equals("average")) {
      throw new ParameterException(
          spec.commandLine(), "--method is '" + method + "'; it can be dem or average");
    }
    if (dem == (base == null)) {
      throw new ParameterException(
          spec.commandLine(),
          dem ? "--method dem needs --base" : "--method average takes no --base");
    }
    List<Checkpoint> open = new ArrayList<>();
    try (Backend backend = session.open()) {
      Merge merge = dem ? Merge.dem(opened(open, java.util.Objects.requireNonNull(base))) : null;
      for (Map.Entry<Path, Double> source : sources.entrySet()) {
        Checkpoint checkpoint = opened(open, source.getKey());
        if (merge != null) {
          merge = merge.add(checkpoint, weight(source));
        }
      }
      write(merge == null ? Merge.average(open) : merge, backend);
    } finally {
      open.forEach(Checkpoint::close);
    }
    spec.commandLine().getOut().println("wrote " + out);
    spec.commandLine().getOut().flush();
    return 0;
  }

  private static Checkpoint opened(List<Checkpoint> open, Path path) throws IOException {
    Checkpoint checkpoint = Checkpoint.open(path);
    open.add(checkpoint);
    return checkpoint;
  }

  private double weight(Map.Entry<Path, Double> source) {
    Double weight = source.getValue();
    if (weight == null) {
      throw new ParameterException(
          spec.commandLine(), "--source " + source.getKey() + " needs a weight: PATH=WEIGHT");
    }
    return weight;
  }

  private void write(Merge merge, Backend backend) throws IOException {
    Merge typed =
        switch (dtype) {
          case "keep" -> merge;
          case "f32" -> merge.dtype(DType.F32);
          case "bf16" -> merge.dtype(DType.BF16);
          case "f16" -> merge.dtype(DType.F16);
          default ->
              throw new ParameterException(
                  spec.commandLine(),
                  "--dtype is '" + dtype + "'; it can be keep, f32, bf16 or f16");
        };
    if (out.toString().endsWith(".safetensors")) {
      typed.writeTo(out, backend);
      return;
    }
    Files.createDirectories(out);
    typed.writeTo(out.resolve("model.safetensors"), backend);
    Path from = base != null ? base : sources.keySet().iterator().next();
    for (String name : COMPANIONS) {
      Path file = from.resolve(name);
      if (Files.isRegularFile(file)) {
        Files.copy(file, out.resolve(name), StandardCopyOption.REPLACE_EXISTING);
      }
    }
  }
}

package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.StorageType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/** The files beside the weights of a model folder: its configuration and its tokenizer. */
final class Companions {
  private static final List<String> ENDINGS = List.of(".json", ".txt", ".model", ".jinja");

  private Companions() {}

  /** Copies the files of the base (or first source) to a folder; returns their names. */
  static List<String> write(MergePlan plan, Path to) throws IOException {
    List<String> names = new ArrayList<>();
    Path from = folder(plan.models().getFirst());
    Path tokens = plan.merge().tokenizer() == null ? from : plan.merge().tokenizer();
    for (Path file : files(from)) {
      if (!isTokenizer(file) || tokens.equals(from)) {
        copy(plan, file, to, names);
      }
    }
    for (Path file : tokens.equals(from) ? List.<Path>of() : files(tokens)) {
      if (isTokenizer(file)) {
        copy(plan, file, to, names);
      }
    }
    return names;
  }

  private static Path folder(Checkpoint model) {
    Path path = model.path().toAbsolutePath();
    if (Files.isDirectory(path)) {
      return path;
    }
    // A file stands for its folder only if that is a model's.
    Path folder = path.getParent();
    return folder != null && Files.exists(folder.resolve("config.json")) ? folder : path;
  }

  private static List<Path> files(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(Files::isRegularFile)
          .filter(file -> !Shards.isWeights(file))
          .filter(
              file ->
                  ENDINGS.stream().anyMatch(file.toString()::endsWith)
                      || file.endsWith("tokenizer.bin"))
          .sorted()
          .toList();
    }
  }

  private static boolean isTokenizer(Path file) {
    String name = String.valueOf(file.getFileName());
    return !name.equals("config.json") && !name.equals("generation_config.json");
  }

  private static void copy(MergePlan plan, Path file, Path to, List<String> names)
      throws IOException {
    String name = String.valueOf(file.getFileName());
    Path copy = to.resolve(name);
    if (name.equals("config.json")) {
      Files.writeString(copy, configured(plan, Files.readString(file)));
    } else {
      Files.copy(file, copy, StandardCopyOption.REPLACE_EXISTING);
    }
    FileOutput.force(copy);
    names.add(name);
  }

  /** The configuration with what the merge changes: number of layers and words, type, tied head. */
  private static String configured(MergePlan plan, String config) {
    String out = config;
    if (!plan.merge().slices().isEmpty()) {
      int layers = LayerNames.layers(plan.tensors().stream().map(TensorPlan::name).toList());
      for (String key : List.of("num_hidden_layers", "n_layer", "num_layers", "n_layers")) {
        out = replaced(out, key, "\\d+", Integer.toString(layers));
      }
    }
    StorageType dtype = plan.merge().dtype();
    if (dtype != null) {
      String type =
          switch (dtype) {
            case F32 -> "float32";
            case F16 -> "float16";
            case BF16 -> "bfloat16";
            default -> dtype.name().toLowerCase(Locale.ROOT);
          };
      out = replaced(out, "torch_dtype", "\"[^\"]*\"", '"' + type + '"');
      out = replaced(out, "dtype", "\"[^\"]*\"", '"' + type + '"');
    }
    for (TensorPlan tensor : plan.tensors()) {
      boolean resized = plan.merge().alignment().vocabulary() != Alignment.Vocabulary.ERROR;
      if (resized && LayerNames.hasVocabulary(tensor.name()) && tensor.shape().length == 2) {
        out = replaced(out, "vocab_size", "\\d+", Long.toString(tensor.shape()[0]));
      }
      boolean untied = plan.merge().alignment().tied() == Alignment.Tied.UNTIE;
      if (untied && LayerNames.isHead(tensor.name())) {
        out = replaced(out, "tie_word_embeddings", "true", "false");
      }
    }
    return out;
  }

  private static String replaced(String json, String key, String value, String with) {
    return json.replaceAll("(\"" + key + "\"\\s*:\\s*)" + value, "$1" + with);
  }

  /** Deletes a folder of files; folders inside are left, and with them the folder. */
  static void deleteFolder(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return;
    }
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }
}

package io.heddle.models;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.Safetensors;
import io.heddle.models.TensorNames.Piece;
import io.heddle.models.TensorNames.Rows;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Reads and writes models as Hugging Face folders: {@code config.json} and safetensors. */
public final class ModelFolder {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Params.None NONE = new Params.None();

  // Buffers of old checkpoints, computed tables, and tied tables that some writers repeat.
  private static final Pattern REPEATED =
      Pattern.compile(
          ".*(\\.attn\\.bias|\\.masked_bias|attention\\.bias|rotary_emb\\.inv_freq|position_ids"
              + "|(en|de)coder\\.embed_tokens\\.weight|embed_positions\\.weights)");
  private static final Pattern OUTPUT =
      Pattern.compile(
          "lm_head\\.weight|embed_out\\.weight|lm_head\\.decoder\\..*|vocab_projector\\.weight"
              + "|(cls\\.)?predictions\\.decoder\\..*|generator_lm_head\\.weight|decoder\\.weight");
  private static final Pattern SINES = Pattern.compile(".*\\.embed_positions\\.weight");

  private ModelFolder() {}

  /**
   * Loads a decoder.
   *
   * @param folder with {@code config.json} and weights, or a llama2.c safetensors file whose
   *     metadata holds the shape
   * @param dtype element type to run in
   */
  public static Decoder load(Path folder, Backend backend, DType dtype) {
    Model model = loadAny(folder, backend, dtype, false);
    if (model instanceof Decoder decoder) {
      return decoder;
    }
    String family = model.config().family();
    model.close();
    throw new IllegalArgumentException(
        folder + ": " + family + " is not a decoder language model, which this needs");
  }

  static Model loadAny(Path folder, Backend backend, DType dtype, boolean partial) {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      boolean llama2c = "llama2.c".equals(checkpoint.metadata().get("format"));
      if (!llama2c && !Files.isDirectory(folder)) {
        throw new IllegalArgumentException(
            folder
                + " is a file without a model's shape: name the folder that holds its config.json");
      }
      ModelConfig config =
          llama2c
              ? llama2c(checkpoint.metadata())
              : untied(readConfig(folder.resolve("config.json")), checkpoint);
      Model model = AutoModel.random(config, backend, dtype, 0);
      try {
        UnaryOperator<String> rename = llama2c ? TensorNames::llama2c : name -> name;
        new Filling(model, checkpoint, folder, partial).run(rename);
      } catch (RuntimeException | IOException e) {
        model.close();
        throw e;
      }
      return model;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + folder + ": " + e.getMessage(), e);
    }
  }

  /** A model of another shape than the folder's own, for another head; heads may be missing. */
  static Model loadAs(ModelConfig config, Path folder, Backend backend, DType dtype) {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      Model model = AutoModel.random(config, backend, dtype, 0);
      try {
        new Filling(model, checkpoint, folder, true).run(name -> name);
      } catch (RuntimeException | IOException e) {
        model.close();
        throw e;
      }
      return model;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + folder + ": " + e.getMessage(), e);
    }
  }

  // transformers 5 writes "tie_word_embeddings": true for T5 of both kinds; FLAN-T5 has a head.
  private static ModelConfig untied(ModelConfig c, Checkpoint checkpoint) throws IOException {
    boolean wrong =
        c.family().equals("t5")
            && c.head().tied()
            && c.head().scale() == 1
            && checkpoint.names().contains("lm_head.weight");
    return wrong
        ? HuggingFace.read(
            JSON.readTree(HuggingFace.with(c.json(), "tie_word_embeddings", false)), "config.json")
        : c;
  }

  /** Reads {@code config.json}. */
  public static ModelConfig readConfig(Path file) throws IOException {
    if (!Files.exists(file)) {
      throw new IllegalArgumentException(file + " does not exist: a model folder needs one");
    }
    return HuggingFace.read(JSON.readTree(file.toFile()), file.toString());
  }

  private static ModelConfig llama2c(Map<String, String> m) {
    ObjectNode json = JSON.createObjectNode();
    json.putArray("architectures").add("LlamaForCausalLM");
    json.put("model_type", "llama");
    String[][] numbers = {
      {"vocab_size", "vocab_size"},
      {"hidden_size", "dim"},
      {"num_hidden_layers", "n_layers"},
      {"num_attention_heads", "n_heads"},
      {"num_key_value_heads", "n_kv_heads"},
      {"intermediate_size", "hidden_dim"},
      {"max_position_embeddings", "max_seq_len"}
    };
    for (String[] pair : numbers) {
      json.put(pair[0], Integer.parseInt(m.get(pair[1])));
    }
    json.put("rope_theta", Double.parseDouble(m.get("rope_theta")));
    json.put("rms_norm_eps", Double.parseDouble(m.get("norm_eps")));
    json.put("tie_word_embeddings", true);
    json.put("hidden_act", "silu");
    json.put("heddle_rope_interleaved", true);
    return HuggingFace.read(json, "the file's metadata");
  }

  // Copies a checkpoint into a model.
  private record Filling(Model model, Checkpoint checkpoint, Path source, boolean partial) {
    void run(UnaryOperator<String> rename) throws IOException {
      Set<String> used = new HashSet<>();
      List<String> missing = new ArrayList<>();
      Map<String, Tensor> parameters = model.parameters().byName();
      Set<String> names = new HashSet<>(checkpoint.names());
      for (Piece piece : TensorNames.of(model.config(), parameters)) {
        String name = present(names, rename.apply(piece.name()));
        if (name == null) {
          missing.add(rename.apply(piece.name()));
          if (partial && !headOnly(piece)) {
            throw new IllegalArgumentException(
                source + " has no tensor '" + missing.getLast() + "', which is not of a head");
          }
        } else {
          used.add(name);
          copy(checkpoint.tensor(name), name, piece, parameters.get(piece.parameter()));
        }
      }
      String hint = "; AutoModel.loadPartly accepts that for heads";
      if (!missing.isEmpty() && !partial) {
        throw new IllegalArgumentException(source + " has no tensor " + list(missing) + hint);
      }
      List<String> extra =
          checkpoint.names().stream().filter(n -> !used.contains(n) && !known(n)).toList();
      if (!extra.isEmpty() && !partial) {
        throw new IllegalArgumentException(
            source
                + " has a tensor "
                + list(extra)
                + " that a "
                + model.config().family()
                + " model does not use"
                + hint);
      }
    }

    private boolean headOnly(Piece piece) {
      return model.config().heads().stream()
          .anyMatch(h -> piece.parameter().startsWith(h.name() + "."));
    }

    private boolean known(String name) {
      boolean tied = model.config().heads().stream().anyMatch(ModelConfig.HeadConfig::tied);
      boolean computed =
          model.config().embedding().table() != ModelConfig.Table.LEARNED
              && SINES.matcher(name).matches();
      return computed
          || REPEATED.matcher(name).matches()
          || (tied && OUTPUT.matcher(name).matches());
    }

    // Bare models are saved without the first word; TensorFlow's norms have gamma and beta.
    private static @Nullable String present(Set<String> names, String name) {
      String old =
          name.replace("LayerNorm.weight", "LayerNorm.gamma")
              .replace("LayerNorm.bias", "LayerNorm.beta");
      String bare = name.substring(name.indexOf('.') + 1);
      for (String each : new String[] {name, old, bare}) {
        if (names.contains(each)) {
          return each;
        }
      }
      return null;
    }

    private void copy(Tensor file, String name, Piece piece, @Nullable Tensor parameter) {
      Tensor to = java.util.Objects.requireNonNull(parameter);
      if (to.storage().device() < 0) {
        copy(file, name, piece, to, file);
        return;
      }
      try (Scope scope = new Scope(model.backend().memory())) {
        Tensor brought = scope.tensor(file.dtype(), file.shape());
        model.backend().transfer(file, brought);
        copy(file, name, piece, to, brought);
      }
    }

    // present: what the file holds, where the parameter lies.
    private void copy(Tensor file, String name, Piece piece, Tensor to, Tensor present) {
      Tensor from = piece.transposed() ? present.transpose(0, 1) : present;
      if (piece.leading() && file.rank() > 1) {
        from = present.view(present.size());
      }
      long[] wanted = to.shape();
      wanted[0] = piece.rows().stream().mapToLong(r -> r.to() - r.from()).sum();
      if (!Arrays.equals(from.shape(), wanted)) {
        throw new IllegalArgumentException(
            source
                + ": tensor '"
                + name
                + "' is "
                + Arrays.toString(file.shape())
                + ", but by config.json "
                + piece.parameter()
                + " takes "
                + Arrays.toString(wanted));
      }
      long at = 0;
      for (Rows rows : piece.rows()) {
        long end = at + rows.to() - rows.from();
        Tensor part = to.slice(0, rows.from(), rows.to());
        model.backend().run(OpCode.COPY, NONE, from.slice(0, at, end), part);
        at = end;
      }
    }

    private static String list(List<String> names) {
      String first = "'" + String.join("', '", names.subList(0, Math.min(3, names.size()))) + "'";
      return names.size() > 3 ? first + " and " + (names.size() - 3) + " more" : first;
    }
  }

  /**
   * The pieces of {@code values} (parameters, or their gradients) under the names of the Hugging
   * Face checkpoint: views, or contiguous copies in {@code scope} where the file has another order.
   */
  public static Map<String, Tensor> named(
      ModelConfig config, Map<String, Tensor> values, Backend backend, Scope scope) {
    Map<String, Tensor> out = new LinkedHashMap<>();
    for (Piece piece : TensorNames.of(config, values)) {
      Tensor value = values.get(piece.parameter());
      if (value != null) {
        Tensor part = gathered(value, piece.rows(), backend, scope);
        part = piece.transposed() ? part.transpose(0, 1) : part;
        out.put(piece.name(), piece.leading() ? part.split(0, 1, part.dim(0)) : part);
      }
    }
    return out;
  }

  private static Tensor gathered(Tensor value, List<Rows> rows, Backend backend, Scope scope) {
    if (rows.size() == 1) {
      return value.slice(0, rows.get(0).from(), rows.get(0).to());
    }
    Tensor out = scope.tensor(value.dtype(), value.shape());
    long at = 0;
    for (Rows part : rows) {
      long end = at + part.to() - part.from();
      backend.run(OpCode.COPY, NONE, value.slice(0, part.from(), part.to()), out.slice(0, at, end));
      at = end;
    }
    return out;
  }

  /**
   * Saves a model: {@code config.json} and {@code model.safetensors}, each through a temporary
   * name.
   *
   * @param metadata notes for the safetensors header
   */
  public static void save(Model model, Path folder, Map<String, String> metadata) {
    try (Scope scope = new Scope(model.backend().memory())) {
      Files.createDirectories(folder);
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (Map.Entry<String, Tensor> e :
          named(model.config(), model.parameters().byName(), model.backend(), scope).entrySet()) {
        Tensor value = e.getValue();
        if (!value.isContiguous()) {
          Tensor packed = scope.tensor(value.dtype(), value.shape());
          model.backend().run(OpCode.COPY, NONE, value, packed);
          value = packed;
        }
        tensors.put(e.getKey(), value);
      }
      Map<String, String> notes = new LinkedHashMap<>(metadata);
      notes.put("format", "pt");
      Safetensors.write(folder.resolve("model.safetensors"), tensors, notes);
      String dtype =
          switch (model.parameters().dtype()) {
            case BF16 -> "bfloat16";
            case F16 -> "float16";
            default -> "float32";
          };
      Files.writeString(folder.resolve("config.json"), HuggingFace.write(model.config(), dtype));
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot write the model to " + folder + ": " + e.getMessage(), e);
    }
  }
}

package io.heddle.models;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.Safetensors;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.models.TensorNames.Piece;
import io.heddle.models.TensorNames.Rows;
import io.heddle.nn.Parameters;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;

/** Reads and writes models as Hugging Face folders: {@code config.json} and safetensors. */
public final class ModelFolder {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final Params.None NONE = new Params.None();

  private ModelFolder() {}

  /**
   * Loads a decoder.
   *
   * @param folder with {@code config.json} and weights, or a llama2.c safetensors file whose
   *     metadata holds the shape
   * @param dtype element type to run in
   */
  public static Decoder load(Path folder, Backend backend, DType dtype) {
    return decoder(loadAny(folder, backend, Loading.as(dtype)), folder);
  }

  /**
   * {@code model} as a decoder; another is closed and refused.
   *
   * @param folder where it came from
   */
  public static Decoder decoder(Model model, Path folder) {
    if (model instanceof Decoder decoder) {
      return decoder;
    }
    String family = model.config().family();
    model.close();
    throw new IllegalArgumentException(
        folder + ": " + family + " is not a decoder language model, which this needs");
  }

  static Model loadAny(Path folder, Backend backend, Loading how) {
    boolean closing = true;
    Checkpoint checkpoint = null;
    try {
      checkpoint = Checkpoint.open(folder);
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
      Model model = AutoModel.awaiting(config, backend, how.dtype(), how.int8());
      try {
        UnaryOperator<String> rename = llama2c ? TensorNames::llama2c : name -> name;
        new Filling(model, checkpoint, folder, how.partial(), how.mapped()).run(rename);
      } catch (RuntimeException | IOException | Error e) {
        model.close();
        throw e;
      }
      if (model.parameters().mappedBytes() > 0) {
        model.parameters().mappedFrom(checkpoint::close);
        closing = false;
      }
      return model;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + folder + ": " + e.getMessage(), e);
    } finally {
      if (closing && checkpoint != null) {
        checkpoint.close();
      }
    }
  }

  /** A model of another shape than the folder's own, for another head; heads may be missing. */
  static Model loadAs(ModelConfig config, Path folder, Backend backend, DType dtype) {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      Model model = AutoModel.awaiting(config, backend, dtype, false);
      try {
        new Filling(model, checkpoint, folder, true, false).run(name -> name);
      } catch (RuntimeException | IOException | Error e) {
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

  /** Saves what is no model of a family: its shape as {@code config.json}, its weights. */
  static void save(ObjectNode shape, Parameters parameters, Path folder) {
    try {
      Files.createDirectories(folder);
      Safetensors.write(folder.resolve("model.safetensors"), parameters.byName(), Map.of());
      Files.writeString(folder.resolve("config.json"), shape.toPrettyString() + "\n");
    } catch (IOException e) {
      throw unwritten(folder, e);
    }
  }

  /**
   * Fills parameters, drawn or not, with what {@link #save(ObjectNode, Parameters, Path)} wrote.
   */
  static void load(Parameters parameters, Path folder) throws IOException {
    try (SafetensorsFile file = SafetensorsFile.open(folder.resolve("model.safetensors"))) {
      parameters.byName().forEach((name, to) -> to.copyFrom(file.tensor(name).toDoubles()));
    }
  }

  private static UncheckedIOException unwritten(Path folder, IOException e) {
    return new UncheckedIOException(
        "cannot write the model to " + folder + ": " + e.getMessage(), e);
  }

  /**
   * Saves a model: {@code config.json} and {@code model.safetensors}, each through a temporary
   * name.
   *
   * @param metadata notes for the safetensors header
   */
  public static void save(Model model, Path folder, Map<String, String> metadata) {
    model.parameters().needExact("saved");
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
      throw unwritten(folder, e);
    }
  }
}

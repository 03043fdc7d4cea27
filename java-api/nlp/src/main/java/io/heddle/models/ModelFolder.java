package io.heddle.models;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.backend.Backend;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.Safetensors;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Reads and writes decoders as Hugging Face folders: {@code config.json} and {@code
 * model.safetensors}.
 */
public final class ModelFolder {
  private static final ObjectMapper JSON = new ObjectMapper();

  private ModelFolder() {}

  /**
   * Loads a model.
   *
   * @param folder with {@code config.json} and weights, or a llama2.c safetensors file whose
   *     metadata holds the shape
   * @param dtype element type to run in
   */
  public static Decoder load(Path folder, Backend backend, DType dtype) {
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      Map<String, String> metadata = checkpoint.metadata();
      DecoderConfig config;
      List<TensorNames.Piece> pieces;
      if (Files.isDirectory(folder)) {
        config = readConfig(folder.resolve("config.json"));
        pieces = TensorNames.of(config);
      } else if ("llama2.c".equals(metadata.get("format"))) {
        config = llama2c(metadata);
        pieces = TensorNames.llama2c(config);
      } else {
        throw new IllegalArgumentException(
            folder
                + " is a file without a model's shape: name the folder that holds its config.json");
      }
      Decoder decoder = Decoder.random(config, backend, dtype, 0);
      try {
        fill(decoder, pieces, checkpoint, folder);
      } catch (RuntimeException | IOException e) {
        decoder.close();
        throw e;
      }
      return decoder;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + folder + ": " + e.getMessage(), e);
    }
  }

  /** Reads {@code config.json}. */
  public static DecoderConfig readConfig(Path file) throws IOException {
    if (!Files.exists(file)) {
      throw new IllegalArgumentException(file + " does not exist: a model folder needs one");
    }
    JsonNode json = JSON.readTree(file.toFile());
    return HuggingFace.read(json, file.toString());
  }

  private static DecoderConfig llama2c(Map<String, String> m) {
    int dim = Integer.parseInt(m.get("dim"));
    int heads = Integer.parseInt(m.get("n_heads"));
    return new DecoderConfig(
        "llama",
        Integer.parseInt(m.get("vocab_size")),
        dim,
        Integer.parseInt(m.get("n_layers")),
        heads,
        Integer.parseInt(m.get("n_kv_heads")),
        dim / heads,
        Integer.parseInt(m.get("hidden_dim")),
        Integer.parseInt(m.get("max_seq_len")),
        false,
        Double.parseDouble(m.get("rope_theta")),
        true,
        true,
        Float.parseFloat(m.get("norm_eps")),
        4,
        true,
        false,
        false,
        true,
        true,
        0,
        "full");
  }

  private static void fill(
      Decoder decoder, List<TensorNames.Piece> pieces, Checkpoint checkpoint, Path source)
      throws IOException {
    Set<String> used = new HashSet<>();
    for (TensorNames.Piece piece : pieces) {
      if (!checkpoint.names().contains(piece.name())) {
        throw new IllegalArgumentException(source + " has no tensor '" + piece.name() + "'");
      }
      used.add(piece.name());
      Tensor from = checkpoint.tensor(piece.name());
      Tensor to = rows(decoder.parameters().get(piece.parameter()), piece);
      Tensor view = piece.transposed() ? from.transpose(0, 1) : from;
      if (!List.of(boxed(view.shape())).equals(List.of(boxed(to.shape())))) {
        throw new IllegalArgumentException(
            source
                + ": tensor '"
                + piece.name()
                + "' is "
                + from
                + ", but "
                + piece.parameter()
                + " is "
                + to);
      }
      decoder.backend().run(OpCode.COPY, new Params.None(), view, to);
    }
    for (String name : checkpoint.names()) {
      // Buffers of old checkpoints, and the tied head that some writers repeat, carry nothing new.
      boolean known =
          name.endsWith(".attn.bias")
              || name.endsWith(".masked_bias")
              || name.endsWith("attention.bias")
              || name.endsWith("rotary_emb.inv_freq")
              || (decoder.config().tied() && name.equals("lm_head.weight"));
      if (!used.contains(name) && !known) {
        throw new IllegalArgumentException(
            source
                + " has a tensor '"
                + name
                + "' that a "
                + decoder.config().family()
                + " model does not use");
      }
    }
  }

  private static Long[] boxed(long[] shape) {
    return java.util.Arrays.stream(shape).boxed().toArray(Long[]::new);
  }

  private static Tensor rows(Tensor parameter, TensorNames.Piece piece) {
    return piece.to() < 0 ? parameter : parameter.slice(0, piece.from(), piece.to());
  }

  /**
   * The pieces of {@code values} (parameters, or their gradients) under the names of the Hugging
   * Face checkpoint; views.
   */
  public static Map<String, Tensor> named(DecoderConfig config, Map<String, Tensor> values) {
    Map<String, Tensor> out = new LinkedHashMap<>();
    for (TensorNames.Piece piece : TensorNames.of(config)) {
      Tensor value = values.get(piece.parameter());
      if (value != null) {
        Tensor part = rows(value, piece);
        out.put(piece.name(), piece.transposed() ? part.transpose(0, 1) : part);
      }
    }
    return out;
  }

  /**
   * Saves a model: {@code config.json} and {@code model.safetensors}, each through a temporary
   * name.
   *
   * @param metadata notes for the safetensors header
   */
  public static void save(Decoder decoder, Path folder, Map<String, String> metadata) {
    try (Scope scope = new Scope(decoder.backend().memory())) {
      Files.createDirectories(folder);
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (Map.Entry<String, Tensor> e :
          named(decoder.config(), decoder.parameters().byName()).entrySet()) {
        Tensor value = e.getValue();
        if (!value.isContiguous()) {
          Tensor packed = scope.tensor(value.dtype(), value.shape());
          decoder.backend().run(OpCode.COPY, new Params.None(), value, packed);
          value = packed;
        }
        tensors.put(e.getKey(), value);
      }
      Map<String, String> notes = new LinkedHashMap<>(metadata);
      notes.put("format", "pt");
      Safetensors.write(folder.resolve("model.safetensors"), tensors, notes);
      String dtype = decoder.parameters().dtype() == DType.BF16 ? "bfloat16" : "float32";
      Files.writeString(folder.resolve("config.json"), HuggingFace.write(decoder.config(), dtype));
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot write the model to " + folder + ": " + e.getMessage(), e);
    }
  }
}

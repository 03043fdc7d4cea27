package io.heddle.models;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Classifiers and taggers: new ones, encoders that become ones, and saved ones. */
public final class Classifiers {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Classifiers() {}

  /**
   * A small BERT with random weights.
   *
   * @param context most tokens of a row
   */
  public static Classifier bert(
      int vocabulary,
      int hidden,
      int layers,
      int heads,
      int context,
      float dropout,
      TaskEncoder.Task task,
      List<String> labels,
      Backend backend,
      DType dtype,
      long seed) {
    ObjectNode json = EncoderFamilies.bert(vocabulary, hidden, layers, heads, context, dropout);
    json.putArray("architectures").add("BertFor" + task.ending);
    ModelConfig config = HuggingFace.read(Labels.put(json, labels), "the shape");
    Model model = AutoModel.random(config.withDropout(dropout), backend, dtype, seed);
    return new TaskEncoder((Encoder) model, task, labels);
  }

  /**
   * A saved encoder of any kind with a fresh head for {@code labels}; a head that it already has
   * for the same number of labels is kept.
   *
   * @param folder in Hugging Face's layout
   */
  public static Classifier from(
      Path folder,
      TaskEncoder.Task task,
      List<String> labels,
      float dropout,
      Backend backend,
      DType dtype) {
    ObjectNode json = config(folder);
    if (isCnn(json) && task == TaskEncoder.Task.CLASSIFY) {
      Classifier known = load(folder, task, backend, dtype);
      if (known.labels().equals(labels)) {
        return known;
      }
      known.close();
      throw new IllegalArgumentException(
          folder + " is a text CNN for the labels " + known.labels() + "; the data has " + labels);
    }
    String family = family(json, folder);
    Labels.put(json, labels).putArray("architectures").add(family + "For" + task.ending);
    ModelConfig config =
        HuggingFace.read(json, folder.resolve("config.json").toString()).withDropout(dropout);
    return encoder(ModelFolder.loadAs(config, folder, backend, dtype), task, folder, labels);
  }

  /** A classifier or tagger that was saved. */
  public static Classifier load(Path folder, TaskEncoder.Task task, Backend backend, DType dtype) {
    ObjectNode json = config(folder);
    try {
      return isCnn(json) && task == TaskEncoder.Task.CLASSIFY
          ? TextCnn.load(folder, json, backend, dtype)
          : encoder(AutoModel.load(folder, backend, dtype), task, folder, Labels.of(json));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + folder + ": " + e.getMessage(), e);
    }
  }

  private static Classifier encoder(
      Model model, TaskEncoder.Task task, Path folder, List<String> labels) {
    if (model instanceof Encoder encoder) {
      return new TaskEncoder(encoder, task, labels);
    }
    String family = model.config().family();
    model.close();
    throw new IllegalArgumentException(
        folder + ": " + family + " is not an encoder, which a classifier needs");
  }

  private static boolean isCnn(ObjectNode json) {
    return json.path("model_type").asText().equals(TextCnn.TYPE);
  }

  private static ObjectNode config(Path folder) {
    Path file = folder.resolve("config.json");
    if (!Files.exists(file)) {
      throw new IllegalArgumentException(file + " does not exist: a model folder needs one");
    }
    try {
      return (ObjectNode) JSON.readTree(file.toFile());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + file + ": " + e.getMessage(), e);
    }
  }

  // The word that the family's classes begin with: Bert of BertModel and BertForMaskedLM.
  private static String family(ObjectNode json, Path folder) {
    String name = json.path("architectures").path(0).asText();
    String family = name.replaceFirst("(For|Model).*", "");
    if (family.isEmpty()) {
      throw new IllegalArgumentException(
          folder.resolve("config.json")
              + " does not say which class the model is ('architectures')");
    }
    return family;
  }
}

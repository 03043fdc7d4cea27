package io.heddle.methods.finetune;

import io.heddle.backend.Backend;
import io.heddle.data.LabelledText;
import io.heddle.models.Classifier;
import io.heddle.models.Classifiers;
import io.heddle.models.TaskEncoder;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A classifier that reads text: a model and its tokenizer, as {@code finetune classify} saves them.
 * Calls take turns, so that one instance may serve many threads. Closing it frees the model, not
 * the backend.
 */
public final class TextClassifier implements AutoCloseable {
  private static final int LONGEST = 512; // tokens of a text; the rest is cut off
  private static final int TOGETHER = 64; // texts of a batch

  private final Classifier model;
  private final Tokenizer tokenizer;

  private TextClassifier(Classifier model, Tokenizer tokenizer) {
    this.model = model;
    this.tokenizer = tokenizer;
  }

  /**
   * What the model says about a text.
   *
   * @param label the likeliest one
   * @param probabilities of all labels, which sum to 1
   */
  public record Prediction(String label, Map<String, Double> probabilities) {
    /** The probability of {@link #label}. */
    public double probability() {
      return probabilities.getOrDefault(label, 0.0);
    }
  }

  /**
   * Loads a saved classifier.
   *
   * @param folder with {@code config.json}, {@code model.safetensors} and the tokenizer's files
   * @throws IOException naming the file that cannot be read
   */
  public static TextClassifier load(Path folder, Backend backend) throws IOException {
    Tokenizer tokenizer = Tokenizers.load(folder);
    return new TextClassifier(
        Classifiers.load(folder, TaskEncoder.Task.CLASSIFY, backend, DType.F32), tokenizer);
  }

  /** The labels. */
  public List<String> labels() {
    return model.labels();
  }

  /** One text. */
  public Prediction predict(String text) {
    return predict(List.of(text)).getFirst();
  }

  /** Some texts, in their order; cheaper than one by one. */
  public synchronized List<Prediction> predict(List<String> texts) {
    if (texts.isEmpty()) {
      return List.of();
    }
    List<LabelledText> unlabelled =
        texts.stream().map(text -> new LabelledText(text, null, null)).toList();
    ClassifyData data =
        ClassifyData.of(unlabelled, labels(), tokenizer, Math.min(LONGEST, model.context()));
    Classification.Predictions found =
        Classification.predict(model, tokenizer, data, TOGETHER, ProgressListener.NONE);
    List<Prediction> out = new ArrayList<>();
    for (int i = 0; i < texts.size(); i++) {
      Map<String, Double> probabilities = new LinkedHashMap<>();
      for (int c = 0; c < labels().size(); c++) {
        probabilities.put(labels().get(c), found.probabilities()[i][c]);
      }
      out.add(new Prediction(labels().get(found.predicted()[i]), probabilities));
    }
    return out;
  }

  @Override
  public synchronized void close() {
    model.close();
  }
}

package io.heddle.models;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.nn.Modules;
import io.heddle.nn.Parameters;
import io.heddle.op.Layers;
import io.heddle.op.Sequences;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Convolutions over word vectors and their maximum over time (Kim 2014, "Convolutional neural
 * networks for sentence classification"): for each width w, {@code relu(max_t(W x[t..t+w-1]) + b)};
 * all widths side by side, and beside them, where asked for, the mean word vector, go through
 * dropout to a linear layer.
 */
public final class TextCnn implements Classifier {
  /** {@code model_type} of the configuration. */
  public static final String TYPE = "heddle_textcnn";

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int RELU = 1;
  private static final float SHUT = -1e30f;
  private static final int[] NO_WIDTHS = {};

  private final Shape shape;
  private final Parameters parameters;

  /** Which word vectors learn. */
  public enum Channels {
    /** One table that learns. */
    TUNED,
    /** One table that stays as it was read. */
    STATIC,
    /** Both, from the same start; filters see their sum, which is Kim's two channels added up. */
    BOTH
  }

  /**
   * The shape.
   *
   * @param vocabulary words, of which id 0 is padding
   * @param size features of a word
   * @param widths of the filters, in words
   * @param filters of each width
   * @param mean whether the mean word vector goes beside the filters
   * @param channels which word vectors learn
   * @param dropout before the linear layer
   * @param wordDropout share of whole words left out while training
   * @param labels of the outputs
   */
  public record Shape(
      int vocabulary,
      int size,
      List<Integer> widths,
      int filters,
      boolean mean,
      Channels channels,
      float dropout,
      float wordDropout,
      List<String> labels) {
    /** Checks the values. */
    public Shape {
      widths = List.copyOf(widths);
      labels = List.copyOf(labels);
      boolean shares = dropout >= 0 && dropout < 1 && wordDropout >= 0 && wordDropout < 1;
      if (vocabulary < 1 || size < 1 || labels.isEmpty() || !shares) {
        throw new IllegalArgumentException("a text CNN cannot be " + this);
      }
      if ((widths.isEmpty() && !mean) || widths.stream().anyMatch(w -> w < 1 || filters < 1)) {
        throw new IllegalArgumentException(
            "widths " + widths + " with " + filters + " filters: at least one of each");
      }
    }

    int features() {
      return widths.size() * filters + (mean ? size : 0);
    }

    int widest() {
      return widths.stream().mapToInt(w -> w).max().orElse(1);
    }
  }

  private TextCnn(Shape shape, Parameters parameters) {
    this.shape = shape;
    this.parameters = parameters;
    if (shape.channels != Channels.TUNED) {
      parameters.freeze("static\\.weight");
    }
  }

  /** A model with random weights; the draw of each parameter depends on the seed and its name. */
  public static TextCnn random(Shape shape, Backend backend, DType dtype, long seed) {
    Parameters p = new Parameters(backend, dtype);
    for (String table : tables(shape)) {
      p.normal(table, 0.1, seed, shape.vocabulary, shape.size);
    }
    for (int width : shape.widths) {
      long inputs = (long) width * shape.size;
      double deviation = Math.sqrt(1.0 / inputs);
      Modules.linear(p, filter(width), deviation, seed, true, shape.filters, inputs);
    }
    double deviation = Math.sqrt(1.0 / shape.features());
    Modules.linear(p, "out", deviation, seed, true, shape.labels.size(), shape.features());
    return new TextCnn(shape, p);
  }

  private static List<String> tables(Shape shape) {
    return switch (shape.channels) {
      case TUNED -> List.of("embed.weight");
      case STATIC -> List.of("static.weight");
      case BOTH -> List.of("embed.weight", "static.weight");
    };
  }

  private static String filter(int width) {
    return "filters." + width;
  }

  /**
   * Sets the vectors of words, in every table.
   *
   * @param vectors by id
   * @throws IllegalArgumentException when one has another number of features
   */
  public TextCnn words(Map<Integer, float[]> vectors) {
    for (String table : tables(shape)) {
      Tensor rows = parameters.get(table);
      vectors.forEach(
          (id, vector) -> {
            if (vector.length != shape.size) {
              throw new IllegalArgumentException(
                  "a word vector has " + vector.length + " features, the model " + shape.size);
            }
            rows.slice(0, id, id + 1).view(shape.size).copyFrom(vector);
          });
    }
    return this;
  }

  /** The shape. */
  public Shape shape() {
    return shape;
  }

  @Override
  public List<String> labels() {
    return shape.labels;
  }

  @Override
  public Parameters parameters() {
    return parameters;
  }

  @Override
  public int context() {
    return Integer.MAX_VALUE;
  }

  @Override
  public String describe() {
    return "text CNN, widths "
        + shape.widths
        + " of "
        + shape.filters
        + " filters"
        + (shape.mean ? " and the mean" : "")
        + " over "
        + shape.size
        + " features";
  }

  @Override
  public Tensor logits(Tape t, Encoder.Batch batch) {
    int rows = batch.ids().length;
    int edge = shape.widest() - 1;
    int time = batch.ids()[0].length + 2 * edge;
    int[] ids = new int[rows * time];
    int[] lengths = new int[rows];
    for (int b = 0; b < rows; b++) {
      int[] row = batch.ids()[b];
      int[] mask = batch.mask() == null ? NO_WIDTHS : batch.mask()[b];
      lengths[b] = mask.length == 0 ? row.length : Arrays.stream(mask).sum();
      System.arraycopy(row, 0, ids, b * time + edge, lengths[b]);
    }
    Tensor x = words(t, ids, lengths, edge);
    List<Tensor> parts = new ArrayList<>();
    for (int width : shape.widths) {
      Tensor y = Sequences.convolution(t, x, parameters.get(filter(width) + ".weight"), width);
      Tensor most = Sequences.maxOverTime(t, y, rows, shut(t, lengths, time, edge, width));
      parts.add(Layers.activation(t, RELU, most, parameters.get(filter(width) + ".bias")));
    }
    if (shape.mean) {
      parts.add(mean(t, x, lengths));
    }
    Tensor all = parts.size() == 1 ? parts.getFirst() : Sequences.joined(t, parts);
    return Modules.linear(t, parameters, "out", Layers.dropout(t, all, shape.dropout));
  }

  // Padding is zero; while training whole words are, too, and the others are scaled.
  private Tensor words(Tape t, int[] ids, int[] lengths, int edge) {
    Tensor index = t.tensor(DType.I32, ids.length).copyFrom(ids);
    Tensor x = null;
    for (String table : tables(shape)) {
      Tensor channel = Layers.embedding(t, parameters.get(table), index);
      x = x == null ? channel : Layers.add(t, x, channel);
    }
    boolean drops = shape.wordDropout > 0 && t.training();
    SplittableRandom random =
        drops
            ? new SplittableRandom(
                t.randomness().seed() * 0x9E3779B97F4A7C15L + t.randomness().nextOffset())
            : new SplittableRandom(0);
    int time = ids.length / lengths.length;
    float[] weights = new float[ids.length];
    for (int b = 0; b < lengths.length; b++) {
      for (int i = 0; i < lengths[b]; i++) {
        boolean out = drops && random.nextDouble() < shape.wordDropout;
        weights[b * time + edge + i] = out ? 0 : drops ? 1 / (1 - shape.wordDropout) : 1;
      }
    }
    Tensor kept = t.tensor(parameters.dtype(), weights.length).copyFrom(weights);
    return Sequences.weighted(t, java.util.Objects.requireNonNull(x), kept);
  }

  // Windows that hold no word of their row do not count.
  private Tensor shut(Tape t, int[] lengths, int time, int edge, int width) {
    float[] out = new float[lengths.length * time];
    for (int b = 0; b < lengths.length; b++) {
      for (int i = 0; i < time; i++) {
        boolean open = i > edge - width && i < edge + Math.max(lengths[b], 1);
        out[b * time + i] = open ? 0 : SHUT;
      }
    }
    return t.tensor(parameters.dtype(), out.length).copyFrom(out);
  }

  private Tensor mean(Tape t, Tensor x, int[] lengths) {
    int time = (int) x.dim(0) / lengths.length;
    float[] shares = new float[(int) x.dim(0)];
    for (int i = 0; i < shares.length; i++) {
      shares[i] = 1f / Math.max(1, lengths[i / time]);
    }
    Tensor weights = t.tensor(parameters.dtype(), shares.length).copyFrom(shares);
    return Sequences.sumOverTime(t, Sequences.weighted(t, x, weights), lengths.length);
  }

  @Override
  public void save(Path folder) {
    ObjectNode json = Labels.put(JSON.createObjectNode(), shape.labels);
    json.putArray("architectures").add("TextCnn");
    json.put("model_type", TYPE)
        .put("vocab_size", shape.vocabulary)
        .put("embedding_size", shape.size)
        .put("filters", shape.filters)
        .put("mean", shape.mean)
        .put("channels", shape.channels.name())
        .put("dropout", shape.dropout)
        .put("word_dropout", shape.wordDropout);
    shape.widths.forEach(json.putArray("widths")::add);
    ModelFolder.save(json, parameters, folder);
  }

  static TextCnn load(Path folder, JsonNode json, Backend backend, DType dtype) throws IOException {
    List<Integer> widths = new ArrayList<>();
    json.path("widths").forEach(w -> widths.add(w.asInt()));
    Shape shape =
        new Shape(
            json.path("vocab_size").asInt(),
            json.path("embedding_size").asInt(),
            widths,
            json.path("filters").asInt(),
            json.path("mean").asBoolean(),
            Channels.valueOf(json.path("channels").asText()),
            (float) json.path("dropout").asDouble(),
            (float) json.path("word_dropout").asDouble(),
            Labels.of(json));
    TextCnn model = random(shape, backend, dtype, 0);
    try {
      ModelFolder.load(model.parameters, folder);
      return model;
    } catch (IOException | RuntimeException e) {
      model.close();
      throw e;
    }
  }

  @Override
  public void close() {
    parameters.close();
  }
}

package io.heddle.models;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.nn.CharCnn;
import io.heddle.nn.Parameters;
import io.heddle.nn.RecurrentStack;
import io.heddle.nn.RecurrentStack.Kind;
import io.heddle.op.Layers;
import io.heddle.op.Losses;
import io.heddle.op.ProjectedLstm;
import io.heddle.op.Recurrent;
import io.heddle.op.SampledSoftmax;
import io.heddle.op.Sequences;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.text.Spelling;
import io.heddle.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A recurrent language model. With all its dropouts it is AWD-LSTM (Merity et al. 2018,
 * "Regularizing and optimizing LSTM language models"): locked dropout of inputs, between layers and
 * of outputs, dropout of whole words of the embedding and of recurrent weights (DropConnect). The
 * last layer is as wide as the embedding, whose table, nothing of it dropped, is the output layer;
 * with characters ({@link Shape#characters}) words are read by them instead (Kim et al. 2016).
 */
public final class RecurrentLm implements AutoCloseable {
  /** {@code model_type} of its configuration. */
  public static final String TYPE = "awd_rnn";

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final double DEVIATION = 0.1 / Math.sqrt(3); // that of uniform(-0.1, 0.1)

  private final Shape shape;
  private final @Nullable SpeltWords words;
  private final Parameters parameters;
  private final RecurrentStack stack;

  /**
   * The shape.
   *
   * @param kind of cells
   * @param vocabulary number of tokens, V
   * @param embedding features of a token, E, and outputs of the last layer
   * @param hidden outputs of the other layers
   * @param layers number of layers
   * @param drops what is dropped in training
   * @param projection of an LSTMP; else null
   * @param characters by which tokens are read; null where a table has their features, which then
   *     is the output layer as well
   */
  public record Shape(
      Kind kind,
      int vocabulary,
      int embedding,
      int hidden,
      int layers,
      Drops drops,
      @Nullable Projection projection,
      @Nullable Characters characters) {
    /** Of cells that are not projected, over a table of tokens. */
    public Shape(Kind kind, int vocabulary, int embedding, int hidden, int layers, Drops drops) {
      this(kind, vocabulary, embedding, hidden, layers, drops, null, null);
    }

    RecurrentStack.Config stack() {
      List<Integer> sizes = new ArrayList<>();
      for (int i = 0; i < layers; i++) {
        int inside = projection == null ? hidden : projection.outputs;
        sizes.add(i == layers - 1 ? embedding : inside);
      }
      RecurrentStack.Projected projected =
          projection == null ? null : new RecurrentStack.Projected(hidden, projection.clips);
      return new RecurrentStack.Config(
          kind, embedding, sizes, false, drops.between, true, drops.connect, projected);
    }
  }

  /**
   * Of {@link Kind#LSTMP}, as in GluonNLP's BigRNN: all layers have {@code hidden} cells.
   *
   * @param outputs of the layers before the last
   * @param clips bounds of cells and of outputs
   */
  public record Projection(int outputs, ProjectedLstm.Clips clips) {}

  /**
   * What reads a token's characters, see {@link CharCnn}.
   *
   * @param size features of a character
   * @param filters over characters
   * @param highways layers above the filters
   */
  public record Characters(int size, List<CharCnn.Filters> filters, int highways) {
    /** Copies the filters. */
    public Characters {
      filters = List.copyOf(filters);
    }

    /** Characters of the widest filter. */
    public int widest() {
      return filters.stream().mapToInt(CharCnn.Filters::width).max().orElse(0);
    }
  }

  /**
   * Dropout, each a probability.
   *
   * @param input of embedded tokens, locked
   * @param between layers, locked
   * @param output of the last layer, locked
   * @param words of whole words of the embedding
   * @param connect of recurrent weights
   */
  public record Drops(float input, float between, float output, float words, float connect) {
    /** AWD-LSTM's on WikiText-2, as GluonNLP has them. */
    public static final Drops AWD = new Drops(0.65f, 0.2f, 0.4f, 0.1f, 0.5f);
  }

  /**
   * What a piece of text gave.
   *
   * @param raw outputs of the last layer [T*N, E]
   * @param dropped the same after dropout; {@code raw} itself when not training
   * @param states after the last step, to go on from
   */
  public record Hidden(Tensor raw, Tensor dropped, List<Recurrent.Result> states) {}

  private RecurrentLm(Shape shape, @Nullable SpeltWords words, Parameters parameters) {
    this.shape = shape;
    this.words = words;
    this.parameters = parameters;
    this.stack = new RecurrentStack(shape.stack(), parameters, "");
  }

  /** A model with random weights, which finds tokens in a table. */
  public static RecurrentLm random(Shape shape, Backend backend, DType dtype, long seed) {
    return random(shape, null, backend, dtype, seed);
  }

  /**
   * A model with random weights.
   *
   * @param spelling of the vocabulary, for a shape that reads characters; else null
   */
  public static RecurrentLm random(
      Shape shape, @Nullable Spelling spelling, Backend backend, DType dtype, long seed) {
    Characters characters = shape.characters;
    if (characters != null && (spelling == null || spelling.vocabularySize() != shape.vocabulary)) {
      throw new IllegalArgumentException(
          "a model of " + shape.vocabulary + " tokens that reads characters needs their spelling");
    }
    Parameters p = new Parameters(backend, dtype);
    p.normal(tableOf(shape), DEVIATION, seed, shape.vocabulary, shape.embedding);
    p.constant("head.bias", 0, shape.vocabulary);
    SpeltWords words = null;
    if (characters != null && spelling != null) {
      SpeltWords.create(characters, spelling, shape.embedding, p, seed);
      words = new SpeltWords(characters, spelling, shape.embedding, p);
    }
    RecurrentStack.create(shape.stack(), p, "", seed);
    return new RecurrentLm(shape, words, p);
  }

  // The output layer's, which serves the input as well where there are no characters.
  private static String tableOf(Shape shape) {
    return shape.characters == null ? "embed.weight" : "head.weight";
  }

  private Tensor table() {
    return parameters.get(tableOf(shape));
  }

  /** The shape. */
  public Shape shape() {
    return shape;
  }

  /** The layers. */
  public RecurrentStack.Config layers() {
    return stack.config();
  }

  /** The weights. */
  public Parameters parameters() {
    return parameters;
  }

  /** Where it runs. */
  public Backend backend() {
    return parameters.backend();
  }

  /**
   * Reads a piece of each of N texts.
   *
   * @param ids [T*N], step after step
   * @param rows N
   * @param before states after the piece before; null at the beginning of texts
   */
  public Hidden hidden(Tape t, int[] ids, int rows, @Nullable List<Recurrent.Result> before) {
    Tensor index = t.tensor(DType.I32, ids.length).copyFrom(ids);
    Tensor x = words == null ? Layers.embedding(t, table(), index) : words.embedded(t, ids);
    if (t.training() && shape.drops.words > 0) {
      Tensor all = Layers.fill(t, t.tensor(x.dtype(), shape.vocabulary, 1), 1);
      Tensor kept = Layers.embedding(t, Layers.dropout(t, all, shape.drops.words), index);
      x = Sequences.weighted(t, x, kept);
    }
    x = Sequences.lockedDropout(t, x, rows, shape.drops.input);
    RecurrentStack.Result out = stack.run(t, x, rows, before);
    Tensor dropped = Sequences.lockedDropout(t, out.y(), rows, shape.drops.output);
    return new Hidden(out.y(), dropped, out.states());
  }

  /**
   * The loss of every next token, f32 [T*N] in nats.
   *
   * @param hidden [T*N, E], dropped when training
   */
  public Tensor losses(Tape t, Tensor hidden, int[] targets, float gradScale) {
    Tensor wanted = t.tensor(DType.I32, targets.length).copyFrom(targets);
    return Losses.linearCrossEntropy(
        t, hidden, table(), parameters.get("head.bias"), wanted, 0, gradScale);
  }

  /**
   * The same over the targets and {@code drawn} other classes, drawn anew in each call by Zipf's
   * law ({@link SampledSoftmax}); for training.
   */
  public Tensor sampledLosses(Tape t, Tensor hidden, int[] targets, int drawn, float gradScale) {
    Randomness random = t.randomness();
    long seed = random.seed() * 0x9E3779B97F4A7C15L + random.nextOffset();
    return SampledSoftmax.losses(
        t,
        hidden,
        table(),
        parameters.get("head.bias"),
        targets,
        SampledSoftmax.logUniform(shape.vocabulary, drawn, seed),
        gradScale);
  }

  /** Saves {@code config.json} and {@code model.safetensors}. */
  public void save(Path folder) {
    ObjectNode json = JSON.createObjectNode();
    json.putArray("architectures").add("RecurrentLm");
    json.put("model_type", TYPE)
        .put("kind", shape.kind.name())
        .put("vocab_size", shape.vocabulary)
        .put("embedding_size", shape.embedding)
        .put("hidden_size", shape.hidden)
        .put("num_hidden_layers", shape.layers)
        .put("input_dropout", shape.drops.input)
        .put("layer_dropout", shape.drops.between)
        .put("output_dropout", shape.drops.output)
        .put("word_dropout", shape.drops.words)
        .put("weight_dropout", shape.drops.connect);
    Projection projection = shape.projection;
    if (projection != null) {
      json.put("projection_size", projection.outputs)
          .put("cell_clip", projection.clips.cell())
          .put("projection_clip", projection.clips.output());
    }
    if (shape.characters != null) {
      SpeltWords.write(shape.characters, json);
    }
    ModelFolder.save(json, parameters, folder);
  }

  /** Whether a folder holds such a model. */
  public static boolean isIn(Path folder) throws IOException {
    Path file = folder.resolve("config.json");
    return Files.exists(file)
        && JSON.readTree(file.toFile()).path("model_type").asText().equals(TYPE);
  }

  /** A saved model; one that reads characters has its tokenizer beside it. */
  public static RecurrentLm load(Path folder, Backend backend, DType dtype) throws IOException {
    JsonNode json = JSON.readTree(folder.resolve("config.json").toFile());
    Drops drops =
        new Drops(
            number(json, "input_dropout"),
            number(json, "layer_dropout"),
            number(json, "output_dropout"),
            number(json, "word_dropout"),
            number(json, "weight_dropout"));
    Kind kind = Kind.valueOf(json.path("kind").asText());
    ProjectedLstm.Clips clips =
        new ProjectedLstm.Clips(number(json, "cell_clip"), number(json, "projection_clip"));
    Projection projection =
        kind == Kind.LSTMP ? new Projection(json.path("projection_size").asInt(), clips) : null;
    Characters characters = SpeltWords.read(json);
    Shape shape =
        new Shape(
            kind,
            json.path("vocab_size").asInt(),
            json.path("embedding_size").asInt(),
            json.path("hidden_size").asInt(),
            json.path("num_hidden_layers").asInt(),
            drops,
            projection,
            characters);
    Spelling spelling =
        characters == null ? null : Spelling.of(Tokenizers.load(folder), characters.widest());
    RecurrentLm model = random(shape, spelling, backend, dtype, 0);
    try {
      ModelFolder.load(model.parameters, folder);
      return model;
    } catch (IOException | RuntimeException e) {
      model.close();
      throw e;
    }
  }

  private static float number(JsonNode json, String key) {
    return (float) json.path(key).asDouble();
  }

  @Override
  public void close() {
    parameters.close();
  }
}

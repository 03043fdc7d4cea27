package io.heddle.models;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.models.Translators.Marks;
import io.heddle.nn.AttentionCell;
import io.heddle.nn.Parameters;
import io.heddle.nn.RecurrentStack;
import io.heddle.op.Layers;
import io.heddle.op.Losses;
import io.heddle.op.Recurrent;
import io.heddle.op.Scores;
import io.heddle.op.Sequences;
import io.heddle.op.Steps;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A recurrent encoder-decoder with attention (GNMT, Wu et al. 2016), as GluonNLP has it: LSTM
 * layers, the encoder's first ones of both directions, the others with residuals; the decoder's
 * first layer reads [input; last attention], its output queries the encoder (scaled Luong), and the
 * layers above read [the one below; attention] with residuals. The decoder begins with the
 * encoder's last states, of a layer of both directions those of the way back. One table serves both
 * embeddings and the output. Forget gates begin with a bias of 1.
 *
 * <p>Only the first layer of the decoder goes step by step, for it alone waits for attention.
 */
public final class Gnmt implements SequenceToSequence {
  /** {@code model_type} of its configuration. */
  public static final String TYPE = "gnmt";

  private static final ObjectMapper JSON = new ObjectMapper();

  private final Shape shape;
  private final Marks marks;
  private final Parameters parameters;
  private final AttentionCell attention;
  private final List<RecurrentStack> encoder = new ArrayList<>();
  private final List<RecurrentStack> decoder = new ArrayList<>();

  /**
   * The shape.
   *
   * @param vocabulary number of tokens, V
   * @param hidden features of a token and outputs of a layer of one direction, d
   * @param layers of the encoder, and of the decoder
   * @param both layers of the encoder that have both directions, at least 1
   * @param context most tokens of a side
   * @param dropout of embedded tokens and of what layers give
   */
  public record Shape(
      int vocabulary, int hidden, int layers, int both, int context, float dropout) {
    /** Checks the sizes. */
    public Shape {
      if (both < 1 || both > layers || hidden < 1) {
        throw new IllegalArgumentException(
            "GNMT of "
                + layers
                + " layers with "
                + both
                + " of both directions, "
                + hidden
                + " wide");
      }
    }

    /** Features of what is attended to, A. */
    int memory() {
      return both == layers ? 2 * hidden : hidden;
    }

    private RecurrentStack.Config encoder(int layer) {
      int input = layer == 0 || layer > both ? hidden : 2 * hidden;
      return lstm(input, layer < both);
    }

    private RecurrentStack.Config decoder() {
      return lstm(hidden + memory(), false);
    }

    private RecurrentStack.Config lstm(int input, boolean bidirectional) {
      return new RecurrentStack.Config(
          RecurrentStack.Kind.LSTM, input, List.of(hidden), bidirectional, 0, false, 0);
    }

    private AttentionCell.Config attention() {
      return AttentionCell.Config.of(AttentionCell.Kind.SCALED_GENERAL, hidden, memory(), memory());
    }
  }

  /**
   * Where decoding stands.
   *
   * @param layers h and c of each layer of the decoder
   * @param read what the last step read by attention [N, A]
   * @param memory what can be read, row after row [N*S, A]
   * @param mask of the memory, [N, 1, S]; null for none
   */
  record State(List<Recurrent.Result> layers, Tensor read, Tensor memory, @Nullable Tensor mask) {}

  /** What some steps of the decoder gave: outputs [T*N, d], step after step, and the state then. */
  record Decoded(Tensor outputs, State state) {}

  private Gnmt(Shape shape, Marks marks, Parameters parameters) {
    this.shape = shape;
    this.marks = marks;
    this.parameters = parameters;
    this.attention = new AttentionCell(shape.attention(), parameters, "attention.");
    for (int i = 0; i < shape.layers; i++) {
      encoder.add(new RecurrentStack(shape.encoder(i), parameters, "encoder." + i + "."));
      decoder.add(new RecurrentStack(shape.decoder(), parameters, "decoder." + i + "."));
    }
  }

  /** A model with random weights. */
  public static Gnmt random(Shape shape, Marks marks, Backend backend, DType dtype, long seed) {
    Parameters p = new Parameters(backend, dtype);
    int d = shape.hidden;
    p.normal("embed.weight", 1 / Math.sqrt(d), seed, shape.vocabulary, d);
    p.constant("head.bias", 0, shape.vocabulary);
    AttentionCell.create(shape.attention(), p, "attention.", seed);
    for (int i = 0; i < shape.layers; i++) {
      RecurrentStack.create(shape.encoder(i), p, "encoder." + i + ".", seed);
      RecurrentStack.create(shape.decoder(), p, "decoder." + i + ".", seed);
    }
    for (Tensor each : p.values()) {
      if (String.valueOf(each.name()).endsWith("input.bias")) {
        float[] bias = new float[4 * d];
        Arrays.fill(bias, d, 2 * d, 1);
        each.copyFrom(bias);
      }
    }
    return new Gnmt(shape, marks, p);
  }

  /** The shape. */
  public Shape shape() {
    return shape;
  }

  @Override
  public Parameters parameters() {
    return parameters;
  }

  @Override
  public String family() {
    return TYPE;
  }

  @Override
  public int context() {
    return shape.context;
  }

  @Override
  public Marks marks() {
    return marks;
  }

  @Override
  public Tensor hidden(Tape t, int[][] source, int @Nullable [][] mask, int[][] target) {
    int rows = target.length;
    int[] lengths =
        mask == null ? null : Arrays.stream(mask).mapToInt(m -> Arrays.stream(m).sum()).toArray();
    Tensor outputs = decode(t, target, encode(t, source, lengths)).outputs();
    long steps = target[0].length;
    return Layers.copy(
        t,
        outputs,
        x -> x.view(steps, rows, shape.hidden).transpose(0, 1),
        rows * steps,
        shape.hidden);
  }

  // Tokens of rows [N][T] embedded step after step, [T*N, d].
  private Tensor embedded(Tape t, int[][] rows) {
    int[] ids = new int[rows.length * rows[0].length];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = rows[i % rows.length][i / rows.length];
    }
    Tensor index = t.tensor(DType.I32, ids.length).copyFrom(ids);
    return dropped(t, Layers.embedding(t, parameters.get("embed.weight"), index));
  }

  private Tensor dropped(Tape t, Tensor x) {
    return Layers.dropout(t, x, shape.dropout);
  }

  /**
   * Reads sources.
   *
   * @param source rows of one length
   * @param lengths tokens of each row that count; null for all
   */
  State encode(Tape t, int[][] source, int @Nullable [] lengths) {
    int rows = source.length;
    int steps = source[0].length;
    Tensor at = embedded(t, source);
    List<Recurrent.Result> states = new ArrayList<>();
    for (int i = 0; i < shape.layers; i++) {
      RecurrentStack.Result out = encoder.get(i).run(t, at, rows, null, lengths);
      states.add(out.states().getLast());
      Tensor y = dropped(t, out.y());
      at = i > shape.both ? Layers.add(t, y, at) : y;
    }
    Tensor memory =
        Layers.copy(
            t,
            at,
            x -> x.view(steps, rows, shape.memory()).transpose(0, 1),
            (long) rows * steps,
            shape.memory());
    DType dtype = at.dtype();
    Tensor mask = lengths == null ? null : Scores.mask(t, dtype, lengths, steps);
    Tensor nothing = Layers.fill(t, t.tensor(dtype, rows, shape.memory()), 0);
    return new State(states, nothing, memory, mask);
  }

  /**
   * Reads some tokens of targets.
   *
   * @param target rows of one length
   * @param before where decoding stands
   */
  Decoded decode(Tape t, int[][] target, State before) {
    int rows = target.length;
    Recurrent.Result at = before.layers().getFirst();
    Tensor read = before.read();
    List<Tensor> outputs = new ArrayList<>();
    List<Tensor> reads = new ArrayList<>();
    for (Tensor step : Steps.apart(t, embedded(t, target), rows)) {
      Tensor in = Sequences.joined(t, List.of(step, read));
      at = decoder.getFirst().run(t, in, rows, List.of(at)).states().getFirst();
      read = attention.read(t, at.y(), before.memory(), before.memory(), rows, before.mask());
      outputs.add(at.y());
      reads.add(read);
    }
    List<Recurrent.Result> states = new ArrayList<>(List.of(at));
    Tensor below = dropped(t, Steps.together(t, outputs));
    Tensor seen = Steps.together(t, reads);
    for (int i = 1; i < shape.layers; i++) {
      Tensor in = Sequences.joined(t, List.of(below, seen));
      RecurrentStack.Result out = decoder.get(i).run(t, in, rows, List.of(before.layers().get(i)));
      states.add(out.states().getFirst());
      below = Layers.add(t, dropped(t, out.y()), below);
    }
    return new Decoded(below, new State(states, read, before.memory(), before.mask()));
  }

  /** Logits [N, V] of hidden states [N, d]. */
  Tensor logits(Tape t, Tensor hidden) {
    return Layers.linear(t, hidden, parameters.get("embed.weight"), parameters.get("head.bias"));
  }

  @Override
  public Tensor losses(Tape t, Tensor hidden, Tensor targets, float smoothing, float gradScale) {
    Tensor table = parameters.get("embed.weight");
    Tensor bias = parameters.get("head.bias");
    return Losses.linearCrossEntropy(t, hidden, table, bias, targets, smoothing, gradScale);
  }

  @Override
  public NextTokenModel over(int[][] sources) {
    int[][] copy = sources.clone();
    return (prompts, width, room) -> new GnmtContinuation(this, copy, prompts);
  }

  @Override
  public void save(Path folder) {
    ObjectNode json = JSON.createObjectNode();
    json.putArray("architectures").add("Gnmt");
    json.put("model_type", TYPE)
        .put("vocab_size", shape.vocabulary)
        .put("hidden_size", shape.hidden)
        .put("num_hidden_layers", shape.layers)
        .put("num_bidirectional_layers", shape.both)
        .put("max_position_embeddings", shape.context)
        .put("dropout", shape.dropout)
        .put("decoder_start_token_id", marks.start())
        .put("eos_token_id", marks.end())
        .put("pad_token_id", marks.padding());
    ModelFolder.save(json, parameters, folder);
  }

  /** Whether a folder holds such a model. */
  public static boolean isIn(Path folder) throws IOException {
    Path file = folder.resolve("config.json");
    return Files.exists(file)
        && JSON.readTree(file.toFile()).path("model_type").asText().equals(TYPE);
  }

  /**
   * A saved model.
   *
   * @param dropout in training
   */
  public static Gnmt load(Path folder, float dropout, Backend backend, DType dtype)
      throws IOException {
    JsonNode json = JSON.readTree(folder.resolve("config.json").toFile());
    Shape shape =
        new Shape(
            json.path("vocab_size").asInt(),
            json.path("hidden_size").asInt(),
            json.path("num_hidden_layers").asInt(),
            json.path("num_bidirectional_layers").asInt(),
            json.path("max_position_embeddings").asInt(),
            dropout);
    Marks marks =
        new Marks(
            json.path("decoder_start_token_id").asInt(),
            json.path("eos_token_id").asInt(),
            json.path("pad_token_id").asInt());
    Gnmt model = random(shape, marks, backend, dtype, 0);
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

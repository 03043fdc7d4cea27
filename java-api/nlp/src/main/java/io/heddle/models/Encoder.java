package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.models.ModelConfig.HeadConfig;
import io.heddle.nn.Parameters;
import io.heddle.nn.Stack;
import io.heddle.op.Layers;
import io.heddle.op.Losses;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** An encoder: every token sees both sides; heads for words, tokens, spans and whole rows. */
public final class Encoder implements Model {
  private final ModelConfig config;
  private final Schedule schedule;
  private final Parameters parameters;
  private final Embedding embedding;
  private final Stack stack;
  private final Layouts layouts;
  private final Map<String, Head> heads = new LinkedHashMap<>();

  Encoder(ModelConfig config, Parameters parameters) {
    this.config = config;
    this.parameters = parameters;
    this.schedule =
        Schedule.parse(config.schedule(), config.layers(), config.stack().heads().count());
    this.embedding = new Embedding(config.embedding(), parameters, "", config.stack().dropout());
    this.stack = new Stack(config.stack(), parameters, "");
    this.layouts = new Layouts(parameters.backend().memory());
    for (HeadConfig head : config.heads()) {
      heads.put(head.name(), new Head(head, parameters));
    }
  }

  /**
   * A batch of rows.
   *
   * @param ids tokens, all rows of one length
   * @param mask 0 for padding, which no token sees; null for none
   * @param types segments; null for all 0
   * @param globals other than 0 for global tokens (Longformer); null for none
   */
  @SuppressWarnings("ArrayRecordComponent") // rows as callers hold them; never compared
  public record Batch(
      int[][] ids, int @Nullable [][] mask, int @Nullable [][] types, int @Nullable [][] globals) {
    /** Rows with padding. */
    public Batch(int[][] ids, int @Nullable [][] mask) {
      this(ids, mask, null, null);
    }
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public Parameters parameters() {
    return parameters;
  }

  /** The attention of each layer. */
  public Schedule schedule() {
    return schedule;
  }

  /** The heads, by the name of their parameters. */
  public Map<String, Head> heads() {
    return Map.copyOf(heads);
  }

  /** The last hidden states [B*T, d]. */
  public Tensor hidden(Tape t, Batch batch) {
    int rows = batch.ids.length;
    int length = batch.ids[0].length;
    List<boolean[]> globals = new ArrayList<>();
    if (batch.globals != null) {
      for (int[] row : batch.globals) {
        boolean[] marked = new boolean[row.length];
        for (int i = 0; i < row.length; i++) {
          marked[i] = row[i] != 0;
        }
        globals.add(marked);
      }
    }
    Tensor ids = flat(t, batch.ids);
    Tensor types = batch.types == null ? null : flat(t, batch.types);
    SequenceAttention attention =
        new SequenceAttention(
            t, stack, schedule, rows, length, seen(batch.mask), globals, null, layouts);
    return stack.run(t, embedding.apply(t, ids, rows, 0, batch.mask, types), attention);
  }

  /** For each row of a mask the pattern that shows its tokens other than padding. */
  static @Nullable List<AttentionPattern> seen(int @Nullable [][] mask) {
    if (mask == null) {
      return null;
    }
    List<AttentionPattern> rows = new ArrayList<>();
    for (int[] row : mask) {
      int[] copy = row.clone();
      rows.add((q, k) -> k < copy.length && copy[(int) k] != 0);
    }
    return rows;
  }

  static Tensor flat(Tape t, int[][] rows) {
    int[] all = Arrays.stream(rows).flatMapToInt(Arrays::stream).toArray();
    return t.tensor(DType.I32, all.length).copyFrom(all);
  }

  /**
   * A head's outputs, differentiable.
   *
   * @param hidden [B*T, d]
   * @return [B*T, outputs]; of a pooled head [B, outputs]
   */
  public Tensor outputs(Tape t, String name, Tensor hidden, int batch) {
    Head head = heads.get(name);
    if (head == null) {
      throw new IllegalArgumentException(
          "this "
              + config.family()
              + " model has no head '"
              + name
              + "'; it has "
              + heads.keySet());
    }
    return head.outputs(t, head.config().pooled() ? first(t, hidden, batch) : hidden);
  }

  private static Tensor first(Tape t, Tensor hidden, int batch) {
    long length = hidden.dim(0) / batch;
    return Layers.copy(
        t, hidden, x -> x.split(0, batch, length).slice(1, 0, 1), batch, hidden.dim(1));
  }

  /**
   * The mean loss of an answer's first and last token.
   *
   * @param outputs of a span head, [B*T, 2]
   * @param starts index of the first token in each row
   * @param ends of the last
   * @return f32 [2 B]: of starts, then of ends; their mean is the loss
   */
  public static Tensor spanLosses(Tape t, Tensor outputs, int[] starts, int[] ends) {
    int batch = starts.length;
    Tensor columns =
        Layers.copy(
            t,
            outputs,
            x -> x.transpose(0, 1).split(1, batch, x.dim(0) / batch),
            2L * batch,
            outputs.dim(0) / batch);
    int[] targets = Arrays.copyOf(starts, 2 * batch);
    System.arraycopy(ends, 0, targets, batch, batch);
    Tensor wanted = t.tensor(DType.I32, targets.length).copyFrom(targets);
    return Losses.crossEntropy(t, columns, wanted, 0, 1f / targets.length);
  }

  /**
   * The loss of choosing among {@code choices} consecutive rows.
   *
   * @param outputs of a pooled head with one output, [B * choices, 1]
   * @return f32 [B]
   */
  public static Tensor choiceLosses(Tape t, Tensor outputs, int[] answers) {
    Tensor rows = Layers.copy(t, outputs, x -> x, answers.length, outputs.dim(0) / answers.length);
    Tensor wanted = t.tensor(DType.I32, answers.length).copyFrom(answers);
    return Losses.crossEntropy(t, rows, wanted, 0, 1f / answers.length);
  }

  @Override
  public void close() {
    embedding.close();
    stack.close();
    layouts.close();
    parameters.close();
  }
}

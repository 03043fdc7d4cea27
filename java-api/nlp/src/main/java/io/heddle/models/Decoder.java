package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.nn.Parameters;
import io.heddle.nn.Stack;
import io.heddle.op.Losses;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A decoder language model: an embedding, a stack of causal blocks, and logits of the next token.
 */
public final class Decoder implements Model, NextTokenModel {
  private final ModelConfig config;
  private final Schedule schedule;
  private final Parameters parameters;
  private final Embedding embedding;
  private final Stack stack;
  private final Head head;
  private final Layouts layouts;
  private int chunk = 2048;
  private boolean recorded;

  Decoder(ModelConfig config, Parameters parameters) {
    this.config = config;
    this.parameters = parameters;
    this.schedule =
        Schedule.parse(config.schedule(), config.layers(), config.stack().heads().count());
    this.embedding = new Embedding(config.embedding(), parameters, "", config.stack().dropout());
    this.stack = new Stack(config.stack(), parameters, "");
    this.head = new Head(config.head(), parameters);
    this.layouts = new Layouts(parameters.backend().memory());
    this.recorded = parameters.backend().records();
  }

  /**
   * A model with random weights (GPT-2's initialisation: deviation 0.02, branch outputs divided by
   * sqrt(2 layers)).
   */
  public static Decoder random(ModelConfig config, Backend backend, DType dtype, long seed) {
    if (!(AutoModel.random(config, backend, dtype, seed) instanceof Decoder decoder)) {
      throw new IllegalArgumentException(config.family() + " is not a decoder language model");
    }
    return decoder;
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  /** Whether training runs each block again on the way back instead of keeping it. */
  public void recompute(boolean wanted) {
    stack.recompute(wanted);
  }

  /**
   * Prompts are read {@code columns} tokens at a time (at first 2048), so that a long one takes no
   * more memory than its cache and one such part. Logits are the same for every number.
   */
  public void prefill(int columns) {
    if (columns < 1) {
      throw new IllegalArgumentException("prompts cannot be read " + columns + " tokens at a time");
    }
    chunk = columns;
  }

  /**
   * Whether {@link #begin texts} are continued by replays of one recorded pass: at first where the
   * backend {@linkplain Backend#records records}. The same tokens either way; a model whose passes
   * differ by more than numbers (biases by distance, patterns of several runs) runs plainly still.
   */
  public void recorded(boolean wanted) {
    recorded = wanted;
  }

  /** The attention of each layer. */
  public Schedule schedule() {
    return schedule;
  }

  @Override
  public Parameters parameters() {
    return parameters;
  }

  /**
   * The last hidden states of a batch.
   *
   * @param ids i32 [B*T]
   * @param documents for every token the document it belongs to, [B][T]: tokens see their own
   *     document only; null for none
   * @return [B*T, d], after the final norm
   */
  public Tensor hidden(Tape t, Tensor ids, int batch, @Nullable List<int[]> documents) {
    int length = (int) (ids.dim(0) / batch);
    List<AttentionPattern> rows = null;
    if (documents != null) {
      rows = new ArrayList<>();
      for (int[] row : documents) {
        rows.add(Patterns.documents(row));
      }
    }
    SequenceAttention attention =
        new SequenceAttention(t, stack, schedule, batch, length, rows, List.of(), null, layouts);
    return stack.run(t, embedding.apply(t, ids, batch, 0, null, null), attention);
  }

  /** Logits [N, V] of hidden states [N, d]. */
  public Tensor logits(Tape t, Tensor hidden) {
    return head.outputs(t, hidden);
  }

  /** The loss of every token, f32 [N] in nats; see {@link Losses#linearCrossEntropy}. */
  public Tensor losses(Tape t, Tensor hidden, Tensor targets, float gradScale) {
    return head.losses(t, hidden, targets, gradScale);
  }

  /**
   * Reads prompts with a cache.
   *
   * @throws IllegalArgumentException when the longest prompt and {@code room} exceed the context
   */
  @Override
  public Continuation begin(int[][] prompts, int width, int room) {
    int longest = CachedContinuation.longest(prompts);
    if (longest + room > config.context()) {
      throw new IllegalArgumentException(
          longest
              + " prompt tokens and "
              + room
              + " new ones do not fit the model's context of "
              + config.context());
    }
    int[] padding = CachedContinuation.padding(prompts);
    int rows = Math.multiplyExact(prompts.length, width);
    KeyValueCache cache = new KeyValueCache(stack, schedule, rows, longest + room, padding, null);
    return CachedContinuation.over(
        cache,
        new CachedContinuation.Side(embedding, head, backend(), recorded),
        config.vocabulary(),
        prompts,
        chunk);
  }

  /**
   * Texts of any lengths, written side by side.
   *
   * @param texts most at once
   * @param tokens most that are held at once, of all texts together, in pages of 64
   * @throws IllegalArgumentException for a model whose scores depend on the distance of keys
   *     (ALiBi)
   */
  public BatchedGeneration batch(int texts, int tokens) {
    if (texts < 1 || tokens < 1) {
      throw new IllegalArgumentException(
          "a batch of " + texts + " texts and " + tokens + " tokens");
    }
    return new BatchedGeneration(
        new CachedContinuation.Side(embedding, head, backend(), false),
        config,
        chunk,
        texts,
        new PagedCache(stack, schedule, PagedCache.pages(tokens)));
  }

  /** Keys and values that later tokens may see, per layer. */
  public final class Cache implements AutoCloseable {
    private final KeyValueCache held;
    private final int batch;

    /** Room for {@code capacity} tokens of {@code batch} sequences. */
    public Cache(int batch, int capacity) {
      this.held = new KeyValueCache(stack, schedule, batch, capacity, null);
      this.batch = batch;
    }

    /** Tokens read. */
    public int length() {
      return held.length();
    }

    /**
     * Bytes of keys and values: of each layer for as many tokens as it can still see, at most the
     * capacity. It does not grow.
     */
    public long bytes() {
      return held.bytes();
    }

    /** Runs {@code ids} i32 [B*T] after what is held; hidden states [B*T, d]. */
    public Tensor extend(Tape t, Tensor ids) {
      return held.extend(t, embedding.apply(t, ids, batch, held.length(), null, null));
    }

    @Override
    public void close() {
      held.close();
    }
  }

  @Override
  public void close() {
    embedding.close();
    stack.close();
    layouts.close();
    parameters.close();
  }
}

package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.nn.Parameters;
import io.heddle.nn.Stack;
import io.heddle.nn.StackConfig;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.tensor.Tensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;

/** An encoder-decoder: a source is read once, a target is written token by token. */
public final class Translator implements Model, SequenceToSequence {
  private final ModelConfig config;
  private final Parameters parameters;
  private final Side encoder;
  private final Side decoder;
  private final Head head;
  private final Layouts layouts;
  private final Layouts sourceLayouts;

  // One of the two stacks, with its embedding.
  private record Side(Embedding embedding, Stack stack, Schedule schedule) {
    static Side of(ModelConfig c, StackConfig s, Parameters p, String prefix) {
      return new Side(
          new Embedding(c.embedding(), p, prefix, s.dropout()),
          new Stack(s, p, prefix),
          Schedule.parse(s.schedule(), s.layers(), s.heads().count()));
    }

    void close() {
      embedding.close();
      stack.close();
    }
  }

  Translator(ModelConfig config, Parameters parameters) {
    this.config = config;
    this.parameters = parameters;
    this.encoder = Side.of(config, config.stack(), parameters, "encoder.");
    this.decoder = Side.of(config, Objects.requireNonNull(config.target()), parameters, "decoder.");
    this.head = new Head(config.head(), parameters);
    this.layouts = new Layouts(parameters.backend().memory());
    this.sourceLayouts = new Layouts(parameters.backend().memory());
  }

  @Override
  public ModelConfig config() {
    return config;
  }

  @Override
  public Parameters parameters() {
    return parameters;
  }

  @Override
  public String family() {
    return config.family();
  }

  @Override
  public int context() {
    return config.context();
  }

  @Override
  public Translators.Marks marks() {
    return Translators.marks(config);
  }

  @Override
  public void save(Path folder) {
    ModelFolder.save(this, folder, Map.of());
  }

  @Override
  public Tensor hidden(Tape t, int[][] source, int @Nullable [][] mask, int[][] target) {
    int batch = target.length;
    SequenceAttention attention =
        new SequenceAttention(
            t,
            decoder.stack,
            decoder.schedule,
            batch,
            target[0].length,
            null,
            List.of(),
            encode(t, source, mask),
            layouts);
    Tensor ids = Encoder.flat(t, target);
    return decoder.stack.run(t, decoder.embedding.apply(t, ids, batch, 0, null, null), attention);
  }

  private SequenceAttention.Source encode(Tape t, int[][] source, int @Nullable [][] mask) {
    int batch = source.length;
    List<AttentionPattern> rows = Encoder.seen(mask);
    SequenceAttention attention =
        new SequenceAttention(
            t,
            encoder.stack,
            encoder.schedule,
            batch,
            source[0].length,
            rows,
            List.of(),
            null,
            sourceLayouts);
    Tensor ids = Encoder.flat(t, source);
    Tensor x = encoder.embedding.apply(t, ids, batch, 0, mask, null);
    return new SequenceAttention.Source(encoder.stack.run(t, x, attention), rows);
  }

  /** Logits [N, V] of hidden states [N, d]. */
  public Tensor logits(Tape t, Tensor hidden) {
    return head.outputs(t, hidden);
  }

  /** The loss of every target token, f32 [N] in nats. */
  public Tensor losses(Tape t, Tensor hidden, Tensor targets, float gradScale) {
    return losses(t, hidden, targets, 0, gradScale);
  }

  @Override
  public Tensor losses(Tape t, Tensor hidden, Tensor targets, float smoothing, float gradScale) {
    return head.losses(t, hidden, targets, smoothing, gradScale);
  }

  @Override
  public NextTokenModel over(int[][] sources) {
    int[][] copy = sources.clone();
    return (prompts, width, room) -> {
      if (prompts.length != copy.length) {
        throw new IllegalArgumentException(
            prompts.length + " targets begun for " + copy.length + " sources");
      }
      return begin(copy, prompts, width, room);
    };
  }

  private NextTokenModel.Continuation begin(int[][] sources, int[][] prompts, int width, int room) {
    int capacity = CachedContinuation.longest(prompts) + room;
    int longest = CachedContinuation.longest(sources);
    boolean same = Arrays.stream(sources).allMatch(s -> s.length == longest);
    int[][] mask = new int[sources.length][longest];
    int[][] padded = new int[sources.length][];
    for (int i = 0; i < sources.length; i++) {
      Arrays.fill(mask[i], 0, sources[i].length, 1);
      padded[i] = Arrays.copyOf(sources[i], longest);
    }
    // What the encoder computed is read in the first pass, after which the cache has it.
    try (Tape reading = Tape.inference(backend())) {
      SequenceAttention.Source from = encode(reading, padded, same ? null : mask);
      int rows = Math.multiplyExact(prompts.length, width);
      KeyValueCache cache =
          new KeyValueCache(
              decoder.stack,
              decoder.schedule,
              rows,
              capacity,
              CachedContinuation.padding(prompts),
              from);
      return CachedContinuation.over(
          cache,
          new CachedContinuation.Side(decoder.embedding, head, backend(), false),
          config.vocabulary(),
          prompts,
          Integer.MAX_VALUE);
    }
  }

  /**
   * Writes a target for one source.
   *
   * @param start the first token of the decoder's input
   * @param count most tokens to write
   * @param accept hears each new token; false ends the text
   * @return the new tokens
   */
  public int[] generate(
      int[] source, int start, int count, Sampler.Options options, IntPredicate accept) {
    int[][] prompt = {{start}};
    return new Sampler(options)
        .continuations(
            over(new int[][] {source}),
            prompt,
            new Sampler.Limits(1, count, Set.of()),
            (text, sample, token) -> accept.test(token))
        .getFirst()
        .tokens();
  }

  @Override
  public void close() {
    encoder.close();
    decoder.close();
    layouts.close();
    sourceLayouts.close();
    parameters.close();
  }
}

package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.IntPredicate;

/**
 * Writes many texts side by side (continuous batching, Yu et al. 2022): texts join when there is
 * room and leave when they are done, and their keys and values lie in pages of 64 tokens of a
 * memory of fixed size. A text's tokens are those that {@link Sampler} writes for it alone.
 *
 * <pre>
 * try (BatchedGeneration batch = decoder.batch(16, 16 * 1024)) {
 *   var first = batch.submit(prompt, Sampler.Options.GREEDY, 100, ends);
 *   var second = batch.submit(other, Sampler.Options.GREEDY, 20, ends);
 *   batch.finish();
 *   use(first.result(), second.result());
 * }
 * </pre>
 *
 * A text begins when pages for all it may come to are free, so that none ever waits in its middle;
 * texts begin in the order in which they were submitted. Not for use by many threads at once.
 */
public final class BatchedGeneration implements AutoCloseable {
  private final CachedContinuation.Side side;
  private final int context;
  private final int vocabulary;
  private final int chunk;
  private final int texts;
  private final int pages;
  private final PagedCache cache;
  private final ArrayDeque<Request> waiting = new ArrayDeque<>();
  private final List<Request> running = new ArrayList<>();
  private int promised; // pages that the running texts may come to

  BatchedGeneration(
      CachedContinuation.Side side, ModelConfig config, int chunk, int texts, PagedCache cache) {
    this.side = side;
    this.context = config.context();
    this.vocabulary = config.vocabulary();
    this.chunk = chunk;
    this.texts = texts;
    this.pages = cache.free();
    this.cache = cache;
  }

  /** A text that has been asked for. */
  public static final class Request {
    private final int[] prompt;
    private final Sampler sampler;
    private final Sampler.Limits limits;
    private final Sampler.Listener listener;
    private final Sampler.Text text;
    private final int need; // pages
    private PagedCache.@org.jspecify.annotations.Nullable Text held;
    private boolean done;
    private @org.jspecify.annotations.Nullable IllegalStateException failure;

    private Request(
        int[] prompt, Sampler.Options options, Sampler.Limits limits, IntPredicate accept) {
      this.prompt = prompt.clone();
      this.sampler = new Sampler(options);
      this.limits = limits;
      this.listener = (number, sample, token) -> accept.test(token);
      SplittableRandom random = new SplittableRandom(options.seed());
      this.text = new Sampler.Text(0, 0, prompt, limits.maxTokens(), random);
      // The last token is never read.
      this.need = PagedCache.pages(prompt.length + limits.maxTokens() - 1);
      this.done = limits.maxTokens() == 0;
    }

    /** Whether the text has ended, is as long as was wanted, or cannot go on. */
    public boolean done() {
      return done;
    }

    /**
     * The continuation, scored as {@link Sampler#continuations} does.
     *
     * @throws IllegalStateException before it is done, or when the model gave it no token to go on
     *     with; other texts are not touched by that
     */
    public Hypothesis result() {
      if (!done) {
        throw new IllegalStateException("the text is not done: step until it is, or finish");
      }
      if (failure != null) {
        throw new IllegalStateException(String.valueOf(failure.getMessage()), failure);
      }
      return text.hypothesis();
    }

    private void write(float[] logits, int row, int vocabulary) {
      try {
        sampler.write(text, logits, row * vocabulary, vocabulary, limits, listener);
        done = text.done || text.fresh() == limits.maxTokens();
      } catch (IllegalStateException e) {
        failure = e;
        done = true;
      }
    }
  }

  /** Bytes of keys and values, of all texts together; does not grow. */
  public long bytes() {
    return cache.bytes();
  }

  /** Pages of 64 tokens that no text has taken. */
  public int freePages() {
    return cache.free();
  }

  /** Asks for a text; see the other {@code submit}. */
  public Request submit(int[] prompt, Sampler.Options options, int maxTokens, Set<Integer> ends) {
    return submit(prompt, options, maxTokens, ends, token -> true);
  }

  /**
   * Asks for a text. It is written by {@link #step} and {@link #finish}.
   *
   * @param prompt at least one token
   * @param options how to choose; the seed is the text's own
   * @param maxTokens most new tokens
   * @param ends tokens that end the text
   * @param accept hears each new token; false ends the text
   * @throws IllegalArgumentException when the text could not fit the model or this memory
   */
  public Request submit(
      int[] prompt,
      Sampler.Options options,
      int maxTokens,
      Set<Integer> ends,
      IntPredicate accept) {
    int length = CachedContinuation.longest(new int[][] {prompt});
    Sampler.Limits limits = new Sampler.Limits(1, maxTokens, ends);
    if ((long) length + maxTokens > context) {
      throw new IllegalArgumentException(
          length
              + " prompt tokens and "
              + maxTokens
              + " new ones do not fit the model's context of "
              + context);
    }
    Request request = new Request(prompt, options, limits, accept);
    if (request.need > pages) {
      throw new IllegalArgumentException(
          length
              + " prompt tokens and "
              + maxTokens
              + " new ones need "
              + request.need
              + " pages of "
              + PagedCache.PAGE
              + "; this batch has "
              + pages);
    }
    if (!request.done) {
      waiting.add(request);
    }
    return request;
  }

  /**
   * Lets texts in that have room, reads on in prompts, and writes one token of each text that has
   * read its own.
   *
   * @return whether any text is not done yet
   */
  public boolean step() {
    admit();
    List<Request> ready = new ArrayList<>();
    for (Request r : running) {
      if (known(r).length() < r.prompt.length) {
        read(r);
      } else {
        ready.add(r);
      }
    }
    if (!ready.isEmpty()) {
      write(ready);
    }
    for (Iterator<Request> all = running.iterator(); all.hasNext(); ) {
      Request r = all.next();
      if (r.done) {
        all.remove();
        promised -= r.need;
        known(r).close();
      }
    }
    return !running.isEmpty() || !waiting.isEmpty();
  }

  /** Steps until all texts are done. */
  public void finish() {
    boolean more = step();
    while (more) {
      more = step();
    }
  }

  private static PagedCache.Text known(Request r) {
    return java.util.Objects.requireNonNull(r.held);
  }

  // In order: a long text that waits is not overtaken for ever by short ones.
  private void admit() {
    while (!waiting.isEmpty()
        && running.size() < texts
        && promised + waiting.element().need <= pages) {
      Request r = waiting.remove();
      r.held = cache.open();
      promised += r.need;
      running.add(r);
    }
  }

  // One part of a prompt, so that texts that are being written do not wait for all of it.
  private void read(Request r) {
    PagedCache.Text held = known(r);
    int from = held.length();
    int count = Math.min(chunk, r.prompt.length - from);
    try (Tape t = side.tape()) {
      int[] part = java.util.Arrays.copyOfRange(r.prompt, from, from + count);
      Tensor ids = t.tensor(DType.I32, count).copyFrom(part);
      Tensor hidden = cache.extend(t, side.embed(t, ids, new int[] {from}), List.of(held));
      if (from + count == r.prompt.length) {
        Tensor last = hidden.slice(0, count - 1L, count);
        r.write(side.logits(t, last).toFloats(), 0, vocabulary);
      }
    }
  }

  private void write(List<Request> ready) {
    int[] tokens = ready.stream().mapToInt(r -> r.text.last()).toArray();
    List<PagedCache.Text> held = ready.stream().map(BatchedGeneration::known).toList();
    int[] places = held.stream().mapToInt(PagedCache.Text::length).toArray();
    try (Tape t = side.tape()) {
      Tensor ids = t.tensor(DType.I32, tokens.length).copyFrom(tokens);
      Tensor hidden = cache.extend(t, side.embed(t, ids, places), held);
      float[] logits = side.logits(t, hidden).toFloats();
      for (int i = 0; i < tokens.length; i++) {
        ready.get(i).write(logits, i, vocabulary);
      }
    }
  }

  @Override
  public void close() {
    cache.close();
  }
}

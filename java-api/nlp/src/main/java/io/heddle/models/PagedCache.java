package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.nn.Attend;
import io.heddle.nn.Stack;
import io.heddle.nn.StackConfig.Heads;
import io.heddle.op.Attention;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Keys and values of many texts in pages of 64 tokens that all layers share out alike (Kwon et al.
 * 2023, PagedAttention). A page is a block of keys of one tensor per layer, and the block lists of
 * attention name it where it lies: no text is ever moved, and kernels know nothing of pages.
 */
final class PagedCache implements AutoCloseable {
  /** Tokens of a page. */
  static final int PAGE = BlockLayout.BLOCK;

  private static final Params.None NONE = new Params.None();

  private final Stack stack;
  private final Schedule schedule;
  private final Backend backend;
  private final Scope scope;
  private final Tensor[] keys; // [1, K, pages * 64, D] of each layer
  private final Tensor[] values;
  private final Tensor zero; // [1, K, 64, D]
  private final ArrayDeque<Integer> free = new ArrayDeque<>();

  /**
   * Room for {@code pages} pages.
   *
   * @throws IllegalArgumentException for a model whose scores depend on where keys lie
   */
  PagedCache(Stack stack, Schedule schedule, int pages) {
    if (stack.spec().slopes() != null || SequenceAttention.usesTable(stack)) {
      throw new IllegalArgumentException(
          "this model biases scores by the distance of keys, which pages do not keep:"
              + " generate its texts with Sampler");
    }
    this.stack = stack;
    this.schedule = schedule;
    this.backend = stack.parameters().backend();
    this.scope = new Scope(backend.memory());
    int layers = stack.config().layers();
    this.keys = new Tensor[layers];
    this.values = new Tensor[layers];
    Heads h = stack.config().heads();
    DType dtype = stack.parameters().dtype();
    long slots = (long) pages * PAGE;
    for (int i = 0; i < layers; i++) {
      keys[i] = scope.tensor(dtype, 1, h.kv(), slots, h.dim());
      values[i] = scope.tensor(dtype, 1, h.kv(), slots, h.dim());
    }
    this.zero =
        scope.tensor(dtype, 1, 1, 1, 1).copyFrom(new float[1]).expand(1, h.kv(), PAGE, h.dim());
    for (int i = 0; i < pages; i++) {
      free.add(i);
    }
  }

  /** Pages that {@code tokens} tokens take. */
  static int pages(int tokens) {
    return (tokens + PAGE - 1) / PAGE;
  }

  /** Pages that no text has. */
  int free() {
    return free.size();
  }

  /** Bytes of keys and values; does not grow. */
  long bytes() {
    return 2L * keys.length * keys[0].size() * keys[0].dtype().bytes();
  }

  /** One text: its pages, in order. */
  final class Text implements AutoCloseable {
    private int[] pages = new int[0];
    private int length;

    /** Tokens held. */
    int length() {
      return length;
    }

    private void grow(int tokens) {
      int before = pages.length;
      int wanted = PagedCache.pages(tokens);
      if (wanted - before > free.size()) {
        throw new IllegalStateException(
            "a text needs " + (wanted - before) + " more pages and " + free.size() + " are free");
      }
      pages = Arrays.copyOf(pages, Math.max(before, wanted));
      for (int i = before; i < pages.length; i++) {
        pages[i] = free.remove();
        clear(pages[i]);
      }
    }

    /** Gives the pages back; to be called once. */
    @Override
    public void close() {
      for (int page : pages) {
        free.add(page);
      }
      pages = new int[0];
      length = 0;
    }
  }

  // A masked key still meets its weight of 0, and 0 times what an infinite or undefined value of a
  // former text left there would be no number.
  private void clear(int page) {
    for (int i = 0; i < keys.length; i++) {
      backend.run(OpCode.COPY, NONE, zero, slots(keys[i], page, 0, PAGE));
      backend.run(OpCode.COPY, NONE, zero, slots(values[i], page, 0, PAGE));
    }
  }

  private static Tensor slots(Tensor all, int page, int from, int count) {
    long at = (long) page * PAGE + from;
    return all.slice(2, at, at + count);
  }

  /** A text without tokens. */
  Text open() {
    return new Text();
  }

  /**
   * Runs embedded tokens [B*T, d] after what the texts hold, T after each; hidden states [B*T, d].
   */
  Tensor extend(Tape t, Tensor embedded, List<Text> texts) {
    int fresh = (int) (embedded.dim(0) / texts.size());
    for (Text text : texts) {
      text.grow(text.length + fresh);
    }
    Tensor out = stack.run(t, embedded, new Pass(t, texts, fresh));
    for (Text text : texts) {
      text.length += fresh;
    }
    return out;
  }

  private final class Pass implements Attend {
    private final List<Text> texts;
    private final int fresh;
    private final Tensor positions;
    private final Map<String, BlockLayout.Tensors> layouts = new HashMap<>();

    Pass(Tape t, List<Text> texts, int fresh) {
      this.texts = texts;
      this.fresh = fresh;
      int[] at = new int[texts.size() * fresh];
      Arrays.setAll(at, i -> texts.get(i / fresh).length + i % fresh);
      this.positions = t.tensor(DType.I32, texts.size(), fresh).copyFrom(at);
    }

    @Override
    public Tensor self(Tape t, int layer, Tensor x) {
      int batch = texts.size();
      Projection p = Projection.of(t, stack, schedule, layer, x, batch, positions);
      for (int b = 0; b < batch; b++) {
        write(layer, b, p.fresh());
      }
      BlockLayout.Tensors layout =
          layouts.computeIfAbsent(schedule.key(layer), key -> layout(layer).tensors(t.scope()));
      long[] seen = keys[layer].shape();
      seen[0] = batch;
      return Attention.over(
          t, p.q(), keys[layer].expand(seen), values[layer].expand(seen), stack.spec(), layout);
    }

    private void write(int layer, int b, HeldKeys.Pair all) {
      Text text = texts.get(b);
      for (int at = 0; at < fresh; ) {
        int slot = (text.length + at) % PAGE;
        int count = Math.min(fresh - at, PAGE - slot);
        int page = text.pages[(text.length + at) / PAGE];
        Tensor newKeys = all.keys().slice(0, b, b + 1L).slice(2, at, at + (long) count);
        Tensor newValues = all.values().slice(0, b, b + 1L).slice(2, at, at + (long) count);
        backend.run(OpCode.COPY, NONE, newKeys, slots(keys[layer], page, slot, count));
        backend.run(OpCode.COPY, NONE, newValues, slots(values[layer], page, slot, count));
        at += count;
      }
    }

    private BlockLayout layout(int layer) {
      List<AttentionPattern> groups =
          schedule.groups(layer).stream().map(Schedule::pattern).toList();
      List<BlockLayout.Pages> rows =
          texts.stream()
              .map(text -> new BlockLayout.Pages(text.length + fresh, text.pages))
              .toList();
      return BlockLayout.paged(groups, schedule.headGroups(layer), fresh, rows);
    }
  }

  @Override
  public void close() {
    scope.close();
  }
}

package io.heddle.models;

import io.heddle.autograd.Tape;
import io.heddle.models.Gnmt.Decoded;
import io.heddle.models.Gnmt.State;
import io.heddle.models.NextTokenModel.Continuation;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.Recurrent;
import io.heddle.tensor.DType;
import io.heddle.tensor.Memory;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Targets that a {@link Gnmt} writes: states instead of a cache. */
final class GnmtContinuation implements Continuation {
  private static final Params.None NONE = new Params.None();

  private final Gnmt model;
  private Scope sources; // of what is attended to
  private Scope states; // of all else
  private State state;
  private int rows;
  private float[] logits = new float[0];
  private int @Nullable [] order; // rows of `logits` that are meant, when not all in order

  /**
   * Reads sources and the beginnings of their targets.
   *
   * @param prompts one for each source, all of one length
   */
  GnmtContinuation(Gnmt model, int[][] given, int[][] prompts) {
    int begun = CachedContinuation.longest(prompts);
    if (prompts.length != given.length || Arrays.stream(prompts).anyMatch(p -> p.length != begun)) {
      throw new IllegalArgumentException(
          "GNMT continues targets of one length, one for each source; given are "
              + prompts.length
              + " of up to "
              + begun
              + " tokens for "
              + given.length
              + " sources");
    }
    this.model = model;
    this.rows = prompts.length;
    this.sources = new Scope(memory());
    this.states = new Scope(memory());
    int longest = CachedContinuation.longest(given);
    int[] lengths = Arrays.stream(given).mapToInt(s -> s.length).toArray();
    int[][] padded = Arrays.stream(given).map(s -> Arrays.copyOf(s, longest)).toArray(int[][]::new);
    boolean same = Arrays.stream(lengths).allMatch(n -> n == longest);
    try (Tape t = tape()) {
      State read = model.encode(t, padded, same ? null : lengths);
      Tensor mask = read.mask();
      Tensor kept = copy(t, sources, read.memory());
      Tensor keptMask = mask == null ? null : copy(t, sources, mask);
      this.state = new State(read.layers(), read.read(), kept, keptMask);
      read(t, prompts);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private Memory memory() {
    return model.parameters().backend().memory();
  }

  private Tape tape() {
    return Tape.inference(model.parameters().backend());
  }

  private static Tensor copy(Tape t, Scope to, Tensor x) {
    Tensor own = to.tensor(x.dtype(), x.shape());
    t.run(OpCode.COPY, NONE, x, own);
    return own;
  }

  private void read(Tape t, int[][] tokens) {
    Decoded out = model.decode(t, tokens, state);
    long all = out.outputs().dim(0);
    logits = model.logits(t, out.outputs().slice(0, all - rows, all)).toFloats();
    order = null;
    Scope next = new Scope(memory());
    List<Recurrent.Result> layers = new ArrayList<>();
    for (Recurrent.Result each : out.state().layers()) {
      Tensor h = copy(t, next, each.h());
      layers.add(new Recurrent.Result(h, h, copy(t, next, each.c())));
    }
    Tensor last = copy(t, next, out.state().read());
    states.close();
    states = next;
    state = new State(layers, last, state.memory(), state.mask());
  }

  @Override
  public int rows() {
    return rows;
  }

  @Override
  public int vocabulary() {
    return model.shape().vocabulary();
  }

  @Override
  public float[] logits() {
    int[] wanted = order;
    if (wanted != null) {
      // Only now: most rows are chosen just before their next token is read.
      float[] chosen = new float[wanted.length * vocabulary()];
      for (int i = 0; i < wanted.length; i++) {
        System.arraycopy(logits, wanted[i] * vocabulary(), chosen, i * vocabulary(), vocabulary());
      }
      logits = chosen;
      order = null;
    }
    return logits;
  }

  @Override
  public void append(int[] tokens) {
    if (tokens.length != rows) {
      throw new IllegalArgumentException(tokens.length + " tokens for " + rows + " texts");
    }
    try (Tape t = tape()) {
      read(t, Arrays.stream(tokens).mapToObj(token -> new int[] {token}).toArray(int[][]::new));
    }
  }

  @Override
  public void select(int[] parents) {
    int[] before = order;
    order = Arrays.stream(parents).map(p -> before == null ? p : before[p]).toArray();
    if (Arrays.equals(parents, Layouts.range(0, rows))) {
      return;
    }
    Scope nextSources = new Scope(memory());
    Scope nextStates = new Scope(memory());
    try (Tape t = tape()) {
      Tensor ids = t.tensor(DType.I32, parents.length).copyFrom(parents);
      List<Recurrent.Result> layers = new ArrayList<>();
      for (Recurrent.Result each : state.layers()) {
        Tensor h = picked(t, nextStates, each.h(), ids);
        layers.add(new Recurrent.Result(h, h, picked(t, nextStates, each.c(), ids)));
      }
      Tensor mask = state.mask();
      state =
          new State(
              layers,
              picked(t, nextStates, state.read(), ids),
              picked(t, nextSources, state.memory(), ids),
              mask == null ? null : picked(t, nextSources, mask, ids));
    }
    sources.close();
    states.close();
    sources = nextSources;
    states = nextStates;
    rows = parents.length;
  }

  // What belongs to each text: the tensor's elements, evenly, in its first dimension.
  private Tensor picked(Tape t, Scope to, Tensor x, Tensor ids) {
    long[] shape = x.shape();
    shape[0] = shape[0] / rows * ids.dim(0);
    Tensor own = to.tensor(x.dtype(), shape);
    t.run(
        OpCode.EMBEDDING_FWD,
        new Params.Embedding(0),
        x.view(rows, x.size() / rows),
        ids,
        own.view(ids.dim(0), own.size() / ids.dim(0)));
    return own;
  }

  @Override
  public void close() {
    sources.close();
    states.close();
  }
}

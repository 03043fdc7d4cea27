package io.heddle.train;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.DeviceException;
import io.heddle.backend.Graph;
import io.heddle.op.Losses;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.OutOfNativeMemoryException;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Forward and backward passes of {@linkplain Objective.Repeatable repeatable} steps. The first of a
 * kind runs plainly, the second is recorded ({@link Backend#capture}), it and all later ones are
 * replayed on their own inputs; where their dropout draws is one of these. Kinds that do what
 * cannot be recorded run plainly for ever. Gradients and losses are the same in every case, bit for
 * bit.
 */
final class Replays implements AutoCloseable {
  // A recording keeps the addresses of all activations; those of a context share their memory.
  private static final int KINDS = 4;

  private final Backend backend;
  private final Map<Object, Kind> kinds = new LinkedHashMap<>(2 * KINDS, 0.75f, true);
  private long replayed;
  private long peakBytes;
  private String refusal = "";

  Replays(Backend backend) {
    this.backend = backend;
  }

  /**
   * Adds the gradients of a step.
   *
   * @param randomness of this step
   * @param awaited as in {@link Tape}: a recording overwrites those that it overwrote when it was
   *     made, so that which are awaited tells kinds apart
   */
  Objective.Loss run(Objective.Repeatable step, Randomness randomness, Set<Tensor> awaited) {
    List<Integer> lengths = step.inputs().stream().map(input -> input.length).toList();
    Object key = List.of(step.key(), lengths, Set.copyOf(awaited));
    Kind kind = kinds.computeIfAbsent(key, made -> new Kind(step));
    if (kinds.size() > KINDS) {
      Iterator<Kind> eldest = kinds.values().iterator();
      eldest.next().close();
      eldest.remove();
    }
    return kind.run(step, randomness, awaited);
  }

  Backend backend() {
    return backend;
  }

  /** Steps that were replayed. */
  long replayed() {
    return replayed;
  }

  /** Why a kind was last not recorded; empty when all were. */
  String refusal() {
    return refusal;
  }

  /** Most bytes of activations and their gradients in a pass. */
  long peakBytes() {
    return peakBytes;
  }

  @Override
  public void close() {
    kinds.values().forEach(Kind::close);
    kinds.clear();
  }

  private final class Kind {
    private final Objective.Repeatable first;
    private final Scope scope = new Scope(backend.memory());
    private final List<Tensor> inputs = new ArrayList<>();
    private final Tensor offset = scope.tensor(DType.I64, 1);
    private @Nullable Tensor losses;
    private @Nullable Graph graph;
    private Set<Tensor> reached = Set.of(); // of the awaited gradients
    private boolean plain = true;
    private boolean recordable;

    Kind(Objective.Repeatable first) {
      this.first = first;
      first.inputs().forEach(input -> inputs.add(scope.tensor(DType.I32, input.length)));
    }

    Objective.Loss run(Objective.Repeatable step, Randomness randomness, Set<Tensor> awaited) {
      for (int i = 0; i < inputs.size(); i++) {
        inputs.get(i).copyFrom(step.inputs().get(i));
      }
      offset.copyFrom(new long[] {randomness.next()});
      long seed = randomness.seed();
      if (recordable) {
        record(seed, awaited);
      }
      Graph recorded = graph;
      Tensor found;
      if (recorded == null) {
        found = passes(seed, awaited);
        recordable = plain;
        plain = false;
      } else {
        recorded.replay();
        awaited.removeAll(reached);
        replayed++;
        found = Objects.requireNonNull(losses);
      }
      return new Objective.Loss(Losses.sum(found), step.count());
    }

    private void record(long seed, Set<Tensor> awaited) {
      recordable = false;
      Set<Tensor> before = Set.copyOf(awaited);
      try {
        graph = backend.capture(() -> recorded(seed, before));
      } catch (UnsupportedOperationException | OutOfNativeMemoryException | DeviceException e) {
        refusal = String.valueOf(e.getMessage());
      }
    }

    private void recorded(long seed, Set<Tensor> awaited) {
      Set<Tensor> left = new HashSet<>(awaited);
      passes(seed, left);
      reached = new HashSet<>(awaited);
      reached.removeAll(left);
    }

    // The same every time: nothing here may depend on anything but the inputs' contents.
    private Tensor passes(long seed, Set<Tensor> awaited) {
      Randomness randomness = Randomness.told(seed, offset);
      try (Tape t = new Tape(backend, randomness, awaited)) {
        Tensor each = first.losses().apply(t, inputs);
        Tensor kept = losses;
        if (kept == null) {
          kept = scope.tensor(each.dtype(), each.shape());
          losses = kept;
        }
        t.run(OpCode.COPY, new Params.None(), each, kept);
        t.backward();
        peakBytes = Math.max(peakBytes, t.scope().peakBytes());
        return kept;
      }
    }

    void close() {
      Graph recorded = graph;
      if (recorded != null) {
        recorded.close();
      }
      scope.close();
    }
  }
}

package io.heddle.train;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Repeated;
import io.heddle.op.Losses;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
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
 * kind runs plainly, later ones are replays on their own inputs ({@link Repeated}); where their
 * dropout draws is one of these.
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
    Kind kind = kinds.computeIfAbsent(key, made -> new Kind(step, randomness.seed(), awaited));
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
    private final long seed;
    private final Set<Tensor> awaited;
    private final Repeated passes = new Repeated(backend, this::passes);
    private Set<Tensor> reached = Set.of(); // of the awaited gradients
    private @Nullable Tensor losses;

    Kind(Objective.Repeatable first, long seed, Set<Tensor> awaited) {
      this.first = first;
      this.seed = seed;
      this.awaited = Set.copyOf(awaited);
      first.inputs().forEach(input -> inputs.add(scope.tensor(DType.I32, input.length)));
    }

    Objective.Loss run(Objective.Repeatable step, Randomness randomness, Set<Tensor> due) {
      for (int i = 0; i < inputs.size(); i++) {
        inputs.get(i).copyFrom(step.inputs().get(i));
      }
      offset.copyFrom(new long[] {randomness.next()});
      passes.run();
      due.removeAll(reached);
      if (passes.replayed()) {
        replayed++;
      } else if (!passes.refusal().isEmpty()) {
        refusal = passes.refusal();
      }
      return new Objective.Loss(Losses.sum(Objects.requireNonNull(losses)), step.count());
    }

    // The same every time: nothing here may depend on anything but the inputs' contents.
    private void passes() {
      Set<Tensor> left = new HashSet<>(awaited);
      Randomness randomness = Randomness.told(seed, offset);
      try (Tape t = new Tape(backend, randomness, left)) {
        Tensor each = first.losses().apply(t, inputs);
        Tensor kept = losses;
        if (kept == null) {
          kept = scope.tensor(each.dtype(), each.shape());
          losses = kept;
        }
        t.run(OpCode.COPY, new Params.None(), each, kept);
        t.backward();
        peakBytes = Math.max(peakBytes, t.scope().peakBytes());
      }
      reached = new HashSet<>(awaited);
      reached.removeAll(left);
    }

    void close() {
      passes.close();
      scope.close();
    }
  }
}

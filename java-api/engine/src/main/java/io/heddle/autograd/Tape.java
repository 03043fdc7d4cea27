package io.heddle.autograd;

import io.heddle.backend.Backend;
import io.heddle.backend.profile.LayerProfile;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * Runs ops on a backend and, when recording, notes what is needed to differentiate them.
 * Activations live in the tape's scope; {@link #backward} walks the nodes from last to first and
 * frees a node's outputs as soon as it has passed, so memory falls while it goes. One tape serves
 * one step and one thread.
 */
public final class Tape implements AutoCloseable {
  /** The gradient of one node: reads the gradients of its outputs, adds to those of its inputs. */
  @FunctionalInterface
  public interface Backward {
    /** Runs once, after all nodes that use the outputs. */
    void run();
  }

  /** A part of a network that can be run again: from its inputs to its outputs. */
  @FunctionalInterface
  public interface Segment {
    /** Runs on {@code tape}; outputs are fresh tensors of it. */
    List<Tensor> run(Tape tape, List<Tensor> inputs);
  }

  private record Node(Backward backward, List<Tensor> owned) {}

  private final Backend backend;
  private final Scope scope;
  private final boolean recording;
  private final boolean training;
  private final List<Node> nodes = new ArrayList<>();
  private final Randomness randomness;
  private final Set<Tensor> awaited;
  private final Set<Tensor> spent = new HashSet<>();

  /**
   * A tape.
   *
   * @param backend where ops run
   * @param recording false for inference: nothing is kept
   * @param randomness source of dropout masks
   */
  public Tape(Backend backend, boolean recording, Randomness randomness) {
    this(backend, recording, recording, randomness, new HashSet<>());
  }

  /**
   * A recording tape over parameters whose gradients need no zeroing before.
   *
   * @param awaited gradients of parameters whose content is undefined: the first thing that reaches
   *     one overwrites it and takes it off the set
   */
  public Tape(Backend backend, Randomness randomness, Set<Tensor> awaited) {
    this(backend, true, true, randomness, awaited);
  }

  private Tape(
      Backend backend,
      boolean recording,
      boolean training,
      Randomness randomness,
      Set<Tensor> awaited) {
    this.training = training;
    this.awaited = awaited;
    this.backend = backend;
    this.scope = new Scope(backend.memory());
    this.recording = recording;
    this.randomness = randomness;
  }

  /** A tape for inference. */
  public static Tape inference(Backend backend) {
    return new Tape(backend, false, Randomness.NONE);
  }

  /** Where ops run. */
  public Backend backend() {
    return backend;
  }

  /** The scope of activations. */
  public Scope scope() {
    return scope;
  }

  /** Whether gradients will be asked for. */
  public boolean recording() {
    return recording;
  }

  /** Whether dropout is on: while recording, and while a {@link #recomputed} part runs first. */
  public boolean training() {
    return training;
  }

  /** Source of dropout masks. */
  public Randomness randomness() {
    return randomness;
  }

  /** A new activation of undefined content. */
  public Tensor tensor(DType dtype, long... shape) {
    return scope.tensor(dtype, shape);
  }

  /** Runs an op on the backend. */
  public void run(OpCode op, Params params, @Nullable Tensor... tensors) {
    backend.run(op, params, tensors);
  }

  /**
   * Notes a node. {@code owned} are the tensors that only this node and later ones use: outputs and
   * saved values; they are freed after {@code backward} has run, and they get {@code requiresGrad}.
   */
  public void record(Backward backward, Tensor... owned) {
    if (!recording) {
      return;
    }
    for (Tensor tensor : owned) {
      tensor.requiresGrad(true);
    }
    nodes.add(new Node(backward, List.of(owned)));
  }

  /**
   * Frees the content of an activation that neither later ops nor the backward pass reads, as of a
   * sum's terms; its gradient may still come. What belongs to another tape stays.
   */
  public void spent(Tensor x) {
    if (scope.freeOwn(x)) {
      spent.add(x);
    }
  }

  /** Whether a node over these inputs has to be recorded. */
  public boolean wants(@Nullable Tensor... inputs) {
    if (recording) {
      for (Tensor input : inputs) {
        if (input != null && input.requiresGrad()) {
          return true;
        }
      }
    }
    return false;
  }

  /**
   * Runs a part of the network and keeps nothing but its outputs; when gradients are asked for, the
   * part is run again with the same dropout (Chen et al., "Training deep nets with sublinear memory
   * cost", 2016). Gradients are the same, bit for bit. On a tape that does not record, what the
   * part made on the way is freed after it.
   *
   * @param inputs the activations that the part reads; parameters need no mention
   */
  public List<Tensor> recomputed(List<Tensor> inputs, Segment segment) {
    if (!recording) {
      return apart(inputs, segment);
    }
    Randomness again = randomness.copy();
    List<Tensor> outputs = apart(inputs, segment);
    record(() -> recompute(inputs, segment, again, outputs), outputs.toArray(new Tensor[0]));
    return outputs;
  }

  /**
   * Runs a layer. While somebody listens ({@link LayerProfile}), what it takes on the way there and
   * on the way back is told; else this is the part alone.
   *
   * @param stack prefix of the parameters
   * @param number of the layer, from 0 on
   */
  public List<Tensor> layer(String stack, int number, List<Tensor> inputs, Segment part) {
    LayerProfile.Span forward = LayerProfile.begin(backend, stack, number, false, scope.bytes());
    if (forward == null) {
      return part.run(this, inputs);
    }
    // Nodes run from last to first: that before the layer's own ends the way back through it.
    AtomicReference<LayerProfile.@Nullable Span> back = new AtomicReference<>();
    record(
        () -> {
          LayerProfile.Span begun = back.get();
          if (begun != null) {
            begun.end(scope.bytes());
          }
        });
    List<Tensor> outputs = part.run(this, inputs);
    forward.end(scope.bytes());
    record(() -> back.set(LayerProfile.begin(backend, stack, number, true, scope.bytes())));
    return outputs;
  }

  // Keeps the outputs alone.
  private List<Tensor> apart(List<Tensor> inputs, Segment segment) {
    try (Tape first = new Tape(backend, false, training, randomness, awaited)) {
      List<Tensor> outputs = segment.run(first, inputs);
      scope.countPeak(first.scope);
      outputs.forEach(output -> scope.adopt(first.scope, output));
      return outputs;
    }
  }

  private void recompute(
      List<Tensor> inputs, Segment segment, Randomness again, List<Tensor> outputs) {
    try (Tape inner = new Tape(backend, again, awaited)) {
      // Views, so that what reaches an input inside can be told from what has reached it outside.
      List<Tensor> views =
          inputs.stream().map(x -> x.view(x.shape()).requiresGrad(x.requiresGrad())).toList();
      List<Tensor> fresh = segment.run(inner, views);
      for (int i = 0; i < fresh.size(); i++) {
        Tensor gradient = outputs.get(i).grad();
        if (gradient != null) {
          inner.scope.adopt(scope, gradient);
          outputs.get(i).grad(null);
          fresh.get(i).grad(gradient);
        }
      }
      inner.backward();
      scope.countPeak(inner.scope);
      for (int i = 0; i < views.size(); i++) {
        Tensor gradient = views.get(i).grad();
        if (gradient != null) {
          scope.adopt(inner.scope, gradient);
          give(inputs.get(i), gradient);
        }
      }
    }
  }

  /**
   * What counts of a parameter's gradient when something is added to it: 1, or 0 when that is the
   * first to reach it and the gradient's content is undefined. Whoever asks writes all of it.
   */
  public int kept(Tensor gradient) {
    return awaited.remove(gradient) ? 0 : 1;
  }

  /** The gradient that has reached an output, or null when none has. */
  public @Nullable Tensor gradient(Tensor output) {
    return output.grad();
  }

  /**
   * Adds {@code gradient} to the gradient of {@code input}; takes {@code gradient} over (it must be
   * of this tape and not be used again).
   */
  public void give(Tensor input, Tensor gradient) {
    Tensor present = input.grad();
    if (present == null) {
      input.grad(gradient);
    } else if (kept(present) == 0) {
      backend.run(OpCode.COPY, new Params.None(), gradient, present);
      scope.free(gradient);
    } else {
      backend.run(
          OpCode.BINARY,
          new Params.Binary(0, 1, 1),
          present,
          cast(gradient, present.dtype()),
          present);
      scope.free(gradient);
    }
  }

  private Tensor cast(Tensor x, DType dtype) {
    if (x.dtype() == dtype) {
      return x;
    }
    Tensor y = tensor(dtype, x.shape());
    backend.run(OpCode.COPY, new Params.None(), x, y);
    return y;
  }

  /**
   * Differentiates: {@code loss} gets gradient 1, every parameter behind it {@code +=} its
   * gradient.
   */
  public void backward() {
    for (int i = nodes.size() - 1; i >= 0; i--) {
      Node node = nodes.get(i);
      node.backward.run();
      for (Tensor tensor : node.owned) {
        Tensor gradient = tensor.grad();
        if (gradient != null) {
          scope.free(gradient);
          tensor.grad(null);
        }
        if (!spent.remove(tensor)) {
          scope.free(tensor);
        }
      }
    }
    nodes.clear();
  }

  @Override
  public void close() {
    nodes.clear();
    scope.close();
  }
}

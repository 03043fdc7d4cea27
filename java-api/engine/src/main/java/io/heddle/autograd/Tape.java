package io.heddle.autograd;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
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

  private record Node(Backward backward, List<Tensor> owned) {}

  private final Backend backend;
  private final Scope scope;
  private final boolean recording;
  private final List<Node> nodes = new ArrayList<>();
  private final Randomness randomness;

  /**
   * A tape.
   *
   * @param backend where ops run
   * @param recording false for inference: nothing is kept
   * @param randomness source of dropout masks
   */
  public Tape(Backend backend, boolean recording, Randomness randomness) {
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
        scope.free(tensor);
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

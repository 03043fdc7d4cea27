package io.heddle.train;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The average that {@link Recipe.Averaging} asks for. */
final class Average implements AutoCloseable {
  private static final Params.None NONE = new Params.None();

  private final Recipe.Averaging rule;
  private final Optimizer optimizer;
  private final Backend backend;
  private final Scope scope;
  private final List<Tensor> sums = new ArrayList<>();
  private @Nullable Scope aside;
  private final List<Tensor> kept = new ArrayList<>();

  Average(Recipe.Averaging rule, Optimizer optimizer, Backend backend) {
    this.rule = rule;
    this.optimizer = optimizer;
    this.backend = backend;
    this.scope = new Scope(backend.memory());
    if (rule.kind() != Recipe.Averaging.Kind.NONE) {
      for (Tensor p : optimizer.exact()) {
        sums.add(scope.tensor(DType.F32, p.shape()));
      }
      copy(optimizer.exact(), sums);
    }
  }

  private void copy(List<Tensor> from, List<Tensor> to) {
    for (int i = 0; i < from.size(); i++) {
      backend.run(OpCode.COPY, NONE, from.get(i), to.get(i));
    }
  }

  /** What goes into a checkpoint. */
  Map<String, Tensor> state() {
    Map<String, Tensor> out = new LinkedHashMap<>();
    for (int i = 0; i < sums.size(); i++) {
      out.put("average." + optimizer.names().get(i), sums.get(i));
    }
    return out;
  }

  /**
   * Takes in the parameters after a step.
   *
   * @param done steps done
   * @param trigger steps done when a triggered mean began; negative while it has not
   */
  void add(long done, long trigger) {
    double share =
        switch (rule.kind()) {
          case NONE -> 0;
          case EXPONENTIAL -> done == 1 ? 1 : 1.0 - rule.decay();
          case MEAN -> done <= rule.from() ? 0 : 1.0 / (done - rule.from());
          // The parameters at the trigger are the first term, so this is the second on.
          default -> trigger < 0 ? 0 : 1.0 / (done - trigger + 1);
        };
    if (share == 0) {
      return;
    }
    Params params = new Params.Binary(0, (float) (1 - share), (float) share);
    for (int i = 0; i < sums.size(); i++) {
      Tensor sum = sums.get(i);
      backend.run(OpCode.BINARY, params, sum, optimizer.exact().get(i), sum);
    }
  }

  /** Starts a triggered mean from the present parameters. */
  void begin() {
    copy(optimizer.exact(), sums);
  }

  /** Whether there is an average that is not the parameters themselves. */
  private boolean active(long done, long trigger) {
    return switch (rule.kind()) {
      case NONE -> false;
      case EXPONENTIAL -> done > 0;
      case MEAN -> done > rule.from();
      default -> trigger >= 0;
    };
  }

  /** Puts the average in the parameters' place, until {@link #swapOut}. */
  void swapIn(long done, long trigger) {
    if (!active(done, trigger)) {
      return;
    }
    Scope room = new Scope(backend.memory());
    aside = room;
    for (Tensor p : optimizer.exact()) {
      kept.add(room.tensor(DType.F32, p.shape()));
    }
    copy(optimizer.exact(), kept);
    copy(sums, optimizer.exact());
    optimizer.restored();
  }

  /** Puts the parameters back. */
  void swapOut() {
    if (aside != null) {
      copy(kept, optimizer.exact());
      optimizer.restored();
      kept.clear();
      aside.close();
      aside = null;
    }
  }

  /** Puts the average in the parameters' place for good. */
  void leaveIn(long done, long trigger) {
    if (active(done, trigger)) {
      copy(sums, optimizer.exact());
      optimizer.restored();
    }
  }

  @Override
  public void close() {
    if (aside != null) {
      aside.close();
    }
    scope.close();
  }
}

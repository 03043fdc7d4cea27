package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.backend.RecurrentLibrary;
import io.heddle.backend.RecurrentLibrary.State;
import io.heddle.backend.RecurrentLibrary.Weights;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One direction of a recurrent layer that a library runs as a whole, on a tape. */
final class WholeRecurrent {
  private final Tape t;
  private final RecurrentLibrary library;
  private final Params.Recurrent params;
  private final Tensor x;
  private final Weights weights;
  private final State before;
  private final long steps;
  private final long rows;
  private final Tensor y;
  private final Tensor h;
  private final @Nullable Tensor c;
  private final int @Nullable [] lengths;

  WholeRecurrent(
      Tape t,
      RecurrentLibrary library,
      Params.Recurrent params,
      Tensor x,
      Weights weights,
      @Nullable Tensor h0,
      @Nullable Tensor c0,
      long rows,
      @Nullable Ragged ragged) {
    long features = weights.hidden().dim(1);
    if (x.dim(1) != weights.input().dim(1) || x.dim(0) % rows != 0 || x.dim(0) == 0) {
      throw new IllegalArgumentException(
          "a recurrent layer of %d rows takes x [T*%d, %d]; given is %s"
              .formatted(rows, rows, weights.input().dim(1), x));
    }
    this.t = t;
    this.lengths = ragged == null ? null : ragged.lengths();
    this.library = library;
    this.params = params;
    this.x = x;
    this.weights = weights;
    this.before = new State(h0, c0);
    this.rows = rows;
    this.steps = x.dim(0) / rows;
    this.y = t.tensor(x.dtype(), steps * rows, features);
    this.h = t.tensor(x.dtype(), rows, features);
    this.c = weights.hiddenBias() == null ? t.tensor(x.dtype(), rows, features) : null;
  }

  Recurrent.Result run() {
    boolean wanted =
        t.wants(
            x,
            weights.input(),
            weights.inputBias(),
            weights.hidden(),
            weights.hiddenBias(),
            before.h(),
            before.c());
    State after = new State(h, c);
    List<Tensor> kept =
        library.forward(
            params, apart(x), lengths, weights, before, apart(y), after, wanted ? t.scope() : null);
    if (wanted) {
      List<Tensor> owned = new ArrayList<>(List.of(y, h));
      if (c != null) {
        owned.add(c);
      }
      owned.addAll(kept);
      t.record(() -> backward(kept), owned.toArray(new Tensor[0]));
    }
    return new Recurrent.Result(y, h, c == null ? h : c);
  }

  // Steps apart from rows.
  private Tensor apart(Tensor all) {
    return all.view(steps, rows, all.dim(1));
  }

  private void backward(List<Tensor> kept) {
    Tensor given = t.gradient(y);
    State later = new State(t.gradient(h), c == null ? null : t.gradient(c));
    if (given == null && later.h() == null && later.c() == null) {
      return;
    }
    Tensor dy = given != null ? given : Layers.fill(t, like(y), 0);
    Tensor dx = like(x);
    Tensor hiddenBias = weights.hiddenBias();
    Weights d =
        new Weights(
            like(weights.input()),
            like(weights.inputBias()),
            like(weights.hidden()),
            hiddenBias == null ? null : like(hiddenBias));
    State dbefore = new State(wanted(before.h()), wanted(before.c()));
    library.backward(
        params, apart(x), lengths, before, apart(y), kept, apart(dy), later, apart(dx), d, dbefore);
    if (given == null) {
      t.scope().free(dy);
    }
    give(weights.input(), d.input());
    give(weights.inputBias(), d.inputBias());
    give(weights.hidden(), d.hidden());
    give(hiddenBias, d.hiddenBias());
    give(before.h(), dbefore.h());
    give(before.c(), dbefore.c());
    give(x, dx);
  }

  private Tensor like(Tensor model) {
    return t.tensor(model.dtype(), model.shape());
  }

  private @Nullable Tensor wanted(@Nullable Tensor state) {
    return state != null && state.requiresGrad() ? like(state) : null;
  }

  private void give(@Nullable Tensor input, @Nullable Tensor gradient) {
    if (input == null || gradient == null) {
      return;
    }
    if (input.requiresGrad() || input.grad() != null) {
      t.give(input, gradient);
    } else {
      t.scope().free(gradient);
    }
  }
}

package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What a step of a recurrent layer does between its products, and its gradient, made of
 * element-wise ops, which every backend has. Gates stand side by side, in torch's order.
 */
final class Cells {
  private static final Params TANH = new Params.Unary(7, 1, 0);
  private static final Params SIGMOID = new Params.Unary(8, 1, 0);
  private static final Params SQUARE = new Params.Unary(5, 1, 0);
  private static final Params FROM_ONE = new Params.Unary(0, -1, 1);
  private static final Params PLUS = new Params.Binary(0, 1, 1);
  private static final Params MINUS = new Params.Binary(1, 1, 1);
  private static final Params TIMES = new Params.Binary(2, 1, 1);

  private final Tape t;
  private final long features;
  private final Tensor[] room; // [N, F] each
  private final Tensor wide; // [N, G F]

  /** Cells of N rows with {@code gates} gates of F features. */
  Cells(Tape t, Tensor like, long rows, int gates, long features) {
    this.t = t;
    this.features = features;
    this.room = new Tensor[3];
    for (int i = 0; i < room.length; i++) {
      room[i] = t.tensor(like.dtype(), rows, features);
    }
    this.wide = t.tensor(like.dtype(), rows, gates * features);
  }

  /** Frees the room that steps work in. */
  void free() {
    for (Tensor each : room) {
      t.scope().free(each);
    }
    t.scope().free(wide);
  }

  private Tensor part(Tensor gates, int from, int count) {
    return gates.slice(1, from * features, (from + count) * features);
  }

  private Tensor part(Tensor gates, int which) {
    return part(gates, which, 1);
  }

  private void one(Params f, Tensor x, Tensor y) {
    t.run(OpCode.UNARY, f, x, y);
  }

  private void two(Params f, Tensor a, Tensor b, Tensor y) {
    t.run(OpCode.BINARY, f, a, b, y);
  }

  /**
   * {@code c1 = f c + i g; h = o tanh(c1)} with i, f, o the sigmoids and g the tangent of gates.
   *
   * @param gates [N, 4F]; becomes (i, f, g, o)
   */
  void lstm(Tensor gates, Tensor c, Tensor h, Tensor c1) {
    one(SIGMOID, part(gates, 0, 2), part(gates, 0, 2));
    one(TANH, part(gates, 2), part(gates, 2));
    one(SIGMOID, part(gates, 3), part(gates, 3));
    two(TIMES, part(gates, 1), c, c1);
    two(TIMES, part(gates, 0), part(gates, 2), room[0]);
    two(PLUS, c1, room[0], c1);
    one(TANH, c1, h);
    two(TIMES, part(gates, 3), h, h);
  }

  /**
   * The gradients of {@link #lstm}.
   *
   * @param dh of h
   * @param later of c1 by what follows; null for none
   * @param act (i, f, g, o)
   * @param dgates [N, 4F], written
   * @param dc of c, written; may be {@code later}
   */
  void lstmBackward(
      Tensor dh,
      @Nullable Tensor later,
      Tensor act,
      Tensor c,
      Tensor c1,
      Tensor dgates,
      Tensor dc) {
    Tensor tanh = room[0];
    Tensor cell = room[1];
    one(TANH, c1, tanh);
    one(SQUARE, tanh, cell);
    one(FROM_ONE, cell, cell);
    two(TIMES, cell, part(act, 3), cell);
    two(TIMES, cell, dh, cell);
    if (later != null) {
      two(PLUS, cell, later, cell);
    }
    // The slopes s - s^2 of sigmoids and 1 - g^2 of the tangent.
    one(SQUARE, act, wide);
    two(MINUS, part(act, 0, 2), part(wide, 0, 2), part(wide, 0, 2));
    one(FROM_ONE, part(wide, 2), part(wide, 2));
    two(MINUS, part(act, 3), part(wide, 3), part(wide, 3));
    two(TIMES, cell, part(act, 2), part(dgates, 0));
    two(TIMES, cell, c, part(dgates, 1));
    two(TIMES, cell, part(act, 0), part(dgates, 2));
    two(TIMES, dh, tanh, part(dgates, 3));
    two(TIMES, dgates, wide, dgates);
    two(TIMES, cell, part(act, 1), dc);
  }

  /**
   * {@code r, z = sigmoid(x + hx), n = tanh(x_n + r hx_n), y = n + z (h - n)}.
   *
   * @param x what the input contributes to the gates [N, 3F]
   * @param hx what the last output h contributes
   * @param act (r, z, n), written
   */
  void gru(Tensor x, Tensor hx, Tensor h, Tensor y, Tensor act) {
    two(PLUS, part(x, 0, 2), part(hx, 0, 2), part(act, 0, 2));
    one(SIGMOID, part(act, 0, 2), part(act, 0, 2));
    two(TIMES, part(act, 0), part(hx, 2), part(act, 2));
    two(PLUS, part(act, 2), part(x, 2), part(act, 2));
    one(TANH, part(act, 2), part(act, 2));
    two(MINUS, h, part(act, 2), y);
    two(TIMES, y, part(act, 1), y);
    two(PLUS, y, part(act, 2), y);
  }

  /**
   * The gradients of {@link #gru}.
   *
   * @param dx of x, written
   * @param dhx of hx, written
   * @param dh of h but for what goes through hx, written
   */
  void gruBackward(Tensor dy, Tensor act, Tensor hx, Tensor h, Tensor dx, Tensor dhx, Tensor dh) {
    Tensor fresh = part(act, 2);
    Tensor dn = part(dx, 2);
    one(SQUARE, act, wide);
    two(MINUS, part(act, 0, 2), part(wide, 0, 2), part(wide, 0, 2));
    one(FROM_ONE, part(wide, 2), part(wide, 2));
    two(TIMES, dy, part(act, 1), dh);
    two(MINUS, dy, dh, dn);
    two(MINUS, h, fresh, part(dx, 1));
    two(TIMES, part(dx, 1), dy, part(dx, 1));
    two(TIMES, dn, part(wide, 2), room[0]);
    two(TIMES, room[0], part(hx, 2), part(dx, 0));
    two(TIMES, part(dx, 0, 2), part(wide, 0, 2), part(dx, 0, 2));
    t.run(OpCode.COPY, new Params.None(), room[0], dn);
    t.run(OpCode.COPY, new Params.None(), part(dx, 0, 2), part(dhx, 0, 2));
    two(TIMES, dn, part(act, 0), part(dhx, 2));
  }
}

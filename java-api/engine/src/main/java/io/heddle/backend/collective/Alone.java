package io.heddle.backend.collective;

import io.heddle.tensor.Tensor;
import java.util.List;

/** The only rank of a run. */
final class Alone implements Collective {
  static final Alone ONE = new Alone();

  private final Meeting meeting = new Meeting(0, 1);

  private Alone() {}

  @Override
  public Meeting meeting() {
    return meeting;
  }

  @Override
  public void sum(List<Tensor> tensors) {}

  @Override
  public void broadcast(Tensor tensor) {}

  @Override
  public void close() {}
}

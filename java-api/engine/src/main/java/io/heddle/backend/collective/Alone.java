package io.heddle.backend.collective;

import io.heddle.tensor.Tensor;
import java.util.List;

/** The only rank of a run. */
final class Alone implements Collective {
  static final Alone ONE = new Alone();

  private Alone() {}

  @Override
  public int rank() {
    return 0;
  }

  @Override
  public int size() {
    return 1;
  }

  @Override
  public void sum(List<Tensor> tensors) {}

  @Override
  public void broadcast(Tensor tensor) {}

  @Override
  public double[][] gather(double... mine) {
    return new double[][] {mine};
  }

  @Override
  public void close() {}
}

package io.heddle.models;

/** The k largest of many numbers; of equal ones those that came first. */
final class Top {
  private final double[] values;
  private final long[] places;
  private int size;

  Top(int k) {
    values = new double[k];
    places = new long[k];
  }

  void offer(double value, long place) {
    if (size == values.length && !(value > values[size - 1])) {
      return;
    }
    int at = size < values.length ? size++ : size - 1;
    while (at > 0 && value > values[at - 1]) {
      values[at] = values[at - 1];
      places[at] = places[at - 1];
      at--;
    }
    values[at] = value;
    places[at] = place;
  }

  int size() {
    return size;
  }

  double value(int rank) {
    return values[rank];
  }

  long place(int rank) {
    return places[rank];
  }
}

package io.heddle.nn;

import io.heddle.tensor.Tensor;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;

/** First values of parameters. */
final class Draws {
  private static final int PART = 1 << 16; // elements

  private Draws() {}

  /** All elements alike. */
  static Consumer<Tensor> constant(double value) {
    return tensor -> write(tensor, () -> value);
  }

  /** Normal with mean 0; a function of the seed and the name alone. */
  static Consumer<Tensor> normal(String name, double deviation, long seed) {
    return tensor -> {
      var random = new SplittableRandom(seed * 0x9E3779B97F4A7C15L + name.hashCode());
      write(tensor, () -> random.nextGaussian() * deviation);
    };
  }

  // In parts, by one array: a table of billions of elements fits none, and what a model's size of
  // arrays leaves in the heap stays with the process.
  private static void write(Tensor tensor, DoubleSupplier next) {
    Tensor flat = tensor.view(tensor.size());
    float[] values = new float[(int) Math.min(PART, flat.size())];
    for (long at = 0; at < flat.size(); at += PART) {
      Tensor part = flat.slice(0, at, Math.min(flat.size(), at + PART));
      if (part.size() < values.length) {
        values = new float[(int) part.size()];
      }
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) next.getAsDouble();
      }
      part.copyFrom(values);
    }
  }
}

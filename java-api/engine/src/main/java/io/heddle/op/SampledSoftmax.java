package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Cross-entropy over the target and some drawn classes instead of all of them (Jean et al. 2015),
 * as GluonNLP's importance-sampled output layer has it: the logarithm of how often a class is
 * expected among those drawn is taken off its logit, and a drawn class that is the row's own target
 * does not count. For training alone.
 */
public final class SampledSoftmax {
  private static final float HIDDEN = -1e4f; // of any float type

  private SampledSoftmax() {}

  /**
   * Classes drawn without repetition.
   *
   * @param classes different numbers
   * @param expected how often each class of the vocabulary is expected among them
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  public record Drawn(int[] classes, Expected expected) {}

  /** How often a class is expected. */
  @FunctionalInterface
  public interface Expected {
    /** Of class number {@code c}. */
    double count(int c);
  }

  /**
   * Draws from {@code p(c) = ln((c + 2) / (c + 1)) / ln(V + 1)}, Zipf's law for classes in the
   * order of their frequency, until there are {@code count} different ones.
   */
  public static Drawn logUniform(int vocabulary, int count, long seed) {
    if (count < 1 || count > vocabulary) {
      throw new IllegalArgumentException(count + " classes to draw of " + vocabulary);
    }
    SplittableRandom random = new SplittableRandom(seed);
    double span = Math.log(vocabulary + 1.0);
    LinkedHashSet<Integer> classes = new LinkedHashSet<>();
    long tries = 0;
    while (classes.size() < count) {
      int c = (int) Math.expm1(random.nextDouble() * span);
      classes.add(Math.min(c, vocabulary - 1));
      tries++;
    }
    long all = tries;
    Expected expected =
        c -> {
          double p = Math.log((c + 2.0) / (c + 1.0)) / span;
          return -Math.expm1(all * Math.log1p(-p));
        };
    return new Drawn(classes.stream().mapToInt(Integer::intValue).toArray(), expected);
  }

  /**
   * The loss of every row.
   *
   * @param x [N, F]
   * @param w [V, F]
   * @param b [V], or null
   * @param targets classes of the rows
   * @param gradScale factor on gradients
   * @return f32 [N], in nats
   */
  public static Tensor losses(
      Tape t, Tensor x, Tensor w, @Nullable Tensor b, int[] targets, Drawn drawn, float gradScale) {
    int rows = targets.length;
    int[] ids = IntStream.concat(Arrays.stream(targets), Arrays.stream(drawn.classes)).toArray();
    Tensor all = t.tensor(DType.I32, ids.length).copyFrom(ids);
    Tensor own = Layers.embedding(t, w, all.slice(0, 0, rows));
    Tensor others = Layers.embedding(t, w, all.slice(0, rows, ids.length));
    Tensor right = Layers.copy(t, Scores.products(t, x, own, rows, 1), v -> v, rows, 1);
    int count = drawn.classes.length;
    Tensor wrong = Layers.copy(t, Scores.products(t, x, others, 1, 1), v -> v, rows, count);
    Tensor shift = shift(t, x.dtype(), targets, drawn);
    if (b != null) {
      Tensor biases = biases(t, b, all);
      Tensor ofTargets = Layers.copy(t, biases, v -> v.slice(0, 0, rows));
      Tensor ofOthers = Layers.copy(t, biases, v -> v.slice(0, rows, ids.length));
      right = Layers.add(t, right, ofTargets);
      Tensor sums = Scores.sums(t, zeros(t, x.dtype(), rows), ofOthers, 1);
      wrong = Layers.add(t, wrong, Layers.copy(t, sums, v -> v, rows, count));
    }
    Tensor logits = Layers.add(t, Sequences.joined(t, List.of(right, wrong)), shift);
    Tensor first = t.tensor(DType.I32, rows).copyFrom(new int[rows]);
    return Losses.crossEntropy(t, logits, first, 0, gradScale);
  }

  private static Tensor zeros(Tape t, DType dtype, int rows) {
    return Layers.fill(t, t.tensor(dtype, rows, 1), 0);
  }

  // [N + S, 1] of a parameter [V].
  private static Tensor biases(Tape t, Tensor b, Tensor ids) {
    Tensor column = b.view(b.size(), 1);
    Tensor gradient = b.grad();
    if (t.recording() && gradient != null) {
      column.grad(Layers.settled(t, gradient).view(b.size(), 1));
      column.requiresGrad(true);
    }
    return Layers.embedding(t, column, ids);
  }

  // What is added to the logits: less the logarithm of how often a class is expected.
  private static Tensor shift(Tape t, DType dtype, int[] targets, Drawn drawn) {
    int width = drawn.classes.length + 1;
    // Rows differ in their own target alone: a logarithm for each class, not for each row of it.
    float[] others = new float[width];
    Map<Integer, Integer> places = new HashMap<>();
    for (int j = 1; j < width; j++) {
      others[j] = less(drawn, drawn.classes[j - 1]);
      places.put(drawn.classes[j - 1], j);
    }
    float[] out = new float[targets.length * width];
    for (int i = 0; i < targets.length; i++) {
      System.arraycopy(others, 0, out, i * width, width);
      out[i * width] = less(drawn, targets[i]);
      Integer hit = places.get(targets[i]);
      if (hit != null) {
        out[i * width + hit] = HIDDEN;
      }
    }
    return t.tensor(dtype, targets.length, width).copyFrom(out);
  }

  private static float less(Drawn drawn, int c) {
    return (float) -Math.log(drawn.expected.count(c));
  }
}

package io.heddle.nn;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.regex.Pattern;

/**
 * The named parameters of a model, in the order they were made; owns their memory. With {@link
 * #trainable} each gets an f32 gradient.
 */
public final class Parameters implements AutoCloseable {
  private static final int ALIGNMENT = 64; // elements between gradients: 256 bytes

  private final Backend backend;
  private final Scope scope;
  private final DType dtype;
  private final Map<String, Tensor> all = new LinkedHashMap<>();
  private final Set<String> frozen = new HashSet<>();
  private final List<Tensor> gradients = new ArrayList<>();
  private float loraScale = 1;

  /** Parameters of element type {@code dtype} on {@code backend}. */
  public Parameters(Backend backend, DType dtype) {
    this.backend = backend;
    this.scope = new Scope(backend.memory());
    this.dtype = dtype;
  }

  /** Where they live. */
  public Backend backend() {
    return backend;
  }

  /** Their element type. */
  public DType dtype() {
    return dtype;
  }

  /** Makes a parameter of undefined content. */
  public Tensor make(String name, long... shape) {
    Tensor tensor = scope.tensor(dtype, shape).named(name);
    if (all.put(name, tensor) != null) {
      throw new IllegalArgumentException("two parameters are called '" + name + "'");
    }
    return tensor;
  }

  /** Makes a parameter with all elements {@code value}. */
  public Tensor constant(String name, double value, long... shape) {
    Tensor tensor = make(name, shape);
    fill(tensor, value);
    return tensor;
  }

  /**
   * Makes a normally distributed parameter with mean 0; the draw depends on {@code seed} and the
   * name only.
   */
  public Tensor normal(String name, double deviation, long seed, long... shape) {
    Tensor tensor = make(name, shape);
    SplittableRandom random = new SplittableRandom(seed * 0x9E3779B97F4A7C15L + name.hashCode());
    float[] values = new float[Math.toIntExact(tensor.size())];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextGaussian() * deviation);
    }
    tensor.copyFrom(values);
    return tensor;
  }

  private void fill(Tensor tensor, double value) {
    float[] values = new float[Math.toIntExact(tensor.size())];
    java.util.Arrays.fill(values, (float) value);
    tensor.copyFrom(values);
  }

  /** The parameter with this name. */
  public Tensor get(String name) {
    Tensor tensor = all.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("no parameter is called '" + name + "'");
    }
    return tensor;
  }

  /** All parameters, in the order they were made. */
  public Collection<Tensor> values() {
    return Collections.unmodifiableCollection(all.values());
  }

  /** All parameters by name. */
  public Map<String, Tensor> byName() {
    return Collections.unmodifiableMap(all);
  }

  /** Number of elements of all parameters. */
  public long count() {
    return all.values().stream().mapToLong(Tensor::size).sum();
  }

  /**
   * Keeps parameters as they are: those whose name matches {@code pattern} get no gradient.
   *
   * @param pattern a regular expression for whole names, as {@code layers\\.[0-3]\\..*}
   * @return how many it names
   */
  public int freeze(String pattern) {
    Pattern names = Pattern.compile(pattern);
    int count = 0;
    for (Tensor tensor : all.values()) {
      if (names.matcher(String.valueOf(tensor.name())).matches()) {
        frozen.add(String.valueOf(tensor.name()));
        tensor.grad(null);
        tensor.requiresGrad(false);
        count++;
      }
    }
    return count;
  }

  /** The parameters that are not frozen. */
  public List<Tensor> unfrozen() {
    return all.values().stream().filter(p -> !frozen.contains(p.name())).toList();
  }

  /** Gives every parameter that is not frozen a zeroed f32 gradient. */
  public void trainable() {
    List<Tensor> without = unfrozen().stream().filter(p -> p.grad() == null).toList();
    long size = without.stream().mapToLong(p -> aligned(p.size())).sum();
    if (size > 0) {
      Tensor buffer = scope.tensor(DType.F32, size).named("gradients");
      gradients.add(buffer);
      long at = 0;
      for (Tensor p : without) {
        Tensor grad = buffer.slice(0, at, at + p.size()).view(p.shape());
        p.grad(grad.named(p.name() + ".grad"));
        p.requiresGrad(true);
        at += aligned(p.size());
      }
    }
    zeroGradients();
  }

  private static long aligned(long size) {
    return (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  }

  /**
   * The memory of all gradients, f32 [n] each: few calls then do what would take one for every
   * parameter. What belongs to no unfrozen parameter is zero.
   */
  public List<Tensor> gradients() {
    return Collections.unmodifiableList(gradients);
  }

  /** Factor on what the adapters of {@link Lora} add. */
  float loraScale() {
    return loraScale;
  }

  void loraScale(float scale) {
    this.loraScale = scale;
  }

  /** Forgets a parameter and frees its memory. */
  void remove(String name) {
    Tensor tensor = get(name);
    all.remove(name);
    frozen.remove(name);
    scope.free(tensor);
  }

  /** Lets all parameters take part in training again. */
  public void thaw() {
    frozen.clear();
  }

  /** Sets all gradients to zero. */
  public void zeroGradients() {
    for (Tensor buffer : gradients) {
      // 0 * x would keep NaN and infinity of undefined memory; a broadcast zero is copied instead.
      backend.run(OpCode.COPY, new Params.None(), zero().expand(buffer.shape()), buffer);
    }
  }

  private Tensor zero() {
    Tensor known = zero;
    if (known == null) {
      known = scope.tensor(DType.F32, 1).copyFrom(new float[] {0});
      zero = known;
    }
    return known;
  }

  private @org.jspecify.annotations.Nullable Tensor zero;

  @Override
  public void close() {
    scope.close();
  }
}

package io.heddle.nn;

import io.heddle.backend.Backend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The named parameters of a model, in the order they were made; owns their memory. With {@link
 * #trainable} each gets an f32 gradient. Fresh parameters are drawn at once, or, when a checkpoint
 * will fill them ({@link #awaiting}), not touched before.
 */
public final class Parameters implements AutoCloseable {
  private final Backend backend;
  private final Scope scope;
  private final DType dtype;
  private final Map<String, Tensor> all = new LinkedHashMap<>();
  private final Set<String> frozen = new HashSet<>();
  // What would give a parameter its first values, by name; null when they are drawn at once.
  private @Nullable Map<String, Consumer<Tensor>> unfilled;
  private boolean int8;
  private final Map<String, Tensor> scales = new HashMap<>();
  private final Gradients gradients;
  private final Set<String> mapped = new HashSet<>();
  private Runnable source = () -> {};
  private float loraScale = 1;

  // Of a part: what it is a part of, what its names begin with there, and what it does not make.
  private final @Nullable Parameters whole;
  private final String prefix;
  private final Map<String, Tensor> shared;

  /** Parameters of element type {@code dtype} on {@code backend}. */
  public Parameters(Backend backend, DType dtype) {
    this.backend = backend;
    this.scope = new Scope(backend.memory());
    this.gradients = new Gradients(backend, scope);
    this.dtype = dtype;
    this.whole = null;
    this.prefix = "";
    this.shared = Map.of();
  }

  private Parameters(Parameters whole, String prefix, Map<String, Tensor> shared) {
    this.backend = whole.backend;
    this.scope = whole.scope;
    this.gradients = whole.gradients;
    this.dtype = whole.dtype;
    this.whole = whole;
    this.prefix = prefix;
    this.shared = Map.copyOf(shared);
  }

  /**
   * Room for one of several models that are trained together: what is made in the part is one of
   * these parameters, its name with {@code prefix} before it. Train, freeze and close the whole.
   *
   * @param shared what the part does not make but takes, by its own names
   */
  public Parameters part(String prefix, Map<String, Tensor> shared) {
    return new Parameters(this, prefix, shared);
  }

  /**
   * Parameters that are not drawn when they are made: whoever made them says of each that it is
   * {@link #filled} or has it {@linkplain #draw drawn}, and then {@linkplain #settle settles} them.
   * Until then their memory is not touched.
   *
   * @param int8 whether the weights of linear layers ({@link #matrix}) keep eight bits each, for
   *     inference alone
   */
  public static Parameters awaiting(Backend backend, DType dtype, boolean int8) {
    Parameters p = new Parameters(backend, dtype);
    p.unfilled = new LinkedHashMap<>();
    p.int8 = int8;
    return p;
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
    return make(name, dtype, shape);
  }

  private Tensor make(String name, DType type, long... shape) {
    Tensor taken = shared.get(name);
    if (taken != null && !Arrays.equals(taken.shape(), shape)) {
      throw new IllegalArgumentException(
          "'" + name + "' of shape " + Arrays.toString(shape) + " cannot be shared with " + taken);
    }
    Tensor tensor = taken;
    if (tensor == null) {
      tensor =
          whole == null
              ? scope.tensor(type, shape).named(name)
              : whole.make(prefix + name, type, shape);
    }
    if (all.put(name, tensor) != null) {
      throw new IllegalArgumentException("two parameters are called '" + name + "'");
    }
    return tensor;
  }

  /** Makes a parameter with all elements {@code value}. */
  public Tensor constant(String name, double value, long... shape) {
    return begin(make(name, shape), Draws.constant(value));
  }

  /**
   * Makes a normally distributed parameter with mean 0; the draw depends on {@code seed} and the
   * name only.
   */
  public Tensor normal(String name, double deviation, long seed, long... shape) {
    return begin(make(name, shape), Draws.normal(name, deviation, seed));
  }

  /**
   * Makes the weight of a linear layer, as {@link #normal}, or of eight bits where these parameters
   * are to be such.
   */
  public Tensor matrix(String name, double deviation, long seed, long outputs, long inputs) {
    if (!int8) {
      return normal(name, deviation, seed, outputs, inputs);
    }
    scales.put(name, scope.tensor(DType.F32, outputs).named(name + " scale"));
    return begin(
        make(name, DType.U8, outputs, inputs),
        tensor -> {
          throw new IllegalStateException(tensor + " is not drawn: int8 is for loaded weights");
        });
  }

  /** What a weight of eight bits has to be multiplied by, f32 [outputs]; null for another. */
  @Nullable Tensor scale(String name) {
    return scales.get(name);
  }

  /**
   * Writes rows of a weight of eight bits.
   *
   * @param first row
   * @param rows [R, inputs], any float type, on the host
   */
  public void fillRows(String name, long first, Tensor rows) {
    Tensor scale = Objects.requireNonNull(scales.get(name), name);
    long end = first + rows.dim(0);
    Int8.round(rows, get(name).slice(0, first, end), scale.slice(0, first, end));
  }

  /**
   * Refuses what eight bits are not enough for.
   *
   * @param what was to be done, as in "trained"
   */
  public void needExact(String what) {
    if (!scales.isEmpty()) {
      throw new IllegalStateException(
          "a model of eight-bit weights cannot be " + what + ": load it without int8");
    }
  }

  private Tensor begin(Tensor tensor, Consumer<Tensor> values) {
    if (whole != null) {
      // What is shared has its values, or waits for them, where it was made.
      return shared.containsValue(tensor) ? tensor : whole.begin(tensor, values);
    }
    if (unfilled == null) {
      values.accept(tensor);
    } else {
      unfilled.put(String.valueOf(tensor.name()), values);
    }
    return tensor;
  }

  /** Says that {@code name}, which has waited, holds its values now. */
  public void filled(String name) {
    awaited(name);
  }

  /**
   * Gives {@code name}, which has waited, values where they lie, to be read alone: nothing is
   * copied before {@link #trainable}.
   *
   * @param values of its type and shape, in host memory that lives until {@link #close}
   */
  public void map(String name, Tensor values) {
    awaited(name);
    scope.free(get(name));
    all.put(name, values.named(name));
    mapped.add(name);
  }

  /** What the values of {@link #map} lie in: {@code closing} runs after {@link #close}. */
  public void mappedFrom(Runnable closing) {
    source = closing;
  }

  /** Bytes that are read where a file was mapped. */
  public long mappedBytes() {
    return mapped.stream().map(this::get).mapToLong(p -> p.size() * p.dtype().bytes()).sum();
  }

  private void own(Tensor values) {
    String name = String.valueOf(values.name());
    Tensor copy = scope.tensor(values.dtype(), values.shape()).named(name);
    backend.run(OpCode.COPY, new Params.None(), values, copy);
    all.put(name, copy);
    mapped.remove(name);
  }

  /** Gives {@code name}, which has waited, the values that it would have been drawn with. */
  public void draw(String name) {
    awaited(name).accept(get(name));
  }

  /**
   * Draws all that still wait, on all processors, and settles: each draw depends on its seed and
   * name alone.
   */
  public void drawAll() {
    if (unfilled != null) {
      unfilled.entrySet().parallelStream().forEach(e -> e.getValue().accept(get(e.getKey())));
      unfilled = null;
    }
  }

  private Consumer<Tensor> awaited(String name) {
    Consumer<Tensor> values = unfilled == null ? null : unfilled.remove(name);
    if (values == null) {
      throw new IllegalStateException("parameter '" + name + "' does not wait for values");
    }
    return values;
  }

  /**
   * Ends waiting; parameters made afterwards are drawn at once.
   *
   * @throws IllegalStateException when one still has no values, naming it
   */
  public void settle() {
    if (unfilled != null && !unfilled.isEmpty()) {
      throw new IllegalStateException(
          unfilled.size()
              + " parameters have no values, the first of them '"
              + unfilled.keySet().iterator().next()
              + "'");
    }
    unfilled = null;
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

  /** Gives every parameter that is not frozen a zeroed f32 gradient, and memory of its own. */
  public void trainable() {
    needExact("trained");
    unfrozen().stream().filter(p -> mapped.contains(p.name())).forEach(this::own);
    gradients.give(unfrozen().stream().filter(p -> p.grad() == null).toList());
    zeroGradients();
  }

  /**
   * The memory of all gradients, f32 [n] each: few calls then do what would take one for every
   * parameter. What belongs to no unfrozen parameter is zero.
   */
  public List<Tensor> gradients() {
    return gradients.blocks();
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
    if (!mapped.remove(name)) {
      scope.free(tensor);
    }
  }

  /** Lets all parameters take part in training again. */
  public void thaw() {
    frozen.clear();
  }

  /** Sets all gradients to zero. */
  public void zeroGradients() {
    gradients.zero(gradients.blocks());
  }

  /**
   * The gradients of all parameters that are not frozen, their content forgotten: for a {@link
   * io.heddle.autograd.Tape} whose first contribution overwrites. {@link #settleGradients}
   * afterwards.
   */
  public Set<Tensor> awaitGradients() {
    gradients.forget();
    return new HashSet<>(ownGradients());
  }

  /** Zeroes the gradients that nothing has reached, and what belongs to none. */
  public void settleGradients(Set<Tensor> awaited) {
    gradients.zero(awaited);
    gradients.zeroBetween(ownGradients());
  }

  // In the order of their memory.
  private List<Tensor> ownGradients() {
    return unfrozen().stream().map(p -> Objects.requireNonNull(p.grad(), p.toString())).toList();
  }

  @Override
  public void close() {
    if (whole == null) {
      scope.close();
      source.run();
    }
  }
}

package io.heddle.models;

import io.heddle.backend.Backend;
import io.heddle.nn.StackConfig;
import io.heddle.nn.StackConfig.Heads;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Memory;
import io.heddle.tensor.Storage;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/**
 * What a model will be, known from its configuration alone: no weights are read, and a model of any
 * size takes no memory.
 *
 * @param config the configuration
 * @param shapes the shape of each parameter, by name
 * @param linear the names of those that {@link Loading#int8} keeps in eight bits
 */
public record Blueprint(ModelConfig config, Map<String, List<Long>> shapes, Set<String> linear) {
  /** Copies map and set. */
  public Blueprint {
    shapes = Map.copyOf(shapes);
    linear = Set.copyOf(linear);
  }

  /** The blueprint of a configuration. */
  public static Blueprint of(ModelConfig config) {
    Map<String, List<Long>> shapes = new TreeMap<>();
    Set<String> linear = new TreeSet<>();
    try (Model model = AutoModel.awaiting(config, new Nowhere(), DType.F32, true)) {
      for (Tensor parameter : model.parameters().values()) {
        List<Long> shape = new ArrayList<>();
        for (long size : parameter.shape()) {
          shape.add(size);
        }
        String name = String.valueOf(parameter.name());
        shapes.put(name, List.copyOf(shape));
        if (parameter.dtype() == DType.U8) {
          linear.add(name);
        }
      }
    }
    return new Blueprint(config, shapes, linear);
  }

  /** Number of elements of all parameters. */
  public long parameters() {
    return shapes.values().stream().mapToLong(Blueprint::product).sum();
  }

  private static long product(List<Long> shape) {
    return shape.stream().reduce(1L, Math::multiplyExact);
  }

  /** Bytes of all parameters in an element type. */
  public long bytes(DType dtype) {
    return parameters() * dtype.bytes();
  }

  /** Bytes with {@link Loading#int8}, scales among them, the rest being f32. */
  public long int8Bytes() {
    long bytes = bytes(DType.F32);
    for (String name : linear) {
      List<Long> shape = Objects.requireNonNull(shapes.get(name), name);
      bytes += shape.getFirst() * DType.F32.bytes() - product(shape) * (DType.F32.bytes() - 1);
    }
    return bytes;
  }

  /** Bytes that a cache needs for each token written, keys and values of all layers. */
  public long cacheBytes(DType dtype) {
    StackConfig target = config.target();
    StackConfig writer = target == null ? config.stack() : target;
    Heads heads = writer.heads();
    return 2L * writer.layers() * heads.kv() * heads.dim() * dtype.bytes();
  }

  // Gives tensors without memory: addresses of a device that nobody can reach, and no op runs.
  private static final class Nowhere implements Backend {
    @Override
    public String name() {
      return "nowhere";
    }

    @Override
    public String describe() {
      return "{}";
    }

    @Override
    public Memory memory() {
      return bytes -> Storage.device(0, bytes, 0, (to, from, count) -> {}, address -> {});
    }

    @Override
    public boolean supports(OpCode op) {
      return false;
    }

    @Override
    public void run(OpCode op, Params params, @Nullable Tensor... tensors) {
      throw new UnsupportedOperationException("a blueprint computes nothing");
    }

    @Override
    public void matmul(
        Tensor a, Tensor b, @Nullable Tensor bias, Tensor c, float alpha, float beta) {
      throw new UnsupportedOperationException("a blueprint computes nothing");
    }

    @Override
    public void transfer(Tensor from, Tensor to) {
      throw new UnsupportedOperationException("a blueprint computes nothing");
    }

    @Override
    public void synchronize() {}

    @Override
    public void close() {}
  }
}

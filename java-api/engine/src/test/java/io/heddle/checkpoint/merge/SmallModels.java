package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.FloatCodec;
import io.heddle.checkpoint.MemoryTensors;
import io.heddle.checkpoint.StorageType;
import io.heddle.checkpoint.TensorEntry;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Random;

/** Models of a few kilobytes in memory. */
final class SmallModels {
  private SmallModels() {}

  static void add(MemoryTensors to, String name, StorageType type, long seed, long... shape) {
    byte[] bytes = new byte[Math.toIntExact(type.bytes(shape))];
    int n = bytes.length * 8 / type.bits();
    if (FloatCodec.has(type)) {
      double[] values = new Random(seed).doubles(n, -1, 1).toArray();
      FloatCodec.encode(values, MemorySegment.ofArray(bytes), 0, type, n);
    } else {
      new Random(seed).nextBytes(bytes);
    }
    to.add(name, type, MemorySegment.ofArray(bytes), shape);
  }

  /** Odd shapes, all types, nothing and scalars. */
  static MemoryTensors model(long seed) {
    MemoryTensors out = new MemoryTensors();
    add(out, "model.embed_tokens.weight", StorageType.BF16, seed, 11, 7);
    for (int layer = 0; layer < 3; layer++) {
      String prefix = "model.layers." + layer + ".";
      add(out, prefix + "mlp.weight", StorageType.F32, seed + layer, 7, 701);
      add(out, prefix + "attn.weight", StorageType.F16, seed + 10 + layer, 1, 1, 1, 1, 1, 1, 1, 13);
    }
    for (StorageType type : StorageType.values()) {
      add(out, "all." + type, type, type.isFloat() && !FloatCodec.has(type) ? 5 : seed, 8, 3);
    }
    add(out, "scalar", StorageType.F64, seed);
    add(out, "none", StorageType.F32, seed, 0, 3);
    return out;
  }

  static Checkpoint open(String label, long seed) {
    return Checkpoint.of(label, model(seed));
  }

  static double[] values(Checkpoint of, String name) throws IOException {
    TensorEntry entry = of.entry(name);
    double[] out = new double[Math.toIntExact(entry.elements())];
    FloatCodec.decode(of.segment(name), 0, entry.type(), out, out.length);
    return out;
  }
}

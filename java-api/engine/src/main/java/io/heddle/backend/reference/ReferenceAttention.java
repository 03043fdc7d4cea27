package io.heddle.backend.reference;

import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Elements;
import io.heddle.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/**
 * Attention as written: scores of every pair, softmax, weighted sum; and its gradient. Tensors are
 * [B,H,T,D]; the block lists are read as the predicate that they stand for.
 */
final class ReferenceAttention {
  private static final int BLOCK = 64;

  private final Params.Attention p;
  private final long offset;
  private final int heads;
  private final int group; // query heads per key head
  private final int queries;
  private final int keys;
  private final int dim;
  private final double[] q;
  private final double[] k;
  private final double[] v;
  private final double @Nullable [] slopes;
  private final @Nullable Tensor rowPtr;
  private final @Nullable Tensor rowBlocks;
  private final @Nullable Tensor masks;
  private final @Nullable Tensor headGroup;

  private ReferenceAttention(
      Params.Attention p, @Nullable Tensor[] t, int layout, int masksAt, int slopesAt) {
    Tensor added = t[slopesAt + 1];
    this.p = p;
    this.offset = p.offset() + (added == null ? 0 : (long) added.get(0));
    Tensor qt = ReferenceBackend.need(t, 0, "q");
    Tensor kt = ReferenceBackend.need(t, 1, "k");
    this.heads = (int) qt.dim(1);
    if (kt.dim(1) == 0 || heads % kt.dim(1) != 0) {
      throw new IllegalArgumentException(
          heads + " query heads are no multiple of " + kt.dim(1) + " key heads");
    }
    this.group = heads / (int) kt.dim(1);
    this.queries = (int) qt.dim(2);
    this.keys = (int) kt.dim(2);
    this.dim = (int) qt.dim(3);
    this.q = qt.toDoubles();
    this.k = kt.toDoubles();
    this.v = ReferenceBackend.need(t, 2, "v").toDoubles();
    Tensor slope = t[slopesAt];
    this.slopes = slope == null ? null : slope.toDoubles();
    this.rowPtr = t[layout];
    this.rowBlocks = t[layout + 1];
    this.masks = t[masksAt];
    this.headGroup = t[masksAt + 1];
  }

  // seen[i][j]: query i of batch row b and head h sees key j.
  private boolean[][] seen(int b, int h) {
    boolean[][] seen = new boolean[queries][keys];
    if (rowPtr == null || rowBlocks == null || masks == null) {
      for (boolean[] row : seen) {
        java.util.Arrays.fill(row, true);
      }
      return seen;
    }
    long g = headGroup == null ? 0 : (long) headGroup.get(h);
    long l = rowPtr.dim(0) == 1 ? 0 : b;
    MemorySegment words = masks.segment();
    for (int i = 0; i < queries; i++) {
      long end = (long) rowPtr.get(l, g, i / BLOCK + 1);
      for (long e = (long) rowPtr.get(l, g, i / BLOCK); e < end; e++) {
        int block = (int) rowBlocks.get(e, 0);
        long mask = (long) rowBlocks.get(e, 1);
        long at = masks.position(mask, i % BLOCK) * 8;
        long word = mask == 0 ? -1L : words.get(ValueLayout.JAVA_LONG_UNALIGNED, at);
        for (int j = 0; j < BLOCK && block * BLOCK + j < keys; j++) {
          seen[i][block * BLOCK + j] |= (word >>> j & 1) != 0;
        }
      }
    }
    return seen;
  }

  private double dot(double[] a, int aRow, double[] b, int bRow) {
    double sum = 0;
    for (int d = 0; d < dim; d++) {
      sum += a[aRow * dim + d] * b[bRow * dim + d];
    }
    return sum;
  }

  private int queryRow(int b, int h, int i) {
    return (b * heads + h) * queries + i;
  }

  private int keyRow(int b, int h, int j) {
    return (b * (heads / group) + h / group) * keys + j;
  }

  private double score(int b, int h, int i, int j) {
    double s = p.scale() * dot(q, queryRow(b, h, i), k, keyRow(b, h, j));
    if (p.softcap() > 0) {
      s = p.softcap() * Math.tanh(s / p.softcap());
    }
    return slopes == null ? s : s - slopes[h] * Math.abs(i + keys - queries - j);
  }

  private double keep(int b, int h, int i, int j) {
    if (p.dropout() == 0) {
      return 1;
    }
    long word = Philox.word(j % 4, j / 4, i, b * heads + h, (int) offset, p.seed());
    return Philox.keeps(word, p.dropout()) ? 1 / (1 - (double) p.dropout()) : 0;
  }

  /** q k v row_ptr? row_blocks? masks? head_group? slopes? offset? -&gt; o lse?. */
  static void forward(Params.Attention p, @Nullable Tensor[] t) {
    ReferenceAttention a = new ReferenceAttention(p, t, 3, 5, 7);
    Tensor out = ReferenceBackend.need(t, 9, "o");
    int batch = (int) out.dim(0);
    double[] o = new double[(int) out.size()];
    double[] lse = new double[batch * a.heads * a.queries];
    for (int b = 0; b < batch; b++) {
      for (int h = 0; h < a.heads; h++) {
        boolean[][] seen = a.seen(b, h);
        for (int i = 0; i < a.queries; i++) {
          lse[a.queryRow(b, h, i)] = a.row(b, h, i, seen[i], o);
        }
      }
    }
    out.copyFrom(o);
    Values.store(t[10], lse, false);
  }

  // One query: adds its output to o, gives the logarithm of the sum of exponentials.
  private double row(int b, int h, int i, boolean[] seen, double[] o) {
    double[] s = new double[keys];
    double high = Double.NEGATIVE_INFINITY;
    for (int j = 0; j < keys; j++) {
      s[j] = seen[j] ? score(b, h, i, j) : Double.NEGATIVE_INFINITY;
      high = Math.max(high, s[j]);
    }
    if (high == Double.NEGATIVE_INFINITY) {
      return high;
    }
    double sum = 0;
    for (int j = 0; j < keys; j++) {
      sum += Math.exp(s[j] - high);
    }
    for (int j = 0; j < keys; j++) {
      if (seen[j]) {
        double weight = Math.exp(s[j] - high) / sum * keep(b, h, i, j);
        for (int d = 0; d < dim; d++) {
          o[queryRow(b, h, i) * dim + d] += weight * v[keyRow(b, h, j) * dim + d];
        }
      }
    }
    return high + Math.log(sum);
  }

  /**
   * q k v o lse do row_ptr? row_blocks? col_ptr? col_blocks? masks? head_group? slopes? offset?
   * -&gt; dq dk dv.
   */
  static void backward(Params.Attention p, @Nullable Tensor[] t) {
    ReferenceAttention a = new ReferenceAttention(p, t, 6, 10, 12);
    double[] o = ReferenceBackend.need(t, 3, "o").toDoubles();
    double[] lse = ReferenceBackend.need(t, 4, "lse").toDoubles();
    double[] grad = ReferenceBackend.need(t, 5, "do").toDoubles();
    double[] dq = new double[a.q.length];
    double[] dk = new double[a.k.length];
    double[] dv = new double[a.v.length];
    int batch = (int) ReferenceBackend.need(t, 0, "q").dim(0);
    for (int b = 0; b < batch; b++) {
      for (int h = 0; h < a.heads; h++) {
        boolean[][] seen = a.seen(b, h);
        for (int i = 0; i < a.queries; i++) {
          int row = a.queryRow(b, h, i);
          double delta = a.dot(grad, row, o, row);
          for (int j = 0; j < a.keys; j++) {
            if (seen[i][j] && lse[row] > Double.NEGATIVE_INFINITY) {
              a.pair(b, h, i, j, lse[row], delta, grad, dq, dk, dv);
            }
          }
        }
      }
    }
    ReferenceBackend.need(t, 14, "dq").copyFrom(dq);
    ReferenceBackend.need(t, 15, "dk").copyFrom(dk);
    ReferenceBackend.need(t, 16, "dv").copyFrom(dv);
  }

  private void pair(
      int b,
      int h,
      int i,
      int j,
      double lse,
      double delta,
      double[] grad,
      double[] dq,
      double[] dk,
      double[] dv) {
    int row = queryRow(b, h, i);
    int key = keyRow(b, h, j);
    double weight = Math.exp(score(b, h, i, j) - lse);
    double keep = keep(b, h, i, j);
    double ds = weight * (dot(grad, row, v, key) * keep - delta);
    if (p.softcap() > 0) {
      double th = Math.tanh(p.scale() * dot(q, row, k, key) / p.softcap());
      ds *= 1 - th * th;
    }
    for (int d = 0; d < dim; d++) {
      dv[key * dim + d] += weight * keep * grad[row * dim + d];
      dq[row * dim + d] += ds * p.scale() * k[key * dim + d];
      dk[key * dim + d] += ds * p.scale() * q[row * dim + d];
    }
  }

  /**
   * q k v places slopes? -&gt; keys values o: as {@code forward} of the keys of each text's run.
   */
  static void step(Params.Attention p, @Nullable Tensor[] t) {
    Tensor q = ReferenceBackend.need(t, 0, "q");
    Tensor places = ReferenceBackend.need(t, 3, "places");
    Tensor keys = ReferenceBackend.need(t, 5, "keys");
    Tensor values = ReferenceBackend.need(t, 6, "values");
    for (long b = 0; b < q.dim(0); b++) {
      long slot = (long) places.get(b, 0);
      if (slot < 0 || slot >= keys.dim(2)) {
        throw new IllegalArgumentException(
            "'places' has slot " + slot + " at " + b + ", outside [0, " + keys.dim(2) + ")");
      }
      write(ReferenceBackend.need(t, 1, "k"), keys, b, slot);
      write(ReferenceBackend.need(t, 2, "v"), values, b, slot);
      long first = Math.clamp((long) places.get(b, 1), 0, keys.dim(2));
      long end = Math.clamp((long) places.get(b, 2), first, keys.dim(2));
      @Nullable Tensor[] each = new Tensor[11];
      each[0] = q.slice(0, b, b + 1);
      each[1] = keys.slice(0, b, b + 1).slice(2, first, end);
      each[2] = values.slice(0, b, b + 1).slice(2, first, end);
      each[7] = t[4];
      each[9] = ReferenceBackend.need(t, 7, "o").slice(0, b, b + 1);
      forward(p, each);
    }
  }

  private static void write(Tensor fresh, Tensor held, long b, long slot) {
    held.slice(0, b, b + 1).slice(2, slot, slot + 1).copyFrom(fresh.slice(0, b, b + 1).toDoubles());
  }

  /** Rotary: x positions inv_freq -&gt; y. */
  static void rotary(Params.Rotary p, @Nullable Tensor[] t) {
    Tensor x = ReferenceBackend.need(t, 0, "x");
    Tensor positions = ReferenceBackend.need(t, 1, "positions");
    double[] freq = ReferenceBackend.need(t, 2, "inv_freq").toDoubles();
    double[] in = x.toDoubles();
    double[] out = in.clone();
    int d = Values.features(x);
    int length = (int) x.dim(2);
    int perBatch = (int) (x.dim(1) * length);
    for (int row = 0; row < (d == 0 ? 0 : in.length / d); row++) {
      int token = row % length;
      double position =
          positions.rank() == 1 ? positions.get(token) : positions.get(row / perBatch, token);
      for (int i = 0; i < freq.length; i++) {
        int first = row * d + (p.interleaved() != 0 ? 2 * i : i);
        int second = p.interleaved() != 0 ? first + 1 : first + freq.length;
        double angle = position * freq[i] * (p.inverse() != 0 ? -1 : 1);
        double c = Math.cos(angle) * p.amplitude();
        double s = Math.sin(angle) * p.amplitude();
        out[first] = in[first] * c - in[second] * s;
        out[second] = in[second] * c + in[first] * s;
      }
    }
    ReferenceBackend.need(t, 3, "y").copyFrom(out);
  }

  /** Copies whole numbers without a detour over doubles. */
  static void copyLongs(Tensor x, Tensor y) {
    MemorySegment from = x.segment();
    MemorySegment to = y.segment();
    long[] values = new long[(int) x.size()];
    io.heddle.tensor.Shapes.forEach(
        x.shape(),
        x.strides(),
        (i, at) ->
            values[(int) i] = from.get(ValueLayout.JAVA_LONG_UNALIGNED, at * DType.I64.bytes()));
    io.heddle.tensor.Shapes.forEach(
        y.shape(),
        y.strides(),
        (i, at) ->
            to.set(ValueLayout.JAVA_LONG_UNALIGNED, at * DType.I64.bytes(), values[(int) i]));
  }

  /** Converts: floats to integers truncate and saturate, NaN becomes 0. */
  static void copy(@Nullable Tensor[] t) {
    Tensor x = ReferenceBackend.need(t, 0, "x");
    Tensor y = ReferenceBackend.need(t, 1, "y");
    if (x.dtype() == DType.I64 && y.dtype() == DType.I64) {
      copyLongs(x, y);
      return;
    }
    double[] values = x.toDoubles();
    if (y.dtype() == DType.U8 && x.dtype().isFloating()) {
      for (int i = 0; i < values.length; i++) {
        values[i] = Double.isNaN(values[i]) ? 0 : Math.clamp(values[i], 0, 255);
      }
    }
    MemorySegment to = y.segment();
    io.heddle.tensor.Shapes.forEach(
        y.shape(), y.strides(), (i, at) -> Elements.set(to, y.dtype(), at, values[(int) i]));
  }
}

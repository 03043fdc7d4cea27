package io.heddle.checkpoint;

import io.heddle.tensor.Elements;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * Numbers of the storage types that arithmetic is done on ({@code F64 F32 F16 BF16 F8_E4M3
 * F8_E5M2}) as doubles, which hold each of them exactly. Writing rounds once, to nearest, ties to
 * even; what is too large becomes infinite, or NaN in {@code F8_E4M3}, which has no infinity.
 */
public final class FloatCodec {
  private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
  private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ORDER);
  private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ORDER);
  private static final ValueLayout.OfDouble F64 =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ORDER);

  private static final float[] E4M3 = new float[256];
  private static final float[] E5M2 = new float[256];

  static {
    for (int i = 0; i < 256; i++) {
      E5M2[i] = Float.float16ToFloat((short) (i << 8)); // the upper half of an f16
      int exponent = (i >> 3) & 15;
      int mantissa = i & 7;
      float magnitude =
          exponent == 0
              ? Math.scalb((float) mantissa, -9)
              : Math.scalb((float) (8 + mantissa), exponent - 10);
      E4M3[i] = (i & 0x7f) == 0x7f ? Float.NaN : (i & 0x80) != 0 ? -magnitude : magnitude;
    }
  }

  private FloatCodec() {}

  /** Whether arithmetic is done on tensors of this type. */
  public static boolean has(StorageType type) {
    return switch (type) {
      case F64, F32, F16, BF16, F8_E4M3, F8_E5M2 -> true;
      default -> false;
    };
  }

  /**
   * Reads elements.
   *
   * @param from bytes of a tensor
   * @param at where to begin, in bytes
   * @throws IllegalArgumentException when {@link #has} denies the type
   */
  public static void decode(MemorySegment from, long at, StorageType type, double[] to, int n) {
    // A slice keeps the loops' indices ints, which the compiler turns into vector code.
    MemorySegment s = from.asSlice(at, (long) n * type.bits() / 8);
    switch (type) {
      case F64 -> MemorySegment.copy(s, F64, 0, to, 0, n);
      case F32 -> {
        for (int i = 0; i < n; i++) {
          to[i] = s.get(F32, i * 4L);
        }
      }
      case BF16 -> {
        for (int i = 0; i < n; i++) {
          to[i] = Float.intBitsToFloat(s.get(I16, i * 2L) << 16);
        }
      }
      case F16 -> {
        for (int i = 0; i < n; i++) {
          to[i] = Float.float16ToFloat(s.get(I16, i * 2L));
        }
      }
      case F8_E4M3 -> table(s, E4M3, to, n);
      case F8_E5M2 -> table(s, E5M2, to, n);
      default -> throw new IllegalArgumentException("no arithmetic on " + type);
    }
  }

  private static void table(MemorySegment s, float[] table, double[] to, int n) {
    for (int i = 0; i < n; i++) {
      to[i] = table[s.get(ValueLayout.JAVA_BYTE, i) & 0xff];
    }
  }

  /**
   * Writes elements, each rounded once.
   *
   * @param at where to begin in {@code to}, in bytes
   * @throws IllegalArgumentException when {@link #has} denies the type
   */
  public static void encode(double[] from, MemorySegment to, long at, StorageType type, int n) {
    MemorySegment s = to.asSlice(at, (long) n * type.bits() / 8);
    switch (type) {
      case F64 -> MemorySegment.copy(from, 0, s, F64, 0, n);
      case F32 -> {
        for (int i = 0; i < n; i++) {
          s.set(F32, i * 4L, (float) from[i]);
        }
      }
      case BF16 -> {
        for (int i = 0; i < n; i++) {
          s.set(I16, i * 2L, Elements.doubleToBf16(from[i]));
        }
      }
      case F16 -> {
        for (int i = 0; i < n; i++) {
          s.set(I16, i * 2L, Elements.doubleToF16(from[i]));
        }
      }
      case F8_E4M3 -> {
        for (int i = 0; i < n; i++) {
          s.set(ValueLayout.JAVA_BYTE, i, e4m3(from[i]));
        }
      }
      case F8_E5M2 -> {
        for (int i = 0; i < n; i++) {
          s.set(ValueLayout.JAVA_BYTE, i, e5m2(from[i]));
        }
      }
      default -> throw new IllegalArgumentException("no arithmetic on " + type);
    }
  }

  /** The value that {@code x} has after it is written as {@code type} and read again. */
  public static double rounded(double x, StorageType type) {
    double[] one = {x};
    MemorySegment memory = MemorySegment.ofArray(new byte[8]);
    encode(one, memory, 0, type, 1);
    decode(memory, 0, type, one, 1);
    return one[0];
  }

  /** The first of {@code n} numbers that is NaN or infinite, or -1. */
  public static int firstNonFinite(double[] row, int n) {
    long exponent = 0x7ff0_0000_0000_0000L;
    long most = 0;
    for (int i = 0; i < n; i++) {
      most = Math.max(most, Double.doubleToRawLongBits(row[i]) & exponent);
    }
    for (int i = 0; most == exponent && i < n; i++) {
      if (!Double.isFinite(row[i])) {
        return i;
      }
    }
    return -1;
  }

  private static byte e5m2(double x) {
    float f = Elements.roundToOdd(x);
    return Float.isNaN(f)
        ? (byte) (((Float.floatToRawIntBits(f) >>> 24) & 0x80) | 0x7e)
        : small(f, 2, -14, 15, 0x7c);
  }

  private static byte e4m3(double x) {
    float f = Elements.roundToOdd(x);
    return Float.isNaN(f)
        ? (byte) (((Float.floatToRawIntBits(f) >>> 24) & 0x80) | 0x7f)
        : small(f, 3, -6, 8, 0x7f);
  }

  // A float with m mantissa bits, exponents least to most; `over` is what stands for too much.
  private static byte small(float x, int m, int least, int most, int over) {
    int sign = (Float.floatToRawIntBits(x) >>> 24) & 0x80;
    float a = Math.abs(x);
    int exponent = Math.max(Math.getExponent(a), least);
    // In units of the last place: rint rounds ties to even, and the quotient is exact.
    double units = Math.rint(Math.scalb((double) a, m - exponent));
    int code = ((exponent - least) << m) + (int) Math.min(units, 4 << m);
    int largest = over == 0x7f ? ((most - least + 1) << m) + 6 : ((most - least + 2) << m) - 1;
    return (byte) (sign | (Float.isInfinite(a) || code > largest ? over : code));
  }
}

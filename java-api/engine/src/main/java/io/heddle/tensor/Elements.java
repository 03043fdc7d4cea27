package io.heddle.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Reads and writes single elements of any type as doubles; little-endian, any alignment. */
public final class Elements {
  private static final ValueLayout.OfFloat F32 =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfDouble F64 =
      ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfShort I16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt I32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong I64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private Elements() {}

  /** Element {@code i} of {@code memory}. */
  public static double get(MemorySegment memory, DType dtype, long i) {
    return switch (dtype) {
      case F32 -> memory.get(F32, i * 4);
      case F64 -> memory.get(F64, i * 8);
      case BF16 -> bf16ToFloat(memory.get(I16, i * 2));
      case F16 -> Float.float16ToFloat(memory.get(I16, i * 2));
      case I32 -> memory.get(I32, i * 4);
      case I64 -> (double) memory.get(I64, i * 8);
      case U8 -> memory.get(ValueLayout.JAVA_BYTE, i) & 0xff;
    };
  }

  /** Sets element {@code i}: floats are rounded to nearest even, integers truncate. */
  public static void set(MemorySegment memory, DType dtype, long i, double value) {
    switch (dtype) {
      case F32 -> memory.set(F32, i * 4, (float) value);
      case F64 -> memory.set(F64, i * 8, value);
      case BF16 -> memory.set(I16, i * 2, doubleToBf16(value));
      case F16 -> memory.set(I16, i * 2, doubleToF16(value));
      case I32 -> memory.set(I32, i * 4, (int) value);
      case I64 -> memory.set(I64, i * 8, (long) value);
      case U8 -> memory.set(ValueLayout.JAVA_BYTE, i, (byte) (long) value);
    }
  }

  /** The float with these 16 upper bits. */
  public static float bf16ToFloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /** Fills {@code out}: one plain loop, for the logits of every token come this way. */
  static void bf16ToFloats(MemorySegment memory, float[] out) {
    for (int i = 0; i < out.length; i++) {
      out[i] = bf16ToFloat(memory.get(I16, 2L * i));
    }
  }

  /** Rounds to nearest even; NaN stays NaN. */
  public static short floatToBf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (short) ((bits >>> 16) | 0x40);
    }
    return (short) ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16);
  }

  /**
   * Rounds once from double: to float with round-to-odd, so that the second rounding cannot go
   * wrong.
   */
  public static short doubleToBf16(double value) {
    return floatToBf16(roundToOdd(value));
  }

  /** Rounds once from double to IEEE half. */
  public static short doubleToF16(double value) {
    return Float.floatToFloat16(roundToOdd(value));
  }

  /**
   * The float nearest to value towards zero, with its last bit set if anything was lost (Boldo
   * &amp; Melquiond 2008): rounding that again, to a type of at least two bits less, gives what one
   * rounding would.
   */
  public static float roundToOdd(double value) {
    float f = (float) value;
    if (f == value || Double.isNaN(value) || Float.isInfinite(f)) {
      return f;
    }
    int bits = Float.floatToRawIntBits(f);
    if (Math.abs((double) f) > Math.abs(value)) {
      bits--;
    }
    return Float.intBitsToFloat(bits | 1);
  }
}

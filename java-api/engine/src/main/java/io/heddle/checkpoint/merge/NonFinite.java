package io.heddle.checkpoint.merge;

import io.heddle.tensor.DType;
import io.heddle.tensor.Elements;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/** Finds NaN and infinities: floats whose exponent bits are all set. */
final class NonFinite {
  // Reading in blocks keeps the loops' indices ints, which the compiler turns into vector code.
  private static final int BLOCK = 1 << 14;

  private static final ByteOrder ORDER = ByteOrder.LITTLE_ENDIAN;
  private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ORDER);
  private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ORDER);
  private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ORDER);

  private NonFinite() {}

  /** The first of {@code n} elements that is NaN or infinite, or -1. Integers have none. */
  static long find(MemorySegment memory, DType dtype, long n) {
    for (long from = 0; from < n; from += BLOCK) {
      int count = (int) Math.min(BLOCK, n - from);
      MemorySegment block = memory.asSlice(from * dtype.bytes(), (long) count * dtype.bytes());
      boolean any =
          switch (dtype) {
            case F32 -> any32(block, count);
            case F64 -> any64(block, count);
            case BF16 -> any16(block, count, 0x7f80);
            case F16 -> any16(block, count, 0x7c00);
            case I32, I64, U8 -> false;
          };
      for (int i = 0; any && i < count; i++) {
        if (!Double.isFinite(Elements.get(block, dtype, i))) {
          return from + i;
        }
      }
    }
    return -1;
  }

  // Two at a time: a half of x is zero when its exponent bits are all set, and only then
  // subtracting one sets its top bit.
  private static boolean any16(MemorySegment block, int count, int exponent) {
    int both = exponent | exponent << 16;
    int borrowed = 0;
    for (int i = 0; i < count / 2; i++) {
      int x = ~block.get(I32, i * 4L) & both;
      borrowed |= x - 0x0001_0001;
    }
    boolean last = count % 2 == 1 && (~block.get(I16, (count - 1) * 2L) & exponent) == 0;
    return last || (borrowed & 0x8000_8000) != 0;
  }

  private static boolean any32(MemorySegment block, int count) {
    int exponent = 0x7f80_0000;
    int most = 0;
    for (int i = 0; i < count; i++) {
      most = Math.max(most, block.get(I32, i * 4L) & exponent);
    }
    return most == exponent;
  }

  private static boolean any64(MemorySegment block, int count) {
    long exponent = 0x7ff0_0000_0000_0000L;
    long most = 0;
    for (int i = 0; i < count; i++) {
      most = Math.max(most, block.get(I64, i * 8L) & exponent);
    }
    return most == exponent;
  }
}

package io.heddle.checkpoint;

import io.heddle.tensor.DType;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The element types that a safetensors file can hold, in the order of the reference implementation,
 * which is that of the alignment: files are written by descending type. Only some exist as a
 * tensor's {@link DType}.
 */
public enum StorageType {
  /** A byte that is 0 or 1. */
  BOOL(8, false, null),
  /** 4-bit float of the MX formats, two to a byte. */
  F4(4, true, null),
  /** 6-bit float with 2 exponent bits, four to three bytes. */
  F6_E2M3(6, true, null),
  /** 6-bit float with 3 exponent bits, four to three bytes. */
  F6_E3M2(6, true, null),
  /** Unsigned byte. */
  U8(8, false, DType.U8),
  /** Signed byte. */
  I8(8, false, null),
  /** 8-bit float with 5 exponent bits. */
  F8_E5M2(8, true, null),
  /** 8-bit float with 4 exponent bits. */
  F8_E4M3(8, true, null),
  /** 8-bit power of two: a scale of the MX formats. */
  F8_E8M0(8, true, null),
  /** 8-bit float with 4 exponent bits, no infinities and one zero. */
  F8_E4M3FNUZ(8, true, null),
  /** 8-bit float with 5 exponent bits, no infinities and one zero. */
  F8_E5M2FNUZ(8, true, null),
  /** Signed 16-bit integer. */
  I16(16, false, null),
  /** Unsigned 16-bit integer. */
  U16(16, false, null),
  /** IEEE half precision. */
  F16(16, true, DType.F16),
  /** The upper half of an IEEE single. */
  BF16(16, true, DType.BF16),
  /** Signed 32-bit integer. */
  I32(32, false, DType.I32),
  /** Unsigned 32-bit integer. */
  U32(32, false, null),
  /** IEEE single precision. */
  F32(32, true, DType.F32),
  /** Two IEEE singles: a complex number. */
  C64(64, true, null),
  /** IEEE double precision. */
  F64(64, true, DType.F64),
  /** Signed 64-bit integer. */
  I64(64, false, DType.I64),
  /** Unsigned 64-bit integer. */
  U64(64, false, null);

  private static final Map<String, StorageType> BY_NAME = new HashMap<>();
  private static final Map<DType, StorageType> BY_DTYPE = new HashMap<>();

  static {
    for (StorageType type : values()) {
      BY_NAME.put(type.name(), type);
      if (type.dtype != null) {
        BY_DTYPE.put(type.dtype, type);
      }
    }
  }

  private final int bits;
  private final boolean isFloat;
  private final @Nullable DType dtype;

  StorageType(int bits, boolean isFloat, @Nullable DType dtype) {
    this.bits = bits;
    this.isFloat = isFloat;
    this.dtype = dtype;
  }

  /** Size of one element, in bits. */
  public int bits() {
    return bits;
  }

  /** Whether elements are floating-point numbers, complex ones included. */
  public boolean isFloat() {
    return isFloat;
  }

  /** The tensor type of the same elements, or null where tensors have none. */
  public @Nullable DType dtype() {
    return dtype;
  }

  /** The type that holds tensors of {@code dtype}. */
  public static StorageType of(DType dtype) {
    StorageType type = BY_DTYPE.get(dtype);
    if (type == null) {
      throw new IllegalArgumentException("no storage type for " + dtype);
    }
    return type;
  }

  /** The type of this name in a file's header, or null. */
  static @Nullable StorageType byName(String name) {
    return BY_NAME.get(name);
  }

  /**
   * Size of a tensor of this type, in bytes.
   *
   * @throws ArithmeticException when its bits do not fit a long
   * @throws IllegalArgumentException when a dimension is negative or the elements do not fill whole
   *     bytes
   */
  public long bytes(long... shape) {
    long size = bits(shape);
    if (size % 8 != 0) {
      throw new IllegalArgumentException(
          this + " " + Arrays.toString(shape) + " has " + size + " bits: not whole bytes");
    }
    return size / 8;
  }

  /** Size in bits; throws as {@link #bytes(long...)} does, except for partly filled bytes. */
  long bits(long... shape) {
    long n = 1;
    for (long d : shape) {
      if (d < 0) {
        throw new IllegalArgumentException("negative dimension in " + Arrays.toString(shape));
      }
      n = Math.multiplyExact(n, d);
    }
    return Math.multiplyExact(n, bits);
  }
}

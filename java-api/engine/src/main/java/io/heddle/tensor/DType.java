package io.heddle.tensor;

/**
 * Element types of tensors. The code is that of {@code hd_dtype} in {@code heddle.h}; names are
 * those of safetensors.
 */
public enum DType {
  /** IEEE single precision. */
  F32(0, 4, true),
  /** The upper half of an IEEE single. */
  BF16(1, 2, true),
  /** IEEE half precision. */
  F16(2, 2, true),
  /** IEEE double precision. */
  F64(3, 8, true),
  /** Signed 32-bit integer. */
  I32(4, 4, false),
  /** Signed 64-bit integer. */
  I64(5, 8, false),
  /** Unsigned byte. */
  U8(6, 1, false);

  private final int code;
  private final int bytes;
  private final boolean floating;

  DType(int code, int bytes, boolean floating) {
    this.code = code;
    this.bytes = bytes;
    this.floating = floating;
  }

  /** The code at the door. */
  public int code() {
    return code;
  }

  /** Size of one element, in bytes. */
  public int bytes() {
    return bytes;
  }

  /** Whether elements are floating-point numbers. */
  public boolean isFloating() {
    return floating;
  }
}

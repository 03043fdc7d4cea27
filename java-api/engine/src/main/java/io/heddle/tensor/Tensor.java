package io.heddle.tensor;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A view of memory: element type, shape and strides (both in elements, outermost first) over a
 * {@link Storage}. Views made by {@link #slice}, {@link #transpose}, {@link #view} and {@link
 * #expand} share memory and life with their origin. A tensor is made by a {@link Scope}, which owns
 * its memory. At most 6 dimensions.
 */
public final class Tensor {
  /** Most dimensions a tensor can have ({@code HD_MAX_RANK}). */
  public static final int MAX_RANK = 6;

  private final Storage storage;
  private final long offset; // in bytes, from the start of the storage
  private final DType dtype;
  private final long[] shape;
  private final long[] strides;
  private @Nullable String name;
  private boolean requiresGrad;
  private @Nullable Tensor grad;
  private @Nullable Object attachment;

  private Tensor(Storage storage, long offset, DType dtype, long[] shape, long[] strides) {
    this.storage = storage;
    this.offset = offset;
    this.dtype = dtype;
    this.shape = shape;
    this.strides = strides;
  }

  /** A contiguous tensor over the whole of {@code storage} from byte {@code offset} on. */
  public static Tensor of(Storage storage, long offset, DType dtype, long... shape) {
    if (shape.length > MAX_RANK) {
      throw new IllegalArgumentException(
          "shape " + Arrays.toString(shape) + " has more than " + MAX_RANK + " dimensions");
    }
    long[] copy = shape.clone();
    long bytes = Math.multiplyExact(Shapes.size(copy), dtype.bytes());
    if (offset < 0 || offset + bytes > storage.bytes()) {
      throw new IllegalArgumentException(
          dtype
              + " "
              + Arrays.toString(shape)
              + " needs "
              + bytes
              + " bytes from byte "
              + offset
              + "; the memory has "
              + storage.bytes());
    }
    return new Tensor(storage, offset, dtype, copy, Shapes.contiguousStrides(copy));
  }

  /** The memory behind the view. */
  public Storage storage() {
    return storage;
  }

  /** Address of the first element. */
  public long address() {
    return storage.address() + offset;
  }

  /** The element type. */
  public DType dtype() {
    return dtype;
  }

  /** A copy of the shape. */
  public long[] shape() {
    return shape.clone();
  }

  /** A copy of the strides, in elements. */
  public long[] strides() {
    return strides.clone();
  }

  /** Number of dimensions. */
  public int rank() {
    return shape.length;
  }

  /** Size of dimension {@code d}; negative counts from the end. */
  public long dim(int d) {
    return shape[d < 0 ? d + shape.length : d];
  }

  /** Stride of dimension {@code d}, in elements; negative counts from the end. */
  public long stride(int d) {
    return strides[d < 0 ? d + strides.length : d];
  }

  /** Number of elements. */
  public long size() {
    return Shapes.size(shape);
  }

  /** Whether elements lie in row-major order without gaps. */
  public boolean isContiguous() {
    return Shapes.isContiguous(shape, strides);
  }

  /** The name used in messages, or null. */
  public @Nullable String name() {
    return name;
  }

  /** Names the tensor for messages. */
  public Tensor named(String name) {
    this.name = name;
    return this;
  }

  /** Whether gradients are wanted. */
  public boolean requiresGrad() {
    return requiresGrad;
  }

  /** Says whether gradients are wanted. */
  public Tensor requiresGrad(boolean wanted) {
    this.requiresGrad = wanted;
    return this;
  }

  /**
   * The gradient, or null while there is none. A parameter's is kept between steps and added to.
   */
  public @Nullable Tensor grad() {
    return grad;
  }

  /** Sets or clears the gradient. */
  public void grad(@Nullable Tensor gradient) {
    this.grad = gradient;
  }

  /** What a backend keeps with this view (its native descriptor), or null. */
  public @Nullable Object attachment() {
    return attachment;
  }

  /** Sets what a backend keeps with this view. */
  public void attach(Object value) {
    this.attachment = value;
  }

  // ---- views ----

  /**
   * The same elements in another shape; only for contiguous tensors. One entry may be -1: it is
   * computed.
   */
  public Tensor view(long... newShape) {
    long[] resolved = Shapes.resolve(newShape, size());
    if (!isContiguous()) {
      throw new IllegalArgumentException(
          "view of " + this + ": its elements are not contiguous; copy it first");
    }
    return new Tensor(storage, offset, dtype, resolved, Shapes.contiguousStrides(resolved));
  }

  /**
   * Splits dimension {@code d} into {@code sizes} (their product must be its size); works on any
   * strides.
   */
  public Tensor split(int d, long... sizes) {
    int at = d < 0 ? d + rank() : d;
    long[] parts = Shapes.resolve(sizes, shape[at]);
    long[] newShape = new long[rank() + parts.length - 1];
    long[] newStrides = new long[newShape.length];
    System.arraycopy(shape, 0, newShape, 0, at);
    System.arraycopy(strides, 0, newStrides, 0, at);
    long stride = strides[at];
    for (int i = parts.length - 1; i >= 0; i--) {
      newShape[at + i] = parts[i];
      newStrides[at + i] = stride;
      stride *= parts[i];
    }
    System.arraycopy(shape, at + 1, newShape, at + parts.length, rank() - at - 1);
    System.arraycopy(strides, at + 1, newStrides, at + parts.length, rank() - at - 1);
    return new Tensor(storage, offset, dtype, newShape, newStrides);
  }

  /** Elements {@code from} (inclusive) to {@code to} (exclusive) of dimension {@code d}. */
  public Tensor slice(int d, long from, long to) {
    int at = d < 0 ? d + rank() : d;
    if (from < 0 || to < from || to > shape[at]) {
      throw new IllegalArgumentException(
          "slice [" + from + ", " + to + ") of dimension " + at + " of " + this);
    }
    long[] newShape = shape.clone();
    newShape[at] = to - from;
    return new Tensor(
        storage, offset + from * strides[at] * dtype.bytes(), dtype, newShape, strides.clone());
  }

  /** Dimensions {@code a} and {@code b} exchanged. */
  public Tensor transpose(int a, int b) {
    int i = a < 0 ? a + rank() : a;
    int j = b < 0 ? b + rank() : b;
    long[] newShape = shape.clone();
    long[] newStrides = strides.clone();
    newShape[i] = shape[j];
    newShape[j] = shape[i];
    newStrides[i] = strides[j];
    newStrides[j] = strides[i];
    return new Tensor(storage, offset, dtype, newShape, newStrides);
  }

  /**
   * Broadcast to {@code newShape}: dimensions of size 1 repeat, missing outer ones are added; no
   * memory is used.
   */
  public Tensor expand(long... newShape) {
    int extra = newShape.length - rank();
    long[] newStrides = new long[newShape.length];
    for (int d = 0; d < newShape.length; d++) {
      if (d >= extra && shape[d - extra] == newShape[d]) {
        newStrides[d] = strides[d - extra];
      } else if (d >= extra && shape[d - extra] != 1) {
        throw new IllegalArgumentException(
            this + " cannot be broadcast to " + Arrays.toString(newShape));
      }
    }
    return new Tensor(storage, offset, dtype, newShape.clone(), newStrides);
  }

  /**
   * The same view of other memory, for instance of a copy: shape and strides stay, the first
   * element is at byte {@code start} of {@code other}.
   */
  public Tensor over(Storage other, long start) {
    if (start < 0 || start + spanBytes() > other.bytes()) {
      throw new IllegalArgumentException(
          this + " from byte " + start + " on does not fit " + other.bytes() + " bytes");
    }
    return new Tensor(other, start, dtype, shape, strides);
  }

  // Bytes from the first element to the end of the last one, gaps among them.
  private long spanBytes() {
    return Shapes.span(shape, strides) * dtype.bytes();
  }

  // ---- elements, wherever they lie ----

  /**
   * The bytes from the first element to the end of the storage; throws when closed or on a device.
   */
  public MemorySegment segment() {
    return storage.segment().asSlice(offset);
  }

  /**
   * The bytes from the first element to the last one: the memory itself on the host, a copy in
   * {@code arena} of a device's.
   */
  public MemorySegment onHost(Arena arena) {
    return HostBytes.of(storage, offset, spanBytes(), arena);
  }

  private void fill(Consumer<MemorySegment> writer) {
    HostBytes.edit(storage, offset, spanBytes(), isContiguous(), writer);
  }

  /** Position of an element in {@link #segment}, in elements. */
  public long position(long... index) {
    if (index.length != shape.length) {
      throw new IllegalArgumentException(index.length + " indices for " + this);
    }
    long at = 0;
    for (int d = 0; d < index.length; d++) {
      if (index[d] < 0 || index[d] >= shape[d]) {
        throw new IndexOutOfBoundsException("index " + Arrays.toString(index) + " of " + this);
      }
      at += index[d] * strides[d];
    }
    return at;
  }

  /** The element at {@code index}, as a double. */
  public double get(long... index) {
    long at = offset + position(index) * dtype.bytes();
    try (Arena arena = Arena.ofConfined()) {
      return Elements.get(HostBytes.of(storage, at, dtype.bytes(), arena), dtype, 0);
    }
  }

  /** Sets the element at {@code index}, rounding to the element type. */
  public void set(double value, long... index) {
    long at = offset + position(index) * dtype.bytes();
    HostBytes.edit(storage, at, dtype.bytes(), true, e -> Elements.set(e, dtype, 0, value));
  }

  /** All elements in row-major order, as floats. */
  public float[] toFloats() {
    float[] out = new float[Math.toIntExact(size())];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = onHost(arena);
      if (dtype == DType.F32 && isContiguous()) {
        MemorySegment.copy(memory, ValueLayout.JAVA_FLOAT_UNALIGNED, 0, out, 0, out.length);
        return out;
      }
      if (dtype == DType.BF16 && isContiguous()) {
        Elements.bf16ToFloats(memory, out);
        return out;
      }
      Shapes.forEach(
          shape, strides, (i, at) -> out[(int) i] = (float) Elements.get(memory, dtype, at));
    }
    return out;
  }

  /** All elements in row-major order, as doubles. */
  public double[] toDoubles() {
    double[] out = new double[Math.toIntExact(size())];
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment memory = onHost(arena);
      Shapes.forEach(shape, strides, (i, at) -> out[(int) i] = Elements.get(memory, dtype, at));
    }
    return out;
  }

  /** Sets all elements from {@code values}, in row-major order. */
  public Tensor copyFrom(float[] values) {
    checkLength(values.length);
    fill(
        memory -> {
          if (dtype == DType.F32 && isContiguous()) {
            MemorySegment.copy(
                values, 0, memory, ValueLayout.JAVA_FLOAT_UNALIGNED, 0, values.length);
          } else {
            Shapes.forEach(
                shape, strides, (i, at) -> Elements.set(memory, dtype, at, values[(int) i]));
          }
        });
    return this;
  }

  /** Sets all elements from {@code values}, in row-major order. */
  public Tensor copyFrom(double[] values) {
    checkLength(values.length);
    fill(
        memory ->
            Shapes.forEach(
                shape, strides, (i, at) -> Elements.set(memory, dtype, at, values[(int) i])));
    return this;
  }

  /** Sets all elements of a contiguous i32 tensor from {@code values}, in row-major order. */
  public Tensor copyFrom(int[] values) {
    checkLength(values.length);
    checkBits(DType.I32);
    fill(m -> MemorySegment.copy(values, 0, m, ValueLayout.JAVA_INT_UNALIGNED, 0, values.length));
    return this;
  }

  /** Sets all elements of a contiguous i64 tensor from {@code values}, in row-major order. */
  public Tensor copyFrom(long[] values) {
    checkLength(values.length);
    checkBits(DType.I64);
    fill(m -> MemorySegment.copy(values, 0, m, ValueLayout.JAVA_LONG_UNALIGNED, 0, values.length));
    return this;
  }

  /** Sets a contiguous tensor's bytes: its elements in row-major order, off the heap. */
  public Tensor copyFrom(MemorySegment bytes) {
    if (!isContiguous() || bytes.byteSize() != spanBytes()) {
      throw new IllegalArgumentException(bytes.byteSize() + " bytes for " + this);
    }
    storage.write(offset, bytes);
    return this;
  }

  private void checkBits(DType wanted) {
    if (dtype != wanted || !isContiguous()) {
      throw new IllegalArgumentException(wanted + " values for " + this);
    }
  }

  private void checkLength(int length) {
    if (length != size()) {
      throw new IllegalArgumentException(length + " values for " + this);
    }
  }

  @Override
  public String toString() {
    return (name == null ? "" : name + " ") + dtype + " " + Arrays.toString(shape);
  }
}

package io.heddle.checkpoint;

/** A checkpoint file is damaged; the message names the file, the tensor and the numbers. */
public final class SafetensorsException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** What is wrong with a file; the names are those of the format's reference implementation. */
  public enum Fault {
    /** The header is not UTF-8, not JSON, or not of the form that the format asks for. */
    INVALID_HEADER,
    /** The header's length is more than the format allows. */
    HEADER_TOO_LARGE,
    /** The file is shorter than the eight bytes of the header's length. */
    HEADER_TOO_SMALL,
    /** The header's length goes past the end of the file. */
    INVALID_HEADER_LENGTH,
    /**
     * A tensor's bytes do not begin where the last tensor's end: a hole, an overlap, or end <
     * begin.
     */
    INVALID_OFFSET,
    /** A tensor's byte range does not have the size that dtype and shape give. */
    TENSOR_INVALID_INFO,
    /** The last tensor does not end where the file ends. */
    METADATA_INCOMPLETE_BUFFER,
    /** A tensor's size does not fit 63 bits. */
    VALIDATION_OVERFLOW,
    /** A tensor of a type smaller than a byte does not fill whole bytes. */
    MISALIGNED_SLICE,
    /** The index of a sharded checkpoint is not valid, or does not agree with its shards. */
    INVALID_INDEX
  }

  private final Fault fault;

  /** With the kind of fault and a sentence for the user. */
  public SafetensorsException(Fault fault, String message) {
    super(message);
    this.fault = fault;
  }

  /** The kind of fault. */
  public Fault fault() {
    return fault;
  }
}

package io.heddle.tensor;

/** Memory off the heap, on the host or a device, could not be had. */
public final class OutOfNativeMemoryException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** With a message that names what was asked for. */
  public OutOfNativeMemoryException(String message) {
    super(message);
  }
}

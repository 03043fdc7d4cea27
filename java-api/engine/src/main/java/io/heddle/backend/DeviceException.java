package io.heddle.backend;

/** A device or its driver failed; the message tells op, tensors and cause. */
public final class DeviceException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** With the stack of causes. */
  public DeviceException(String message) {
    super(message);
  }
}

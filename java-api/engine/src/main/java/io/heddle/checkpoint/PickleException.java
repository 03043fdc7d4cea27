package io.heddle.checkpoint;

/** A file that PyTorch saved is damaged, or asks for something that is not data. */
public final class PickleException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** With a sentence for the user. */
  public PickleException(String message) {
    super(message);
  }
}

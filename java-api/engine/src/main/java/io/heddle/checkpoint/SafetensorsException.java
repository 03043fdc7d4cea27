package io.heddle.checkpoint;

/** A safetensors file is damaged; the message names the file and the fault. */
public final class SafetensorsException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** With a sentence for the user. */
  public SafetensorsException(String message) {
    super(message);
  }
}

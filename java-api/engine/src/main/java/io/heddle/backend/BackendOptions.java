package io.heddle.backend;

/**
 * How to open a backend.
 *
 * @param device ordinal of the device, 0 for the first
 * @param threads CPU threads, 0 for one per core
 */
public record BackendOptions(int device, int threads) {
  /** First device, one thread per core. */
  public static final BackendOptions DEFAULT = new BackendOptions(0, 0);

  /** Checks the values. */
  public BackendOptions {
    if (device < 0 || threads < 0) {
      throw new IllegalArgumentException(
          "device " + device + " and threads " + threads + " must not be negative");
    }
  }
}

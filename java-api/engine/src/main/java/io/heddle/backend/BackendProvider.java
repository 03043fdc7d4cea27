package io.heddle.backend;

/** Finds and opens one kind of backend; found by ServiceLoader. */
public interface BackendProvider {
  /** The backend's name, as on the command line. */
  String name();

  /**
   * Preference of {@code auto}: the highest available rank wins. reference 0, cpu 10, cuda 20 (5
   * without cuBLASLt).
   */
  int rank();

  /** Looks whether the backend can be opened here. Never throws. */
  Probe probe();

  /**
   * Opens it; throws {@link IllegalStateException} with the probe's reason when it is not
   * available.
   */
  Backend open(BackendOptions options);
}

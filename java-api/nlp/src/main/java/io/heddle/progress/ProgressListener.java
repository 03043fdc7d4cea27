package io.heddle.progress;

/**
 * Hears how far a long task is. The engine prints nothing itself: a command-line tool shows a bar,
 * a test counts. Calls come from one thread, {@code begin}, any number of {@code advance}, {@code
 * end}; tasks do not nest.
 */
public interface ProgressListener {
  /** Hears nothing. */
  ProgressListener NONE =
      new ProgressListener() {
        @Override
        public void begin(String task, long total, String unit) {}

        @Override
        public void advance(long done, String message) {}

        @Override
        public void end(String message) {}
      };

  /**
   * A task starts.
   *
   * @param task its name, e.g. {@code train}
   * @param total its size in units, or -1 when that is not known
   * @param unit name of one unit in the singular, e.g. {@code step}
   */
  void begin(String task, long total, String unit);

  /**
   * The task got further.
   *
   * @param done units done so far in all
   * @param message a few words on the state, e.g. {@code loss 3.21}; may be empty
   */
  void advance(long done, String message);

  /**
   * The task is over, also when it failed.
   *
   * @param message a few words on the outcome; may be empty
   */
  void end(String message);
}

package io.heddle.train;

/** Hears how far a long task has come. */
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

  /** A task of {@code total} units begins. */
  void begin(String task, long total, String unit);

  /** {@code done} units are done. */
  void advance(long done, String message);

  /** The task is over. */
  void end(String message);
}

package io.heddle.methods.study;

import io.heddle.progress.ProgressListener;

/** Shows many tasks as one, so that the time left is that of all of them. */
public final class StageProgress implements ProgressListener, AutoCloseable {
  private final ProgressListener outer;
  private long before;
  private long first = -1;
  private long done;
  private String stage = "";

  /**
   * Shows them.
   *
   * @param total steps of all tasks that are left to do
   */
  public StageProgress(ProgressListener outer, String task, long total) {
    this.outer = outer;
    outer.begin(task, total, "step");
  }

  /** The next task, as the reader shall know it. */
  public void stage(String name) {
    stage = name;
    outer.advance(before, stage);
  }

  @Override
  public void begin(String task, long total, String unit) {
    first = -1;
    done = 0;
  }

  @Override
  public void advance(long doneOfTask, String message) {
    if (first < 0) {
      first = doneOfTask; // a resumed task begins where it was
    }
    done = doneOfTask - first;
    outer.advance(before + done, message.isEmpty() ? stage : stage + ", " + message);
  }

  @Override
  public void end(String message) {
    before += done;
    done = 0;
  }

  @Override
  public void close() {
    outer.end("");
  }
}

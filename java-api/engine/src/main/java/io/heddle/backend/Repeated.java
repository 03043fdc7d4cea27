package io.heddle.backend;

import io.heddle.tensor.OutOfNativeMemoryException;
import org.jspecify.annotations.Nullable;

/**
 * Work done many times: plainly the first time, so that what is made at first use is there, then
 * recorded ({@link Backend#capture}) and replayed. What cannot be recorded is done plainly for
 * ever. The same results, bit for bit. Not for use by many threads at once.
 */
public final class Repeated implements AutoCloseable {
  private final Backend backend;
  private final Runnable body;
  private @Nullable Graph graph;
  private boolean warm;
  private String refusal = "";

  /**
   * Work to be done.
   *
   * @param body as {@link Backend#capture} asks for it
   */
  public Repeated(Backend backend, Runnable body) {
    this.backend = backend;
    this.body = body;
  }

  /** Does it. */
  public void run() {
    if (warm && graph == null && refusal.isEmpty()) {
      record();
    }
    warm = true;
    Graph recorded = graph;
    if (recorded == null) {
      body.run();
    } else {
      recorded.replay();
    }
  }

  private void record() {
    try {
      graph = backend.capture(body);
    } catch (UnsupportedOperationException | OutOfNativeMemoryException | DeviceException e) {
      refusal = String.valueOf(e.getMessage());
    }
  }

  /** Whether {@link #run} was last a replay. */
  public boolean replayed() {
    return graph != null;
  }

  /** Why it is not recorded; empty when it is, or has not been tried. */
  public String refusal() {
    return refusal;
  }

  @Override
  public void close() {
    Graph recorded = graph;
    if (recorded != null) {
      recorded.close();
      graph = null;
    }
  }
}

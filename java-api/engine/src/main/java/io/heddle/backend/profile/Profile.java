package io.heddle.backend.profile;

import io.heddle.op.OpCode;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import jdk.jfr.EventType;
import org.jspecify.annotations.Nullable;

/**
 * Tells listeners what backends do. A backend asks {@link #begin} before an op and ends the span
 * after it; while nobody listens, that is one look at a flag.
 */
public final class Profile {
  // Asked instead of an event, which would have to be made first.
  private static final EventType EVENTS = EventType.getEventType(OpEvent.class);
  private static volatile @Nullable ChromeTrace trace;

  private Profile() {}

  /**
   * Writes every op until the result is closed to {@code file}, in the format of Perfetto and
   * chrome://tracing.
   *
   * @throws IllegalStateException when a trace is being written already
   */
  public static AutoCloseable traceTo(Path file) throws IOException {
    if (trace != null) {
      throw new IllegalStateException("a trace is being written already");
    }
    ChromeTrace opened = new ChromeTrace(file);
    trace = opened;
    return () -> {
      trace = null;
      opened.close();
    };
  }

  /** The trace that is being written, or null. */
  static @Nullable ChromeTrace trace() {
    return trace;
  }

  /** A span that has begun, or null when nobody listens. */
  public static @Nullable Span begin() {
    ChromeTrace listening = trace;
    if (listening == null && !EVENTS.isEnabled()) {
      return null;
    }
    OpEvent event = new OpEvent();
    event.begin();
    return new Span(event, listening);
  }

  /** An op under way. */
  public static final class Span {
    private final OpEvent event;
    private final @Nullable ChromeTrace trace;
    private final long start = System.nanoTime();

    private Span(OpEvent event, @Nullable ChromeTrace trace) {
      this.event = event;
      this.trace = trace;
    }

    /** Ends with an op of the door. */
    public void end(String backend, OpCode op, @Nullable Tensor[] tensors) {
      end(backend, op.opName(), Work.flops(op, tensors), tensors);
    }

    /** Ends with any other work. */
    public void end(String backend, String name, long flops, @Nullable Tensor[] tensors) {
      long end = System.nanoTime();
      event.end();
      String shapes = Work.shapes(tensors);
      long bytes = Work.bytes(tensors);
      if (event.shouldCommit()) {
        event.op = name;
        event.backend = backend;
        event.shapes = shapes;
        event.bytes = bytes;
        event.flops = flops;
        event.commit();
      }
      if (trace != null) {
        trace.span(name, backend, shapes, bytes, flops, start, end);
      }
    }
  }
}

package io.heddle.backend.profile;

import io.heddle.backend.Backend;
import jdk.jfr.EventType;
import org.jspecify.annotations.Nullable;

/**
 * Tells listeners what the layers of a network take, forward and backward: time, and the memory
 * that activations hold more afterwards. A tape asks {@link #begin} before a layer; while nobody
 * listens, that is one look at two flags. Listeners are one {@link Listener}, the trace of {@link
 * Profile#traceTo} and flight recordings (event {@code io.heddle.Layer}).
 */
public final class LayerProfile {
  // Asked instead of an event, which would have to be made first.
  private static final EventType EVENTS = EventType.getEventType(LayerEvent.class);
  private static volatile @Nullable Listener listener;

  private LayerProfile() {}

  /** Hears of layers. */
  @FunctionalInterface
  public interface Listener {
    /**
     * A layer has run.
     *
     * @param stack prefix of its parameters: what tells an encoder's layers from a decoder's
     * @param layer counted from 0
     * @param back whether on the way back
     * @param nanos that it took, until the device was done
     * @param bytes that activations and their gradients hold more than before it
     */
    void took(String stack, int layer, boolean back, long nanos, long bytes);
  }

  /**
   * Tells {@code wanted} of every layer until the result is closed. The device is waited for at the
   * edges of layers meanwhile, which costs a GPU some of its speed.
   *
   * @throws IllegalStateException when somebody listens already
   */
  public static AutoCloseable listen(Listener wanted) {
    if (listener != null) {
      throw new IllegalStateException("somebody listens to layers already");
    }
    listener = wanted;
    return () -> listener = null;
  }

  /**
   * A span that has begun, or null when nobody listens.
   *
   * @param held bytes that activations hold now
   */
  public static @Nullable Span begin(
      Backend backend, String stack, int layer, boolean back, long held) {
    Listener listening = listener;
    ChromeTrace trace = Profile.trace();
    if (listening == null && trace == null && !EVENTS.isEnabled()) {
      return null;
    }
    if (listening != null) {
      backend.synchronize();
    }
    return new Span(backend, listening, trace, stack, layer, back, held);
  }

  /** A layer under way. */
  public static final class Span {
    private final Backend backend;
    private final @Nullable Listener listener;
    private final @Nullable ChromeTrace trace;
    private final LayerEvent event = new LayerEvent();
    private final long held;
    private final long start;

    private Span(
        Backend backend,
        @Nullable Listener listener,
        @Nullable ChromeTrace trace,
        String stack,
        int layer,
        boolean back,
        long held) {
      this.backend = backend;
      this.listener = listener;
      this.trace = trace;
      this.held = held;
      event.stack = stack;
      event.layer = layer;
      event.back = back;
      event.begin();
      this.start = System.nanoTime();
    }

    /** Ends; {@code now} are the bytes that activations hold now. */
    public void end(long now) {
      if (listener != null) {
        backend.synchronize();
      }
      long end = System.nanoTime();
      event.bytes = now - held;
      event.commit();
      String stack = String.valueOf(event.stack);
      if (listener != null) {
        listener.took(stack, event.layer, event.back, end - start, event.bytes);
      }
      if (trace != null) {
        String name = stack + "layer " + event.layer + (event.back ? " back" : "");
        trace.span(name, backend.name(), "", event.bytes, 0, start, end);
      }
    }
  }
}

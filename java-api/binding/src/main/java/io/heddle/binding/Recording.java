package io.heddle.binding;

import io.heddle.backend.Graph;
import io.heddle.tensor.Storage;
import java.util.HashSet;
import java.util.Set;
import java.util.function.LongConsumer;

/**
 * A recording of the door. While it is under way it takes a lease on all memory that its thread's
 * calls touch and that was there before; the leases last as long as the recording, so that no
 * replay finds memory freed.
 */
final class Recording implements Graph {
  private final LongConsumer replay;
  private final LongConsumer forget;
  private final Thread thread = Thread.currentThread();
  private final Set<Storage> within = new HashSet<>();
  private final Set<Storage> held = new HashSet<>();
  private long number; // the door's; 0 before the end and after close

  Recording(LongConsumer replay, LongConsumer forget) {
    this.replay = replay;
    this.forget = forget;
  }

  /** Memory that was made; what this thread makes within does not outlive it. */
  void made(Storage storage) {
    if (thread == Thread.currentThread()) {
      within.add(storage);
    }
  }

  /** Memory that a call reads or writes. */
  void touched(Storage storage) {
    if (thread == Thread.currentThread() && !within.contains(storage) && held.add(storage)) {
      storage.acquire();
    }
  }

  /** Ends well. */
  synchronized void done(long recording) {
    number = recording;
  }

  /** Ends, well or not: without {@link #done} nothing is held any longer. */
  synchronized void settle() {
    within.clear();
    if (number == 0) {
      held.forEach(Storage::release);
      held.clear();
    }
  }

  @Override
  public synchronized void replay() {
    if (number == 0) {
      throw new IllegalStateException("graph is closed");
    }
    replay.accept(number);
  }

  @Override
  public synchronized void close() {
    if (number != 0) {
      long last = number;
      number = 0;
      forget.accept(last);
      settle();
    }
  }
}

package io.heddle.binding;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A thread's memory for what a call hands over. Cut once: a slice would be an object for every
 * call.
 *
 * @param descriptors room for the addresses of {@link #MAX_TENSORS} descriptors
 * @param values room for the parameters
 */
record Frame(MemorySegment descriptors, MemorySegment values) {
  static final int MAX_TENSORS = 1024;
  private static final long ADDRESSES = 8L * MAX_TENSORS;
  private static final int PARAMS_BYTES = 256;

  private static final ThreadLocal<Frame> OF_THREAD = ThreadLocal.withInitial(Frame::make);

  /** The calling thread's. */
  static Frame ofThread() {
    return OF_THREAD.get();
  }

  private static Frame make() {
    MemorySegment all = Arena.ofAuto().allocate(ADDRESSES + PARAMS_BYTES, 64);
    return new Frame(all.asSlice(0, ADDRESSES), all.asSlice(ADDRESSES, PARAMS_BYTES));
  }
}

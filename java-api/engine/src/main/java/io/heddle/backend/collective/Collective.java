package io.heddle.backend.collective;

import io.heddle.backend.Backend;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Collection;
import java.util.List;
import java.util.zip.CRC32C;

/**
 * Work that the processes of a run do together, each of which has a rank. All ranks call the same
 * methods in the same order, with tensors of the same shapes. A method that waits for a rank which
 * is gone throws {@link IllegalStateException}, naming it; nothing waits for ever. Before they end
 * ranks call {@link #barrier}, or another gathering: who closes earlier is gone to the others.
 */
public interface Collective extends AutoCloseable {
  /** One process by itself: sums are what they are. */
  static Collective alone() {
    return Alone.ONE;
  }

  /** The ranks of {@code meeting} over sockets; tensors are {@code backend}'s. */
  static Collective overSockets(Meeting meeting, Backend backend) {
    return new Line(meeting, backend);
  }

  /** The ranks. */
  Meeting meeting();

  /** Which of them this process is, from 0. */
  default int rank() {
    return meeting().rank();
  }

  /** How many there are. */
  default int size() {
    return meeting().size();
  }

  /**
   * Adds tensors up over all ranks, in place. All ranks hold the same bits afterwards, and the same
   * ones in every run.
   *
   * @param tensors f32, contiguous; gradients of 16-bit parameters are such, too
   */
  void sum(List<Tensor> tensors);

  /**
   * Gives every rank what rank 0 holds.
   *
   * @param tensor of any type, contiguous
   */
  void broadcast(Tensor tensor);

  /**
   * A few numbers of each rank, on the host.
   *
   * @param mine those of this one; ranks may give different counts
   * @return [rank], as they were given
   */
  default double[][] gather(double... mine) {
    return meeting().gather(mine);
  }

  /** Waits until all ranks have come here. */
  default void barrier() {
    gather();
  }

  /** Whether any rank says so. */
  default boolean any(boolean mine) {
    for (double[] said : gather(mine ? 1 : 0)) {
      if (said[0] != 0) {
        return true;
      }
    }
    return false;
  }

  /**
   * Makes sure that all ranks have the same.
   *
   * @param what names it, in the plural
   * @param digest of it, of 32 bits, as {@link CRC32C}
   * @throws IllegalStateException on all ranks when one has another
   */
  default void agree(String what, long digest) {
    double[][] all = gather((double) digest);
    for (int rank = 1; rank < all.length; rank++) {
      if (all[rank][0] != all[0][0]) {
        throw new IllegalStateException(what + " of rank " + rank + " are not those of rank 0");
      }
    }
  }

  /** The same of the values of contiguous tensors. */
  default void agree(String what, Collection<Tensor> tensors) {
    if (size() == 1) {
      return;
    }
    CRC32C digest = new CRC32C();
    for (Tensor tensor : tensors) {
      try (Arena arena = Arena.ofConfined()) {
        MemorySegment bytes = tensor.onHost(arena);
        for (long at = 0; at < bytes.byteSize(); at += Integer.MAX_VALUE) {
          long some = Math.min(Integer.MAX_VALUE, bytes.byteSize() - at);
          digest.update(bytes.asSlice(at, some).asByteBuffer());
        }
      }
    }
    agree(what, digest.getValue());
  }

  /** Refuses what {@link #sum} cannot add. */
  static void check(Tensor tensor) {
    if (tensor.dtype() != DType.F32 || !tensor.isContiguous()) {
      throw new IllegalArgumentException(
          "a sum over ranks: " + tensor + " must be contiguous and f32");
    }
  }

  @Override
  void close();
}

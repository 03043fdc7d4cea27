package io.heddle.checkpoint.merge;

import io.heddle.op.OpCode;
import java.util.List;

/**
 * The merge of one tensor: as many passes over all blocks as its statistics take, and one that
 * computes. Blocks of a pass come in any order and from many threads; what they leave behind must
 * not depend on that: sums are kept per block and added up in the order of the blocks.
 */
abstract class Kernel {
  /** Elements of a block where nothing asks for another length: its rows stay in a core's cache. */
  static final int LENGTH = 4096;

  /** Elements of a block, the last of a tensor apart. */
  long blockLength() {
    return LENGTH;
  }

  /** Whether a pass of {@link #observe} over all blocks is needed now. */
  boolean wantsPass() {
    return false;
  }

  /** Takes statistics; may overwrite the rows. */
  void observe(Block block) {
    throw new IllegalStateException(getClass() + " takes no statistics");
  }

  /** After all blocks were observed. */
  void passed() {
    throw new IllegalStateException(getClass() + " takes no statistics");
  }

  /** Fills {@code out}; may overwrite the other rows. */
  abstract void apply(Block block);

  /** What {@link #run} asks a backend for; nothing where no ops do this merge. */
  List<OpCode> ops() {
    return List.of();
  }

  /**
   * Does all of it by a backend's ops, to the same bits. With statistics the operands of {@code
   * ops} are whole tensors.
   *
   * @param first number of the operands' first element
   */
  void run(TensorOps ops, long first) {
    throw new IllegalStateException(getClass() + " has no ops");
  }
}

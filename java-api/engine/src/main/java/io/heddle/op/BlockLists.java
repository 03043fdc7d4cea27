package io.heddle.op;

import io.heddle.autograd.Tape;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Bounds;
import io.heddle.op.pattern.Documents;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import java.util.List;

/**
 * Block lists made by the backend that attends. Packed text has other documents in every batch:
 * what the host forms and sends is one number per token, not the lists.
 */
public final class BlockLists {
  private BlockLists() {}

  /**
   * The lists of {@code length} queries over as many keys.
   *
   * @param owner holds the lists
   * @param groups the bounds of each head group
   * @param headGroup the group of each head
   * @param rows the documents of each batch row, which lie in runs
   */
  public static BlockLayout.Tensors of(
      Tape t, Scope owner, List<Bounds> groups, int[] headGroup, List<Documents> rows, int length) {
    int blocks = (length + BlockLayout.BLOCK - 1) / BlockLayout.BLOCK;
    Room room = new Room();
    int[] ids = new int[rows.size() * length];
    for (int b = 0; b < rows.size(); b++) {
      System.arraycopy(rows.get(b).ids(), 0, ids, b * length, length);
      for (Bounds bounds : groups) {
        room.add(bounds, rows.get(b), length);
      }
    }
    long[] numbers = new long[4 * groups.size()];
    for (int g = 0; g < groups.size(); g++) {
      Bounds bounds = groups.get(g);
      numbers[4 * g] = bounds.left();
      numbers[4 * g + 1] = bounds.right();
      numbers[4 * g + 2] = bounds.size();
      numbers[4 * g + 3] = bounds.previous();
    }
    BlockLayout.Tensors lists =
        new BlockLayout.Tensors(
            owner.tensor(DType.I32, rows.size(), groups.size(), blocks + 1L),
            owner.tensor(DType.I32, room.entries, 2),
            owner.tensor(DType.I32, rows.size(), groups.size(), blocks + 1L),
            owner.tensor(DType.I32, room.entries, 2),
            owner.tensor(DType.I64, room.masks, BlockLayout.BLOCK),
            owner.tensor(DType.I32, headGroup.length).copyFrom(headGroup));
    t.run(
        OpCode.BLOCK_LISTS,
        new Params.BlockLists(length, length),
        owner.tensor(DType.I64, groups.size(), 4).copyFrom(numbers),
        owner.tensor(DType.I32, rows.size(), length).copyFrom(ids),
        lists.rowPtr(),
        lists.rowBlocks(),
        lists.colPtr(),
        lists.colBlocks(),
        lists.masks());
    return lists;
  }

  // How many entries and masks there are at most.
  private static final class Room {
    int entries;
    int masks = 1;

    void add(Bounds bounds, Documents documents, int length) {
      for (int from = 0; from < length; from += BlockLayout.BLOCK) {
        int last = Math.min(from + BlockLayout.BLOCK, length) - 1;
        long first = length;
        long end = 0;
        long latest = 0;
        long earliest = length;
        for (int q = from; q <= last; q++) {
          long start = start(bounds, documents, q);
          long stop = stop(bounds, documents, q);
          first = Math.min(first, start);
          latest = Math.max(latest, start);
          earliest = Math.min(earliest, stop);
          end = Math.max(end, stop);
        }
        for (long j = first / BlockLayout.BLOCK; j * BlockLayout.BLOCK < end; j++) {
          long stop = Math.min(length, (j + 1) * BlockLayout.BLOCK);
          entries++;
          masks += latest <= j * BlockLayout.BLOCK && stop <= earliest ? 0 : 1;
        }
      }
    }

    private static long start(Bounds bounds, Documents documents, int q) {
      long start = documents.start(q);
      if (bounds.left() >= 0) {
        start = Math.max(start, q - bounds.left());
      }
      return bounds.size() < 0
          ? start
          : Math.max(start, (q / bounds.size() - bounds.previous()) * bounds.size());
    }

    private static long stop(Bounds bounds, Documents documents, int q) {
      long stop = documents.stop(q);
      if (bounds.right() >= 0) {
        stop = Math.min(stop, q + bounds.right() + 1);
      }
      return bounds.size() < 0 ? stop : Math.min(stop, (q / bounds.size() + 1) * bounds.size());
    }
  }
}

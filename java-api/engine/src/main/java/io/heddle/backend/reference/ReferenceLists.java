package io.heddle.backend.reference;

import io.heddle.op.Params;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Bounds;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Block lists by way of the patterns' predicates. */
final class ReferenceLists {
  private ReferenceLists() {}

  /** bounds documents? -&gt; row_ptr row_blocks col_ptr col_blocks masks. */
  static void run(Params.BlockLists p, @Nullable Tensor[] t) {
    List<List<AttentionPattern>> patterns = patterns(p, t);
    if (patterns.isEmpty() || patterns.get(0).isEmpty()) {
      return;
    }
    BlockLayout layout =
        BlockLayout.compile(patterns, new int[patterns.get(0).size()], p.queries(), p.keys());
    try (Scope scope = new Scope(new ReferenceBackend().memory())) {
      number(layout.tensors(scope), patterns.size() * patterns.get(0).size(), t);
    }
  }

  private static List<List<AttentionPattern>> patterns(Params.BlockLists p, @Nullable Tensor[] t) {
    double[] bounds = ReferenceBackend.need(t, 0, "bounds").toDoubles();
    Tensor ids = t[1];
    double[] documents = ids == null ? new double[0] : ids.toDoubles();
    List<List<AttentionPattern>> all = new ArrayList<>();
    for (int b = 0; b < (ids == null ? 1 : ids.dim(0)); b++) {
      List<AttentionPattern> groups = new ArrayList<>();
      for (int g = 0; 4 * g < bounds.length; g++) {
        long size = (long) bounds[4 * g + 2];
        AttentionPattern own =
            new Bounds(
                    (long) bounds[4 * g],
                    (long) bounds[4 * g + 1],
                    size > 0 ? size : -1,
                    (long) bounds[4 * g + 3])
                .pattern();
        groups.add(
            ids == null ? own : own.and(Patterns.documents(runs(documents, b, (int) p.keys()))));
      }
      all.add(groups);
    }
    return all;
  }

  // A number for each run of equal numbers, so that those that come again are other documents.
  private static int[] runs(double[] documents, int row, int keys) {
    int[] runs = new int[keys];
    for (int k = 1; k < keys; k++) {
      int at = row * keys + k;
      runs[k] = runs[k - 1] + (documents[at] == documents[at - 1] ? 0 : 1);
    }
    return runs;
  }

  // The layout's lists, in which alike blocks share a mask, with a mask for each PARTIAL block.
  private static void number(BlockLayout.Tensors from, int layouts, @Nullable Tensor[] t) {
    double[] rowPtr = from.rowPtr().toDoubles();
    double[] colPtr = from.colPtr().toDoubles();
    double[] rows = from.rowBlocks().toDoubles();
    double[] rowBlocks = ReferenceBackend.need(t, 3, "row_blocks").toDoubles();
    double[] colBlocks = ReferenceBackend.need(t, 5, "col_blocks").toDoubles();
    Tensor masks = ReferenceBackend.need(t, 6, "masks");
    if (rows.length > rowBlocks.length) {
      throw new IllegalArgumentException(
          "row_blocks has " + rowBlocks.length / 2 + " entries, too few for " + rows.length / 2);
    }
    copyMask(from.masks(), 0, masks, 0);
    int next = 1;
    int queryBlocks = rowPtr.length / layouts - 1;
    int keyBlocks = colPtr.length / layouts - 1;
    for (int l = 0; l < layouts; l++) {
      int[] used = new int[keyBlocks];
      for (int i = 0; i < queryBlocks; i++) {
        int row = l * (queryBlocks + 1) + i;
        for (int e = (int) rowPtr[row]; e < rowPtr[row + 1]; e++) {
          int key = (int) rows[2 * e];
          int mask = (int) rows[2 * e + 1];
          if (mask > 0) {
            copyMask(from.masks(), mask, masks, next);
            mask = next++;
          }
          int column = (int) colPtr[l * (keyBlocks + 1) + key] + used[key]++;
          rowBlocks[2 * e] = key;
          rowBlocks[2 * e + 1] = mask;
          colBlocks[2 * column] = i;
          colBlocks[2 * column + 1] = mask;
        }
      }
    }
    ReferenceBackend.need(t, 2, "row_ptr").copyFrom(rowPtr);
    ReferenceBackend.need(t, 3, "row_blocks").copyFrom(rowBlocks);
    ReferenceBackend.need(t, 4, "col_ptr").copyFrom(colPtr);
    ReferenceBackend.need(t, 5, "col_blocks").copyFrom(colBlocks);
  }

  // Words as they are: a double does not hold 64 bits.
  private static void copyMask(Tensor from, int i, Tensor to, int j) {
    if (j >= to.dim(0)) {
      throw new IllegalArgumentException("masks has " + to.dim(0) + " masks, too few");
    }
    for (int r = 0; r < BlockLayout.BLOCK; r++) {
      long word =
          from.segment()
              .getAtIndex(ValueLayout.JAVA_LONG_UNALIGNED, (long) i * BlockLayout.BLOCK + r);
      to.segment()
          .setAtIndex(ValueLayout.JAVA_LONG_UNALIGNED, (long) j * BlockLayout.BLOCK + r, word);
    }
  }
}

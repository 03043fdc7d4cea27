package io.heddle.op.pattern;

import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Patterns compiled to what attention kernels walk: for each block of 64 queries the list of key
 * blocks that hold anything to see, and the transposed lists for the backward pass. An entry is
 * (block, mask): mask 0 is FULL, any other one of a small set of distinct 64x64 bit masks. Windows
 * and causal patterns have a handful of masks at any length, so memory grows with the number of
 * non-empty blocks only.
 */
public final class BlockLayout {
  /** Queries and keys in a block. */
  public static final int BLOCK = 64;

  private final long queries;
  private final long keys;
  private final int batches;
  private final int groups;
  private final int[] headGroup;
  private final int[] rowPtr;
  private final int[] rowBlocks;
  private final int[] colPtr;
  private final int[] colBlocks;
  private final long[] masks;
  private final long pairs;

  private BlockLayout(Builder b) {
    this.queries = b.queries;
    this.keys = b.keys;
    this.batches = b.batches;
    this.groups = b.groups;
    this.headGroup = b.headGroup;
    this.rowPtr = b.rowPtr;
    this.rowBlocks = b.entries();
    this.colPtr = b.colPtr;
    this.colBlocks = b.colBlocks;
    this.masks = b.maskWords();
    this.pairs = b.pairs;
  }

  /** One pattern for all batch rows and {@code heads} heads. */
  public static BlockLayout of(AttentionPattern pattern, int heads, long queries, long keys) {
    return compile(List.of(List.of(pattern)), new int[heads], queries, keys);
  }

  /** One pattern per head group, for all batch rows. */
  public static BlockLayout ofGroups(
      List<AttentionPattern> groups, int[] headGroup, long queries, long keys) {
    return compile(List.of(groups), headGroup, queries, keys);
  }

  /**
   * Compiles patterns.
   *
   * @param patterns [batch rows or 1][groups]
   * @param headGroup the group of each head
   * @param queries number of queries, T
   * @param keys number of keys, S
   */
  public static BlockLayout compile(
      List<? extends List<AttentionPattern>> patterns, int[] headGroup, long queries, long keys) {
    Builder builder =
        new Builder(patterns.size(), patterns.get(0).size(), headGroup, queries, keys);
    for (List<AttentionPattern> batch : patterns) {
      for (AttentionPattern pattern : batch) {
        builder.add(pattern);
      }
    }
    builder.transpose();
    return new BlockLayout(builder);
  }

  /**
   * Where the keys of one batch row lie.
   *
   * @param keys number of keys
   * @param blocks block j of them is block {@code blocks[j]} of the tensor of keys
   */
  @SuppressWarnings("ArrayRecordComponent") // read, never compared
  public record Pages(int keys, int[] blocks) {}

  /**
   * Compiles patterns for keys in pages: a row's queries are the last of its own keys, and its
   * lists name blocks where they lie, of a tensor that rows share. For the forward pass alone:
   * there are no transposed lists.
   *
   * @param groups a pattern per head group, for all rows
   * @param queries number of queries of each row, T
   */
  public static BlockLayout paged(
      List<AttentionPattern> groups, int[] headGroup, long queries, List<Pages> rows) {
    Builder builder = new Builder(rows.size(), groups.size(), headGroup, queries, 0);
    for (Pages row : rows) {
      for (AttentionPattern pattern : groups) {
        builder.add(pattern, row.keys, row.blocks);
      }
    }
    return new BlockLayout(builder);
  }

  /**
   * Pairs (q, k) that are seen, summed over batch rows and heads; times 4 D it is the FLOP count of
   * a forward pass.
   */
  public long pairs(int batch) {
    return pairs * (batches == 1 ? batch : 1);
  }

  /** Number of non-empty blocks over all batch rows and groups. */
  public int blocks() {
    return rowBlocks.length / 2;
  }

  /** Number of distinct masks, FULL among them. */
  public int distinctMasks() {
    return masks.length / BLOCK;
  }

  /** Number of queries. */
  public long queries() {
    return queries;
  }

  /** Number of keys. */
  public long keys() {
    return keys;
  }

  /** The lists as tensors, in {@code scope}. */
  public Tensors tensors(Scope scope) {
    long rows = rowPtr.length / ((long) batches * groups);
    long columns = colPtr.length / ((long) batches * groups);
    return new Tensors(
        scope.tensor(DType.I32, batches, groups, rows).copyFrom(rowPtr),
        scope.tensor(DType.I32, rowBlocks.length / 2, 2).copyFrom(rowBlocks),
        scope.tensor(DType.I32, batches, groups, columns).copyFrom(colPtr),
        scope.tensor(DType.I32, colBlocks.length / 2, 2).copyFrom(colBlocks),
        scope.tensor(DType.I64, masks.length / BLOCK, BLOCK).copyFrom(masks),
        scope.tensor(DType.I32, headGroup.length).copyFrom(headGroup));
  }

  /**
   * The lists as the attention ops take them.
   *
   * @param rowPtr i32 [batches, groups, query blocks + 1]
   * @param rowBlocks i32 [entries, 2]: key block, mask
   * @param colPtr i32 [batches, groups, key blocks + 1]
   * @param colBlocks i32 [entries, 2]: query block, mask
   * @param masks i64 [masks, 64]
   * @param headGroup i32 [heads]
   */
  public record Tensors(
      Tensor rowPtr,
      Tensor rowBlocks,
      Tensor colPtr,
      Tensor colBlocks,
      Tensor masks,
      Tensor headGroup) {}

  private static final class Builder {
    final long queries;
    final long keys;
    final int batches;
    final int groups;
    final int[] headGroup;
    final int queryBlocks;
    final int keyBlocks;
    final int[] rowPtr;
    final int[] colPtr;
    int[] colBlocks = new int[0];
    long pairs;

    private final int[] headsOfGroup;
    private final Map<Mask, Integer> known = new HashMap<>();
    private final List<long[]> masks = new ArrayList<>();
    private int[] blocks = new int[256];
    private int used;
    private int layout; // batch * groups + group

    Builder(int batches, int groups, int[] headGroup, long queries, long keys) {
      this.batches = batches;
      this.groups = groups;
      this.headGroup = headGroup.clone();
      this.queries = queries;
      this.keys = keys;
      this.queryBlocks = Math.toIntExact((queries + BLOCK - 1) / BLOCK);
      this.keyBlocks = Math.toIntExact((keys + BLOCK - 1) / BLOCK);
      this.rowPtr = new int[batches * groups * (queryBlocks + 1)];
      this.colPtr = new int[batches * groups * (keyBlocks + 1)];
      this.headsOfGroup = new int[groups];
      for (int group : headGroup) {
        headsOfGroup[group]++;
      }
      long[] full = new long[BLOCK];
      Arrays.fill(full, -1L);
      masks.add(full);
    }

    void add(AttentionPattern pattern) {
      add(pattern, keys, null);
    }

    // `places`: where each block of keys lies; null for in order.
    void add(AttentionPattern pattern, long keys, int @Nullable [] places) {
      int row = layout * (queryBlocks + 1);
      rowPtr[row] = used / 2;
      for (int i = 0; i < queryBlocks; i++) {
        long start = (long) i * BLOCK + keys - queries;
        long last = Math.min((i + 1L) * BLOCK, queries) - 1 + keys - queries;
        long from = Math.clamp(pattern.first(start, last), 0, keys) / BLOCK;
        long end = (Math.clamp(pattern.end(start, last), 0, keys) + BLOCK - 1) / BLOCK;
        for (long j = from; j < end; j++) {
          addBlock(pattern, i, (int) j, keys, places);
        }
        rowPtr[row + i + 1] = used / 2;
      }
      layout++;
    }

    private void addBlock(
        AttentionPattern pattern,
        int queryBlock,
        int keyBlock,
        long keys,
        int @Nullable [] places) {
      long[] words = new long[BLOCK];
      long key = (long) keyBlock * BLOCK;
      int rows = (int) Math.min(BLOCK, queries - (long) queryBlock * BLOCK);
      long valid = keys - key >= BLOCK ? -1L : (1L << (keys - key)) - 1;
      // The end of a tensor needs no mask; that of a text in its page does.
      boolean full = places == null || valid == -1L;
      long seen = 0;
      for (int r = 0; r < rows; r++) {
        long position = (long) queryBlock * BLOCK + r + keys - queries;
        words[r] = position < 0 ? 0 : pattern.word(position, key) & valid;
        full &= words[r] == valid;
        seen += Long.bitCount(words[r]);
      }
      if (seen == 0) {
        return;
      }
      pairs += seen * headsOfGroup[layout % groups];
      if (used == blocks.length) {
        blocks = Arrays.copyOf(blocks, used * 2);
      }
      blocks[used++] = places == null ? keyBlock : places[keyBlock];
      blocks[used++] = full ? 0 : maskOf(words);
    }

    private int maskOf(long[] words) {
      return known.computeIfAbsent(
          new Mask(words),
          mask -> {
            masks.add(mask.words);
            return masks.size() - 1;
          });
    }

    void transpose() {
      colBlocks = new int[used];
      int at = 0;
      for (int l = 0; l < batches * groups; l++) {
        int row = l * (queryBlocks + 1);
        int column = l * (keyBlocks + 1);
        int[] next = new int[keyBlocks + 1];
        for (int e = rowPtr[row]; e < rowPtr[row + queryBlocks]; e++) {
          next[blocks[2 * e] + 1]++;
        }
        next[0] = at;
        for (int j = 0; j < keyBlocks; j++) {
          next[j + 1] += next[j];
        }
        at = next[keyBlocks];
        System.arraycopy(next, 0, colPtr, column, keyBlocks + 1);
        for (int i = 0; i < queryBlocks; i++) {
          for (int e = rowPtr[row + i]; e < rowPtr[row + i + 1]; e++) {
            int to = next[blocks[2 * e]]++;
            colBlocks[2 * to] = i;
            colBlocks[2 * to + 1] = blocks[2 * e + 1];
          }
        }
      }
    }

    int[] entries() {
      return Arrays.copyOf(blocks, used);
    }

    long[] maskWords() {
      long[] all = new long[masks.size() * BLOCK];
      for (int m = 0; m < masks.size(); m++) {
        System.arraycopy(masks.get(m), 0, all, m * BLOCK, BLOCK);
      }
      return all;
    }

    private static final class Mask {
      final long[] words;

      Mask(long[] words) {
        this.words = words;
      }

      @Override
      public boolean equals(@Nullable Object other) {
        return other instanceof Mask mask && Arrays.equals(words, mask.words);
      }

      @Override
      public int hashCode() {
        return Arrays.hashCode(words);
      }
    }
  }
}

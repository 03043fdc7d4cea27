package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.AttentionPattern;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Bounds;
import io.heddle.op.pattern.Documents;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The lists that a backend makes are those that the patterns' compiler makes. */
@NeedsNative
class BlockListsTest {
  private static final List<AttentionPattern> GROUPS =
      List.of(
          Patterns.causal(),
          Patterns.full(),
          Patterns.window(100, 0),
          Patterns.window(5, 70),
          Patterns.block(50, 1).and(Patterns.causal()),
          Patterns.block(64, 0),
          Patterns.window(0, 0));

  static Stream<String> backends() {
    return BackendsUnderTest.names();
  }

  @ParameterizedTest
  @MethodSource("backends")
  void areThoseOfThePatterns(String name) {
    try (Backend backend = Backends.open(name)) {
      for (int[] length :
          new int[][] {{0, 0}, {1, 1}, {64, 64}, {65, 130}, {130, 65}, {700, 700}}) {
        compare(backend, length[0], length[1], null);
        compare(backend, length[0], length[1], rows(length[1]));
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void tooLittleRoomIsAnError(String name) {
    try (Backend backend = Backends.open(name)) {
      for (int[] room : new int[][] {{2, 9}, {9, 2}}) {
        assertThrows(
            RuntimeException.class,
            () -> {
              try (Scope scope = new Scope(backend.memory())) {
                List<AttentionPattern> causal = List.of(Patterns.causal());
                run(backend, scope, causal, null, 130, 130, room[0], room[1]);
                backend.synchronize();
              }
            });
      }
    }
  }

  @Test
  void boundsAreTheirPatterns() {
    for (AttentionPattern pattern : GROUPS) {
      AttentionPattern again = Objects.requireNonNull(Bounds.of(pattern)).pattern();
      for (long q = 0; q < 200; q++) {
        for (long k = 0; k < 200; k++) {
          assertEquals(pattern.allows(q, k), again.allows(q, k), pattern + " at " + q + ", " + k);
        }
      }
    }
    assertTrue(Bounds.of(Patterns.dilated(9, 2)) == null);
    assertTrue(Bounds.of(Patterns.global(3).or(Patterns.causal())) == null);
    assertTrue(Bounds.of(Patterns.block(4, 0).and(Patterns.block(6, 0))) == null);
  }

  // Long documents, short ones, and one that begins and ends with a block of keys.
  private static List<Documents> rows(int keys) {
    List<Documents> rows = new ArrayList<>();
    for (int size : new int[] {37, 5, 64, 300}) {
      int[] ids = new int[keys];
      Arrays.setAll(ids, k -> k / size);
      rows.add(Patterns.documents(ids));
    }
    return rows;
  }

  private static void compare(
      Backend backend, int queries, int keys, @Nullable List<Documents> rows) {
    List<List<AttentionPattern>> patterns = new ArrayList<>();
    if (rows == null) {
      patterns.add(GROUPS);
    } else {
      rows.forEach(row -> patterns.add(GROUPS.stream().map(p -> p.and(row)).toList()));
    }
    BlockLayout layout = BlockLayout.compile(patterns, new int[GROUPS.size()], queries, keys);
    String what = queries + " x " + keys + (rows == null ? "" : " with documents");
    try (Scope scope = new Scope(backend.memory());
        Scope host = new Scope(new ReferenceBackend().memory())) {
      BlockLayout.Tensors expected = layout.tensors(host);
      int entries = layout.blocks();
      Tensor[] lists = run(backend, scope, GROUPS, rows, queries, keys, entries + 3, entries + 3);
      backend.synchronize();
      Tensor[] got = new Tensor[5];
      for (int i = 0; i < 5; i++) {
        got[i] = host.tensor(lists[i].dtype(), lists[i].shape());
        backend.transfer(lists[i], got[i]);
      }
      assertArrayEquals(expected.rowPtr().toDoubles(), got[0].toDoubles(), "row_ptr " + what);
      assertArrayEquals(expected.colPtr().toDoubles(), got[2].toDoubles(), "col_ptr " + what);
      alike("row_blocks " + what, expected.rowBlocks(), got[1], expected.masks(), got[4], true);
      alike("col_blocks " + what, expected.colBlocks(), got[3], expected.masks(), got[4], false);
    }
  }

  // The same blocks, and the same words behind their masks; in row_blocks masks are numbered in
  // order.
  private static void alike(
      String what, Tensor expected, Tensor got, Tensor words, Tensor gotWords, boolean inOrder) {
    double[] right = expected.toDoubles();
    double[] ours = got.toDoubles();
    int next = 1;
    for (int e = 0; 2 * e < right.length; e++) {
      assertEquals(right[2 * e], ours[2 * e], what + ": block of entry " + e);
      int mask = (int) ours[2 * e + 1];
      assertEquals(right[2 * e + 1] == 0, mask == 0, what + ": FULL or not, entry " + e);
      if (inOrder && mask > 0) {
        assertEquals(next++, mask, what + ": mask of entry " + e);
      }
      assertArrayEquals(
          mask(words, (int) right[2 * e + 1]),
          mask(gotWords, mask),
          what + ": words of entry " + e);
    }
  }

  private static long[] mask(Tensor masks, int i) {
    long[] words = new long[BlockLayout.BLOCK];
    for (int r = 0; r < words.length; r++) {
      words[r] = masks.segment().getAtIndex(ValueLayout.JAVA_LONG, (long) i * words.length + r);
    }
    return words;
  }

  private static Tensor[] run(
      Backend backend,
      Scope scope,
      List<AttentionPattern> groups,
      @Nullable List<Documents> rows,
      int queries,
      int keys,
      int entries,
      int masks) {
    long[] bounds = new long[4 * groups.size()];
    for (int g = 0; g < groups.size(); g++) {
      Bounds b = Objects.requireNonNull(Bounds.of(groups.get(g)));
      System.arraycopy(
          new long[] {b.left(), b.right(), b.size(), b.previous()}, 0, bounds, 4 * g, 4);
    }
    int batches = rows == null ? 1 : rows.size();
    Tensor documents = null;
    if (rows != null) {
      int[] ids = new int[batches * keys];
      for (int b = 0; b < batches; b++) {
        System.arraycopy(rows.get(b).ids(), 0, ids, b * keys, keys);
      }
      documents = scope.tensor(DType.I32, batches, keys).copyFrom(ids);
    }
    Tensor[] lists = {
      scope.tensor(DType.I32, batches, groups.size(), (queries + 63L) / 64 + 1),
      scope.tensor(DType.I32, entries, 2),
      scope.tensor(DType.I32, batches, groups.size(), (keys + 63L) / 64 + 1),
      scope.tensor(DType.I32, entries, 2),
      scope.tensor(DType.I64, masks, BlockLayout.BLOCK)
    };
    backend.run(
        OpCode.BLOCK_LISTS,
        new Params.BlockLists(queries, keys),
        scope.tensor(DType.I64, groups.size(), 4).copyFrom(bounds),
        documents,
        lists[0],
        lists[1],
        lists[2],
        lists[3],
        lists[4]);
    return lists;
  }
}

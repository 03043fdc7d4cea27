package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.op.Losses;
import io.heddle.progress.ProgressListener;
import io.heddle.text.BpeTrainer;
import io.heddle.text.ByteLevelBpe;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class PackingTest {
  private static int[] count(int n) {
    return IntStream.range(0, n).toArray();
  }

  @Test
  void targetsFollowAndEveryTokenAppears() {
    for (int n : new int[] {9, 10, 16, 17, 23, 24, 25, 100, 1001}) {
      PackedTokens packed = new PackedTokens(count(n), 8, 3, 7);
      Set<Integer> inputs = new HashSet<>();
      Set<Integer> targets = new HashSet<>();
      for (long step = 0; step < 40 * packed.batchesPerEpoch() + 40; step++) {
        TokenBatch batch = packed.batch(step);
        assertEquals(24, batch.ids().length);
        assertNull(batch.documents());
        for (int i = 0; i < 24; i++) {
          assertEquals(batch.ids()[i] + 1, batch.targets()[i]);
          assertEquals(batch.ids()[i / 8 * 8] + i % 8, batch.ids()[i]);
          inputs.add(batch.ids()[i]);
          targets.add(batch.targets()[i]);
        }
      }
      assertEquals(n - 1, inputs.size(), "inputs of " + n);
      assertEquals(n - 1, targets.size(), "targets of " + n);
    }
  }

  // One row a batch, so that rows can be counted off: an epoch is every row from its phase on,
  // once.
  @Test
  void anEpochIsEveryRowOnce() {
    int n = 1003;
    PackedTokens packed = new PackedTokens(count(n), 10, 1, 3);
    long row = 0;
    Set<Integer> phases = new HashSet<>();
    for (int epoch = 0; epoch < 30; epoch++) {
      Set<Integer> starts = new HashSet<>();
      int phase = packed.batch(row).ids()[0] % 10;
      phases.add(phase);
      int rows = (n - 1 - phase) / 10;
      boolean inOrder = true;
      int last = -1;
      for (int i = 0; i < rows; i++) {
        int start = packed.batch(row++).ids()[0];
        assertEquals(phase, start % 10);
        assertTrue(starts.add(start));
        inOrder &= start > last;
        last = start;
      }
      assertFalse(inOrder);
    }
    assertTrue(phases.size() > 5, "phases " + phases);
  }

  @Test
  void batchesDependOnSeedAndNumberAlone() {
    PackedTokens forth = new PackedTokens(count(500), 16, 4, 11);
    PackedTokens resumed = new PackedTokens(count(500), 16, 4, 11);
    PackedTokens other = new PackedTokens(count(500), 16, 4, 12);
    List<int[]> seen = IntStream.range(0, 50).mapToObj(i -> forth.batch(i).ids()).toList();
    for (int i : new int[] {49, 0, 30, 31, 7, 8, 49}) {
      assertArrayEquals(seen.get(i), resumed.batch(i).ids());
    }
    assertNotEquals(Arrays.toString(seen.get(0)), Arrays.toString(other.batch(0).ids()));
    // Fixed for all time: a run that was saved must go on as it would have.
    assertEquals(
        "[65, 17, 449, 225]",
        Arrays.toString(IntStream.range(0, 4).map(r -> seen.get(0)[16 * r]).toArray()));
    assertThrows(IllegalArgumentException.class, () -> forth.batch(-1));
    assertThrows(IllegalArgumentException.class, () -> new PackedTokens(count(16), 16, 1, 0));
  }

  @Test
  void documentsOfPositions() {
    ByteLevelBpe bytes = new BpeTrainer(257, ProgressListener.NONE).train();
    TokenStream stream =
        TokenStream.of(
            bytes,
            List.of(
                new Document("a", "abc"),
                new Document("b", ""),
                new Document("c", "é"),
                new Document("d", "wxyz")));
    assertEquals(5, stream.bytes() - 4);
    assertEquals(3, stream.documents());
    assertEquals(12, stream.size());
    assertEquals(3, Arrays.stream(stream.ids()).filter(id -> id == 0).count());
    assertArrayEquals(new int[] {0, 0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2}, stream.documents(0, 12));
    assertEquals(3, stream.perDocument().size());
    assertArrayEquals(bytes.encode("abc"), Arrays.copyOfRange(stream.perDocument().get(0), 1, 4));
    assertEquals(stream.fingerprint(), TokenStream.of(stream.perDocument(), 0).fingerprint());

    PackedTokens packed = new PackedTokens(stream, 5, 2, 1, true);
    for (int step = 0; step < 20; step++) {
      TokenBatch batch = packed.batch(step);
      List<int[]> documents = Objects.requireNonNull(batch.documents());
      for (int r = 0; r < 2; r++) {
        for (int i = 1; i < 5; i++) {
          // A new document begins exactly where the end of a text stands.
          int change = documents.get(r)[i] - documents.get(r)[i - 1];
          assertEquals(batch.ids()[5 * r + i] == 0 ? 1 : 0, change);
        }
      }
    }
  }

  @Test
  void windowsScoreEveryTokenOnce() {
    Random random = new Random(5);
    for (int round = 0; round < 200; round++) {
      int length = 1 + random.nextInt(12);
      int stride = 1 + random.nextInt(length);
      List<int[]> documents =
          IntStream.range(0, random.nextInt(4))
              .mapToObj(d -> tokens(d, random.nextInt(40)))
              .toList();
      int[][] scored = new int[4][40];
      for (TokenBatch batch : EvaluationWindows.cut(documents, length, stride, 3)) {
        for (int i = 0; i < batch.ids().length; i++) {
          int target = batch.targets()[i];
          if (target == Losses.IGNORE) {
            continue;
          }
          assertEquals(batch.ids()[i] + 1, target);
          int at = target % 1000;
          scored[target / 1000][at]++;
          // Context is what stands before in the row: all there is, or at least length - stride.
          int context = i % length + 1;
          assertTrue(context >= Math.min(at, length - stride + 1), "context " + context);
          assertEquals(target - context, batch.ids()[i / length * length]);
        }
      }
      for (int d = 0; d < documents.size(); d++) {
        for (int at = 0; at < 40; at++) {
          assertEquals(at > 0 && at < documents.get(d).length ? 1 : 0, scored[d][at]);
        }
      }
    }
  }

  private static int[] tokens(int document, int n) {
    return IntStream.range(0, n).map(i -> 1000 * document + i).toArray();
  }

  @Test
  void windowsRefuseBadStrides() {
    assertThrows(IllegalArgumentException.class, () -> EvaluationWindows.cut(List.of(), 4, 5, 1));
    assertThrows(IllegalArgumentException.class, () -> EvaluationWindows.cut(List.of(), 4, 0, 1));
  }
}

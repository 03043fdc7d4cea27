package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.List;
import java.util.Random;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Sums over ranks: over sockets, and by NCCL as far as there are GPUs. */
class CollectiveTest {
  // Across the parts that a tensor is cut into, and none.
  private static final int[] LENGTHS = {1, 7, 0, 65536, 65537, 200_003};

  static Stream<String> backends() {
    return BackendsUnderTest.namesAndFar();
  }

  private static float[] values(int rank, int length) {
    Random random = new Random(31L * rank + length);
    float[] out = new float[length];
    for (int i = 0; i < length; i++) {
      out[i] = (float) random.nextGaussian() * (i % 5 == 0 ? 1e4f : 1);
    }
    return out;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void sumsAreTheSameOnAllRanksInTheOrderOfTheRanks(String backend) throws Exception {
    int size = Ranks.most(backend);
    List<Future<float[][]>> all =
        Ranks.run(
            backend,
            size,
            (opened, ranks) -> {
              float[][] out = new float[LENGTHS.length][];
              try (Scope scope = new Scope(opened.memory())) {
                List<Tensor> tensors = new java.util.ArrayList<>();
                for (int length : LENGTHS) {
                  Tensor x = scope.tensor(DType.F32, length);
                  tensors.add(x.copyFrom(values(ranks.rank(), length)));
                }
                ranks.sum(tensors);
                for (int i = 0; i < out.length; i++) {
                  out[i] = tensors.get(i).toFloats();
                }
              }
              return out;
            });
    float[][] first = all.getFirst().get();
    for (Future<float[][]> other : all) {
      assertArrayEquals(first, other.get());
    }
    for (int i = 0; i < LENGTHS.length; i++) {
      float[] expected = values(0, LENGTHS[i]);
      for (int rank = 1; rank < size; rank++) {
        float[] more = values(rank, LENGTHS[i]);
        for (int j = 0; j < more.length; j++) {
          expected[j] += more[j];
        }
      }
      // NCCL's order is its own; a sum of two has one order.
      float bound = backend.equals("cuda") && size > 2 ? 4e-3f : 0;
      assertArrayEquals(expected, first[i], bound);
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void everyRankHasWhatRankZeroHad(String backend) throws Exception {
    int size = Ranks.most(backend);
    List<Future<double[]>> all =
        Ranks.run(
            backend,
            size,
            (opened, ranks) -> {
              try (Scope scope = new Scope(opened.memory())) {
                Tensor x = scope.tensor(DType.BF16, 70_001);
                x.copyFrom(values(ranks.rank(), 70_001));
                ranks.broadcast(x);
                ranks.agree("the tensors", List.of(x));
                return x.toDoubles();
              }
            });
    try (var cpu = io.heddle.backend.Backends.open("reference");
        Scope scope = new Scope(cpu.memory())) {
      Tensor rounded = scope.tensor(DType.BF16, 70_001).copyFrom(values(0, 70_001));
      for (Future<double[]> each : all) {
        assertArrayEquals(rounded.toDoubles(), each.get());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("backends")
  void aRankThatIsGoneIsNamedWhateverTheOthersWaitFor(String backend) throws Exception {
    int size = Ranks.most(backend);
    assumeTrue(size > 1, "one GPU has no other rank to lose");
    List<Future<Integer>> all =
        Ranks.run(
            backend,
            size,
            (opened, ranks) -> {
              try (Scope scope = new Scope(opened.memory())) {
                Tensor x = scope.tensor(DType.F32, 300_000).copyFrom(values(1, 300_000));
                ranks.sum(List.of(x));
                if (ranks.rank() == 1) {
                  throw new UnsupportedOperationException("this rank has had enough");
                }
                ranks.sum(List.of(x));
                return 1;
              }
            });
    for (int rank = 0; rank < size; rank++) {
      Future<Integer> each = all.get(rank);
      Throwable why = assertThrows(ExecutionException.class, each::get).getCause();
      String told = String.valueOf(why.getMessage());
      String part = rank == 1 ? "had enough" : "rank 1 of " + size + " is gone";
      assertTrue(told.contains(part), rank + ": " + told);
    }
  }

  @Test
  void ranksThatDifferAreTold() throws Exception {
    List<Future<Integer>> all =
        Ranks.run(
            "reference",
            3,
            (opened, ranks) -> {
              assertTrue(ranks.any(ranks.rank() == 2));
              assertEquals(2, ranks.gather(new double[ranks.rank()])[2].length);
              ranks.agree("the options", 7);
              ranks.agree("the options", ranks.rank() == 2 ? 8 : 7);
              return 1;
            });
    for (Future<Integer> each : all) {
      Throwable why = assertThrows(ExecutionException.class, each::get).getCause();
      assertEquals("the options of rank 2 are not those of rank 0", why.getMessage());
    }
  }
}

package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.Safetensors;
import io.heddle.checkpoint.merge.Merge;
import io.heddle.checkpoint.merge.MergeOptions;
import io.heddle.methods.lm.LmRun;
import io.heddle.methods.merge.ModelSum;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.models.Sampler;
import io.heddle.op.OpCode;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * All that one does with a model, in memory that the host cannot touch ({@link FarBackend}): the
 * same files and tokens as on the CPU, bit for bit. What passes here needs nothing of a GPU but its
 * kernels.
 */
@NeedsNative
class DeviceMemoryTest {
  private static final BackendOptions ONE_THREAD = new BackendOptions(0, 1);

  @TempDir Path folder;

  @Test
  void elementsAreReachedThroughCopiesAlone() throws IOException {
    try (Lab lab = new Lab(FarBackend.NAME)) {
      Tensor x = lab.scope.tensor(DType.F32, 3, 4).copyFrom(Lab.normal(1, 12));
      assertThrows(IllegalStateException.class, x::segment);
      assertThrows(IllegalStateException.class, () -> x.storage().segment());
      Tensor host = Tensor.of(new ReferenceBackend().memory().allocate(48), 0, DType.F32, 3, 4);
      assertThrows(
          IllegalArgumentException.class, () -> lab.run(OpCode.SOFTMAX_FWD, Lab.NONE, host, x));

      double[] before = x.toDoubles();
      Tensor column = x.transpose(0, 1).slice(0, 1, 3); // a view with gaps: they keep their values
      column.copyFrom(new float[] {1, 2, 3, 4, 5, 6});
      assertEquals(5, x.get(1, 2));
      assertEquals(before[4], x.get(1, 0));
      column.set(7.5, 1, 2);
      assertArrayEquals(new float[] {1, 2, 3, 4, 5, 7.5f}, column.toFloats());
      assertEquals(7.5, x.get(2, 2));
      Tensor bits = lab.scope.tensor(DType.BF16, 5).copyFrom(new double[] {1, -2, 3, 0.1, 5});
      assertEquals(0.1, bits.get(3), 1e-3);

      Path file = folder.resolve("views.safetensors");
      Safetensors.write(file, Map.of("view", column, "whole", x), Map.of());
      try (Checkpoint saved = Checkpoint.open(file)) {
        assertArrayEquals(column.toFloats(), saved.tensor("view").toFloats());
        assertArrayEquals(x.toFloats(), saved.tensor("whole").toFloats());
      }
      lab.scope.free(x);
      assertThrows(IllegalStateException.class, () -> x.get(0, 0));
      assertThrows(IllegalStateException.class, column::toFloats);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "BF16"})
  void aRunLeavesTheSameFiles(DType dtype) throws IOException {
    for (String name : List.of("cpu", FarBackend.NAME)) {
      Path run = folder.resolve(name);
      try (Backend backend = Backends.open(name, ONE_THREAD)) {
        SmallRun.train(backend, dtype, 10, run, null);
        // Again from its last checkpoint: the optimiser's state is read back, the end is the same.
        byte[] model = Files.readAllBytes(run.resolve("model/model.safetensors"));
        LmRun.Outcome again = SmallRun.train(backend, dtype, 10, run, null);
        assertTrue(again.finished());
        assertArrayEquals(model, Files.readAllBytes(run.resolve("model/model.safetensors")));
        // And on from the model.
        SmallRun.train(backend, dtype, 4, folder.resolve(name + "-on"), run.resolve("model"));
      }
    }
    for (String file :
        new String[] {
          "metrics.jsonl",
          "result.json",
          "checkpoint/state.safetensors",
          "checkpoint/best.safetensors",
          "model/model.safetensors",
          "model/config.json"
        }) {
      for (String suffix : new String[] {"", "-on"}) {
        Path near = folder.resolve("cpu" + suffix).resolve(file);
        assertEquals(
            -1, Files.mismatch(near, folder.resolve(FarBackend.NAME + suffix).resolve(file)), file);
      }
    }
    assertEquals(10, SmallRun.losses(folder.resolve("cpu")).length);
  }

  @Test
  void theSameTokensAndTheSameMerge() throws IOException {
    Path base = folder.resolve("base");
    Path one = folder.resolve("one");
    Path two = folder.resolve("two");
    try (Backend cpu = Backends.open("cpu", ONE_THREAD)) {
      Path model = SmallRun.train(cpu, DType.F32, 6, base, null).model();
      SmallRun.train(cpu, DType.F32, 3, one, model);
      SmallRun.train(cpu, DType.F32, 5, two, model);
      Merge merge = dem(base, one, two).options(MergeOptions.DEFAULT.backend(cpu));
      merge.writeTo(folder.resolve("merged-cpu"));
      try (Backend far = Backends.open(FarBackend.NAME, ONE_THREAD)) {
        dem(base, one, two)
            .options(MergeOptions.DEFAULT.backend(far))
            .writeTo(folder.resolve("merged-far"));
        assertArrayEquals(tokens(cpu, base), tokens(far, base));
        for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
          sum(cpu, dtype, "sum-cpu");
          sum(far, dtype, "sum-far");
          assertEquals(-1, Files.mismatch(weights("sum-cpu"), weights("sum-far")));
        }
      }
    }
    assertEquals(-1, Files.mismatch(weights("merged-cpu"), weights("merged-far")));
  }

  private Path weights(String name) {
    return folder.resolve(name).resolve("model.safetensors");
  }

  private static Merge dem(Path base, Path one, Path two) throws IOException {
    return Merge.dem(Checkpoint.open(base.resolve("model")))
        .add(Checkpoint.open(one.resolve("model")), 0.4)
        .add(Checkpoint.open(two.resolve("model")), 0.7);
  }

  private static int[] tokens(Backend backend, Path run) {
    try (Decoder model = ModelFolder.load(run.resolve("model"), backend, DType.F32)) {
      int[] prompt = SmallRun.tokenizer().encode("the warp");
      return new Sampler(new Sampler.Options(0.8, 20, 0.95, 3))
          .generate(model, prompt, 24, id -> true);
    }
  }

  private void sum(Backend backend, DType dtype, String name) {
    try (Decoder base = load("base", backend, dtype);
        Decoder one = load("one", backend, dtype);
        Decoder two = load("two", backend, dtype);
        Decoder target = load("base", backend, dtype)) {
      Decoder sum = new ModelSum(base, List.of(one, two), target).form(0.4, 0.7);
      ModelFolder.save(sum, folder.resolve(name), Map.of());
    }
  }

  private Decoder load(String run, Backend backend, DType dtype) {
    return ModelFolder.load(folder.resolve(run).resolve("model"), backend, dtype);
  }
}

package io.heddle.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.op.OpCode;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Merges of small checkpoints against the formula. */
class MergeTest {
  private static final double[] BASE = {1, -2, 0.5, 4, 8, 0};
  private static final double[] MATH = {2, -2, 1.5, 0, 8.5, 1};
  private static final double[] CODE = {0, -3, 0.25, 4, 16, -1};

  private final Path folder;
  private final Path out;
  private long openBefore;

  MergeTest(@TempDir Path folder) {
    this.folder = folder;
    this.out = folder.resolve("out.safetensors");
  }

  @BeforeEach
  void remember() {
    openBefore = Scope.openBytes();
  }

  @AfterEach
  void nothingLeaks() {
    assertEquals(openBefore, Scope.openBytes());
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void distributionEditedModel(boolean device) throws IOException {
    FakeBackend backend = new FakeBackend(device);
    try (Checkpoint base = model("base", DType.F32, BASE, 1);
        Checkpoint math = model("math", DType.BF16, MATH, 2);
        Checkpoint code = model("code", DType.F32, CODE, 3)) {
      Merge.dem(base).add(math, 0.5).add(code, -0.25).slice(4).writeTo(out, backend);
    }
    double[] expected = new double[6];
    for (int i = 0; i < 6; i++) {
      expected[i] = BASE[i] + 0.5 * (MATH[i] - BASE[i]) - 0.25 * (CODE[i] - BASE[i]);
    }
    try (SafetensorsFile read = SafetensorsFile.open(out)) {
      assertArrayEquals(expected, read.tensor("w").toDoubles());
      assertArrayEquals(new long[] {2, 3}, read.tensor("w").shape());
      assertEquals(DType.F32, read.tensor("w").dtype());
      assertEquals(1, read.tensor("step").get(0)); // integers come from the base
      assertArrayEquals(new long[] {1, 1, 1, 1, 1, 1, 1, 2}, read.entry("deep").shape());
      assertArrayEquals(new double[] {1, -2}, read.elements("deep").toDoubles());
      assertEquals(0, read.entry("none").bytes());
      assertEquals(
          Map.of(
              "format", "pt",
              "heddle.merge.method", "dem",
              "heddle.merge.base", "base.safetensors",
              "heddle.merge.sources", "[\"math.safetensors\",\"code.safetensors\"]",
              "heddle.merge.weights", "[0.5,-0.25]"),
          read.metadata());
    }
    assertEquals(List.of(2L, 4L, 2L), backend.sizes);
  }

  @Test
  void averageHasNoBase() throws IOException {
    try (Checkpoint math = model("math", DType.F32, MATH, 2);
        Checkpoint code = model("code", DType.F32, CODE, 3)) {
      Merge merge = Merge.average(List.of(math, code)).dtype(DType.F64);
      assertThrows(IllegalStateException.class, () -> merge.add(math, 1));
      merge.writeTo(out, new FakeBackend(false));
    }
    try (SafetensorsFile read = SafetensorsFile.open(out)) {
      Tensor w = read.tensor("w");
      assertEquals(DType.F64, w.dtype());
      assertEquals(DType.I64, read.tensor("step").dtype());
      for (int i = 0; i < 6; i++) {
        assertEquals((MATH[i] + CODE[i]) / 2, w.get(i / 3, i % 3));
      }
      assertEquals("[0.5,0.5]", read.metadata().get("heddle.merge.weights"));
    }
  }

  @Test
  void linearAndAMergeOfAMerge() throws IOException {
    try (Checkpoint math = model("math", DType.F32, MATH, 2);
        Checkpoint code = model("code", DType.F32, CODE, 3)) {
      Merge.dem(math).add(code, 1).writeTo(out, new FakeBackend(false));
      try (Checkpoint first = Checkpoint.open(out)) {
        Merge.linear().add(first, 2).add(math, 1).writeTo(out, new FakeBackend(false));
      }
    }
    try (SafetensorsFile read = SafetensorsFile.open(out)) {
      assertEquals(2 * CODE[4] + MATH[4], read.tensor("w").get(1, 1));
      assertEquals("linear", read.metadata().get("heddle.merge.method"));
      assertEquals(false, read.metadata().containsKey("heddle.merge.base"));
    }
  }

  @Test
  void zeroWeightsGiveTheBase() throws IOException {
    try (Checkpoint base = model("base", DType.F32, BASE, 1);
        Checkpoint math = model("math", DType.F32, MATH, 2)) {
      Merge.dem(base).add(math, 0).writeTo(out, new FakeBackend(false));
      try (SafetensorsFile read = SafetensorsFile.open(out)) {
        for (String name : base.names()) {
          assertEquals(-1, read.segment(name).mismatch(base.segment(name)), name);
        }
      }
    }
  }

  @Test
  void dataAtOddAddressesIsStaged() throws IOException {
    String header = TestFiles.header(TestFiles.member("w", "F32", "2", "0,8"));
    Path odd = folder.resolve("odd.safetensors");
    Files.write(odd, TestFiles.file(header + " ".repeat(9 - header.length() % 8), 8));
    FakeBackend backend = new FakeBackend(false);
    try (Checkpoint base = Checkpoint.open(odd)) {
      assertEquals(1, base.entry("w").begin() % 4);
      Merge.dem(base).add(base, 3).slice(1).writeTo(out, backend);
      try (SafetensorsFile read = SafetensorsFile.open(out)) {
        assertEquals(-1, read.segment("w").mismatch(base.segment("w")));
      }
    }
    assertEquals(5, backend.transfers); // the weights, and base and source of two slices
  }

  @Test
  void differencesAreRefused() throws IOException {
    double[] one = {1};
    try (Checkpoint base = save("base", Map.of("a", TestFiles.tensor(DType.F32, one, 1)));
        Checkpoint extra =
            save(
                "extra",
                Map.of(
                    "a", TestFiles.tensor(DType.F32, one, 1),
                    "b", TestFiles.tensor(DType.F32, one, 1)));
        Checkpoint other = save("other", Map.of("a", TestFiles.tensor(DType.F32, one)));
        Checkpoint whole = save("whole", Map.of("a", TestFiles.tensor(DType.I32, one, 1)))) {
      refused(base, extra, "base.safetensors has no tensor \"b\", which ");
      refused(extra, base, "base.safetensors has no tensor \"b\", which ");
      refused(base, other, "tensor \"a\" is F32 [1] in ");
      refused(base, whole, "and I32 [1] in ");
      refused(whole, base, "tensor \"a\" is I32 [1] in ");
    }
    assertThrows(IllegalArgumentException.class, () -> Merge.linear().dtype(DType.I32));
  }

  @Test
  void typesThatCannotBeCombinedAreRefused() throws IOException {
    Path file = folder.resolve("eight.safetensors");
    String header = TestFiles.header(TestFiles.member("q", "F8_E4M3", "4", "0,4"));
    Files.write(file, TestFiles.file(header, 4));
    try (Checkpoint eight = Checkpoint.open(file)) {
      refused(eight, eight, "tensor \"q\" is F8_E4M3, which cannot be combined");
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = DType.class,
      names = {"F32", "F64", "BF16", "F16"})
  void nonFiniteElementsAreRefused(DType dtype) throws IOException {
    for (double bad : new double[] {Double.NaN, Double.POSITIVE_INFINITY, -1.0 / 0}) {
      double[] values = new double[40_000];
      values[33_333] = bad;
      Tensor tensor = TestFiles.tensor(dtype, values, 200, 200);
      assertEquals(33_333, NonFinite.find(tensor.segment(), dtype, 40_000));
      assertEquals(-1, NonFinite.find(tensor.segment(), dtype, 33_333));
      assertEquals(33_333, NonFinite.find(tensor.segment(), dtype, 33_334));
      assertEquals(0, NonFinite.find(tensor.segment().asSlice(33_333L * dtype.bytes()), dtype, 1));
      try (Checkpoint checkpoint = save("nan", Map.of("w", tensor))) {
        refused(checkpoint, checkpoint, "tensor \"w\": element 33333 of the merge is NaN");
      }
    }
    Tensor large = TestFiles.tensor(DType.F32, new double[] {1e6}, 1);
    try (Checkpoint checkpoint = save("large", Map.of("w", large))) {
      Merge merge = Merge.linear().add(checkpoint, 1).dtype(DType.F16);
      assertThrows(
          IllegalArgumentException.class, () -> merge.writeTo(out, new FakeBackend(false)));
    }
  }

  @Test
  void failureLeavesNothing() throws IOException {
    FakeBackend backend = new FakeBackend(false);
    backend.failAt = 1;
    try (Checkpoint base = model("base", DType.F32, BASE, 1)) {
      Merge merge = Merge.dem(base);
      assertThrows(IllegalStateException.class, () -> merge.writeTo(out, backend));
      merge.add(base, 1);
      assertThrows(IllegalStateException.class, () -> merge.writeTo(out, backend));
      assertThrows(IllegalArgumentException.class, () -> merge.add(base, Double.NaN));
    }
    assertEquals(1, backend.sizes.size());
    assertEquals(List.of("base.safetensors"), TestFiles.names(folder));
  }

  @Test
  void referenceBackendAgrees() throws IOException {
    try (Backend reference = new ReferenceBackend();
        Checkpoint base = model("base", DType.F32, BASE, 1);
        Checkpoint math = model("math", DType.F32, MATH, 2)) {
      Merge merge = Merge.dem(base).add(math, 0.3);
      if (!reference.supports(OpCode.LINEAR_COMBINATION)) {
        assertThrows(UnsupportedOperationException.class, () -> merge.writeTo(out, reference));
        return;
      }
      merge.writeTo(out, reference);
      byte[] first = Files.readAllBytes(out);
      merge.writeTo(out, new FakeBackend(false));
      assertArrayEquals(first, Files.readAllBytes(out));
    }
  }

  private void refused(Checkpoint base, Checkpoint source, String message) throws IOException {
    Merge merge = Merge.dem(base).add(source, 1);
    var e =
        assertThrows(
            IllegalArgumentException.class, () -> merge.writeTo(out, new FakeBackend(false)));
    assertTrue(e.toString().contains(message), e.toString());
    assertTrue(Files.notExists(out));
  }

  private Checkpoint model(String name, DType dtype, double[] w, int step) throws IOException {
    Path file = folder.resolve(name + ".safetensors");
    try (SafetensorsWriter writer = new SafetensorsWriter(file)) {
      StorageType type = StorageType.of(dtype);
      writer.metadata("format", "pt");
      writer.declare("w", type, 2, 3);
      writer.declare("step", StorageType.I64, 1).declare("none", type, 0, 2);
      writer.declare("deep", type, 1, 1, 1, 1, 1, 1, 1, 2);
      writer.begin();
      writer.write("w", TestFiles.tensor(dtype, w, 2, 3));
      writer.write("step", TestFiles.tensor(DType.I64, new double[] {step}, 1));
      writer.write(
          "deep",
          TestFiles.tensor(dtype, new double[] {1, -2}, 2)
              .segment()
              .asSlice(0, 2L * dtype.bytes()));
      writer.commit();
    }
    return Checkpoint.open(file);
  }

  private Checkpoint save(String name, Map<String, Tensor> tensors) throws IOException {
    Path file = folder.resolve(name + ".safetensors");
    Safetensors.write(file, tensors, Map.of());
    return Checkpoint.open(file);
  }
}

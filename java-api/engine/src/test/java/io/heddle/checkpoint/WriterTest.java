package io.heddle.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.ClosedByInterruptException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What is written reads back the same, in the layout of the reference implementation, or leaves
 * nothing.
 */
class WriterTest {
  private final Path folder;
  private final Path file;

  WriterTest(@TempDir Path folder) {
    this.folder = folder;
    this.file = folder.resolve("x.safetensors");
  }

  @Test
  void layoutOfTheReferenceImplementation() throws IOException {
    try (SafetensorsWriter writer = new SafetensorsWriter(file)) {
      writer.metadata("format", "pt");
      writer.declare("\ud83d\ude00", StorageType.U8, 1); // U+1F600 is after U+FF21 in UTF-8 only
      writer.declare("\uff21", StorageType.U8, 1);
      writer.declare("b\"\n\u0001", StorageType.F32, 1);
      writer.declare("a", StorageType.F32);
      writer.declare("z", StorageType.I64, 1, 0);
      writer.begin();
      writer.write("\ud83d\ude00", bytes(9));
      writer.write("\uff21", bytes(8));
      writer.write("b\"\n\u0001", bytes(4, 5, 6, 7));
      writer.write("a", bytes(0, 1));
      writer.write("a", MemorySegment.ofArray(new short[] {0x0302}));
      writer.commit();
    }
    String header =
        "{\"__metadata__\":{\"format\":\"pt\"},"
            + "\"z\":{\"dtype\":\"I64\",\"shape\":[1,0],\"data_offsets\":[0,0]},"
            + "\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]},"
            + "\"b\\\"\\n\\u0001\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]},"
            + "\"\uff21\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[8,9]},"
            + "\"\ud83d\ude00\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[9,10]}}";
    int length = header.getBytes(StandardCharsets.UTF_8).length;
    byte[] expected = TestFiles.file(header + " ".repeat(-length & 7), 10);
    assertEquals(0, (expected.length - 10) % 8);
    assertArrayEquals(expected, Files.readAllBytes(file));
    assertEquals(List.of("x.safetensors"), TestFiles.names(folder));
  }

  @Test
  void roundTripOfAllTypes() throws IOException {
    assertEquals(22, StorageType.values().length);
    Random random = new Random(1);
    Map<String, byte[]> contents = new LinkedHashMap<>();
    try (SafetensorsWriter writer = new SafetensorsWriter(file)) {
      for (StorageType type : StorageType.values()) {
        byte[] content = new byte[(int) type.bytes(2, 4, 3)];
        random.nextBytes(content);
        contents.put("t." + type, content);
        writer.declare("t." + type, type, 2, 4, 3);
      }
      writer.begin();
      for (var content : contents.entrySet()) {
        writer.write(content.getKey(), MemorySegment.ofArray(content.getValue()));
      }
      writer.commit();
    }
    try (SafetensorsFile read = SafetensorsFile.open(file)) {
      assertEquals(22, read.entries().size());
      StorageType last = StorageType.U64;
      for (TensorEntry entry : read.entries()) {
        assertTrue(entry.type().compareTo(last) <= 0);
        last = entry.type();
        assertEquals("t." + last, entry.name());
        assertArrayEquals(new long[] {2, 4, 3}, entry.shape());
        byte[] content = contents.getOrDefault(entry.name(), new byte[0]);
        assertArrayEquals(content, read.segment(entry.name()).toArray(ValueLayout.JAVA_BYTE));
        DType dtype = last.dtype();
        if (dtype == null) {
          assertThrows(UnsupportedOperationException.class, () -> read.tensor(entry.name()));
        } else {
          assertEquals(dtype, read.tensor(entry.name()).dtype());
          assertEquals(last, StorageType.of(dtype));
          assertEquals(last.bits(), dtype.bytes() * 8);
          assertEquals(last.isFloat(), dtype.isFloating());
        }
      }
    }
  }

  @Test
  void viewsAreWrittenInRowMajorOrder() throws IOException {
    double[] values = new double[2 * 3 * 4];
    for (int i = 0; i < values.length; i++) {
      values[i] = i;
    }
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    for (DType dtype : DType.values()) {
      Tensor t = TestFiles.tensor(dtype, values, 2, 3, 4);
      tensors.put(dtype + " whole", t);
      tensors.put(dtype + " transposed", t.transpose(0, 2));
      tensors.put(dtype + " middle", t.slice(1, 1, 3));
      tensors.put(dtype + " inner", t.slice(2, 1, 3));
      tensors.put(dtype + " empty", t.slice(1, 2, 2));
      tensors.put(dtype + " repeated", t.slice(0, 1, 2).expand(3, 3, 4));
      tensors.put(dtype + " scalar", TestFiles.tensor(dtype, new double[] {7}));
    }
    // Rows longer than the buffer that collects them, and many short ones that fill it more than
    // once.
    tensors.put("wide", TestFiles.tensor(DType.F32, new double[2 * 300_000], 2, 300_000));
    tensors.put("wide middle", tensors.get("wide").slice(1, 0, 299_999));
    tensors.put("wide transposed", tensors.get("wide").transpose(0, 1));
    Safetensors.write(file, tensors, Map.of("k", "v"));
    try (SafetensorsFile read = SafetensorsFile.open(file)) {
      assertEquals(Map.of("k", "v"), read.metadata());
      assertEquals(tensors.size(), read.entries().size());
      for (var tensor : tensors.entrySet()) {
        Tensor back = read.tensor(tensor.getKey());
        assertEquals(tensor.getKey(), back.name());
        assertEquals(tensor.getValue().dtype(), back.dtype());
        assertArrayEquals(tensor.getValue().shape(), back.shape());
        assertArrayEquals(tensor.getValue().toDoubles(), back.toDoubles(), tensor.getKey());
      }
    }
  }

  @Test
  void emptyFile() throws IOException {
    Safetensors.write(file, Map.of(), Map.of());
    assertArrayEquals(TestFiles.file("{}      ", 0), Files.readAllBytes(file));
    assertEquals(0, Inspection.of(file).tensors().size());
  }

  @Test
  void withoutCommitNothingIsLeft() throws IOException {
    try (SafetensorsWriter writer = new SafetensorsWriter(file)) {
      writer.declare("a", StorageType.U8, 2).begin();
      writer.write("a", bytes(1, 2));
      assertEquals(1, TestFiles.names(folder).size());
    }
    assertEquals(List.of(), TestFiles.names(folder));
  }

  @Test
  void interruptedWriteLeavesTheOldFile() throws IOException {
    Files.writeString(file, "old");
    try (SafetensorsWriter writer = new SafetensorsWriter(file)) {
      writer.declare("a", StorageType.U8, 2).begin();
      writer.write("a", bytes(1));
      Thread.currentThread().interrupt();
      try {
        assertThrows(ClosedByInterruptException.class, () -> writer.write("a", bytes(2)));
      } finally {
        assertTrue(Thread.interrupted());
      }
      assertEquals(List.of("x.safetensors"), TestFiles.names(folder));
      assertThrows(IllegalStateException.class, () -> writer.write("a", bytes(2)));
      assertThrows(IllegalStateException.class, writer::commit);
    }
    assertEquals("old", Files.readString(file));
  }

  @Test
  void incompleteTensorIsNotCommitted() throws IOException {
    try (SafetensorsWriter writer = new SafetensorsWriter(file)) {
      writer.declare("a", StorageType.U8, 2).begin();
      writer.write("a", bytes(1));
      var e = assertThrows(IllegalStateException.class, writer::commit);
      assertTrue(e.toString().contains("1 bytes were written of a U8 [2]"), e.toString());
    }
    assertEquals(List.of(), TestFiles.names(folder));
  }

  @Test
  void renameThatFailsLeavesNothing() throws IOException {
    Path target = Files.createDirectory(folder.resolve("folder"));
    Files.createFile(target.resolve("inside"));
    assertThrows(IOException.class, () -> Safetensors.write(target, Map.of(), Map.of()));
    assertEquals(List.of("folder"), TestFiles.names(folder));
    Path nowhere = folder.resolve("none").resolve("x");
    assertThrows(IOException.class, () -> Safetensors.write(nowhere, Map.of(), Map.of()));
  }

  @Test
  void replacingAMappedFileKeepsTheMapping() throws IOException {
    Safetensors.write(file, Map.of("a", scalar(1)), Map.of());
    try (SafetensorsFile old = SafetensorsFile.open(file)) {
      Safetensors.write(file, Map.of("a", scalar(2)), Map.of());
      assertEquals(1, old.tensor("a").get());
    }
    try (SafetensorsFile read = SafetensorsFile.open(file)) {
      assertEquals(2, read.tensor("a").get());
    }
  }

  @Test
  void misuseIsRefused() throws IOException {
    try (SafetensorsWriter writer = new SafetensorsWriter(file)) {
      writer.declare("a", StorageType.U8, 2);
      refused(() -> writer.declare("a", StorageType.F32, 2));
      refused(() -> writer.declare("__metadata__", StorageType.U8, 2));
      refused(() -> writer.declare("half \ud83d", StorageType.U8, 2));
      refused(() -> writer.declare("b", StorageType.U8, -2));
      refused(() -> writer.declare("b", StorageType.F6_E3M2, 3));
      refused(() -> writer.metadata("k", "\ude00"));
      assertThrows(
          ArithmeticException.class, () -> writer.declare("b", StorageType.U8, 1L << 40, 1L << 40));
      assertThrows(IllegalStateException.class, () -> writer.write("a", bytes(1)));
      assertThrows(IllegalStateException.class, writer::commit);
      writer.begin();
      assertThrows(IllegalStateException.class, writer::begin);
      refused(() -> writer.write("a", bytes(1, 2, 3)));
      refused(() -> writer.write("b", bytes(1)));
      refused(() -> writer.write("a", scalar(1)));
      writer.write("a", bytes(1, 2));
      writer.commit();
      assertThrows(IllegalStateException.class, () -> writer.write("a", bytes(1)));
    }
    assertEquals(List.of("x.safetensors"), TestFiles.names(folder));
  }

  @Test
  void tensorsDieWithTheFileButNotUnderAKernel() throws IOException {
    Safetensors.write(file, Map.of("a", scalar(3)), Map.of());
    SafetensorsFile read = SafetensorsFile.open(file);
    Tensor tensor = read.tensor("a");
    MemorySegment bytes = read.segment("a");
    refused(() -> tensor.set(4));
    tensor.storage().acquire();
    read.close();
    read.close();
    assertThrows(IllegalStateException.class, tensor::get);
    assertThrows(IllegalStateException.class, () -> read.tensor("a"));
    assertThrows(IllegalStateException.class, () -> read.segment("a"));
    assertEquals(3, bytes.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 0)); // the kernel's lease
    tensor.storage().release();
    assertThrows(IllegalStateException.class, () -> bytes.get(ValueLayout.JAVA_FLOAT_UNALIGNED, 0));
    assertEquals("a", read.entries().getFirst().name());
    refused(() -> read.entry("b"));
    assertNull(StorageType.BOOL.dtype());
  }

  private static Tensor scalar(double value) {
    return TestFiles.tensor(DType.F32, new double[] {value});
  }

  private static MemorySegment bytes(int... values) {
    byte[] out = new byte[values.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = (byte) values[i];
    }
    return MemorySegment.ofArray(out);
  }

  private static void refused(org.junit.jupiter.api.function.Executable call) {
    assertThrows(IllegalArgumentException.class, call);
  }
}

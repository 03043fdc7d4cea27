package io.heddle.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.checkpoint.SafetensorsException.Fault;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Checkpoints of one file and of several; and what {@link Inspection} tells of a file. */
class CheckpointTest {
  private static final String INDEX = "model.safetensors.index.json";

  private final Path folder;

  CheckpointTest(@TempDir Path folder) {
    this.folder = folder;
  }

  @Test
  void oneFile() throws IOException {
    Path file = save("model.safetensors", "a", 1);
    for (Path path : List.of(file, folder)) {
      try (Checkpoint checkpoint = Checkpoint.open(path)) {
        assertEquals(List.of("a"), checkpoint.names());
        assertEquals(1, checkpoint.tensor("a").get());
        assertEquals(Map.of("of", "a"), checkpoint.metadata());
        assertEquals(path, checkpoint.path());
      }
    }
  }

  @Test
  void shardsAreOpenedWhenNeeded() throws IOException {
    save("1.safetensors", "a", 1);
    save("2.safetensors", "b", 2);
    index(
        """
        {"metadata": {"total_size": 8, "x": [1.5, null]},
         "weight_map": {"b": "2.safetensors", "a": "1.safetensors", "c": "3.safetensors"}}
        """);
    Checkpoint checkpoint = Checkpoint.open(folder);
    try (checkpoint) {
      assertEquals(List.of("b", "a", "c"), checkpoint.names());
      assertEquals(2, checkpoint.tensor("b").get());
      assertEquals(1, checkpoint.tensor("a").get());
      assertEquals(4, checkpoint.segment("a").byteSize());
      assertEquals(Map.of("of", "b"), checkpoint.metadata());
      assertTrue(checkpoint.contains("c"));
      assertThrows(NoSuchFileException.class, () -> checkpoint.entry("c"));
      assertFalse(checkpoint.contains("d"));
      assertThrows(IllegalArgumentException.class, () -> checkpoint.entry("d"));
    }
    assertThrows(IllegalStateException.class, () -> checkpoint.tensor("a"));
  }

  @Test
  void indexThatDoesNotAgree() throws IOException {
    save("1.safetensors", "a", 1);
    index("{\"weight_map\":{\"b\":\"1.safetensors\"}}");
    try (Checkpoint checkpoint = Checkpoint.open(folder)) {
      var e = assertThrows(SafetensorsException.class, () -> checkpoint.entry("b"));
      assertEquals(Fault.INVALID_INDEX, e.fault());
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "[]",
        "{}",
        "{\"weight_map\":[]}",
        "{\"weight_map\":{\"a\":1}}",
        "{\"weight_map\":{\"a\":\"x\",\"a\":\"x\"}}",
        "{\"weight_map\":{\"a\":\"../x\"}}",
        "{\"weight_map\":{\"a\":\"/etc/x\"}}",
        "{\"weight_map\":{\"a\":\"..\\\\x\"}}",
        "{\"weight_map\":{\"a\":\"\\u0000\"}}",
        "{\"weight_map\":{\"a\":\"..\"}}",
        "{\"weight_map\":{\"a\":\"\"}}"
      })
  void indexThatIsDamaged(String text) throws IOException {
    Path index = index(text);
    var e = assertThrows(SafetensorsException.class, () -> Checkpoint.open(index));
    assertEquals(Fault.INVALID_INDEX, e.fault());
    assertTrue(e.toString().contains(INDEX), e.toString());
  }

  @Test
  void nothingThere() throws IOException {
    assertThrows(NoSuchFileException.class, () -> Checkpoint.open(folder));
    assertThrows(NoSuchFileException.class, () -> Checkpoint.open(folder.resolve("x")));
    index("{\"weight_map\":{}}");
    try (Checkpoint empty = Checkpoint.open(folder)) {
      assertEquals(List.of(), empty.names());
      assertEquals(Map.of(), empty.metadata());
    }
  }

  @Test
  void inspection() throws IOException {
    Path file = folder.resolve("in\u001bspect");
    String header =
        TestFiles.header(
            "\"__metadata__\":{\"k\\u001b[1m\":\"v\\\"\"}",
            TestFiles.member("w\\u202e", "BF16", "2,3", "0,12"),
            TestFiles.member("s", "F64", "", "12,20"));
    byte[] bytes = TestFiles.file(header, 20);
    Files.write(file, bytes);
    Inspection seen = Inspection.of(file);
    long at = bytes.length - 20L;
    assertEquals(7, seen.elements());
    assertEquals(20, seen.tensorBytes());
    assertEquals(
        "{\"file\":"
            + JsonText.quote(file.toString())
            + ",\"bytes\":"
            + bytes.length
            + ",\"metadata\":{\"k\\u001b[1m\":\"v\\\"\"},\"elements\":7,\"tensorBytes\":20,"
            + "\"tensors\":[{\"name\":\"w\u202e\",\"dtype\":\"BF16\",\"shape\":[2,3],\"begin\":"
            + at
            + ",\"end\":"
            + (at + 12)
            + "},{\"name\":\"s\",\"dtype\":\"F64\",\"shape\":[],\"begin\":"
            + (at + 12)
            + ",\"end\":"
            + (at + 20)
            + "}]}",
        seen.toJson());
    new HeaderJson(seen.toJson().getBytes(StandardCharsets.UTF_8), "", Fault.INVALID_HEADER).skip();
    List<String> lines = seen.toText().lines().toList();
    assertEquals(6, lines.size());
    assertEquals("  k\\u001b[1m = v\"", lines.get(1));
    assertTrue(lines.get(3).startsWith("w\\u202e  BF16         [2, 3]"), lines.get(3));
    assertEquals("2 tensors, 7 elements, 20 bytes", lines.get(5));
    assertFalse(seen.toText().contains("\u001b"));
  }

  private Path save(String file, String name, double value) throws IOException {
    Path path = folder.resolve(file);
    Tensor tensor = TestFiles.tensor(DType.F32, new double[] {value});
    Safetensors.write(path, Map.of(name, tensor), Map.of("of", name));
    return path;
  }

  private Path index(String text) throws IOException {
    return Files.writeString(folder.resolve(INDEX), text);
  }
}

package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MainTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(String... arguments) {
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), arguments);
  }

  @Test
  void helpAndVersionGoToStandardOutput() {
    assertEquals(0, run("--help"));
    assertTrue(out.toString().startsWith("Usage: heddle "));
    assertEquals(0, run("doctor", "--help"));
    assertEquals(0, run("--version"));
    assertTrue(out.toString().matches("(?s).*heddle [0-9]+\\.[0-9]+\\.[0-9]+.*"), out.toString());
    assertEquals("", err.toString());
  }

  @Test
  void wrongUsageIsOneSentenceAndOneHint() {
    assertEquals(2, run("doctr"));
    assertEquals(
        List.of("heddle: there is no verb 'doctr'; did you mean 'doctor'?", "try 'heddle --help'"),
        err.toString().lines().toList());
    assertEquals("", out.toString());
  }

  @Test
  void wrongOptionsNameTheVerb() {
    assertEquals(2, run("doctor", "--jsno"));
    assertTrue(err.toString().contains("'--jsno'"));
    assertTrue(err.toString().endsWith("try 'heddle doctor --help'" + System.lineSeparator()));
  }

  @Test
  void noVerbNamesThem() {
    assertEquals(2, run());
    assertTrue(err.toString().startsWith("heddle: no verb is given; there are: doctor"));
    assertFalse(err.toString().contains("\tat "));
  }

  @Test
  void traceShowsWhere() {
    assertEquals(2, run("--trace", "doctor", "superfluous"));
    assertTrue(err.toString().contains("\tat "));
  }

  @Test
  void doctorKnowsTheReferenceBackend() throws Exception {
    assertEquals(0, run("doctor", "--json"));
    JsonNode facts = new ObjectMapper().readTree(out.toString());
    assertEquals("reference", facts.path("backends").path(0).path("name").asText());
    assertTrue(facts.path("backends").path(0).path("available").asBoolean());
    assertTrue(facts.path("memory").path("total").asLong() > 0);
    assertEquals("", err.toString());
  }

  @Test
  void inspectPrintsATable(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("one.safetensors");
    String header = "{\"w\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]}}";
    ByteBuffer bytes = ByteBuffer.allocate(8 + header.length() + 8).order(ByteOrder.LITTLE_ENDIAN);
    bytes.putLong(header.length()).put(header.getBytes(StandardCharsets.US_ASCII));
    Files.write(file, bytes.array());
    assertEquals(0, run("inspect", file.toString()));
    assertTrue(out.toString().contains("[2, 1]"), out.toString());
    assertEquals(0, run("inspect", "--json", file.toString()));
    assertEquals(
        2,
        new ObjectMapper()
            .readTree(out.toString().lines().toList().getLast())
            .path("elements")
            .asInt());
    Files.write(file, new byte[] {1, 2, 3});
    assertEquals(1, run("inspect", file.toString()));
    assertEquals(1, err.toString().lines().count(), err.toString());
  }

  @Test
  void aMissingFileIsOneSentence() {
    assertEquals(1, run("inspect", "no/such.safetensors"));
    assertEquals("heddle: there is no file 'no/such.safetensors'", err.toString().strip());
  }

  @Test
  void tokenizeNeedsATokenizer() {
    assertEquals(2, run("tokenize"));
    assertTrue(err.toString().startsWith("heddle: missing required option: '--tokenizer="));
    assertEquals(1, run("tokenize", "--tokenizer", "no/such/folder"));
    assertEquals(3, err.toString().lines().count(), err.toString());
  }
}

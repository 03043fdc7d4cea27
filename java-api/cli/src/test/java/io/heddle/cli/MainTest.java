package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;
import org.junit.jupiter.api.Test;

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
}

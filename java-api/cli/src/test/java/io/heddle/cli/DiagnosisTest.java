package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.BackendProvider;
import io.heddle.backend.Probe;
import io.heddle.backend.reference.ReferenceProvider;
import java.util.List;
import java.util.ServiceConfigurationError;
import org.junit.jupiter.api.Test;

class DiagnosisTest {
  private record Broken(String name, Probe probe) implements BackendProvider {
    @Override
    public int rank() {
      return 1;
    }

    @Override
    public Backend open(BackendOptions options) {
      throw new UnsatisfiedLinkError("libexample.so: cannot\nopen");
    }
  }

  @Test
  void ordersBackendsAndNamesWhatIsMissing() {
    JsonNode backends =
        Diagnosis.of(
                () ->
                    List.of(
                        new Broken("zeta", new Probe(false, "no such device")),
                        new ReferenceProvider()))
            .path("backends");
    assertEquals(List.of("reference", "cpu", "cuda", "zeta"), backends.findValuesAsText("name"));
    assertTrue(backends.path(0).path("available").asBoolean());
    assertEquals("it is not part of this build", backends.path(1).path("reason").asText());
    assertEquals("no such device", backends.path(3).path("reason").asText());
  }

  @Test
  void aBackendThatCannotBeOpenedIsNotAvailable() {
    JsonNode cpu =
        Diagnosis.of(() -> List.of(new Broken("cpu", new Probe(true, "fine"))))
            .path("backends")
            .path(1);
    assertEquals(false, cpu.path("available").asBoolean());
    assertEquals(
        "it could not be opened: UnsatisfiedLinkError: libexample.so: cannot; open",
        cpu.path("reason").asText());
  }

  @Test
  void aBrokenProviderListIsAReason() {
    JsonNode backends =
        Diagnosis.of(
                () -> {
                  throw new ServiceConfigurationError("bad provider");
                })
            .path("backends");
    assertEquals(3, backends.size());
    assertTrue(backends.path(2).path("reason").asText().endsWith("bad provider"));
  }
}

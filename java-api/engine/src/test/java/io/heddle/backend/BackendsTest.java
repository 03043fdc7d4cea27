package io.heddle.backend;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What {@code auto} says of what it takes. */
class BackendsTest {
  private record Fixed(String name, int rank, Probe probe) implements BackendProvider {
    @Override
    public Backend open(BackendOptions options) {
      return Backends.open("reference", options);
    }
  }

  private static List<String> warnings(String name, boolean cpu) {
    List<String> warnings = new ArrayList<>();
    List<BackendProvider> all =
        List.of(
            new Fixed("cuda", 20, new Probe(false, "no driver")),
            new Fixed("cpu", 10, new Probe(cpu, "libheddle.so was not found")),
            new Fixed("reference", 0, new Probe(true, "always")));
    Backends.open(name, BackendOptions.DEFAULT, all, warnings::add).close();
    return warnings;
  }

  @Test
  void aFallBackToTheReferenceIsToldWithItsReasons() {
    List<String> told = warnings("auto", false);
    assertEquals(1, told.size());
    assertTrue(told.getFirst().contains("'reference'"), told.getFirst());
    assertTrue(told.getFirst().contains("cuda is not available: no driver"), told.getFirst());
    assertTrue(told.getFirst().contains("cpu is not available: libheddle.so"), told.getFirst());
  }

  @Test
  void whatIsFastOrAskedForIsNot() {
    assertEquals(List.of(), warnings("auto", true));
    assertEquals(List.of(), warnings("reference", false));
  }
}

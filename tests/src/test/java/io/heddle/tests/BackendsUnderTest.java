package io.heddle.tests;

import io.heddle.backend.BackendProvider;
import io.heddle.backend.Backends;
import java.util.stream.Stream;

/** The backends that can be opened here; the others are named once, with the reason. */
final class BackendsUnderTest {
  static {
    for (BackendProvider provider : Backends.providers()) {
      if (!provider.probe().available()) {
        System.out.println(
            "backend " + provider.name() + " is not tested here: " + provider.probe().reason());
      }
    }
  }

  private BackendsUnderTest() {}

  static Stream<String> names() {
    return Backends.providers().stream()
        .filter(p -> p.probe().available())
        .map(BackendProvider::name);
  }

  static boolean haveNative() {
    return names().anyMatch("cpu"::equals);
  }
}

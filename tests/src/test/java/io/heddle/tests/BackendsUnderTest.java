package io.heddle.tests;

import io.heddle.backend.BackendProvider;
import io.heddle.backend.Backends;
import java.util.stream.Stream;

/**
 * The backends that can be opened here; the others are named once, with the reason. {@code
 * -Dheddle.test.backends=cuda,cpu} leaves others out.
 */
final class BackendsUnderTest {
  private static final String WANTED = System.getProperty("heddle.test.backends", "");

  static {
    for (BackendProvider provider : Backends.providers()) {
      if (!provider.name().equals(FarBackend.NAME) && !provider.probe().available()) {
        System.out.println(
            "backend " + provider.name() + " is not tested here: " + provider.probe().reason());
      }
    }
  }

  private BackendsUnderTest() {}

  /** Those that compute for themselves. */
  static Stream<String> names() {
    return Backends.providers().stream()
        .filter(p -> !p.name().equals(FarBackend.NAME) && p.probe().available())
        .map(BackendProvider::name)
        .filter(BackendsUnderTest::wanted);
  }

  /** These, and the CPU behind memory that the host cannot touch. */
  static Stream<String> namesAndFar() {
    Stream<String> far = haveNative() ? Stream.of(FarBackend.NAME) : Stream.empty();
    return Stream.concat(names(), far.filter(BackendsUnderTest::wanted));
  }

  private static boolean wanted(String name) {
    return WANTED.isEmpty() || ("," + WANTED + ",").contains("," + name + ",");
  }

  static boolean haveNative() {
    return Backends.providers().stream()
        .anyMatch(p -> p.name().equals("cpu") && p.probe().available());
  }

  static boolean haveCuda() {
    return names().anyMatch("cuda"::equals);
  }
}

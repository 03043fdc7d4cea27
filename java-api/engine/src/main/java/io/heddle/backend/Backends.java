package io.heddle.backend;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;
import java.util.stream.Collectors;

/** Finds backends on the module or class path. */
public final class Backends {
  private Backends() {}

  /** All known providers, the most preferred first. */
  public static List<BackendProvider> providers() {
    List<BackendProvider> all = new ArrayList<>();
    ServiceLoader.load(BackendProvider.class).forEach(all::add);
    all.sort(Comparator.comparingInt(BackendProvider::rank).reversed());
    return all;
  }

  /**
   * Opens a backend by name; {@code auto} takes the most preferred one that is available. A named
   * backend that is not available is an error: there is no silent fall-back.
   */
  public static Backend open(String name, BackendOptions options) {
    List<BackendProvider> all = providers();
    for (BackendProvider provider : all) {
      boolean wanted =
          name.equals("auto") ? provider.probe().available() : provider.name().equals(name);
      if (!wanted) {
        continue;
      }
      Probe probe = provider.probe();
      if (!probe.available()) {
        throw new IllegalStateException(
            "backend '" + name + "' is not available: " + probe.reason());
      }
      return provider.open(options);
    }
    String names = all.stream().map(BackendProvider::name).collect(Collectors.joining(", "));
    throw new IllegalArgumentException("no backend '" + name + "'; known are: auto, " + names);
  }

  /** {@link #open(String, BackendOptions)} with default options. */
  public static Backend open(String name) {
    return open(name, BackendOptions.DEFAULT);
  }
}

package io.heddle.backend;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.ServiceLoader;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** Finds backends on the module or class path. */
public final class Backends {
  private static final System.Logger LOG = System.getLogger("io.heddle");

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
   * backend that is not available is an error, and that {@code auto} leaves nothing but the slow
   * reference is a warning with the reasons: there is no silent fall-back.
   */
  public static Backend open(String name, BackendOptions options) {
    List<BackendProvider> all = providers();
    return open(name, options, all, warning -> LOG.log(System.Logger.Level.WARNING, warning));
  }

  static Backend open(
      String name, BackendOptions options, List<BackendProvider> all, Consumer<String> warn) {
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
      if (name.equals("auto") && all.size() > 1 && provider == all.getLast()) {
        warn.accept(
            all.stream()
                .filter(other -> other != provider)
                .map(other -> other.name() + " is not available: " + other.probe().reason())
                .collect(
                    Collectors.joining(
                        "; ", "backend 'auto' is '" + provider.name() + "', which is slow: ", "")));
      }
      return provider.open(options);
    }
    String names = all.stream().map(BackendProvider::name).collect(Collectors.joining(", "));
    throw new IllegalArgumentException("no backend '" + name + "'; known are: auto, " + names);
  }

  /** The backend that {@code name} means: of {@code auto} the one that would be opened. */
  public static String meant(String name) {
    return providers().stream()
        .filter(p -> name.equals("auto") && p.probe().available())
        .map(BackendProvider::name)
        .findFirst()
        .orElse(name);
  }

  /** {@link #open(String, BackendOptions)} with default options. */
  public static Backend open(String name) {
    return open(name, BackendOptions.DEFAULT);
  }
}

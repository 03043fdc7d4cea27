package io.heddle.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.BackendProvider;
import io.heddle.backend.Probe;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** Looks at the machine and at every backend; never fails, a fact that cannot be had is absent. */
final class Diagnosis {
  /** The order of the report; other backends follow by name. */
  private static final List<String> KNOWN = List.of("reference", "cpu", "cuda");

  private static final ObjectMapper JSON = new ObjectMapper();

  private Diagnosis() {}

  /** All facts, in a fixed order. */
  static ObjectNode of(Supplier<List<BackendProvider>> providers) {
    Map<String, ObjectNode> backends = backends(providers);
    ObjectNode facts = JSON.createObjectNode();
    facts.put("heddle", Main.version());
    facts
        .putObject("jdk")
        .put("version", Runtime.version().toString())
        .put("vendor", System.getProperty("java.vendor"));
    facts.put(
        "system",
        "%s %s, %s"
            .formatted(
                System.getProperty("os.name"),
                System.getProperty("os.version"),
                System.getProperty("os.arch")));
    ObjectNode cpu = facts.putObject("cpu");
    JsonNode found = backends.getOrDefault("cpu", cpu).path("facts");
    cpu.put("model", found.path("cpu").asText(cpuModel()));
    cpu.put("cores", found.path("cores").asInt(Runtime.getRuntime().availableProcessors()));
    for (String name : List.of("tier", "why", "openmp", "onednn")) {
      if (found.has(name)) {
        cpu.set(name, found.get(name));
      }
    }
    facts.set("memory", memory());
    facts.putArray("backends").addAll(backends.values());
    return facts;
  }

  private static Map<String, ObjectNode> backends(Supplier<List<BackendProvider>> providers) {
    Map<String, ObjectNode> reports = new LinkedHashMap<>();
    KNOWN.forEach(
        name -> reports.put(name, report(name, new Probe(false, "it is not part of this build"))));
    try {
      List<BackendProvider> all = new ArrayList<>(providers.get());
      all.sort(Comparator.comparing(BackendProvider::name));
      all.forEach(provider -> reports.put(provider.name(), examine(provider)));
    } catch (ServiceConfigurationError e) {
      String reason = "the backends could not be listed: " + Sentence.of(e);
      KNOWN.forEach(name -> reports.put(name, report(name, new Probe(false, reason))));
    }
    return reports;
  }

  private static ObjectNode examine(BackendProvider provider) {
    Probe probe = provider.probe();
    if (!probe.available()) {
      return report(provider.name(), probe);
    }
    try (Backend backend = provider.open(BackendOptions.DEFAULT)) {
      JsonNode facts = JSON.readTree(backend.describe());
      ObjectNode report = report(provider.name(), probe);
      report.set("facts", facts);
      return report;
    } catch (JsonProcessingException | RuntimeException | LinkageError e) {
      return report(provider.name(), new Probe(false, "it could not be opened: " + Sentence.of(e)));
    }
  }

  private static ObjectNode report(String name, Probe probe) {
    return JSON.createObjectNode()
        .put("name", name)
        .put("available", probe.available())
        .put("reason", Sentence.of(probe.reason()));
  }

  private static ObjectNode memory() {
    ObjectNode memory = JSON.createObjectNode();
    if (ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system) {
      memory.put("total", system.getTotalMemorySize());
      // What the kernel would give back from its caches counts as free.
      memory.put("available", availableKibibytes().orElse(system.getFreeMemorySize() >> 10) << 10);
    }
    return memory.put("heap", Runtime.getRuntime().maxMemory());
  }

  private static Optional<Long> availableKibibytes() {
    return value("/proc/meminfo", "MemAvailable")
        .map(text -> Long.parseLong(text.replaceAll("[^0-9]", "")));
  }

  private static String cpuModel() {
    return value("/proc/cpuinfo", "model name").orElse(System.getProperty("os.arch"));
  }

  /** The value of the first {@code key: value} line of a file, if there is one. */
  private static Optional<String> value(String file, String key) {
    try (Stream<String> lines = Files.lines(Path.of(file))) {
      return lines
          .filter(line -> line.startsWith(key))
          .findFirst()
          .map(line -> line.substring(line.indexOf(':') + 1).strip());
    } catch (IOException | UncheckedIOException e) {
      return Optional.empty();
    }
  }
}

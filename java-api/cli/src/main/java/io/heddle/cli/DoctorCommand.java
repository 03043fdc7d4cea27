package io.heddle.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backends;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle doctor}: what this machine has, and which backends can use it. */
@Command(
    name = "doctor",
    description = "Shows this machine and each backend: available, or why it is not.")
final class DoctorCommand implements Runnable {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  DoctorCommand() {}

  @Override
  public void run() {
    ObjectNode facts = Diagnosis.of(Backends::providers);
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      out.println(facts.toPrettyString());
    } else {
      print(facts, out);
    }
    out.flush();
  }

  private static void print(JsonNode facts, PrintWriter out) {
    JsonNode cpu = facts.path("cpu");
    out.println("heddle " + facts.path("heddle").asText());
    line(out, "JDK", join(facts.path("jdk").path("version"), facts.path("jdk").path("vendor")));
    line(out, "system", facts.path("system").asText());
    line(out, "CPU", cpu.path("model").asText());
    line(out, "ISA tier", join(cpu.path("tier"), cpu.path("why")));
    line(out, "cores", cpu.path("cores").asText());
    line(out, "OpenMP", cpu.path("openmp").asText());
    line(out, "oneDNN", cpu.path("onednn").asText());
    JsonNode memory = facts.path("memory");
    line(
        out,
        "memory",
        "%s, of which %s are free; Java heap up to %s"
            .formatted(
                size(memory.path("total")),
                size(memory.path("available")),
                size(memory.path("heap"))));
    out.println();
    for (JsonNode backend : facts.path("backends")) {
      line(out, backend.path("name").asText(), state(backend));
      if (backend.path("name").asText().equals("cuda")) {
        backend
            .path("facts")
            .properties()
            .forEach(fact -> line(out, "", fact.getKey() + ": " + told(fact.getValue())));
      }
    }
  }

  // A list of devices in a line: "0: NVIDIA H200, compute 9.0, 139.8 GiB, 132 multiprocessors".
  private static String told(JsonNode fact) {
    if (!fact.isArray()) {
      return fact.asText();
    }
    List<String> all = new ArrayList<>();
    for (JsonNode device : fact) {
      all.add(
          "%s: %s, compute %s, %s, %s multiprocessors"
              .formatted(
                  device.path("ordinal").asText(),
                  device.path("name").asText(),
                  device.path("compute").asText(),
                  size(device.path("memory")),
                  device.path("multiprocessors").asText()));
    }
    return String.join("; ", all);
  }

  private static String state(JsonNode backend) {
    String reason = backend.path("reason").asText();
    String state = backend.path("available").asBoolean() ? "available" : "not available";
    return reason.startsWith(state) ? reason : state + ": " + reason;
  }

  private static String join(JsonNode first, JsonNode second) {
    return second.asText().isEmpty() ? first.asText() : first.asText() + ", " + second.asText();
  }

  private static String size(JsonNode bytes) {
    return "%.1f GiB".formatted(bytes.asLong() / (double) (1L << 30));
  }

  private static void line(PrintWriter out, String name, String value) {
    if (!value.isEmpty()) {
      out.printf("  %-10s %s%n", name, value);
    }
  }
}

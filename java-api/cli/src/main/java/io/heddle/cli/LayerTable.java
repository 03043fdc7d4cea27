package io.heddle.cli;

import io.heddle.methods.longrange.LayerMeter;
import io.heddle.report.Report;
import java.io.PrintWriter;
import java.util.List;
import java.util.Locale;

/** What layers took, as rows: prediction and measurement side by side. */
final class LayerTable {
  private static final double MIB = 1 << 20;

  private final LayerMeter.Measured measured;

  LayerTable(LayerMeter.Measured measured) {
    this.measured = measured;
  }

  private double layers() {
    return measured.rows().stream().mapToDouble(r -> r.forward() + r.backward()).sum();
  }

  void print(PrintWriter out, String machine) {
    int width =
        Math.max(9, measured.rows().stream().mapToInt(r -> r.pattern().length()).max().orElse(0));
    out.printf("%na training step of one sequence, by layer, on %s:%n", machine);
    out.printf(
        "  layer  %-"
            + width
            + "s   TFLOP  of all  forward ms  backward ms  of all   MiB kept"
            + "  predicted%n",
        "attention");
    for (LayerMeter.Row row : measured.rows()) {
      out.printf(
          Locale.ROOT,
          "  %5d  %-" + width + "s  %6.3f  %4.1f %%  %10.1f  %11.1f  %4.1f %%  %9.1f  %9.1f%n",
          row.layer(),
          row.pattern(),
          row.flops() * 1e-12,
          100 * row.predicted(),
          row.forward(),
          row.backward(),
          100 * row.measured(),
          row.kept() / MIB,
          row.bytes() / MIB);
    }
    out.printf(
        Locale.ROOT,
        "  all layers %.1f ms of a step of %.1f ms (the rest: embedding, output layer, loss);"
            + " activations up to %.1f MiB%n",
        layers(),
        measured.step(),
        measured.peak() / MIB);
  }

  void add(Report report) {
    report
        .section("Measured by layer")
        .paragraph(
            String.format(
                Locale.ROOT,
                "Layers took %.1f ms of a step of %.1f ms; activations and their gradients held up"
                    + " to %.1f MiB.",
                layers(),
                measured.step(),
                measured.peak() / MIB))
        .table(
            List.of(
                "layer",
                "attention",
                "FLOPs predicted",
                "share predicted",
                "forward, ms",
                "backward, ms",
                "share measured",
                "bytes kept",
                "bytes predicted"),
            measured.rows().stream()
                .map(
                    r ->
                        List.<Object>of(
                            r.layer(),
                            r.pattern(),
                            r.flops(),
                            r.predicted(),
                            r.forward(),
                            r.backward(),
                            r.measured(),
                            r.kept(),
                            r.bytes()))
                .toList());
  }
}

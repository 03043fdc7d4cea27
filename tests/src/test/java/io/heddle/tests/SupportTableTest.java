package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.op.OpCode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

/**
 * ARCHITECTURE.md's support table says what the backends say. {@code -Dheddle.renew=true} writes it
 * anew.
 */
@NeedsNative
class SupportTableTest {
  private static final String BEGIN = "<!-- support:begin -->\n";
  private static final String END = "<!-- support:end -->";

  @Test
  void tableIsCurrent() throws IOException {
    Path file = Repository.root().resolve("ARCHITECTURE.md");
    String text = Files.readString(file);
    int from = text.indexOf(BEGIN) + BEGIN.length();
    int to = text.indexOf(END);
    if (Boolean.getBoolean("heddle.renew")) {
      Files.writeString(file, text.substring(0, from) + table() + text.substring(to));
      return;
    }
    assertEquals(table(), text.substring(from, to), "renew it with -Dheddle.renew=true");
  }

  private static String table() {
    StringBuilder out =
        new StringBuilder("| op | tensors | reference | cpu |\n|---|---|---|---|\n");
    try (Backend reference = Backends.open("reference");
        Backend cpu = Backends.open("cpu")) {
      for (OpCode op : OpCode.values()) {
        StringBuilder tensors = new StringBuilder();
        for (int i = 0; i < op.signature().names().size(); i++) {
          tensors
              .append(i == op.signature().inputs() ? "→ " : "")
              .append(op.signature().names().get(i));
          tensors.append(
              op.signature().optional().get(i) ? "? " : i == op.signature().list() ? "* " : " ");
        }
        out.append("| `")
            .append(op.opName())
            .append("` | ")
            .append(tensors.toString().strip())
            .append(" | ");
        out.append(reference.supports(op) ? "yes" : "no")
            .append(" | ")
            .append(cpu.supports(op) ? "yes" : "no")
            .append(" |\n");
      }
    }
    return out.append("| matrix product (library op) | a b bias? → c | yes | oneDNN |\n")
        .toString();
  }
}

package io.heddle.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PeerScriptsTest {
  private static final AttentionContest.Spec SPEC =
      new AttentionContest.Spec(1, 8, 2, 64, 4096, "window:256,0", true);

  private final StringWriter said = new StringWriter();

  @TempDir Path folder = Path.of("");

  private List<JsonNode> run(String python, List<PeerScripts.Script> scripts) throws IOException {
    return PeerScripts.run(folder, python, scripts, new PrintWriter(said));
  }

  private String failure(String python, List<PeerScripts.Script> scripts) {
    return String.valueOf(assertThrows(IOException.class, () -> run(python, scripts)).getMessage());
  }

  private void script(String name, String text) throws IOException {
    Path peers = Files.createDirectories(folder.resolve("benchmarks/peers"));
    Files.writeString(peers.resolve(name), text);
  }

  @Test
  void everyWorkHasItsScript() {
    for (String work : PeerScripts.WORKS.keySet()) {
      assertEquals(1, PeerScripts.scripts(work, null, "bf16", null, false).size(), work);
    }
    assertEquals(2, PeerScripts.scripts("all", null, "bf16", null, true).size());
    PeerScripts.Script one =
        PeerScripts.scripts("attention", SPEC, "bf16", "flex", false).getFirst();
    assertEquals(
        "time --peers flex --shape 1,8,2,4096,64 --pattern window:256,0 --dtype bf16"
            + " --direction backward",
        String.join(" ", one.arguments()));
  }

  // sh stands in for python: it gets the script's path and its arguments, the output file last.
  @Test
  void rowsAreRead() throws IOException {
    script(
        "attention.py",
        "echo working; for last; do :; done; echo '{\"op\":\"x\",\"ours_ms\":1.5,\"peer\":null}' > \"$last\"");
    List<JsonNode> rows = run("sh", PeerScripts.scripts("attention", null, "bf16", null, false));
    assertEquals(1.5, rows.getFirst().get("ours_ms").asDouble());
    assertTrue(said.toString().contains("working"));
    assertEquals("| op | ours_ms |\n|---|---|\n| x | 1.5 |\n", PeerScripts.table(rows));
  }

  @Test
  void whatGoesWrongIsNamed() throws IOException {
    List<PeerScripts.Script> scripts = PeerScripts.scripts("norm", null, "bf16", null, false);
    String missing = failure("sh", scripts);
    assertTrue(missing.contains("memory.py is not there"), missing);
    script("memory.py", "exit 3");
    String failed = failure("sh", scripts);
    assertTrue(failed.contains("memory.py ended with status 3"), failed);
    String none = failure("/no/python", scripts);
    assertTrue(none.contains("/no/python with torch"), none);
  }
}

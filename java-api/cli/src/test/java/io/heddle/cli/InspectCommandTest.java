package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verb inspect on model folders. */
class InspectCommandTest {
  // Of gpt2 with 280 tokens, 64 positions, 16 features and 3 blocks, counted by hand.
  private static final long BLOCK =
      2 * (16 + 16) + (48 * 16 + 48) + (16 * 16 + 16) + (64 * 16 + 64) + (16 * 64 + 16);

  private final Path folder;

  InspectCommandTest(@TempDir Path folder) {
    this.folder = folder;
  }

  @Test
  void shapeMemoryAndAttentionAreSaid() throws IOException {
    TinyModel model = new TinyModel(folder);
    assertEquals(0, model.verb("inspect", folder.toString()));
    String text = model.out();
    assertTrue(text.contains("GPT2LMHeadModel (gpt2)"), text);
    assertTrue(text.contains("3 of 16 features, 2 heads of 8, 64 inner features"), text);
    // 64 keys in 32 cells: the last token sees the last 8 through a window.
    assertTrue(text.contains("  layer   0  window:8  " + ".".repeat(28) + "####"), text);
    assertTrue(text.contains("  layer   1  full      " + "#".repeat(32)), text);
    assertTrue(text.contains("384 bytes for each token written"), text); // 2 * 3 * 16 * 4
  }

  @Test
  void jsonHasTheSameNumbers() throws IOException {
    TinyModel model = new TinyModel(folder);
    assertEquals(0, model.verb("inspect", "--json", folder.toString()));
    JsonNode json = new ObjectMapper().readTree(model.out());
    int vocabulary = json.at("/model/vocabulary").asInt();
    long count = 16L * vocabulary + 16 * 64 + 3 * BLOCK + 32;
    assertEquals(count, json.at("/model/parameters").asLong());
    assertEquals(4 * count, json.at("/model/memory/f32").asLong());
    assertEquals(2 * count, json.at("/model/memory/bf16").asLong());
    long linear = 3 * (48 * 16 + 16 * 16 + 64 * 16 + 16 * 64);
    long scales = 3 * (48 + 16 + 64 + 16);
    assertEquals(4 * count - 3 * linear + 4 * scales, json.at("/model/memory/int8").asLong());
    assertEquals(count, json.at("/elements").asLong(), "the file holds what the model has");
    assertEquals(
        List.of("window:8", "full", "window:8"),
        new ObjectMapper().convertValue(json.at("/model/stacks/0/attention"), List.class));
  }

  @Test
  void aFolderOfAnotherKindIsStillListed() throws IOException {
    TinyModel model = new TinyModel(folder);
    Files.writeString(folder.resolve("config.json"), "{\"model_type\": \"abacus\"}");
    assertEquals(0, model.verb("inspect", folder.toString()));
    assertTrue(model.out().contains("not a model that heddle runs: "), model.out());
    assertTrue(model.out().contains("'abacus' is not known"), model.out());
    assertEquals(0, model.verb("inspect", "--json", folder.toString()));
    assertTrue(new ObjectMapper().readTree(model.out()).has("not_a_model"), model.out());
  }

  @Test
  void drawingsShowWhatIsSeen() {
    assertEquals("#".repeat(8), ModelCard.drawn(List.of("full"), true, 8));
    assertEquals("......##", ModelCard.drawn(List.of("window:2"), true, 8));
    assertEquals("#.....##", ModelCard.drawn(List.of("window:2|global:1"), true, 8));
    assertEquals(".".repeat(31) + "+", ModelCard.drawn(List.of("window:2"), true, 256));
    assertEquals("...###..", ModelCard.drawn(List.of("window:2"), false, 8));
    assertEquals("....####", ModelCard.drawn(List.of("block:4"), true, 8));
    assertEquals("#".repeat(8), ModelCard.drawn(List.of("window:2", "full"), true, 8));
  }
}

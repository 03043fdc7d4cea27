package io.heddle.text;

import static java.util.Objects.requireNonNull;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.DataFolder;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;

/** Against what Google's implementation gave. */
class SentencePieceTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Map<String, SentencePiece> models = new HashMap<>();

  private static int[] ints(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }

  private static List<String> strings(JsonNode array) {
    return StreamSupport.stream(array.spliterator(), false).map(JsonNode::asText).toList();
  }

  private static List<String> texts(List<SentencePiece.Piece> pieces) {
    return pieces.stream().map(SentencePiece.Piece::text).toList();
  }

  private SentencePiece model(String name) throws IOException {
    SentencePiece known = models.get(name);
    if (known == null) {
      known = SentencePiece.load(DataFolder.of("tok-sentencepiece").resolve(name + ".model"));
      models.put(name, known);
    }
    return known;
  }

  private void agrees(String file, int expected) throws IOException {
    Path golden = DataFolder.of("tok-sentencepiece").resolve(file);
    int cases = 0;
    for (String line : TextFiles.lines(golden)) {
      JsonNode c = JSON.readTree(line);
      SentencePiece model = model(c.path("model").asText());
      String text = c.path("text").asText();
      if (c.has("normalized")) {
        assertEquals(c.path("normalized").asText(), model.normalize(text), text);
      }
      assertEquals(strings(c.path("pieces")), texts(model.pieces(text)), text);
      int[] ids = ints(c.path("ids"));
      assertArrayEquals(ids, model.encode(text), text);
      assertEquals(c.path("decoded").asText(), model.decode(ids));
      cases++;
    }
    assertEquals(expected, cases);
    System.out.println(file + ": " + cases + " texts agree");
  }

  @Test
  void edges() throws IOException {
    agrees("edge.jsonl", 51);
  }

  @Test
  void books() throws IOException {
    agrees("encode.jsonl.gz", 950);
  }

  @Test
  void trainedModels() throws IOException {
    agrees("encode-trained.jsonl.gz", 400);
  }

  // Word by word is as at once, behind long texts, too: their sums in single precision are so
  // coarse
  // that near ties, of which a book has many, are decided by what stands before.
  @Test
  void wordByWordIsAsAtOnce() throws IOException {
    Path folder = DataFolder.of("tok-sentencepiece");
    String english = String.join(" ", TextFiles.lines(folder.resolve("botchan.txt.gz")));
    String japanese =
        String.join(" ", TextFiles.lines(folder.resolve("wagahaiwa_nekodearu.part1.txt.gz")));
    String text = english + " " + japanese + " " + english;
    String[] names = {
      "test_model", "test_ja_model", "trained-botchan-unigram-1000", "trained-botchan-bpe-1000"
    };
    for (String name : names) {
      SentencePiece model = model(name);
      int[] whole = model.pieces(text).stream().mapToInt(SentencePiece.Piece::id).toArray();
      assertArrayEquals(whole, model.encode(text), name);
      assertArrayEquals(whole, model.encode(text), name + ", its words known");
    }
  }

  @Test
  void fiveBestCuts() throws IOException {
    Path golden = DataFolder.of("tok-sentencepiece").resolve("nbest.jsonl");
    int cases = 0;
    for (String line : TextFiles.lines(golden)) {
      JsonNode c = JSON.readTree(line);
      SentencePiece model = model(c.path("model").asText());
      List<SentencePiece.Cut> cuts = model.nBest(c.path("text").asText(), 5);
      assertEquals(c.path("nbest").size(), cuts.size());
      for (int i = 0; i < cuts.size(); i++) {
        assertEquals(strings(c.path("nbest").path(i).path("pieces")), texts(cuts.get(i).pieces()));
        // The golden counts unknown text by what the file says of it, which is 0.
        double sum = IntStream.of(cuts.get(i).ids()).mapToDouble(model::score).sum();
        assertEquals(c.path("nbest").path(i).path("score").asDouble(), sum, 1e-4);
        cases++;
      }
    }
    assertEquals(250, cases);
    System.out.println("nbest.jsonl: " + cases + " cuts agree");
  }

  // Small models of every kind, with options that the staged ones leave out: byte fallback,
  // user-defined and control pieces, spaces as suffixes, no added space. Random texts and ids; made
  // by sentencepiece 0.2.2, see make_sentencepiece_options.py beside the file.
  @Test
  void optionsOfModels() throws IOException {
    SentencePiece model = null;
    String name = "";
    int cases = 0;
    for (String line : resource("sentencepiece-options.jsonl").lines().toList()) {
      JsonNode c = JSON.readTree(line);
      if (c.has("proto")) {
        name = c.path("model").asText();
        model = new SentencePiece(c.path("proto").binaryValue());
        continue;
      }
      String text = c.path("text").asText();
      String what = name + ": " + text;
      int[] ids = ints(c.path("ids"));
      assertEquals(strings(c.path("pieces")), texts(requireNonNull(model).pieces(text)), what);
      assertArrayEquals(ids, model.encode(text), what);
      assertEquals(c.path("decoded").asText(), model.decode(ids), what);
      assertEquals(
          c.path("random_decoded").asText(), model.decode(ints(c.path("random"))), () -> c + "");
      cases++;
    }
    assertEquals(280, cases);
    System.out.println("sentencepiece-options.jsonl: " + cases + " texts agree");
  }

  private static String resource(String name) throws IOException {
    try (InputStream in = SentencePieceTest.class.getResourceAsStream(name)) {
      return new String(requireNonNull(in, name).readAllBytes(), StandardCharsets.UTF_8);
    }
  }
}

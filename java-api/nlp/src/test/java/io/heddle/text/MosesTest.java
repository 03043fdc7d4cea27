package io.heddle.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.GoldenFolder;
import java.io.IOException;
import java.nio.file.Files;
import java.text.Normalizer;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class MosesTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static MosesTokenizer tokenizer(JsonNode row) {
    return MosesTokenizer.of(row.path("language").asText())
        .splittingDashes(row.path("dashes").asBoolean())
        .escaping(row.path("escape").asBoolean(true))
        .protecting(row.path("protect").asBoolean() ? MosesTokenizer.WEB : List.of());
  }

  /** What sacremoses publishes with its tests: tests/golden/text/moses.jsonl names them. */
  @Test
  void agreesWithSacremoses() throws IOException {
    Map<String, Integer> counts = new TreeMap<>();
    for (String line : Files.readAllLines(GoldenFolder.of("text").resolve("moses.jsonl"))) {
      JsonNode row = JSON.readTree(line);
      String kind = row.path("kind").asText("source");
      String text = row.path("text").asText();
      String language = row.path("language").asText();
      String got =
          switch (kind) {
            case "tokenize" -> tokenizer(row).tokenize(text);
            case "round_trip" ->
                new MosesDetokenizer(row.path("back").asText(language))
                    .text(tokenizer(row).words(text));
            case "punctuation" ->
                new MosesPunctuation(language, row.path("wide").asBoolean()).of(text);
            default -> "";
          };
      assertEquals(row.path("expected").asText(), Spaces.strip(got), line);
      counts.merge(kind, 1, Integer::sum);
    }
    assertEquals(Map.of("source", 1, "tokenize", 18, "round_trip", 8, "punctuation", 8), counts);
  }

  @Test
  void languagesHaveTheirOwnAbbreviationsAndApostrophes() {
    assertEquals("No. 5 , Nr. X", MosesTokenizer.of("en").tokenize("No. 5, Nr. X"));
    assertEquals("No .", MosesTokenizer.of("en").tokenize("No."));
    assertEquals("No . Yes .", MosesTokenizer.of("en").tokenize("No. Yes."));
    assertEquals("am 3. Mai bzw. Juni .", MosesTokenizer.of("de").tokenize("am 3. Mai bzw. Juni."));
    assertEquals(
        "l&apos; été , aujourd&apos; hui", MosesTokenizer.of("fr").tokenize("l'été, aujourd'hui"));
    assertEquals("l &apos; x", MosesTokenizer.of("de").tokenize("l'x"));
    assertEquals(
        "wait ... what .. 1,000 , 2 , b",
        MosesTokenizer.of("en").tokenize("wait...what.. 1,000, 2,b"));
    assertEquals(
        "Sig. Rossi ed ecc. oggi", MosesTokenizer.of("it").tokenize("Sig. Rossi ed ecc. oggi"));
  }

  @Test
  void quotationMarksOpenAndCloseInTurn() {
    MosesDetokenizer english = new MosesDetokenizer("en");
    assertEquals(
        "He said \"yes\" (twice) for $5.",
        english.detokenize("He said \" yes \" ( twice ) for $ 5 ."));
    assertEquals("The Jones' house", english.detokenize("The Jones ' house"));
    assertEquals("Vraiment ? Oui.", new MosesDetokenizer("fr").detokenize("Vraiment ? Oui ."));
    assertEquals("", english.detokenize(""));
  }

  @Test
  void punctuationOfOtherLanguages() {
    assertEquals(
        "er sagt \"ja\", dann", new MosesPunctuation("de", false).of("er sagt „ja,“ dann"));
    assertEquals(
        "1,5 et \"oui\"", new MosesPunctuation("fr", false).of("1\u00A05 et «\u00A0oui\u00A0»"));
  }

  @Test
  void normalizationsCompose() {
    Normalization plain = Normalization.withoutAccents().then(Normalization.lowerCase());
    assertEquals("uber naive", plain.of("Über naïve"));
    assertEquals("ﬁ", Normalization.form(Normalizer.Form.NFC).of("ﬁ"));
    assertEquals("fi", Normalization.form(Normalizer.Form.NFKC).of("ﬁ"));
    assertEquals("é", Normalization.withoutMarks().of("é"), "a letter that holds its accent");
    assertEquals("e", Normalization.withoutMarks().of("e\u0301"));
    assertEquals("bc", Normalization.without(c -> c == 'a').of("abac"));
    assertEquals("x", Normalization.none().of("x"));
    assertEquals(
        List.of("a", "b\uD83D\uDE80"), Spaces.split("\u00A0a\u001C\u3000b\uD83D\uDE80\u0085"));
  }
}

package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.data.WordNetText.Line;
import io.heddle.data.WordNetText.Part;
import io.heddle.progress.ProgressListener;
import io.heddle.text.BpeTrainer;
import io.heddle.text.ByteLevelBpe;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

class WordNetTest {
  @SuppressWarnings("NullAway.Init") // set before all tests
  private static WordNetText words;

  @BeforeAll
  static void load() {
    words = WordNetText.load();
  }

  @Test
  void partsByTopic() {
    List<Line> plants = words.lines(Part.TEST, "noun.plant");
    assertTrue(plants.size() > 100 && plants.size() < words.lines(Part.TEST).size());
    assertTrue(plants.stream().allMatch(line -> line.topic().equals("noun.plant")));
    int all = 0;
    for (Part part : Part.values()) {
      all += words.lines(part).size();
    }
    assertEquals(words.lines().size(), all);
  }

  @Test
  void definitionsAndExamplesApart() {
    assertEquals(117_791, words.lines().size());
    Line first = words.lines().getFirst();
    assertEquals("noun.Tops", first.topic());
    assertTrue(first.text().startsWith("entity: that which is perceived"), first.text());
    assertEquals(List.of(), first.examples());
    Line breathe =
        words.lines().stream().filter(l -> l.topic().startsWith("verb")).findFirst().orElseThrow();
    assertEquals("draw air into, and expel out of, the lungs", breathe.definition());
    assertEquals(
        List.of("I can breathe better when the air is clean", "The patient is respiring"),
        breathe.examples());
    assertEquals(words.lines().size(), words.lines().stream().map(Line::key).distinct().count());
  }

  @Test
  void splitsAreDisjoint() {
    Map<String, Part> parts = new HashMap<>();
    Map<String, Part> names = new HashMap<>();
    for (Part part : Part.values()) {
      for (Distribution kind : Distribution.values()) {
        List<Document> documents = kind.documents(words, part);
        assertFalse(documents.isEmpty());
        Set<String> own = new HashSet<>();
        for (Document d : documents) {
          assertTrue(own.add(d.text()), d.text());
          Part before = parts.putIfAbsent(d.text(), part);
          assertTrue(before == null || before == part, d.text());
          String synset = d.name().replaceAll("#.*", "");
          Part other = names.putIfAbsent(synset, part);
          assertTrue(other == null || other == part, synset);
        }
      }
    }
  }

  // Measured: the other kind's frequencies cost 1.6 bits a token more on nature (10.9 for 9.3) and
  // 1.2 on usage (10.9 for 9.6); those of the mixture, which holds both, 0.7 and 0.3.
  @Test
  void distributionsDiffer() {
    BpeTrainer trainer = new BpeTrainer(4096, ProgressListener.NONE);
    String base = Distribution.GENERAL.text(words, Part.TRAIN);
    ByteLevelBpe bpe = trainer.add(base).train();
    Map<Distribution, int[]> tests = new EnumMap<>(Distribution.class);
    for (Distribution kind : Distribution.values()) {
      tests.put(kind, bpe.encode(kind.text(words, Part.TEST)));
    }
    double[] general = costs(Distribution.GENERAL, bpe, tests);
    double[] nature = costs(Distribution.NATURE, bpe, tests);
    double[] usage = costs(Distribution.USAGE, bpe, tests);
    assertTrue(usage[1] - nature[1] > 1, "nature costs " + nature[1] + ", by usage " + usage[1]);
    assertTrue(nature[2] - usage[2] > 1, "usage costs " + usage[2] + ", by nature " + nature[2]);
    assertTrue(general[1] - nature[1] > 0.25, "nature by the mixture " + general[1]);
    assertTrue(general[2] - usage[2] > 0.25, "usage by the mixture " + general[2]);
  }

  // Bits per token of each kind's test text under the frequencies of one kind.
  private static double[] costs(
      Distribution from, ByteLevelBpe bpe, Map<Distribution, int[]> tests) {
    int[] train = bpe.encode(from.text(words, Part.TRAIN));
    UnigramEntropy unigram = UnigramEntropy.of(train, bpe.vocabularySize(), 1);
    return tests.values().stream().mapToDouble(unigram::bitsPerToken).toArray();
  }

  @Test
  void unigramEntropyByHand() {
    int[] tokens = {0, 0, 1, 2};
    assertEquals(1.5, UnigramEntropy.of(tokens, 4, 0).bitsPerToken(tokens), 1e-12);
    assertEquals(0.75, UnigramEntropy.of(tokens, 4, 0).bitsPerByte(tokens, 8), 1e-12);
    // (2+1)/8 and (0+1)/8
    UnigramEntropy smooth = UnigramEntropy.of(tokens, 4, 1);
    assertEquals(-Math.log(3 / 8.0) / Math.log(2), smooth.bitsPerToken(new int[] {0}), 1e-12);
    assertEquals(3, smooth.bitsPerToken(new int[] {3}), 1e-12);
    assertEquals(Math.log(8), UnigramEntropy.nats(tokens, new int[] {3}, 4), 1e-12);
    double impossible = UnigramEntropy.of(tokens, 4, 0).bitsPerToken(new int[] {3});
    assertEquals(Double.POSITIVE_INFINITY, impossible);
    assertThrows(IllegalArgumentException.class, () -> UnigramEntropy.of(new int[0], 4, 0));
  }
}

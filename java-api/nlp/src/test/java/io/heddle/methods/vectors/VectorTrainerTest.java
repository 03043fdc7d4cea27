package io.heddle.methods.vectors;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.data.Mix;
import io.heddle.data.vectors.FastTextModel;
import io.heddle.data.vectors.Subwords;
import io.heddle.data.vectors.VectorFile;
import io.heddle.data.vectors.VectorFormat;
import io.heddle.data.vectors.WordLookup;
import io.heddle.data.vectors.WordTable;
import io.heddle.progress.ProgressListener;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Training on a text of two topics, whose words never meet, or seldom. */
class VectorTrainerTest {
  private static final String[][] TOPICS = {
    {"loom", "warp", "weft", "heddle", "shuttle", "thread"},
    {"whale", "ship", "sea", "sail", "captain", "harpoon"}
  };

  private static WordCorpus corpus(int lines) {
    return corpus(lines, 0);
  }

  // `strange` tenths of the words are of the other topic.
  private static WordCorpus corpus(int lines, int strange) {
    Mix random = new Mix(5);
    CorpusReader reader = new CorpusReader(true, false);
    for (int i = 0; i < lines; i++) {
      StringBuilder line = new StringBuilder();
      for (int j = 0; j < 8; j++) {
        int topic = (i + (random.below(10) < strange ? 1 : 0)) % 2;
        line.append(TOPICS[topic][random.below(6)]).append(' ');
      }
      reader.line(line.toString());
    }
    return reader.corpus(1);
  }

  @Test
  void settingsChangeOneByOne() {
    Subwords grams = new Subwords(3, 4, 50);
    assertEquals(
        new VectorConfig(false, 7, 5, 5, 1e-4, 0.05, 2, grams, 1),
        VectorConfig.DEFAULT.withDimension(7).withEpochs(2).withSubwords(grams));
  }

  private static FastTextModel train(WordCorpus corpus, VectorConfig config) {
    try (ReferenceBackend backend = new ReferenceBackend()) {
      return new VectorTrainer(backend, corpus, config).train(ProgressListener.NONE);
    }
  }

  private static double cosine(WordLookup vectors, String a, String b) {
    return WordSimilarity.cosine(
        Objects.requireNonNull(vectors.vector(a)), Objects.requireNonNull(vectors.vector(b)));
  }

  private static void topicsPart(WordLookup vectors) {
    double within = 0;
    double across = 0;
    for (int i = 1; i < 6; i++) {
      within += cosine(vectors, TOPICS[0][0], TOPICS[0][i]) / 10;
      within += cosine(vectors, TOPICS[1][0], TOPICS[1][i]) / 10;
      across += cosine(vectors, TOPICS[0][i], TOPICS[1][i]) / 5;
    }
    // Means of ten and of five cosines in few dimensions: chance makes 0.1 of it.
    assertTrue(within > across + 0.3, within + " within topics, " + across + " across");
  }

  @Test
  void wordsOfATopicComeTogether() throws IOException {
    WordCorpus corpus = corpus(1000);
    for (boolean cbow : new boolean[] {false, true}) {
      for (Subwords grams : new Subwords[] {Subwords.NONE, new Subwords(3, 4, 500)}) {
        topicsPart(train(corpus, new VectorConfig(cbow, 12, 5, 5, 0, 0.4, 3, grams, 1)));
      }
    }
  }

  @Test
  void aStoppedRunEndsWhereAnUnbrokenOneDoes(@TempDir Path folder) throws IOException {
    WordCorpus corpus = corpus(4000);
    VectorConfig config = new VectorConfig(false, 9, 3, 2, 1e-1, 0.1, 2, Subwords.NONE, 1);
    FastTextModel unbroken = train(corpus, config);
    Path state = folder.resolve("state");
    try (ReferenceBackend backend = new ReferenceBackend()) {
      AtomicInteger asked = new AtomicInteger();
      VectorTrainer first = new VectorTrainer(backend, corpus, config);
      assertNull(first.train(ProgressListener.NONE, state, () -> asked.incrementAndGet() == 4));
      assertTrue(Files.exists(state));
      VectorConfig other = new VectorConfig(false, 9, 3, 2, 1e-1, 0.1, 3, Subwords.NONE, 1);
      String refusal =
          String.valueOf(
              assertThrows(
                      IOException.class,
                      () ->
                          new VectorTrainer(backend, corpus, other)
                              .train(ProgressListener.NONE, state, () -> false))
                  .getMessage());
      assertTrue(refusal.contains("another run"), refusal);
      FastTextModel resumed =
          Objects.requireNonNull(
              new VectorTrainer(backend, corpus, config)
                  .train(ProgressListener.NONE, state, () -> false));
      assertFalse(Files.exists(state), "the state is gone when the run is done");
      assertArrayEquals(
          unbroken.input().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED),
          resumed.input().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
      assertArrayEquals(
          unbroken.output().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED),
          resumed.output().toArray(ValueLayout.JAVA_FLOAT_UNALIGNED));
    }
  }

  @Test
  void unseenWordsAreSavedWithTheirGrams(@TempDir Path folder) throws IOException {
    VectorConfig config = new VectorConfig(false, 7, 5, 5, 0, 0.1, 1, new Subwords(2, 4, 300), 1);
    FastTextModel model = train(corpus(400), config);
    Path file = folder.resolve("model.bin");
    VectorFile.write(file, model, VectorFormat.FASTTEXT);
    FastTextModel read = FastTextModel.load(file);
    assertEquals(model.settings(), read.settings());
    assertArrayEquals(model.vector("looms"), read.vector("looms"));
    assertTrue(cosine(read, "loom", "looms") > cosine(read, "loom", "ships"));
  }

  @Test
  void coOccurrencesAreTheSameInAnyMemory() throws IOException {
    WordCorpus corpus = corpus(300);
    Map<Long, Double> want = new HashMap<>();
    for (int p = 0; p < corpus.passages(); p++) {
      for (int i = corpus.start(p); i < corpus.start(p + 1); i++) {
        for (int j = corpus.start(p); j < corpus.start(p + 1); j++) {
          int distance = Math.abs(i - j);
          if (distance >= 1 && distance <= 3) {
            want.merge(((long) corpus.id(i) << 32) | corpus.id(j), 1.0 / distance, Double::sum);
          }
        }
      }
    }
    for (int memory : new int[] {50, 1_000_000}) {
      try (Cooccurrences pairs = Cooccurrences.count(corpus, 3, memory, ProgressListener.NONE)) {
        assertEquals(want.size(), pairs.pairs());
        Map<Long, Double> found = new HashMap<>();
        for (int part = 0; part < Cooccurrences.PARTS; part++) {
          Cooccurrences.Part p = pairs.part(part, 9);
          for (int i = 0; i < p.counts().length; i++) {
            long key = ((long) p.rows()[i] << 32) | p.columns()[i];
            assertNull(found.put(key, (double) p.counts()[i]), "a pair stands once");
          }
        }
        want.forEach((key, x) -> assertEquals(x, found.getOrDefault(key, 0.0), 1e-3 * x));
      }
    }
  }

  @Test
  void gloveBringsTopicsTogether() throws IOException {
    WordCorpus corpus = corpus(3000, 1); // pairs that never meet teach GloVe nothing
    try (ReferenceBackend backend = new ReferenceBackend();
        Cooccurrences pairs = Cooccurrences.count(corpus, 5, 1000, ProgressListener.NONE)) {
      GloveConfig config = new GloveConfig(6, 100, 0.75, 0.1, 40, 1);
      WordTable table =
          new GloveTrainer(backend, config).train(corpus.words(), pairs, ProgressListener.NONE);
      assertEquals(corpus.words(), table.words());
      topicsPart(table);
      WordTable again =
          new GloveTrainer(backend, config).train(corpus.words(), pairs, ProgressListener.NONE);
      assertArrayEquals(table.row(3), again.row(3));
    }
  }
}

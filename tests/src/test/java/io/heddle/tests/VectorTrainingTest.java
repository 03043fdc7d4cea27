package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.data.Mix;
import io.heddle.data.vectors.FastTextModel;
import io.heddle.data.vectors.Subwords;
import io.heddle.data.vectors.WordLookup;
import io.heddle.methods.vectors.Cooccurrences;
import io.heddle.methods.vectors.CorpusReader;
import io.heddle.methods.vectors.GloveConfig;
import io.heddle.methods.vectors.GloveTrainer;
import io.heddle.methods.vectors.VectorConfig;
import io.heddle.methods.vectors.VectorTrainer;
import io.heddle.methods.vectors.WordCorpus;
import io.heddle.methods.vectors.WordSimilarity;
import io.heddle.progress.ProgressListener;
import java.io.IOException;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Word vectors by the native kernels: what one thread promises, and what several do. */
@NeedsNative
class VectorTrainingTest {
  private static final int WORDS = 40; // in each of two topics, whose words meet seldom or never

  // `strange` tenths of the words are of the other topic.
  private static WordCorpus corpus(int lines, int strange) {
    Mix random = new Mix(11);
    CorpusReader reader = new CorpusReader(true, false);
    for (int i = 0; i < lines; i++) {
      StringBuilder line = new StringBuilder();
      for (int j = 0; j < 12; j++) {
        boolean loom = (i % 2 == 0) == (random.below(10) >= strange);
        line.append(loom ? "loom" : "ship").append(random.below(WORDS)).append(' ');
      }
      reader.line(line.toString());
    }
    return reader.corpus(1);
  }

  private static FastTextModel train(
      String backend, int threads, WordCorpus corpus, VectorConfig config) throws IOException {
    try (Backend opened = Backends.open(backend, new BackendOptions(0, threads))) {
      return Objects.requireNonNull(
          new VectorTrainer(opened, corpus, config)
              .train(ProgressListener.NONE, null, () -> false));
    }
  }

  private static double[] withinAndAcross(WordLookup vectors) {
    double within = 0;
    double across = 0;
    int pairs = 0;
    for (int i = 0; i < WORDS; i++) {
      for (int j = 0; j < WORDS; j++) {
        float[] loom = Objects.requireNonNull(vectors.vector("loom" + i));
        float[] ship = Objects.requireNonNull(vectors.vector("ship" + j));
        across += WordSimilarity.cosine(loom, ship);
        if (i != j) {
          within += WordSimilarity.cosine(loom, Objects.requireNonNull(vectors.vector("loom" + j)));
          pairs++;
        }
      }
    }
    return new double[] {within / pairs, across / (WORDS * WORDS)};
  }

  @Test
  void oneThreadIsTheReferenceAndTheSameEachTime() throws IOException {
    WordCorpus corpus = corpus(200, 0);
    for (boolean cbow : new boolean[] {false, true}) {
      VectorConfig config =
          new VectorConfig(cbow, 19, 5, 5, 1e-2, 0.05, 1, new Subwords(3, 5, 200), 3);
      FastTextModel right = train("reference", 1, corpus, config);
      FastTextModel one = train("cpu", 1, corpus, config);
      FastTextModel again = train("cpu", 1, corpus, config);
      for (String word : corpus.words()) {
        float[] vector = Objects.requireNonNull(one.vector(word));
        assertArrayEquals(vector, again.vector(word), word);
        // Some thousand steps, each rounded in f32; the reference rounds once a batch.
        assertArrayEquals(right.vector(word), vector, 2e-4f, word);
      }
    }
  }

  @Test
  void manyThreadsLearnTheSameThing() throws IOException {
    WordCorpus corpus = corpus(20_000, 0);
    VectorConfig config = new VectorConfig(false, 32, 5, 5, 0, 0.05, 2, Subwords.NONE, 3);
    for (int threads : new int[] {1, 2, 4}) {
      double[] found = withinAndAcross(train("cpu", threads, corpus, config));
      assertTrue(found[0] > found[1] + 0.4, threads + ": " + found[0] + " and " + found[1]);
    }
  }

  @Test
  void gloveToo() throws IOException {
    WordCorpus corpus = corpus(10_000, 1);
    GloveConfig config = new GloveConfig(16, 100, 0.75, 0.05, 30, 1);
    try (Backend two = Backends.open("cpu", new BackendOptions(0, 2));
        Cooccurrences pairs = Cooccurrences.count(corpus, 5, 2000, ProgressListener.NONE)) {
      assertEquals(4L * WORDS * WORDS, pairs.pairs(), "every pair meets");
      double[] found =
          withinAndAcross(
              new GloveTrainer(two, config).train(corpus.words(), pairs, ProgressListener.NONE));
      assertTrue(found[0] > found[1] + 0.2, found[0] + " and " + found[1]);
    }
  }

  @Test
  void aBackendWithoutTheKernelSaysSo() throws IOException {
    org.junit.jupiter.api.Assumptions.assumeTrue(BackendsUnderTest.haveCuda(), "no GPU");
    WordCorpus corpus = corpus(10, 0);
    try (Backend cuda = Backends.open("cuda")) {
      String message =
          String.valueOf(
              assertThrows(
                      UnsupportedOperationException.class,
                      () -> new VectorTrainer(cuda, corpus, VectorConfig.DEFAULT))
                  .getMessage());
      assertTrue(message.contains("the cpu backend can"), message);
    }
  }
}

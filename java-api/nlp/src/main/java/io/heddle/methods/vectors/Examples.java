package io.heddle.methods.vectors;

import io.heddle.data.Mix;

/**
 * Cuts a corpus into batches of examples for the op {@code word_vectors}. A batch is a function of
 * its number and the seed alone: batches can be made by any thread, in any order, and again. Safe
 * for many threads.
 */
final class Examples {
  /** Tokens of a batch, and a little more: passages are not divided. */
  private static final int TOKENS = 10_000;

  private static final double POWER = 0.75;
  private static final double WORD = 4294967296.0; // 2^32

  private final WordCorpus corpus;
  private final VectorConfig config;
  private final int[] first; // passage of each batch of an epoch, and the end
  private final AliasTable negatives;
  private final long[] keep; // of 2^32 throws, those that keep a word
  private final int[]
      gramStart; // rows of word w: w, then gramRows[gramStart[w] .. gramStart[w + 1])
  private final int[] gramRows;

  /**
   * The operands of a call; see {@code ops.def}.
   *
   * @param tokens of the corpus, for progress
   */
  @SuppressWarnings("ArrayRecordComponent") // handed over, never compared
  record Batch(
      int[] rowPtr, int[] rows, int[] targetPtr, int[] targets, int[] negatives, int tokens) {}

  Examples(WordCorpus corpus, VectorConfig config) {
    this.corpus = corpus;
    this.config = config;
    int words = corpus.words().size();
    double[] weights = new double[words];
    keep = new long[words];
    for (int w = 0; w < words; w++) {
      weights[w] = Math.pow((double) corpus.count(w), POWER);
      double share = corpus.count(w) / (double) corpus.kept();
      double kept = config.sample() == 0 ? 1 : Math.min(1, Math.sqrt(config.sample() / share));
      keep[w] = (long) (kept * WORD);
    }
    negatives = new AliasTable(weights);
    Ints rows = new Ints(words);
    gramStart = new int[words + 1];
    for (int w = 0; w < words; w++) {
      for (int bucket : config.subwords().of(corpus.words().get(w))) {
        rows.add(Math.addExact(words, bucket));
      }
      gramStart[w + 1] = rows.size();
    }
    gramRows = rows.toArray();
    first = cut();
  }

  private int[] cut() {
    Ints starts = new Ints(16);
    starts.add(0);
    int from = 0;
    for (int p = 1; p <= corpus.passages(); p++) {
      if (p == corpus.passages() || corpus.start(p) - from >= TOKENS) {
        starts.add(p);
        from = corpus.start(p);
      }
    }
    return starts.toArray();
  }

  /** Batches of an epoch. */
  int perEpoch() {
    return first.length - 1;
  }

  /** Batch {@code number} of all epochs. */
  Batch batch(long number) {
    int within = (int) (number % perEpoch());
    Mix random = new Mix(Mix.hash(config.seed() ^ Mix.hash(number)));
    int from = corpus.start(first[within]);
    int to = corpus.start(first[within + 1]);
    Maker maker = new Maker(random, to - from);
    for (int p = first[within]; p < first[within + 1]; p++) {
      maker.passage(corpus.start(p), corpus.start(p + 1));
    }
    return maker.batch(to - from);
  }

  private final class Maker {
    private final Mix random;
    private final int[] passage = new int[WordCorpus.LONGEST_PASSAGE];
    private final Ints rowPtr;
    private final Ints rows;
    private final Ints targetPtr;
    private final Ints targets;
    private final Ints drawn;

    Maker(Mix random, int tokens) {
      this.random = random;
      rowPtr = new Ints(tokens);
      rows = new Ints(4 * tokens);
      targetPtr = new Ints(tokens);
      targets = new Ints(4 * tokens);
      drawn = new Ints(4 * tokens * config.negatives());
      rowPtr.add(0);
      targetPtr.add(0);
    }

    void passage(int from, int to) {
      int n = 0;
      for (int i = from; i < to; i++) {
        int word = corpus.id(i);
        if ((random.next() >>> 32) < keep[word]) {
          passage[n++] = word;
        }
      }
      for (int i = 0; i < n; i++) {
        int reach = 1 + random.below(config.window());
        int low = Math.max(0, i - reach);
        int high = Math.min(n - 1, i + reach);
        if (low < high) {
          example(i, low, high);
        }
      }
    }

    // The word at i and its context from low to high.
    private void example(int i, int low, int high) {
      if (config.cbow()) {
        target(passage[i], low, high);
      } else {
        addRows(passage[i]);
      }
      for (int j = low; j <= high; j++) {
        if (j == i) {
          continue;
        }
        if (config.cbow()) {
          addRows(passage[j]);
        } else {
          target(passage[j], i, i);
        }
      }
      rowPtr.add(rows.size());
      targetPtr.add(targets.size());
    }

    private void addRows(int word) {
      rows.add(word);
      rows.addAll(gramRows, gramStart[word], gramStart[word + 1]);
    }

    // Negatives that are the target or one of the words it is found from are left out.
    private void target(int word, int low, int high) {
      targets.add(word);
      for (int k = 0; k < config.negatives(); k++) {
        int negative = negatives.draw(random.next());
        boolean hit = negative == word;
        for (int j = low; j <= high && !hit; j++) {
          hit = negative == passage[j];
        }
        drawn.add(hit ? -1 : negative);
      }
    }

    Batch batch(int tokens) {
      return new Batch(
          rowPtr.toArray(),
          rows.toArray(),
          targetPtr.toArray(),
          targets.toArray(),
          drawn.toArray(),
          tokens);
    }
  }
}

import module io.heddle.nlp;

/** Learns word vectors from WordNet's definitions, and asks them questions. */
void main(String... args) throws IOException {
  Path out = Path.of(args.length > 0 ? args[0] : "runs/tutorial");
  WordCorpus corpus = new CorpusReader(true, false).addWordNet().corpus(5);
  IO.println("%,d tokens, %,d words".formatted(corpus.tokens(), corpus.words().size()));

  // One thread: the same vectors every time. Backends.open("cpu") takes every core.
  try (Backend backend = Backends.open("cpu", new BackendOptions(0, 1))) {
    VectorConfig config = VectorConfig.DEFAULT.withDimension(50).withEpochs(4);
    WordLookup trained = new VectorTrainer(backend, corpus, config).train(ProgressListener.NONE);
    VectorFile.write(out.resolve("vectors.vec"), trained, VectorFormat.WORD2VEC);

    WordLookup vectors = VectorFile.open(out.resolve("vectors.vec")); // or GloVe's, or fastText's
    try (Neighbours words = new Neighbours(backend, vectors.table())) {
      for (String word : List.of("dog", "france", "music", "doctor")) {
        IO.println(word + ": " + names(words.nearest(word, 5)));
      }
      for (String[] q : new String[][] {{"france", "french", "spain"}, {"good", "better", "bad"}}) {
        List<Neighbours.Near> found = Analogies.answers(words, q[0], q[1], q[2], 3);
        IO.println("%s : %s = %s : ? %s".formatted(q[0], q[1], q[2], names(found)));
      }
    }
    String[] jobs = {"doctor", "nurse", "dancer", "engineer", "pilot", "soldier"};
    double[] leaning = new double[jobs.length]; // above 0: nearer to "she" than to "he"
    for (int i = 0; i < jobs.length; i++) {
      float[] job = vectors.vector(jobs[i]);
      leaning[i] =
          WordSimilarity.cosine(job, vectors.vector("she"))
              - WordSimilarity.cosine(job, vectors.vector("he"));
      IO.println("%s %+.2f".formatted(jobs[i], leaning[i]));
    }
    BarChart chart = new BarChart("Which jobs lean where", "cosine with she - he", List.of(jobs));
    Picture.write(out.resolve("bias.svg"), chart.series("leaning", leaning));
  }
}

String names(List<Neighbours.Near> found) {
  return String.join(", ", found.stream().map(Neighbours.Near::word).toList());
}

import module io.heddle.nlp;

/** From text to padded batches: data set, transform, vocabulary, batchify, sampler, loader. */
void main(String... args) throws IOException {
  Path out = Path.of(args.length > 0 ? args[0] : "runs/tutorial");
  Dataset<String> texts =
      Dataset.of(WordNetText.load().lines()).map(WordNetText.Line::text).take(20_000);
  Dataset<List<String>> words =
      texts.map(text -> Stream.of(text.toLowerCase(Locale.ROOT).split("\\W+")).limit(60).toList());
  IO.println("a sample: " + words.get(7));

  TokenCounts counts = new TokenCounts();
  words.toList().forEach(sample -> sample.forEach(counts::add));
  Vocab vocab = new VocabBuilder(counts).minFrequency(10).sentence(null, null).build();
  IO.println("%,d words, %,d of them often enough".formatted(counts.size(), vocab.size() - 2));
  IO.println("first of the vocabulary: " + vocab.tokens().subList(0, 8));

  Dataset<NumberArray> ids = words.map(sample -> NumberArray.of(vocab.indices(sample))).held();
  int[] lengths = ids.toList().stream().mapToInt(sample -> sample.ints().length).toArray();
  FixedBucketSampler.Options options =
      FixedBucketSampler.Options.of(64).scheme(10, BucketScheme.exponential(1.1)).shuffled(1);
  FixedBucketSampler sampler = new FixedBucketSampler(lengths, options.ratio(0.5));
  IO.println(sampler.stats());

  // The loader: two batches at a time are cut and padded, ahead of whoever reads them.
  Batchify<NumberArray, Pad.Padded> pad =
      Batchify.pad(vocab.special(Vocab.PADDING).orElseThrow()).withLengths();
  DataStream<Pad.Padded> loader = ids.batches(sampler, 0, pad).stream(2);
  Pad.Padded first = loader.take(1).toList().getFirst();
  IO.println("the first batch: " + Arrays.toString(first.data().shape()));

  IO.println(Padding.report(lengths, 64, 10, 1).strip());
  Map<String, Padding> all = Padding.compare(lengths, 64, 10, 1);
  List<String> shown = List.of("random", "constant", "exponential 1.1", "sorted chunks");
  double[] overhead = shown.stream().mapToDouble(name -> all.get(name).overhead()).toArray();
  BarChart chart = new BarChart("What padding costs", "padding per real token", shown);
  Picture.write(out.resolve("padding.svg"), chart.series("padding", overhead));
}

import module io.heddle.nlp;

/** What does a definition define? A bag of words and a text CNN learn to tell. */
void main(String... args) throws IOException {
  Path out = Path.of(args.length > 0 ? args[0] : "runs/tutorial");
  List<LabelledText> train = definitions(WordNetText.Part.TRAIN).limit(6000).toList();
  List<LabelledText> held = definitions(WordNetText.Part.TEST).toList();
  List<String> labels = ClassifyData.labels(train);
  WordPieceTrainer words = new WordPieceTrainer(20_000, true, ProgressListener.NONE);
  train.forEach(text -> words.add(text.first()));
  Tokenizer tokenizer = words.words(2); // whole words that occur twice or more
  ClassifyData data = ClassifyData.of(train, labels, tokenizer, 64);
  ClassifyData test = ClassifyData.of(held, labels, tokenizer, 64);
  IO.println("%,d definitions, %,d held out, %s".formatted(train.size(), held.size(), labels));

  int size = tokenizer.vocabularySize();
  var tuned = TextCnn.Channels.TUNED;
  Map<String, TextCnn.Shape> shapes = new LinkedHashMap<>();
  shapes.put("bag", new TextCnn.Shape(size, 64, List.of(), 0, true, tuned, 0.3f, 0, labels));
  shapes.put("cnn", new TextCnn.Shape(size, 64, List.of(3, 4), 64, false, tuned, 0.3f, 0, labels));
  try (Backend backend = Backends.open("cpu")) {
    for (String name : shapes.keySet()) {
      try (TextCnn model = TextCnn.random(shapes.get(name), backend, DType.F32, 1)) {
        Classification task = new Classification(name, model, tokenizer, data, test, 32, 0, 1);
        TrainConfig config = TrainConfig.of(4L * task.batchesPerEpoch(), 3e-3f, 1);
        RunDirectory run = new RunDirectory(out.resolve(name));
        var outcome = new FinetuneRun(config, "accuracy", run, ProgressListener.NONE).run(task);
        double accuracy = outcome.measures().get("accuracy");
        IO.println("%s: accuracy %.3f".formatted(model.describe(), accuracy));
      }
    }
  }
}

/** Definitions of five kinds of things, and what each is of. */
Stream<LabelledText> definitions(WordNetText.Part part) {
  String[] kinds = {"noun.animal", "noun.plant", "noun.food", "noun.artifact", "noun.person"};
  return WordNetText.load().lines(part, kinds).stream()
      .map(line -> LabelledText.of(line.definition(), line.topic().substring(5)));
}

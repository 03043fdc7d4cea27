import module io.heddle.nlp;

static final int WORDS = 4000, LONGEST = 64, FEATURES = 64, LAYERS = 2, HEADS = 2;
static final String[] KINDS = {
  "noun.animal", "noun.plant", "noun.food", "noun.artifact", "noun.person"
};

/** An encoder reads definitions and guesses hidden words; then a few labels are enough for it. */
void main(String... args) throws IOException {
  Path out = Path.of(args.length > 0 ? args[0] : "runs/tutorial");
  // In the order of WordNet's files, where neighbours are about the same things, as in a book.
  List<Document> texts =
      WordNetText.load().lines(WordNetText.Part.TRAIN, KINDS).stream()
          .sorted(Comparator.comparingLong(WordNetText.Line::key))
          .map(line -> new Document(line.topic(), line.definition()))
          .toList();
  WordPieceTrainer words = new WordPieceTrainer(WORDS, true, ProgressListener.NONE);
  texts.forEach(text -> words.add(text.text()));
  Tokenizer tokenizer = words.words(2);
  List<LabelledText> train = labelled(WordNetText.Part.TRAIN);
  List<String> labels = ClassifyData.labels(train);
  List<LabelledText> held = labelled(WordNetText.Part.TEST);
  ClassifyData test = ClassifyData.of(held, labels, tokenizer, LONGEST);

  try (Backend backend = Backends.open("cpu")) {
    var hiding = new PretrainTasks.Hiding(0.3, false, LONGEST, 1);
    List<Document> last = texts.subList(texts.size() - 1000, texts.size());
    var read = new PretrainData(tokenizer, texts, last, hiding.room(tokenizer), 16, 1);
    ModelConfig shape = ModelConfig.bert(WORDS, FEATURES, LAYERS, HEADS, LONGEST);
    try (Encoder encoder = (Encoder) AutoModel.random(shape, backend, DType.F32, 1)) {
      RunDirectory run = new RunDirectory(out.resolve("encoder"));
      new PretrainRun(TrainConfig.of(1500, 3e-3f, 1), run, ProgressListener.NONE)
          .run(PretrainTasks.masked(encoder, read, hiding));
    }
    List<String> sizes = List.of("50", "200");
    double[][] right = new double[2][sizes.size()];
    for (int i = 0; i < sizes.size(); i++) {
      List<LabelledText> few = train.subList(0, Integer.parseInt(sizes.get(i)));
      ClassifyData data = ClassifyData.of(few, labels, tokenizer, LONGEST);
      for (boolean pretrained : new boolean[] {false, true}) {
        var task = TaskEncoder.Task.CLASSIFY;
        Path encoder = out.resolve("encoder/model");
        try (Classifier model =
            pretrained
                ? Classifiers.from(encoder, task, labels, 0.1f, backend, DType.F32)
                : Classifiers.bert(WORDS, FEATURES, LAYERS, HEADS, LONGEST, 0.1f, task, labels, backend, DType.F32, 1)) {
          String name = (pretrained ? "pretrained-" : "scratch-") + sizes.get(i);
          Classification learnt = new Classification(name, model, tokenizer, data, test, 16, 0, 1);
          var run = new FinetuneRun(TrainConfig.of(200, 1e-3f, 1), "accuracy", new RunDirectory(out.resolve(name)), ProgressListener.NONE);
          right[pretrained ? 1 : 0][i] = run.run(learnt).measures().get("accuracy");
        }
      }
      IO.println("%s labels: %.3f from scratch, %.3f pretrained".formatted(sizes.get(i), right[0][i], right[1][i]));
    }
    BarChart chart = new BarChart("What reading is worth, by labels", "accuracy", sizes);
    Picture.write(out.resolve("labels.svg"), chart.series("from scratch", right[0]).series("pretrained", right[1]));
  }
}

List<LabelledText> labelled(WordNetText.Part part) {
  return WordNetText.load().lines(part, KINDS).stream()
      .map(line -> LabelledText.of(line.definition(), line.topic().substring(5)))
      .toList();
}

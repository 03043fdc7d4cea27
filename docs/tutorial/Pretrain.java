import module io.heddle.nlp;

static final int WORDS = 4000, LENGTH = 64, ROWS = 16;

/** An encoder reads definitions and guesses hidden words; then it learns a task from few labels. */
void main(String... args) throws IOException {
  Path out = Path.of(args.length > 0 ? args[0] : "runs/tutorial");
  int[] reading = {0, args.length > 1 ? Integer.parseInt(args[1]) : 1500}; // steps
  String[] kinds = {"noun.animal", "noun.plant", "noun.food", "noun.artifact", "noun.person"};
  List<WordNetText.Line> lines = WordNetText.load().lines(WordNetText.Part.TRAIN, kinds);
  List<WordNetText.Line> held = WordNetText.load().lines(WordNetText.Part.TEST, kinds);
  WordPieceTrainer trainer = new WordPieceTrainer(WORDS, true, ProgressListener.NONE);
  lines.forEach(line -> trainer.add(line.definition()));
  Tokenizer words = trainer.words(2);
  var hiding = new PretrainTasks.Hiding(0.3, false, LENGTH, 1); // 30 % of the words
  var texts = new PretrainData(words, inOrder(lines), inOrder(held), hiding.room(words), ROWS, 1);
  IO.println("%,d definitions, %,d tokens".formatted(lines.size(), texts.tokens()));

  List<LabelledText> train = labelled(lines);
  List<String> labels = ClassifyData.labels(train);
  ClassifyData test = ClassifyData.of(labelled(held), labels, words, LENGTH);
  List<Integer> sizes = List.of(50, 200);
  BarChart chart = new BarChart("Few labels", "accuracy", List.of("50 labels", "200 labels"));
  try (Backend backend = Backends.open("cpu")) {
    for (int steps : reading) {
      Path folder = out.resolve("encoder-" + steps);
      ModelConfig shape = ModelConfig.bert(WORDS, 64, 2, 2, LENGTH); // 64 features, 2 layers
      try (Encoder encoder = (Encoder) AutoModel.random(shape, backend, DType.F32, 1)) {
        TrainConfig config = TrainConfig.of(steps, 3e-3f, 1);
        var run = new PretrainRun(config, new RunDirectory(folder), ProgressListener.NONE);
        double loss = run.run(PretrainTasks.masked(encoder, texts, hiding)).measures().get("loss");
        IO.println("%,d steps of reading: %.2f nats a hidden word".formatted(steps, loss));
      }
      double[] right = new double[sizes.size()];
      for (int i = 0; i < right.length; i++) {
        ClassifyData few = ClassifyData.of(train.subList(0, sizes.get(i)), labels, words, LENGTH);
        try (Classifier model = Classifiers.from(folder.resolve("model"),
            TaskEncoder.Task.CLASSIFY, labels, 0.1f, backend, DType.F32)) {
          var task = new Classification("few", model, words, few, test, ROWS, 0, 1);
          RunDirectory run = new RunDirectory(folder.resolve(sizes.get(i) + "-labels"));
          TrainConfig config = TrainConfig.of(200, 1e-3f, 1);
          var outcome = new FinetuneRun(config, "accuracy", run, ProgressListener.NONE).run(task);
          right[i] = outcome.measures().get("accuracy");
          IO.println("  %d labels: accuracy %.3f".formatted(sizes.get(i), right[i]));
        }
      }
      chart.series(steps == 0 ? "from scratch" : "pretrained", right);
    }
  }
  Picture.write(out.resolve("labels.svg"), chart);
}

List<Document> inOrder(List<WordNetText.Line> lines) { // of WordNet's files: like beside like
  return lines.stream().sorted(Comparator.comparingLong(WordNetText.Line::key))
      .map(line -> new Document(line.topic(), line.definition())).toList();
}

List<LabelledText> labelled(List<WordNetText.Line> lines) {
  return lines.stream().map(x -> LabelledText.of(x.definition(), x.topic().substring(5))).toList();
}

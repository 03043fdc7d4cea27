import module io.heddle.nlp;

/** A program with the classifier of part 3 inside: no server, no Python, one folder to ship. */
void main(String... args) throws IOException {
  Path folder = Path.of(args.length > 0 ? args[0] : "runs/tutorial/cnn/model");
  try (Backend backend = Backends.open("cpu");
      TextClassifier classifier = TextClassifier.load(folder, backend)) {
    IO.println("ready: " + classifier.labels());
    Stream<String> asked = new BufferedReader(new InputStreamReader(System.in)).lines();
    asked.filter(line -> !line.isBlank()).forEach(line -> answer(classifier, line));
  }
}

void answer(TextClassifier classifier, String text) {
  TextClassifier.Prediction said = classifier.predict(text);
  IO.println("%s (%.0f %%): %s".formatted(said.label(), 100 * said.probability(), text));
}

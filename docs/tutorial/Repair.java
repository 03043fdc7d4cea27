import module io.heddle.nlp;

static final int LAYERS = 10, LENGTH = 5, STEPS = 200, START = 10, END = 11; // letters: 0 to 9

/** A Transformer that does not learn to turn words around, and two repairs. */
void main(String... args) throws IOException {
  LineChart chart = new LineChart("Learning to turn words around", "step", "loss in nats");
  try (Backend backend = Backends.open("cpu")) {
    learn("post-norm", backend, false, false, chart);
    learn("pre-norm", backend, true, false, chart);
    learn("pre-norm, ScaleNorm", backend, true, true, chart);
  }
  Picture.write(Path.of(args.length > 0 ? args[0] : "runs/tutorial", "repair.svg"), chart);
}

void learn(String name, Backend backend, boolean before, boolean scale, LineChart chart) {
  var shape = new Translators.Shape(48, LAYERS, LAYERS, 4, 96, 16, before, scale, false, 0);
  var marks = new Translators.Marks(START, END, END);
  List<Double> losses = new ArrayList<>();
  TrainConfig config = TrainConfig.of(STEPS, 3e-3f, 1).warmup(0); // the full rate at once
  try (Translator model = Translators.random(shape, 12, marks, backend, DType.F32, 1)) {
    Objective<int[][]> objective =
        (t, words, gradScale) -> {
          int[][] read = Stream.of(words).map(w -> marked(w, START, 0)).toArray(int[][]::new);
          int[] wanted =
              Stream.of(words).flatMapToInt(w -> IntStream.of(marked(w, END, LENGTH))).toArray();
          Tensor targets = t.tensor(DType.I32, wanted.length).copyFrom(wanted);
          Tensor hidden = model.hidden(t, words, null, read);
          double sum = Losses.sum(model.losses(t, hidden, targets, gradScale / wanted.length));
          losses.add(sum / wanted.length);
          return new Objective.Loss(sum, wanted.length);
        };
    new Trainer(config, null, ProgressListener.NONE)
        .fit(name, model.parameters(), step -> words(32, step), objective, null);
    Sampler.Options greedy = Sampler.Options.GREEDY;
    Predicate<int[]> right =
        w -> Arrays.equals(turned(w), model.generate(w, START, LENGTH, greedy, letter -> true));
    long count = Stream.of(words(100, -1)).filter(right).count();
    double[] curve = losses.stream().mapToDouble(loss -> loss).toArray();
    chart.series(name, IntStream.range(0, STEPS).asDoubleStream().toArray(), curve);
    IO.println("%s: loss %.3f, %d of 100 right".formatted(name, curve[STEPS - 1], count));
  }
}

int[][] words(int count, long number) { // of random letters, others for every number
  Random random = new Random(number);
  IntFunction<int[]> word = i -> random.ints(LENGTH, 0, 10).toArray();
  return IntStream.range(0, count).mapToObj(word).toArray(int[][]::new);
}

int[] turned(int[] word) {
  return IntStream.range(0, LENGTH).map(i -> word[LENGTH - 1 - i]).toArray();
}

int[] marked(int[] word, int mark, int at) { // turned, a mark in front (0) or behind (LENGTH)
  int[] out = Arrays.copyOf(turned(word), LENGTH + 1);
  System.arraycopy(out, at, out, at + 1, LENGTH - at);
  out[at] = mark;
  return out;
}

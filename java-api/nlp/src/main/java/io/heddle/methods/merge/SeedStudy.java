package io.heddle.methods.merge;

import io.heddle.backend.Backend;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.merge.Alignment;
import io.heddle.checkpoint.merge.Comparison;
import io.heddle.checkpoint.merge.MergeOptions;
import io.heddle.checkpoint.merge.Method;
import io.heddle.methods.merge.Findings.Addition;
import io.heddle.methods.merge.Findings.Row;
import io.heddle.methods.merge.Findings.Search;
import io.heddle.methods.study.ModelRun;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Stream;

/** Measures the models of one seed and all that is merged from them. */
final class SeedStudy {
  /** The search whose result is called DEM: what the paper does, as far as it says. */
  static final String CHOSEN = "shared weight, then coordinates";

  private static final double STEP = 0.2;
  private static final int GRID = 81; // most points of the full grid
  private static final double DENSITY = 0.2; // what TIES keeps, as its authors recommend
  private static final double[] LAMBDAS = {0.5, 1, 1.5, 2, 3};
  private static final int ADDING = 24; // candidates of the search after an addition

  private final StudyPlan plan;
  private final StudyData data;
  private final Backend backend;
  private final Path folder;
  private final long seed;
  private final Scorer scorer;
  private final List<TrainingSource> sources;
  private final Map<String, ModelRun.Trained> trained = new LinkedHashMap<>();
  private final List<Row> rows = new ArrayList<>();
  private final Map<String, Search> searches = new LinkedHashMap<>();

  SeedStudy(StudyPlan plan, StudyData data, Backend backend, Path folder, long seed) {
    this.plan = plan;
    this.data = data;
    this.backend = backend;
    this.folder = folder;
    this.seed = seed;
    this.scorer = new Scorer(backend, folder.resolve("evaluations.jsonl"));
    this.sources = data.sources();
  }

  /** All of it; the models must be there. */
  Findings measure() throws IOException {
    for (Stages.Stage stage : Stages.of(data, plan, seed)) {
      ModelRun.Trained one = ModelRun.finished(folder.resolve(stage.name()));
      if (one == null) {
        throw new IllegalStateException(stage.name() + " is not trained");
      }
      trained.put(stage.name(), one);
    }
    try (EditedModel model = new EditedModel(trained(Stages.BASE).model(), backend, DType.F32)) {
      for (TrainingSource source : sources) {
        model.add(source.name(), trained(Stages.tune(source)).model(), 0);
      }
      singles();
      double[] weights = search(model);
      merged(model);
      ties();
      mixtures();
      model.set(weights).save(folder.resolve("dem"));
      int n = sources.size();
      List<List<Double>> without = new ArrayList<>();
      List<List<Double>> only = new ArrayList<>();
      for (int i = 0; i < n; i++) {
        double[] less = weights.clone();
        less[i] = 0;
        double[] alone = new double[n];
        alone[i] = weights[i];
        without.add(test(model, less));
        only.add(test(model, alone));
      }
      double[][] cosines = cosines();
      return new Findings(
          seed,
          sources.stream().map(TrainingSource::name).toList(),
          List.copyOf(rows),
          boxed(weights),
          new LinkedHashMap<>(searches),
          without,
          only,
          Arrays.stream(cosines).limit(n).map(row -> boxed(Arrays.copyOf(row, n))).toList(),
          cosines[0][n],
          addition(model, weights));
    }
  }

  private ModelRun.Trained trained(String stage) {
    ModelRun.Trained one = trained.get(stage);
    if (one == null) {
      throw new IllegalArgumentException("there is no stage '" + stage + "'");
    }
    return one;
  }

  private static List<Double> boxed(double[] values) {
    return Arrays.stream(values).boxed().toList();
  }

  private static String weightsName(double[] weights) {
    return "weights " + Arrays.toString(weights);
  }

  private List<Double> test(EditedModel model, double[] weights) {
    return scorer.test(weightsName(weights), () -> model.with(weights), sources);
  }

  // ---- models that were trained ----

  private void row(String name, String stage, ModelRun.Trained... parts) {
    long tokens = Stream.of(parts).mapToLong(ModelRun.Trained::tokens).sum();
    double seconds = Stream.of(parts).mapToDouble(ModelRun.Trained::seconds).sum();
    rows.add(
        new Row(name, scorer.test(stage, trained(stage).model(), sources), tokens, 0, seconds));
  }

  private void singles() {
    row(Findings.BASE, Stages.BASE);
    for (TrainingSource source : sources) {
      String stage = Stages.tune(source);
      row(Findings.SINGLE + source.name(), stage, trained(stage));
    }
  }

  private void mixtures() {
    for (String mixture : List.of("concatenation", "proportional", "temperature")) {
      if (data.concatenation() != null) {
        String stage = "mix-" + mixture;
        row("data mixing, " + mixture + ", steps of all", stage, trained(stage));
      }
    }
    row(Findings.MIX_SHORT, Stages.SHORT, trained(Stages.SHORT));
    row(Findings.MIX_EQUAL, Stages.UNIFORM, trained(Stages.UNIFORM));
    row(Findings.MIX_BUDGET, Stages.BUDGET, trained(Stages.BUDGET));
    grid();
    ModelRun.Trained[] one =
        sources.stream().map(s -> trained(Stages.sequential(s))).toArray(ModelRun.Trained[]::new);
    row("one source after the other", Stages.sequential(sources.getLast()), one);
  }

  private void grid() {
    String best = "";
    double least = Double.POSITIVE_INFINITY;
    long tokens = 0;
    double seconds = 0;
    scorer.takeSeconds();
    for (int m = 0; m < plan.mixtures(); m++) {
      String stage = Stages.grid(m);
      double loss = scorer.validation(stage, trained(stage).model(), sources);
      tokens += trained(stage).tokens();
      seconds += trained(stage).seconds();
      if (loss < least) {
        least = loss;
        best = stage;
      }
    }
    rows.add(
        new Row(
            Findings.MIX_GRID,
            scorer.test(best, trained(best).model(), sources),
            tokens,
            Scorer.tokens(plan.mixtures(), sources),
            seconds + scorer.takeSeconds()));
  }

  // ---- models that were merged ----

  private Row mergedRow(String name, List<Double> losses, int evaluations, double searching) {
    long tokens = 0;
    double seconds = searching;
    for (TrainingSource source : sources) {
      tokens += trained(Stages.tune(source)).tokens();
      seconds += trained(Stages.tune(source)).seconds();
    }
    return new Row(name, losses, tokens, Scorer.tokens(evaluations, sources), seconds);
  }

  private void merged(EditedModel model) {
    double[] even = new double[sources.size()];
    Arrays.fill(even, 1.0 / even.length);
    double[] plain = new double[sources.size()];
    Arrays.fill(plain, 1);
    rows.add(mergedRow(Findings.UNIFORM, test(model, even), 0, 0));
    rows.add(mergedRow(Findings.PLAIN, test(model, plain), 0, 0));
    searches.forEach(
        (name, search) -> {
          double[] w = search.weights().stream().mapToDouble(Double::doubleValue).toArray();
          String title = name.equals(CHOSEN) ? Findings.DEM : "DEM, " + name;
          rows.add(mergedRow(title, test(model, w), search.evaluations(), search.seconds()));
        });
  }

  private double[] search(EditedModel model) {
    int n = sources.size();
    int levels = Math.max(2, (int) Math.floor(Math.pow(GRID, 1.0 / n) + 1e-9));
    double[] grid = new double[levels];
    Arrays.setAll(grid, i -> 0.2 + 1.0 * i / (levels - 1));
    int budget = StudyPlan.searched(n);
    strategy("one shared weight", model, s -> s.shared(n, StudyPlan.shared()));
    double[] chosen = strategy(CHOSEN, model, s -> s.run(n, StudyPlan.shared(), STEP));
    strategy("full grid of %d values".formatted(levels), model, s -> s.grid(n, grid));
    strategy("random weights that sum to 1", model, s -> s.simplex(n, budget, seed));
    strategy(
        "evolution",
        model,
        s -> {
          s.shared(n, 0.5);
          return s.evolve(0.3, budget - 1, seed);
        });
    return chosen;
  }

  private double[] strategy(
      String name, EditedModel model, Function<CoefficientSearch, double[]> run) {
    scorer.takeSeconds();
    CoefficientSearch search =
        new CoefficientSearch(
            w -> {
              double[] weights = w.clone();
              return scorer.validation(weightsName(weights), () -> model.with(weights), sources);
            });
    double[] best = run.apply(search);
    double seconds = scorer.takeSeconds();
    searches.put(name, new Search(boxed(best), search.value(), search.evaluations(), seconds));
    return best;
  }

  private void ties() {
    scorer.takeSeconds();
    double least = Double.POSITIVE_INFINITY;
    double best = 1;
    List<Path> tuned =
        sources.stream().map(source -> trained(Stages.tune(source)).model()).toList();
    try (MethodSum ties = new MethodSum(trained(Stages.BASE).model(), tuned, backend)) {
      for (double lambda : LAMBDAS) {
        double loss = scorer.validation("TIES " + lambda, () -> form(ties, lambda), sources);
        if (loss < least) {
          least = loss;
          best = lambda;
        }
      }
      double chosen = best;
      List<Double> losses = scorer.test("TIES " + chosen, () -> form(ties, chosen), sources);
      rows.add(mergedRow(Findings.TIES, losses, LAMBDAS.length, scorer.takeSeconds()));
    }
  }

  private static io.heddle.models.Decoder form(MethodSum ties, double lambda) {
    return ties.form(Method.TIES, 1, Map.of("density", DENSITY, "lambda", lambda));
  }

  // ---- what the differences are like, and one more of them ----

  /** Of the sources, and of the first source's second fine-tuning as the last. */
  private double[][] cosines() throws IOException {
    List<Checkpoint> open = new ArrayList<>();
    try (Checkpoint base = Checkpoint.open(trained(Stages.BASE).model())) {
      for (TrainingSource source : sources) {
        open.add(Checkpoint.open(trained(Stages.tune(source)).model()));
      }
      open.add(Checkpoint.open(trained(Stages.AGAIN).model()));
      Comparison compared = Comparison.of(base, open, Alignment.STRICT, MergeOptions.DEFAULT);
      double[][] out = new double[open.size()][open.size()];
      for (int a = 0; a < out.length; a++) {
        for (int b = 0; b < out.length; b++) {
          out[a][b] = compared.total().cosine(a, b);
        }
      }
      return out;
    } finally {
      open.forEach(Checkpoint::close);
    }
  }

  private Addition addition(EditedModel model, double[] weights) {
    TrainingSource added = data.added();
    List<TrainingSource> all = new ArrayList<>(sources);
    all.add(added);
    List<Double> before = scorer.test(weightsName(weights), () -> model.with(weights), all);
    ModelRun.Trained one = trained(Stages.ADDED);
    model.set(weights).add(added.name(), one.model(), 0);
    CoefficientSearch search =
        new CoefficientSearch(
            w -> {
              double[] candidate = w.clone();
              return scorer.validation(weightsName(candidate), () -> model.with(candidate), all);
            },
            ADDING);
    search.from(Arrays.copyOf(weights, all.size()));
    // The newcomer's weight first, then all of them.
    for (double weight : StudyPlan.shared()) {
      double[] candidate = Arrays.copyOf(weights, all.size());
      candidate[weights.length] = weight;
      search.from(candidate);
    }
    double[] best = search.coordinates(STEP / 2);
    List<Double> after = scorer.test(weightsName(best), () -> model.with(best), all);
    return new Addition(
        added.name(),
        boxed(best),
        before,
        after,
        one.tokens(),
        Scorer.tokens(search.evaluations(), all));
  }
}

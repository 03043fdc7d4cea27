package io.heddle.checkpoint.merge;

import java.util.Arrays;
import java.util.Locale;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The ways to merge. Settings are numbers (booleans are 0 and 1); no weights are normalised unless
 * {@code normalize} says so, whose default stands at each method.
 */
public enum Method {
  /**
   * The Distribution Edited Model (Ram et al. 2024): {@code base + lambda sum_i weight_i (source_i
   * - base)}.
   */
  DEM(true, 1, 99, "lambda=1,normalize=0", "weight=?", Method::differences),
  /** The same with weights of 1 if none are given (Ilharco et al. 2023). */
  TASK_ARITHMETIC(true, 1, 99, "lambda=1,normalize=0", "weight=1", Method::differences),
  /** {@code sum_i weight_i source_i}. */
  LINEAR(false, 1, 99, "normalize=0", "weight=1", Method::sum),
  /** The mean of the sources (model soup, Wortsman et al. 2022). */
  AVERAGE(false, 1, 99, "", "", task -> sumOf(task, 1.0 / task.count())),
  /** Along the arc from the first source ({@code t} 0) to the second (1), each tensor a vector. */
  SLERP(
      false,
      2,
      2,
      "t=?",
      "",
      task -> new GramKernel(task, false, gram -> Sphere.slerp(gram, task.get("t"), Sphere.NEAR))),
  /**
   * The same with t from the weights; with a base, of the differences to it. More than two sources
   * are a {@link #KARCHER} mean.
   */
  NUSLERP(false, 2, 2, "nuslerp_flatten=1,nuslerp_row_wise=0", "weight=1", Method::nuslerp),
  /** The mean on the sphere of any number of sources; {@code weight} gives their shares. */
  KARCHER(false, 2, 99, "max_iter=10,tol=1e-5", "weight=1", Method::karcher),
  /** Keep the largest differences, elect signs, take the mean of those that agree. */
  TIES(true, 1, 99, "lambda=1,normalize=1", "weight=1,density=1", t -> largest(t, true)),
  /** Keep random differences, magnified, and sum. */
  DARE_LINEAR(
      true, 1, 99, "lambda=1,normalize=0,rescale=1", "weight=1,density=1", t -> random(t, false)),
  /** Keep random differences, magnified, then as TIES. */
  DARE_TIES(
      true, 1, 99, "lambda=1,normalize=0,rescale=1", "weight=1,density=1", t -> random(t, true)),
  /** Keep random differences, large ones more likely, magnified, then as TIES. */
  DELLA(
      true,
      1,
      99,
      "lambda=1,normalize=1,rescale=1",
      "weight=1,density=1,epsilon=0.15",
      t -> ranked(t, true)),
  /** The same without an election. */
  DELLA_LINEAR(
      true,
      1,
      99,
      "lambda=1,normalize=0,rescale=1",
      "weight=1,density=1,epsilon=0.15",
      t -> ranked(t, false)),
  /** Keep differences neither largest nor smallest, and sum. */
  BREADCRUMBS(
      true, 1, 99, "lambda=1,normalize=0", "weight=1,density=1,gamma=0.01", t -> middle(t, false)),
  /** The same, then as TIES. */
  BREADCRUMBS_TIES(
      true, 1, 99, "lambda=1,normalize=0", "weight=1,density=1,gamma=0.01", t -> middle(t, true)),
  /** Towards the mean of the sources as far as the angles between the differences say. */
  MODEL_STOCK(true, 2, 99, "filter_wise=0", "", Method::stock),
  /** Select what varies, calculate weights from it, erase minority signs. */
  SCE(true, 1, 99, "select_topk=1", "", SceKernel::new),
  /** One source as it is, times {@code scale}: to put layers of models on top of each other. */
  PASSTHROUGH(false, 1, 1, "", "scale=1", task -> new LinearKernel(false, task.of(0, "scale")));

  private final boolean needsBase;
  private final int least;
  private final int most;
  private final Map<String, Double> settings;
  private final Map<String, Double> sourceSettings;
  private final Function<Task, Kernel> kernel;

  Method(
      boolean needsBase,
      int least,
      int most,
      String settings,
      String sourceSettings,
      Function<Task, Kernel> kernel) {
    this.needsBase = needsBase;
    this.least = least;
    this.most = most;
    this.settings = defaults(settings);
    this.sourceSettings = defaults(sourceSettings);
    this.kernel = kernel;
  }

  // "a=1,b=?": NaN stands for a setting without default.
  private static Map<String, Double> defaults(String text) {
    return Arrays.stream(text.split(","))
        .filter(s -> !s.isEmpty())
        .map(s -> s.split("="))
        .collect(
            Collectors.toUnmodifiableMap(
                s -> s[0], s -> s[1].equals("?") ? Double.NaN : Double.parseDouble(s[1])));
  }

  /**
   * The method of this name, in lower case.
   *
   * @throws IllegalArgumentException when there is none; says which there are
   */
  public static Method of(String name) {
    for (Method method : values()) {
      if (method.id().equals(name)) {
        return method;
      }
    }
    throw new IllegalArgumentException(
        "there is no merge method '" + name + "'; there are: " + names());
  }

  /** All names, for messages. */
  public static String names() {
    return Arrays.stream(values()).map(Method::id).collect(Collectors.joining(", "));
  }

  /** The name in recipes and on the command line. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether there must be a base; all but these and {@link #NUSLERP} take none. */
  public boolean needsBase() {
    return needsBase;
  }

  /** Whether a base may be given. */
  public boolean takesBase() {
    return needsBase || this == NUSLERP;
  }

  /** Settings of the merge with their defaults; NaN where there is none. */
  public Map<String, Double> settings() {
    return settings;
  }

  /** Settings that each source may have of its own, with defaults as in {@link #settings}. */
  public Map<String, Double> sourceSettings() {
    return sourceSettings;
  }

  /** Checks the number of sources. */
  void checkCount(int sources) {
    if (sources < least || sources > most) {
      throw new IllegalArgumentException(
          "method %s takes %s, and %d are given"
              .formatted(
                  id(),
                  least == most
                      ? least + (least == 1 ? " source" : " sources")
                      : "at least " + least + (least == 1 ? " source" : " sources"),
                  sources));
    }
  }

  Kernel kernel(Task task) {
    return kernel.apply(task);
  }

  private static double[] weights(Task task) {
    double[] weights = task.all("weight");
    return task.is("normalize") ? LinearKernel.normalized(weights) : weights;
  }

  private static Kernel differences(Task task) {
    double lambda = task.get("lambda");
    return new LinearKernel(true, Arrays.stream(weights(task)).map(w -> lambda * w).toArray());
  }

  private static Kernel sum(Task task) {
    return new LinearKernel(false, weights(task));
  }

  private static Kernel sumOf(Task task, double weight) {
    double[] weights = new double[task.count()];
    Arrays.fill(weights, weight);
    return new LinearKernel(false, weights);
  }

  private static Kernel nuslerp(Task task) {
    if (!task.is("nuslerp_flatten") || task.is("nuslerp_row_wise")) {
      throw new IllegalArgumentException(
          "nuslerp by rows is not supported: leave nuslerp_row_wise and nuslerp_flatten out");
    }
    double[] shares = LinearKernel.normalized(task.all("weight"));
    return new GramKernel(
        task, task.hasBase(), gram -> Sphere.slerp(gram, shares[1], Sphere.PARALLEL));
  }

  private static Kernel karcher(Task task) {
    double[] shares = LinearKernel.normalized(task.all("weight"));
    int iterations = (int) task.get("max_iter");
    double tolerance = task.get("tol");
    return new GramKernel(task, false, gram -> Sphere.karcher(gram, shares, iterations, tolerance));
  }

  private static Kernel stock(Task task) {
    if (task.is("filter_wise")) {
      throw new IllegalArgumentException("model_stock by rows (filter_wise) is not supported");
    }
    return new GramKernel(task, true, Sphere::modelStock);
  }

  private static Kernel largest(Task task, boolean election) {
    return new SparseKernel(task, SparseKernel.Thinning.LARGEST, election);
  }

  private static Kernel middle(Task task, boolean election) {
    return new SparseKernel(task, SparseKernel.Thinning.MIDDLE, election);
  }

  private static Kernel random(Task task, boolean election) {
    return new SparseKernel(task, SparseKernel.Thinning.RANDOM, election);
  }

  private static Kernel ranked(Task task, boolean election) {
    return new SparseKernel(task, SparseKernel.Thinning.RANKED, election);
  }
}

package io.heddle.methods.finetune;

import io.heddle.autograd.Tape;
import io.heddle.data.PromptedText;
import io.heddle.data.TokenBatch;
import io.heddle.metrics.Rouge;
import io.heddle.metrics.Squad;
import io.heddle.metrics.TextMetric;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.models.Sampler;
import io.heddle.nn.Parameters;
import io.heddle.op.Losses;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.text.PairEncoder;
import io.heddle.text.Tokenizer;
import io.heddle.train.Objective;
import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.LongFunction;

/**
 * Summaries of documents and answers to questions about them, written by a decoder that has read
 * the whole prompt (MASFormer, arXiv 2310.12442, section 2.3 step 5: a prefix language model). What
 * is minimised is the cross-entropy of the target alone; what is measured is what the model writes,
 * greedily, with a cache as large as its layers see.
 */
public final class Writing implements FinetuneRun.Task<TokenBatch> {
  // Lengths of batches are multiples of this: masks are kept by length, and blocks are as long.
  private static final int STEP = 64;

  private final String title;
  private final Kind kind;
  private final Decoder model;
  private final Tokenizer tokenizer;
  private final PromptRows layout;
  private final List<PromptRows.Row> rows;
  private final List<PromptedText> dev;
  private final List<PromptRows.Row> devRows;
  private final RowBatches batches;
  private final int size;
  private final int written;
  private List<String> last = List.of();

  /** What is written. */
  public enum Kind {
    /** A summary, measured by ROUGE-1, ROUGE-2 and ROUGE-L. */
    SUMMARY("Summary", "rougeL"),
    /** An answer, measured by SQuAD's exact match and F1. */
    ANSWER("Answer", "f1");

    private final String word;
    private final String watched;

    Kind(String word, String watched) {
      this.word = word;
      this.watched = watched;
    }

    /** What announces it in a prompt. */
    public String word() {
      return word;
    }

    /** The measure that is usually gone by. */
    public String watched() {
      return watched;
    }

    private Map<String, Double> score(List<String> texts, List<PromptedText> wanted) {
      Map<String, Double> out = new LinkedHashMap<>();
      if (this == ANSWER) {
        Squad.Score score = Squad.standard().score(sums(Squad.standard(), texts, wanted));
        out.put("exact", score.exact());
        out.put("f1", score.f1());
        return out;
      }
      for (String n : List.of("1", "2", "L")) {
        Rouge rouge = new Rouge(n, true);
        out.put("rouge" + n, rouge.score(sums(rouge, texts, wanted)).f1());
      }
      return out;
    }
  }

  /**
   * A task.
   *
   * @param train to learn from, with targets
   * @param dev the development part, with targets; may be empty
   * @param size rows of a batch
   * @param written how many texts of the development part are written and scored at most
   */
  public Writing(
      String title,
      Kind kind,
      Decoder model,
      Tokenizer tokenizer,
      PromptRows layout,
      List<PromptedText> train,
      List<PromptedText> dev,
      int size,
      int written,
      long seed) {
    this.title = title;
    this.kind = kind;
    this.model = model;
    this.tokenizer = tokenizer;
    this.layout = layout;
    this.rows = train.stream().map(layout::row).toList();
    this.dev = List.copyOf(dev);
    this.devRows = dev.stream().map(layout::row).toList();
    this.size = size;
    this.written = written;
    this.batches = batches(rows, size, seed);
  }

  private static RowBatches batches(List<PromptRows.Row> rows, int size, long seed) {
    List<PairEncoder.Row> all =
        rows.stream()
            .map(r -> new PairEncoder.Row(r.ids(), new int[0], 0, r.ids().length, -1))
            .toList();
    return new RowBatches(all, size, 0, seed);
  }

  private static double[] sums(
      TextMetric<?> metric, List<String> texts, List<PromptedText> wanted) {
    double[] out = new double[metric.width()];
    for (int i = 0; i < texts.size(); i++) {
      double[] row = metric.count(texts.get(i), wanted.get(i).targets());
      for (int j = 0; j < out.length; j++) {
        out[j] += row[j];
      }
    }
    return out;
  }

  @Override
  public String title() {
    return title;
  }

  /** Batches of an epoch. */
  public int batchesPerEpoch() {
    return batches.perEpoch();
  }

  @Override
  public Parameters parameters() {
    return model.parameters();
  }

  @Override
  public LongFunction<TokenBatch> batches() {
    return number -> batch(rows, batches.batch(number));
  }

  // Padding stands after a row: no token sees it, and nothing is asked of it.
  private TokenBatch batch(List<PromptRows.Row> from, int[] indices) {
    int most = Arrays.stream(indices).map(i -> from.get(i).ids().length - 1).max().orElse(1);
    int length = Math.min(model.config().context(), Math.ceilDiv(Math.max(most, 1), STEP) * STEP);
    int[] ids = new int[indices.length * length];
    int[] targets = new int[ids.length];
    Arrays.fill(targets, Losses.IGNORE);
    for (int b = 0; b < indices.length; b++) {
      PromptRows.Row row = from.get(indices[b]);
      int[] tokens = row.ids();
      System.arraycopy(tokens, 0, ids, b * length, tokens.length - 1);
      for (int i = row.prompt(); i < tokens.length; i++) {
        targets[b * length + i - 1] = tokens[i];
      }
    }
    return new TokenBatch(indices.length, ids, targets, null);
  }

  @Override
  public Objective<TokenBatch> objective() {
    return (t, batch, gradScale) -> {
      long n = Losses.scored(batch.targets());
      return new Objective.Loss(loss(t, batch, gradScale / Math.max(1, n)), n);
    };
  }

  private double loss(Tape t, TokenBatch batch, float gradScale) {
    int n = batch.ids().length;
    Tensor ids = t.tensor(DType.I32, n).copyFrom(batch.ids());
    Tensor targets = t.tensor(DType.I32, n).copyFrom(batch.targets());
    return Losses.sum(
        model.losses(t, model.hidden(t, ids, batch.rows(), null), targets, gradScale));
  }

  @Override
  public Map<String, Double> measure(ProgressListener progress) {
    if (dev.isEmpty()) {
      return Map.of();
    }
    List<PromptedText> some = dev.subList(0, Math.min(written, dev.size()));
    last = write(model, tokenizer, layout, some, size, progress);
    Map<String, Double> out = new LinkedHashMap<>(kind.score(last, some));
    double nats = 0;
    long tokens = 0;
    for (int[] indices : batches(devRows, size, 0).all()) {
      TokenBatch batch = batch(devRows, indices);
      try (Tape t = Tape.inference(model.backend())) {
        nats += loss(t, batch, 0);
      }
      tokens += Losses.scored(batch.targets());
    }
    out.put("loss", nats / tokens);
    return out;
  }

  /**
   * What a model writes, greedily, for each text.
   *
   * @param size texts that are read at once
   * @param progress hears of every text
   */
  public static List<String> write(
      Decoder model,
      Tokenizer tokenizer,
      PromptRows layout,
      List<PromptedText> texts,
      int size,
      ProgressListener progress) {
    List<PromptRows.Row> rows = texts.stream().map(layout::row).toList();
    String[] out = new String[texts.size()];
    Sampler.Limits limits = new Sampler.Limits(1, layout.room(), Set.of(layout.end()));
    progress.begin("write", out.length, "text");
    long done = 0;
    for (int[] indices : batches(rows, size, 0).all()) {
      int[][] prompts =
          Arrays.stream(indices).mapToObj(i -> rows.get(i).question()).toArray(int[][]::new);
      var found =
          new Sampler(Sampler.Options.GREEDY)
              .continuations(model, prompts, limits, (text, sample, token) -> true);
      for (int b = 0; b < indices.length; b++) {
        int[] fresh = found.get(b).tokens();
        boolean ended = fresh.length > 0 && fresh[fresh.length - 1] == layout.end();
        int[] text = Arrays.copyOf(fresh, ended ? fresh.length - 1 : fresh.length);
        out[indices[b]] = tokenizer.decode(text).strip();
      }
      done += indices.length;
      progress.advance(done, "");
    }
    progress.end("");
    return List.of(out);
  }

  @Override
  public void save(Path folder) throws IOException {
    ModelFolder.save(model, folder, Map.of());
    tokenizer.save(folder);
  }

  @Override
  public void report(RunDirectory run, Map<String, Double> measures) throws IOException {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("parameters", model.parameters().count());
    facts.put("backend", model.backend().name());
    facts.put("attention", model.config().schedule());
    facts.put("tokens known", model.config().context());
    facts.put("training examples", rows.size());
    facts.put(
        "of them with a document that was cut", rows.stream().filter(r -> r.lost() > 0).count());
    facts.put("longest row, tokens", rows.stream().mapToInt(r -> r.ids().length).max().orElse(0));
    facts.put("development examples", dev.size());
    List<List<String>> examples = new ArrayList<>();
    for (int i = 0; i < last.size(); i++) {
      PromptedText text = dev.get(i);
      String asked = text.question() == null ? "" : text.question();
      examples.add(List.of(asked, text.targets().getFirst(), last.get(i)));
    }
    WritingReport.write(run, title, facts, measures, examples);
  }
}

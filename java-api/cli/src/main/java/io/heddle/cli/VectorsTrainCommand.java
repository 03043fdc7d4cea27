package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.data.vectors.Subwords;
import io.heddle.data.vectors.VectorFile;
import io.heddle.data.vectors.VectorFormat;
import io.heddle.data.vectors.WordLookup;
import io.heddle.methods.vectors.Cooccurrences;
import io.heddle.methods.vectors.CorpusReader;
import io.heddle.methods.vectors.GloveConfig;
import io.heddle.methods.vectors.GloveTrainer;
import io.heddle.methods.vectors.VectorConfig;
import io.heddle.methods.vectors.VectorTrainer;
import io.heddle.methods.vectors.WordCorpus;
import io.heddle.progress.ProgressListener;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code heddle vectors train}. */
@Command(
    name = "train",
    description = {
      "Trains word vectors on text: skip-gram or CBOW, with or without n-grams, or GloVe.",
      "Ctrl-C stops skip-gram and CBOW; the same command goes on."
    })
final class VectorsTrainCommand implements Callable<Integer> {
  /** What is trained. */
  enum Method {
    SKIPGRAM,
    CBOW,
    GLOVE
  }

  private static final int GLOVE_WINDOW = 10;
  private static final int STOPPED = 130; // as a shell says of Ctrl-C

  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--data",
      description = "Text to learn from: a file or a folder of it; may be repeated.")
  private List<Path> data = new ArrayList<>();

  @Option(names = "--wordnet", description = "Also learn from the text of WordNet.")
  private boolean wordnet;

  @Option(
      names = "--out",
      required = true,
      description = "File for the vectors; its ending gives the format unless --format does.")
  private Path out = Path.of("");

  @Option(
      names = "--format",
      description =
          "word2vec (.vec), word2vec_binary, glove (.txt) or fasttext (.bin, with n-grams).")
  private @Nullable VectorFormat format;

  @Option(names = "--method", description = "skipgram, cbow or glove (default: skipgram).")
  private Method method = Method.SKIPGRAM;

  @Option(names = "--dim", defaultValue = "100", description = "Numbers in a vector (100).")
  private int dim;

  @Option(names = "--window", description = "Largest distance of a context word (5, GloVe 10).")
  private @Nullable Integer window;

  @Option(names = "--epochs", description = "Passes (5 over the text, GloVe 25 over the pairs).")
  private @Nullable Integer epochs;

  @Option(names = "--rate", defaultValue = "0.05", description = "Learning rate (0.05).")
  private double rate;

  @Option(names = "--min-count", defaultValue = "5", description = "Leave out rarer words (5).")
  private long minCount;

  @Option(names = "--negatives", defaultValue = "5", description = "Negatives per target (5).")
  private int negatives;

  @Option(
      names = "--sample",
      defaultValue = "1e-4",
      description = "Keep a word of relative frequency f with probability sqrt(sample / f) (1e-4).")
  private double sample;

  @Option(
      names = "--ngrams",
      paramLabel = "FROM-TO",
      description = "Lengths of n-grams that words share, such as 3-6 (default: none).")
  private @Nullable String ngrams;

  @Option(names = "--buckets", defaultValue = "2000000", description = "For n-grams (2000000).")
  private int buckets;

  @Option(names = "--x-max", defaultValue = "100", description = "GloVe: full weight from (100).")
  private double xMax;

  @Option(
      names = "--alpha",
      defaultValue = "0.75",
      description = "GloVe: weight's exponent (0.75).")
  private double alpha;

  @Option(
      names = "--pairs-in-memory",
      defaultValue = "16000000",
      description = "GloVe: pairs counted in memory at once, about 20 bytes each (16000000).")
  private int pairsInMemory;

  @Option(names = "--as-is", description = "Words are what stands between spaces, case kept.")
  private boolean asIs;

  @Option(names = "--paragraphs", description = "Windows cross lines, up to an empty line.")
  private boolean paragraphs;

  @Option(names = "--seed", defaultValue = "1", description = "Of all that is drawn (1).")
  private long seed;

  @Option(
      names = "--threads",
      defaultValue = "0",
      description = "Kernel threads, 0 for one per core; with 1 runs are the same bit for bit (0).")
  private int threads;

  @Option(names = "--backend", defaultValue = "cpu", description = "cpu or reference (cpu).")
  private String backend = "cpu";

  @Option(names = "--quiet", description = "No progress on standard error.")
  private boolean quiet;

  VectorsTrainCommand() {}

  @Override
  public Integer call() throws IOException {
    if (data.isEmpty() && !wordnet) {
      throw new ParameterException(spec.commandLine(), "Missing required option: '--data=<data>'");
    }
    VectorFormat target = format();
    Subwords subwords = subwords();
    ProgressListener progress = Progress.onStandardError(quiet);
    CorpusReader reader = new CorpusReader(!asIs, paragraphs);
    for (Path path : data) {
      reader.add(path);
    }
    if (wordnet) {
      reader.addWordNet();
    }
    WordCorpus corpus = reader.corpus(minCount);
    long started = System.nanoTime();
    @Nullable WordLookup vectors;
    try (Backend opened = Backends.open(backend, new BackendOptions(0, threads))) {
      vectors =
          method == Method.GLOVE
              ? glove(opened, corpus, progress)
              : words(opened, corpus, subwords, progress);
    }
    if (vectors == null) {
      return STOPPED;
    }
    double seconds = (System.nanoTime() - started) / 1e9;
    VectorFile.write(out, vectors, target);
    var writer = spec.commandLine().getOut();
    writer.printf(
        Locale.ROOT,
        "%d words of %d tokens, %d numbers each, in %s: %.1f s",
        corpus.words().size(),
        corpus.tokens(),
        dim,
        out,
        seconds);
    if (method != Method.GLOVE) {
      writer.printf(Locale.ROOT, ", %.0f words/s", corpus.kept() * (double) epochs(5) / seconds);
    }
    writer.println();
    writer.flush();
    return 0;
  }

  private VectorFormat format() {
    VectorFormat chosen = format;
    if (chosen == null) {
      String name = out.toString();
      chosen =
          name.endsWith(".txt")
              ? VectorFormat.GLOVE
              : name.endsWith(".bin") && method != Method.GLOVE
                  ? VectorFormat.FASTTEXT
                  : name.endsWith(".bin") ? VectorFormat.WORD2VEC_BINARY : VectorFormat.WORD2VEC;
    }
    if (chosen == VectorFormat.FASTTEXT && method == Method.GLOVE) {
      throw new ParameterException(
          spec.commandLine(), "fastText's format cannot hold GloVe's vectors; choose another");
    }
    return chosen;
  }

  private int epochs(int usual) {
    return epochs == null ? usual : epochs;
  }

  private @Nullable WordLookup words(
      Backend opened, WordCorpus corpus, Subwords subwords, ProgressListener progress) {
    VectorConfig config =
        new VectorConfig(
            method == Method.CBOW,
            dim,
            window == null ? VectorConfig.DEFAULT.window() : window,
            negatives,
            sample,
            rate,
            epochs(VectorConfig.DEFAULT.epochs()),
            subwords,
            seed);
    VectorTrainer trainer = new VectorTrainer(opened, corpus, config);
    AtomicBoolean stop = new AtomicBoolean();
    Path state = out.resolveSibling(out.getFileName() + ".training");
    return Session.<@Nullable WordLookup>interruptible(
        () -> stop.set(true),
        () -> {
          try {
            return trainer.train(progress, state, stop::get);
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
  }

  private Subwords subwords() {
    if (ngrams == null) {
      return Subwords.NONE;
    }
    String[] ends = ngrams.split("-", -1);
    try {
      return new Subwords(
          Integer.parseInt(ends[0]), Integer.parseInt(ends[ends.length - 1]), buckets);
    } catch (NumberFormatException e) {
      throw new ParameterException(
          spec.commandLine(), "--ngrams is '" + ngrams + "'; it should be like 3-6", e);
    }
  }

  private WordLookup glove(Backend opened, WordCorpus corpus, ProgressListener progress)
      throws IOException {
    GloveConfig config =
        new GloveConfig(dim, xMax, alpha, rate, epochs(GloveConfig.DEFAULT.epochs()), seed);
    GloveTrainer trainer = new GloveTrainer(opened, config);
    int reach = window == null ? GLOVE_WINDOW : window;
    try (Cooccurrences pairs = Cooccurrences.count(corpus, reach, pairsInMemory, progress)) {
      return trainer.train(corpus.words(), pairs, progress);
    }
  }
}

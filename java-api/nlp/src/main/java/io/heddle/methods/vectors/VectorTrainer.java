package io.heddle.methods.vectors;

import io.heddle.backend.Backend;
import io.heddle.data.Cursor;
import io.heddle.data.DataStream;
import io.heddle.data.vectors.FastTextModel;
import io.heddle.data.vectors.FastTextSettings;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.Locale;
import java.util.Objects;
import java.util.function.BooleanSupplier;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Trains skip-gram and CBOW vectors. Batches are cut, sampled and laid out by other threads, some
 * ahead of the kernel. With one kernel thread a run is reproducible bit for bit, also when it was
 * stopped and resumed; with more, threads race (Hogwild) and two runs differ a little.
 */
public final class VectorTrainer {
  private static final int AHEAD = 4;
  private static final int LOSS_EVERY = 16; // batches: a look costs a logarithm per score
  private static final long SAVE_EVERY = 120_000_000_000L; // nanoseconds

  private final Backend backend;
  private final WordCorpus corpus;
  private final VectorConfig config;
  private final Examples examples;
  private final HostTable input;
  private final HostTable output;
  private double loss;
  private long lossTargets;

  /**
   * A trainer of new vectors.
   *
   * @throws UnsupportedOperationException when the backend cannot train word vectors
   */
  public VectorTrainer(Backend backend, WordCorpus corpus, VectorConfig config) {
    need(backend, OpCode.WORD_VECTORS);
    this.backend = backend;
    this.corpus = corpus;
    this.config = config;
    this.examples = new Examples(corpus, config);
    long words = corpus.words().size();
    long rows = words + (config.subwords().any() ? config.subwords().buckets() : 0);
    input = new HostTable(rows, config.dimension()).spread(1.0 / config.dimension(), config.seed());
    output = new HostTable(words, config.dimension());
  }

  static void need(Backend backend, OpCode op) {
    if (!backend.supports(op)) {
      throw new UnsupportedOperationException(
          "backend "
              + backend.name()
              + " cannot train word vectors (it has no "
              + op.opName()
              + "); the cpu backend can");
    }
  }

  /** Trains all epochs, without a state to go on from. */
  public FastTextModel train(ProgressListener progress) {
    try {
      return Objects.requireNonNull(train(progress, null, () -> false));
    } catch (IOException e) {
      throw new AssertionError("no file is read or written", e);
    }
  }

  /**
   * Trains all epochs.
   *
   * @param state file to keep the state in, at {@code stop} and now and then, and to go on from if
   *     it is there; deleted at the end; null for none
   * @param stop asked before each batch
   * @return the vectors, or null when it was stopped
   * @throws IOException when the state cannot be read or written, or is another run's
   */
  public @Nullable FastTextModel train(
      ProgressListener progress, @Nullable Path state, BooleanSupplier stop) throws IOException {
    TrainingState kept =
        state == null
            ? null
            : new TrainingState(
                state,
                config + " of text " + corpus.fingerprint(),
                input.tensor(),
                output.tensor());
    long from = kept == null ? 0 : kept.load();
    long total = (long) examples.perEpoch() * config.epochs();
    long words = words(from);
    progress.begin("word vectors", (long) corpus.kept() * config.epochs(), "word");
    progress.advance(words, "");
    long saved = System.nanoTime();
    Iterable<Long> numbers = () -> batchNumbers(from, total);
    try (Cursor<Examples.Batch> batches =
        DataStream.of(numbers).<Examples.Batch>mapAhead(examples::batch, AHEAD).open()) {
      for (long step = from; step < total; step++) {
        boolean stopped = stop.getAsBoolean();
        if (kept != null && (stopped || System.nanoTime() - saved > SAVE_EVERY)) {
          kept.save(step);
          saved = System.nanoTime();
        }
        if (stopped) {
          progress.end("stopped in epoch " + (step / examples.perEpoch() + 1));
          return null;
        }
        Examples.Batch batch = batches.next();
        if (batch == null) {
          throw new AssertionError("batch " + step + " is missing");
        }
        run(batch, step, 1 - step / (double) total);
        words += batch.tokens();
        progress.advance(words, message());
      }
    }
    progress.end(message());
    if (kept != null) {
      kept.delete();
    }
    return model();
  }

  private static Iterator<Long> batchNumbers(long from, long to) {
    return LongStream.range(from, to).iterator();
  }

  // Words of the batches before a step.
  private long words(long step) {
    return step == 0
        ? 0
        : (long) (step / (double) examples.perEpoch() * corpus.kept()); // progress alone reads it
  }

  private String message() {
    return lossTargets == 0 ? "" : String.format(Locale.ROOT, "loss %.4f", loss);
  }

  private void run(Examples.Batch batch, long step, double left) {
    try (Scope scope = new Scope(backend.memory())) {
      int count = batch.rowPtr().length - 1;
      boolean look = step % LOSS_EVERY == 0;
      Tensor losses = look ? scope.tensor(DType.F32, count) : null;
      int targets = batch.targets().length;
      backend.run(
          OpCode.WORD_VECTORS,
          new Params.WordVectors((float) (config.rate() * left)),
          ints(scope, batch.rowPtr()),
          ints(scope, batch.rows()),
          ints(scope, batch.targetPtr()),
          ints(scope, batch.targets()),
          ints(scope, batch.negatives()).view(targets, config.negatives()),
          input.tensor(),
          output.tensor(),
          losses);
      if (losses != null && targets > 0) {
        double sum = 0;
        for (float each : losses.toFloats()) {
          sum += each;
        }
        // A running mean: the last twenty looks or so.
        double weight = Math.max(1.0 / ++lossTargets, 0.05);
        loss += weight * (sum / targets - loss);
      }
    }
  }

  static Tensor ints(Scope scope, int[] values) {
    return scope.tensor(DType.I32, values.length).copyFrom(values);
  }

  private FastTextModel model() {
    FastTextSettings settings =
        new FastTextSettings(
            config.dimension(),
            config.window(),
            config.epochs(),
            1,
            config.negatives(),
            1,
            FastTextSettings.NEGATIVE_SAMPLING,
            config.cbow() ? FastTextSettings.CBOW : FastTextSettings.SKIP_GRAM,
            config.subwords().buckets(),
            config.subwords().shortest(),
            config.subwords().longest(),
            100,
            config.sample());
    return new FastTextModel(
        settings,
        corpus.words(),
        corpus.counts(),
        corpus.tokens(),
        input.memory(),
        output.memory());
  }
}

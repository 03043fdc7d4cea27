package io.heddle.methods.vectors;

import io.heddle.backend.Backend;
import io.heddle.data.Cursor;
import io.heddle.data.DataStream;
import io.heddle.data.Mix;
import io.heddle.data.vectors.WordTable;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Trains GloVe vectors: AdaGrad on (u v + b_u + b_v - ln x)^2, weighted by min((x / x_max)^alpha,
 * 1), over all pairs (Pennington et al. 2014). The vector of a word is the sum of its two. With one
 * kernel thread a run is reproducible bit for bit.
 */
public final class GloveTrainer {
  private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;

  private final Backend backend;
  private final GloveConfig config;

  /**
   * A trainer.
   *
   * @throws UnsupportedOperationException when the backend cannot train GloVe
   */
  public GloveTrainer(Backend backend, GloveConfig config) {
    VectorTrainer.need(backend, OpCode.GLOVE);
    this.backend = backend;
    this.config = config;
  }

  /** Trains all epochs. */
  public WordTable train(List<String> words, Cooccurrences pairs, ProgressListener progress)
      throws IOException {
    int width = config.dimension() + 1; // the last number is the bias
    double bound = 0.5 / width;
    HostTable word = new HostTable(words.size(), width).spread(bound, config.seed());
    HostTable context = new HostTable(words.size(), width).spread(bound, ~config.seed());
    HostTable wordSquares = new HostTable(words.size(), width).fill(1);
    HostTable contextSquares = new HostTable(words.size(), width).fill(1);
    Tensor[] tables = {
      word.tensor(), context.tensor(), wordSquares.tensor(), contextSquares.tensor()
    };
    progress.begin("GloVe", pairs.pairs() * config.epochs(), "pair");
    long done = 0;
    double sum = 0;
    String message = "";
    try (Cursor<Cooccurrences.Part> parts = parts(pairs).open()) {
      for (int number = 1; number <= config.epochs() * Cooccurrences.PARTS; number++) {
        Cooccurrences.Part part = parts.next();
        if (part == null) {
          throw new AssertionError("part " + number + " is missing");
        }
        sum += run(part, tables);
        done += part.counts().length;
        if (number % Cooccurrences.PARTS == 0) {
          message = String.format(Locale.ROOT, "loss %.5f", sum / Math.max(1, pairs.pairs()));
          sum = 0;
        }
        progress.advance(done, message);
      }
    }
    progress.end(message);
    return table(words, word.memory(), context.memory(), width);
  }

  // Every part once an epoch, in another order each time; the next ones are read meanwhile.
  private DataStream<Cooccurrences.Part> parts(Cooccurrences pairs) {
    List<Integer> numbers = new ArrayList<>();
    for (int epoch = 0; epoch < config.epochs(); epoch++) {
      int[] order = new Mix(Mix.hash(config.seed() + epoch)).order(Cooccurrences.PARTS);
      for (int part : order) {
        numbers.add(epoch * Cooccurrences.PARTS + part);
      }
    }
    return DataStream.of(numbers)
        .mapAhead(
            n -> pairs.part(n % Cooccurrences.PARTS, Mix.hash(config.seed() ^ Mix.hash(n))), 2);
  }

  private double run(Cooccurrences.Part part, Tensor[] tables) {
    int n = part.counts().length;
    if (n == 0) {
      return 0;
    }
    try (Scope scope = new Scope(backend.memory())) {
      Tensor losses = scope.tensor(DType.F32, n);
      backend.run(
          OpCode.GLOVE,
          new Params.Glove((float) config.rate(), (float) config.xMax(), (float) config.alpha()),
          VectorTrainer.ints(scope, part.rows()),
          VectorTrainer.ints(scope, part.columns()),
          scope.tensor(DType.F32, n).copyFrom(part.counts()),
          tables[0],
          tables[1],
          tables[2],
          tables[3],
          losses);
      double sum = 0;
      for (float loss : losses.toFloats()) {
        sum += loss;
      }
      return sum;
    }
  }

  private static WordTable table(
      List<String> words, MemorySegment word, MemorySegment context, int width) {
    int d = width - 1;
    MemorySegment out = Arena.ofAuto().allocate(4L * d * words.size(), 64);
    for (long w = 0; w < words.size(); w++) {
      for (int i = 0; i < d; i++) {
        long at = w * width + i;
        float sum = word.getAtIndex(FLOAT, at) + context.getAtIndex(FLOAT, at);
        out.setAtIndex(FLOAT, w * d + i, sum);
      }
    }
    return new WordTable(words, d, out);
  }
}

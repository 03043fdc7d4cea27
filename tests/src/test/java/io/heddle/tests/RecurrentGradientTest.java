package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.models.RecurrentLm;
import io.heddle.nn.CharCnn;
import io.heddle.nn.Parameters;
import io.heddle.nn.RecurrentStack;
import io.heddle.nn.RecurrentStack.Kind;
import io.heddle.op.Layers;
import io.heddle.op.Losses;
import io.heddle.op.ProjectedLstm;
import io.heddle.op.Recurrent;
import io.heddle.op.Sequences;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.text.Spelling;
import io.heddle.text.Tokenizer;
import io.heddle.text.WordPieceTrainer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * Gradients of recurrent layers and of the language model made of them against central differences
 * of the reference in f64, every dropout on with the same masks each time. Goldens hold the other
 * backends.
 */
class RecurrentGradientTest {
  private static final int STEPS = 4;
  private static final int ROWS = 2;
  private static final int INPUTS = 3;
  private static final int CELLS = 5;
  private static final int[] LENGTHS = {4, 2};

  private Lab lab;

  @BeforeEach
  void open() {
    lab = new Lab("reference");
  }

  @AfterEach
  void close() {
    lab.close();
  }

  // gradient must be d(value)/d(x).
  private static void check(
      String what, Tensor x, double[] gradient, double step, double tolerance, DoubleSupplier f) {
    double[] values = x.toDoubles();
    double[] expected = new double[values.length];
    double most = 0;
    for (int i = 0; i < values.length; i++) {
      double old = values[i];
      values[i] = old + step;
      x.copyFrom(values);
      double above = f.getAsDouble();
      values[i] = old - step;
      x.copyFrom(values);
      expected[i] = (above - f.getAsDouble()) / (2 * step);
      most = Math.max(most, Math.abs(expected[i]));
      values[i] = old;
    }
    x.copyFrom(values);
    assertTrue(most > 1e-3, what + " makes no difference");
    Lab.close(what, expected, gradient, tolerance, 1e-2);
  }

  /** Layers of sizes 3 and 2 with everything that carries a gradient. */
  private final class Stack implements AutoCloseable {
    final Parameters parameters = new Parameters(lab.backend, DType.F64);
    final Tensor x = random(1, STEPS * ROWS, INPUTS);
    private final RecurrentStack layers;
    private final List<Recurrent.Result> before = new ArrayList<>();
    private final Tensor dy;
    private final int[] lengths;

    Stack(Kind kind, boolean both, float dropout, int[] lengths) {
      this.lengths = lengths;
      List<Integer> sizes = List.of(3, 2);
      RecurrentStack.Projected projected =
          kind == Kind.LSTMP
              ? new RecurrentStack.Projected(CELLS, new ProjectedLstm.Clips(0.6f, 0.5f))
              : null;
      RecurrentStack.Config config =
          new RecurrentStack.Config(kind, INPUTS, sizes, both, dropout, true, dropout, projected);
      RecurrentStack.create(config, parameters, "", 5);
      // Biases of 0 would leave some slopes untried.
      for (Tensor p : parameters.values()) {
        p.copyFrom(Lab.normal(p.size() + 7, p.size()));
      }
      for (int size : sizes) {
        for (int way = 0; way < (both ? 2 : 1); way++) {
          Tensor h = random(20 + before.size(), ROWS, size);
          int cells = projected == null ? size : CELLS;
          before.add(new Recurrent.Result(h, h, random(30 + before.size(), ROWS, cells)));
        }
      }
      dy = random(2, STEPS * ROWS, sizes.getLast() * (both ? 2 : 1));
      layers = new RecurrentStack(config, parameters, "");
    }

    private Tensor random(long seed, long rows, long columns) {
      return lab.put(DType.F64, Lab.normal(seed, rows * columns), rows, columns);
    }

    double value() {
      try (Tape t = new Tape(lab.backend, true, new Randomness(3, 1))) {
        double[] y = lab.get(layers.run(t, x, ROWS, before, lengths).y());
        double[] by = lab.get(dy);
        double sum = 0;
        for (int i = 0; i < y.length; i++) {
          sum += y[i] * by[i];
        }
        return sum;
      }
    }

    /** Leaves the parameters' gradients in them and gives that of x. */
    double[] differentiate() {
      parameters.trainable();
      parameters.zeroGradients();
      double[][] dx = new double[1][];
      try (Tape t = new Tape(lab.backend, true, new Randomness(3, 1))) {
        Tensor own = Layers.fill(t, t.tensor(DType.F64, x.shape()), 0).copyFrom(x.toDoubles());
        t.record(() -> dx[0] = lab.get(own.grad()), own);
        RecurrentStack.Result out = layers.run(t, own, ROWS, before, lengths);
        t.give(out.y(), t.tensor(DType.F64, dy.shape()).copyFrom(dy.toDoubles()));
        t.backward();
      }
      return dx[0];
    }

    @Override
    public void close() {
      parameters.close();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "LSTM,false,0,false", "LSTM,true,0.3,false", "LSTM,true,0,true",
    "GRU,false,0,false", "GRU,true,0.3,false", "GRU,true,0,true",
    "LSTMP,false,0,false", "LSTMP,true,0.3,false", "LSTMP,true,0,true"
  })
  void layers(Kind kind, boolean both, float dropout, boolean ends) {
    double step = 1e-5;
    double tolerance = 1e-7;
    try (Stack stack = new Stack(kind, both, dropout, ends ? LENGTHS : null)) {
      double[] dx = stack.differentiate();
      check("x", stack.x, dx, step, tolerance, stack::value);
      for (Tensor p : stack.parameters.values()) {
        String name = String.valueOf(p.name());
        check(name, p, p.grad().toDoubles(), step, tolerance, stack::value);
      }
    }
  }

  private double loss(RecurrentLm model, boolean backward) {
    int[] ids = {0, 1, 2, 3, 4, 5, 3, 0};
    int[] targets = {2, 3, 4, 5, 3, 0, 1, 1};
    try (Tape t = new Tape(lab.backend, true, new Randomness(3, 1))) {
      RecurrentLm.Hidden out = model.hidden(t, ids, ROWS, null);
      Tensor losses = model.losses(t, out.dropped(), targets, 1f / targets.length);
      Tensor size = Sequences.activationPenalty(t, out.dropped(), 2, 1);
      Tensor change = Sequences.stepPenalty(t, out.raw(), ROWS, 3, 1);
      double loss = Losses.sum(losses) / targets.length + lab.get(size)[0] + lab.get(change)[0];
      if (backward) {
        t.backward();
      }
      return loss;
    }
  }

  // Losses are f32 by contract: 1e-7 of rounding over the step.
  @ParameterizedTest
  @EnumSource(Kind.class)
  void languageModel(Kind kind) {
    RecurrentLm.Drops drops = new RecurrentLm.Drops(0.2f, 0.2f, 0.2f, 0.2f, 0.2f);
    RecurrentLm.Projection projection =
        kind == Kind.LSTMP
            ? new RecurrentLm.Projection(2, new ProjectedLstm.Clips(0.7f, 0.6f))
            : null;
    RecurrentLm.Shape shape = new RecurrentLm.Shape(kind, 6, 3, 4, 2, drops, projection, null);
    languageModel(shape, null);
  }

  // Words by their characters, each read once: rows 0 and 3 of what is read are used twice.
  @Test
  void languageModelOfCharacters() {
    RecurrentLm.Drops drops = new RecurrentLm.Drops(0.2f, 0, 0.2f, 0.2f, 0);
    List<CharCnn.Filters> filters = List.of(new CharCnn.Filters(1, 2), new CharCnn.Filters(2, 3));
    RecurrentLm.Characters characters = new RecurrentLm.Characters(2, filters, 1);
    RecurrentLm.Shape shape = new RecurrentLm.Shape(Kind.LSTM, 6, 3, 4, 1, drops, null, characters);
    // The five special tokens and a word.
    Tokenizer words = new WordPieceTrainer(6, false, ProgressListener.NONE).add("loom").words(1);
    languageModel(shape, Spelling.of(words, characters.widest()));
  }

  private void languageModel(RecurrentLm.Shape shape, @Nullable Spelling spelling) {
    try (RecurrentLm model = RecurrentLm.random(shape, spelling, lab.backend, DType.F64, 1)) {
      for (Tensor p : model.parameters().values()) {
        p.copyFrom(Lab.normal(p.size() + 7, p.size()));
      }
      model.parameters().trainable();
      model.parameters().zeroGradients();
      assertTrue(Double.isFinite(loss(model, true)));
      // All of them first: what the output layer gets is added while the loss is computed.
      List<double[]> gradients = new ArrayList<>();
      for (Tensor p : model.parameters().values()) {
        gradients.add(lab.get(p.grad()));
      }
      int at = 0;
      for (Tensor p : model.parameters().values()) {
        String name = String.valueOf(p.name());
        check(name, p, gradients.get(at++), 3e-3, 2e-3, () -> loss(model, false));
      }
    }
  }
}

package io.heddle.models;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.models.TextCnn.Channels;
import io.heddle.models.TextCnn.Shape;
import io.heddle.tensor.DType;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The text CNN: its formula, padding, channels, saving. */
class TextCnnTest {
  private static final List<String> LABELS = List.of("no", "yes");

  private final ReferenceBackend backend = new ReferenceBackend();

  @AfterEach
  void close() {
    backend.close();
  }

  private static Shape shape(List<Integer> widths, boolean mean, Channels channels) {
    return new Shape(9, 4, widths, 3, mean, channels, 0.5f, 0.3f, LABELS);
  }

  private double[] logits(Classifier model, int[][] ids, int[] lengths) {
    int[][] mask = new int[ids.length][];
    for (int b = 0; b < ids.length; b++) {
      mask[b] = new int[ids[b].length];
      Arrays.fill(mask[b], 0, lengths[b], 1);
    }
    try (Tape t = Tape.inference(backend)) {
      return model.logits(t, new Encoder.Batch(ids, mask)).toDoubles();
    }
  }

  @ParameterizedTest
  @EnumSource(Channels.class)
  void isItsFormula(Channels channels) {
    Shape shape = shape(List.of(2), true, channels);
    try (TextCnn model = TextCnn.random(shape, backend, DType.F32, 7)) {
      int[] words = {3, 8, 5};
      double[][] x = new double[5][4]; // one word of padding at either end
      for (String table : List.of("embed.weight", "static.weight")) {
        if (model.parameters().byName().containsKey(table)) {
          double[] rows = model.parameters().get(table).toDoubles();
          for (int i = 0; i < 3; i++) {
            for (int e = 0; e < 4; e++) {
              x[i + 1][e] += rows[4 * words[i] + e];
            }
          }
        }
      }
      double[] w = model.parameters().get("filters.2.weight").toDoubles();
      double[] features = new double[7];
      for (int f = 0; f < 3; f++) {
        double most = Double.NEGATIVE_INFINITY;
        for (int at = 0; at < 4; at++) {
          double sum = 0;
          for (int j = 0; j < 8; j++) {
            sum += w[8 * f + j] * x[at + j / 4][j % 4];
          }
          most = Math.max(most, sum);
        }
        features[f] = Math.max(0, most); // the bias is 0
      }
      for (int e = 0; e < 4; e++) {
        features[3 + e] = (x[1][e] + x[2][e] + x[3][e]) / 3;
      }
      double[] out = model.parameters().get("out.weight").toDoubles();
      double[] expected = new double[2];
      for (int i = 0; i < 14; i++) {
        expected[i / 7] += out[i] * features[i % 7];
      }
      assertArrayEquals(expected, logits(model, new int[][] {words}, new int[] {3}), 1e-6);
    }
  }

  @Test
  void neitherPaddingNorNeighboursChangeARow() {
    try (TextCnn model =
        TextCnn.random(shape(List.of(1, 3, 4), false, Channels.TUNED), backend, DType.F32, 1)) {
      double[] alone = logits(model, new int[][] {{4, 2}}, new int[] {2});
      double[] beside =
          logits(model, new int[][] {{4, 2, 0, 7, 0}, {1, 2, 3, 4, 5}}, new int[] {2, 5});
      assertArrayEquals(alone, Arrays.copyOf(beside, 2), 1e-6);
      double[] other = logits(model, new int[][] {{2, 4}}, new int[] {2});
      assertFalse(Arrays.equals(alone, other), "filters of several words know their order");
      assertEquals(2, logits(model, new int[][] {{0}}, new int[] {0}).length, "a row of no words");
    }
  }

  @Test
  void wordsAreLeftOutWhileTrainingOnly() {
    try (TextCnn model =
        TextCnn.random(shape(List.of(2), false, Channels.TUNED), backend, DType.F32, 1)) {
      Encoder.Batch batch = new Encoder.Batch(new int[][] {{1, 2, 3, 4, 5, 6}}, null);
      double[][] seen = new double[3][];
      for (int i = 0; i < 3; i++) {
        Randomness random = new Randomness(i == 2 ? 6 : 5, 3);
        try (Tape t = new Tape(backend, true, random)) {
          seen[i] = model.logits(t, batch).toDoubles();
        }
      }
      assertArrayEquals(seen[0], seen[1], "the same step draws the same");
      assertFalse(Arrays.equals(seen[0], seen[2]));
    }
  }

  @Test
  void isSavedAndRead(@TempDir Path folder) {
    Shape shape = shape(List.of(1, 2), true, Channels.BOTH);
    int[][] ids = {{3, 8, 5}};
    try (TextCnn model = TextCnn.random(shape, backend, DType.F32, 2)) {
      model.words(Map.of(8, new float[] {1, 2, 3, 4}));
      double[] expected = logits(model, ids, new int[] {3});
      model.save(folder);
      try (Classifier read =
          Classifiers.load(folder, TaskEncoder.Task.CLASSIFY, backend, DType.F32)) {
        assertEquals(LABELS, read.labels());
        assertEquals(shape, ((TextCnn) read).shape());
        assertArrayEquals(expected, logits(read, ids, new int[] {3}));
      }
      Exception e =
          assertThrows(
              IllegalArgumentException.class,
              () ->
                  Classifiers.from(
                      folder, TaskEncoder.Task.CLASSIFY, List.of("a", "b"), 0, backend, DType.F32));
      assertTrue(String.valueOf(e.getMessage()).contains("[no, yes]"), e.getMessage());
    }
  }

  @Test
  void staticVectorsGetNoGradient() {
    try (TextCnn model =
        TextCnn.random(shape(List.of(1), false, Channels.BOTH), backend, DType.F32, 2)) {
      List<String> free = model.parameters().unfrozen().stream().map(p -> p.name()).toList();
      assertTrue(free.contains("embed.weight"));
      assertFalse(free.contains("static.weight"));
      assertThrows(
          IllegalArgumentException.class, () -> model.words(Map.of(1, new float[] {1, 2, 3})));
    }
  }
}

package io.heddle.methods.choice;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.GoldenFolder;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.methods.choice.Continuations.Continuation;
import io.heddle.models.Decoder;
import io.heddle.models.ModelFolder;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Log probabilities beside those that follow from transformers' own logits. */
class ContinuationsTest {
  private static final int LENGTH = 24;
  private static final int VOCABULARY = 101;

  private final Backend backend = Backends.open("reference");
  private Decoder model;
  private int[][] ids;
  private double[] logits;

  @BeforeEach
  void load() throws IOException {
    Path folder = GoldenFolder.of("models/gpt2");
    model = ModelFolder.load(folder, backend, DType.F32);
    try (SafetensorsFile golden = SafetensorsFile.open(folder.resolve("golden.safetensors"))) {
      logits = golden.tensor("logits64").toDoubles();
      double[] all = golden.tensor("input_ids").toDoubles();
      ids = new int[all.length / LENGTH][];
      for (int r = 0; r < ids.length; r++) {
        ids[r] =
            Arrays.stream(Arrays.copyOfRange(all, r * LENGTH, (r + 1) * LENGTH))
                .mapToInt(d -> (int) d)
                .toArray();
      }
    }
  }

  @AfterEach
  void close() {
    model.close();
    backend.close();
  }

  // The log probability of `token` after the first `read` tokens of a row, from the golden logits.
  private double expected(int row, int read, int token) {
    int at = (row * LENGTH + read - 1) * VOCABULARY;
    double sum = 0;
    for (int v = 0; v < VOCABULARY; v++) {
      sum += Math.exp(logits[at + v]);
    }
    return logits[at + token] - Math.log(sum);
  }

  private double[] scores(int rows, List<Continuation> all) {
    return new Continuations(model, rows).logProbabilities(all, ProgressListener.NONE);
  }

  @Test
  void sumsAreThoseOfTransformersLogits() {
    List<Continuation> all = new ArrayList<>();
    List<Double> expected = new ArrayList<>();
    for (int row = 0; row < ids.length; row++) {
      for (int[] ends : new int[][] {{1, 2}, {3, 9}, {8, 24}, {23, 24}, {10, 13}}) {
        all.add(new Continuation(Arrays.copyOf(ids[row], ends[1]), ends[0]));
        double sum = 0;
        for (int i = ends[0]; i < ends[1]; i++) {
          sum += expected(row, i, ids[row][i]);
        }
        expected.add(sum);
      }
    }
    for (int rows : new int[] {1, 3, 64}) {
      double[] actual = scores(rows, all);
      for (int i = 0; i < actual.length; i++) {
        assertEquals(expected.get(i), actual[i], 1e-4, "continuation " + i + " in rows of " + rows);
      }
    }
  }

  /** All one-token continuations of a text are its whole distribution. */
  @Test
  void oneTokenContinuationsShareARowAndSumToOne() {
    List<Continuation> all = new ArrayList<>();
    for (int token = 0; token < VOCABULARY; token++) {
      int[] text = Arrays.copyOf(ids[0], 7);
      text[6] = token;
      all.add(new Continuation(text, 6));
    }
    int[] read = {0};
    ProgressListener counting =
        new ProgressListener() {
          @Override
          public void begin(String task, long total, String unit) {
            read[0] = (int) total;
          }

          @Override
          public void advance(long done, String message) {}

          @Override
          public void end(String message) {}
        };
    double[] actual = new Continuations(model, 4).logProbabilities(all, counting);
    assertEquals(1, read[0], "texts read");
    double sum = 0;
    for (int token = 0; token < VOCABULARY; token++) {
      assertEquals(expected(0, 6, token), actual[token], 1e-5);
      sum += Math.exp(actual[token]);
    }
    assertEquals(1, sum, 1e-5);
  }

  @Test
  void aTextBeyondTheContextKeepsItsEnd() {
    int context = model.config().context();
    int[] text = new int[context + 20];
    for (int i = 0; i < text.length; i++) {
      text[i] = (i * 31 + 7) % VOCABULARY;
    }
    int[] end = Arrays.copyOfRange(text, text.length - context - 1, text.length);
    double[] actual =
        scores(
            2,
            List.of(
                new Continuation(text, text.length - 5), new Continuation(end, end.length - 5)));
    assertEquals(actual[1], actual[0]);
    assertTrue(actual[0] < 0);
    assertThrows(
        IllegalArgumentException.class, () -> scores(2, List.of(new Continuation(text, 2))));
  }

  @Test
  void whatCannotBeScoredIsRefused() {
    int[] two = {1, 2};
    assertThrows(IllegalArgumentException.class, () -> new Continuation(two, 0));
    assertThrows(IllegalArgumentException.class, () -> new Continuation(two, 2));
    assertThrows(IllegalArgumentException.class, () -> new Continuations(model, 0));
  }
}

package io.heddle.methods.choice;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.GoldenFolder;
import io.heddle.autograd.Tape;
import io.heddle.backend.Backend;
import io.heddle.backend.Backends;
import io.heddle.methods.choice.OptionScorer.Attempt;
import io.heddle.models.AutoModel;
import io.heddle.models.Encoder;
import io.heddle.models.Model;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.text.PairEncoder;
import io.heddle.text.WordPiece;
import io.heddle.text.WordPieceTrainer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Encoders choose as their heads say, however rows are batched; others are refused by name. */
class EncoderChoiceTest {
  private static final int VOCABULARY = 99;
  private static final List<Attempt> ATTEMPTS =
      List.of(
          new Attempt("a b c", "d"),
          new Attempt("a b c", "e f a"),
          new Attempt("f", "b b"),
          new Attempt("c d e f a b c d", "a c"));

  private final Backend backend = Backends.open("reference");
  private final WordPiece words =
      new WordPieceTrainer(100, true, ProgressListener.NONE)
          .add("a b c d e f a b c d e f")
          .words(2);

  @AfterEach
  void close() {
    backend.close();
  }

  private Model load(String family) {
    return AutoModel.load(GoldenFolder.of("families/" + family), backend, DType.F32);
  }

  private double[] scores(Model model, int rows) {
    return OptionScorer.of(model, words, rows).scores(ATTEMPTS, ProgressListener.NONE);
  }

  @Test
  void theChoiceHeadReadsPairs() {
    try (Encoder model = (Encoder) load("bert_choice")) {
      PairEncoder pairs = new PairEncoder(words, model.config().context());
      for (int rows : new int[] {1, 3, 8}) {
        double[] found = scores(model, rows);
        for (int i = 0; i < found.length; i++) {
          PairEncoder.Row row = pairs.encode(ATTEMPTS.get(i).prompt(), ATTEMPTS.get(i).option());
          try (Tape t = Tape.inference(backend)) {
            var batch =
                new Encoder.Batch(new int[][] {row.ids()}, null, new int[][] {row.types()}, null);
            double alone = model.outputs(t, "pooled", model.hidden(t, batch), 1).toDoubles()[0];
            assertEquals(alone, found[i], 1e-5, rows + " rows, attempt " + i);
          }
        }
        assertTrue(found[0] != found[1]);
      }
      List<Question> questions = new ArrayList<>();
      double[] two = scores(model, 2);
      questions.add(new Question("a b c", List.of("d", "e f a"), two[0] > two[1] ? 0 : 1));
      Scored scored =
          new ChoiceEvaluation(model, words, 0, 0, 4)
              .run(List.of(new QuestionSet("s", "", List.of(), questions)), ProgressListener.NONE)
              .getFirst();
      assertEquals(1, scored.right());
      assertEquals(1, scored.rightNormalised(), "a head's number has no length");
    }
  }

  @Test
  void hiddenTokensAreNamedOneByOne() {
    int mask = words.id("[MASK]").orElseThrow();
    try (Encoder model = (Encoder) load("bert")) {
      double[] found = scores(model, 3);
      for (int i = 0; i < found.length; i++) {
        Attempt a = ATTEMPTS.get(i);
        int[] ids = words.encodeSequence(a.prompt() + " " + a.option());
        int from = 1 + words.encode(a.prompt()).length;
        double sum = 0;
        for (int at = from; at < ids.length - 1; at++) {
          int[] read = ids.clone();
          read[at] = mask;
          try (Tape t = Tape.inference(backend)) {
            var batch = new Encoder.Batch(new int[][] {read}, null);
            double[] logits = model.outputs(t, "head", model.hidden(t, batch), 1).toDoubles();
            double total = 0;
            for (int v = 0; v < VOCABULARY; v++) {
              total += Math.exp(logits[at * VOCABULARY + v]);
            }
            sum += logits[at * VOCABULARY + ids[at]] - Math.log(total);
          }
        }
        assertEquals(sum, found[i], 1e-4, "attempt " + i);
      }
    }
  }

  @Test
  void whatExceedsTheModelIsCutAtTheFront() {
    String longPrompt = "a b c d e f ".repeat(20).strip();
    try (Encoder model = (Encoder) load("bert")) {
      int room = model.config().context() - 2;
      String last = longPrompt.substring(longPrompt.length() - 2 * (room - 1) + 1);
      List<Attempt> both = List.of(new Attempt(longPrompt, "d"), new Attempt(last, "d"));
      double[] found = OptionScorer.of(model, words, 2).scores(both, ProgressListener.NONE);
      assertEquals(found[1], found[0], 1e-6);
      List<Attempt> none = List.of(new Attempt("a", longPrompt));
      assertThrows(
          IllegalArgumentException.class,
          () -> OptionScorer.of(model, words, 2).scores(none, ProgressListener.NONE));
    }
  }

  @Test
  void othersAreRefusedByName() {
    try (Model classes = load("bert_sequence");
        Model both = load("bart")) {
      assertTrue(refused(classes).contains("heads [pooled], none of which chooses"));
      assertTrue(refused(both).contains("bart is an encoder-decoder"), refused(both));
    }
  }

  private String refused(Model model) {
    return String.valueOf(
        assertThrows(IllegalArgumentException.class, () -> OptionScorer.of(model, words, 2))
            .getMessage());
  }
}

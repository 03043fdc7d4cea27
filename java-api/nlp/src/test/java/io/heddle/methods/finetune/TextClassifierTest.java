package io.heddle.methods.finetune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.heddle.backend.Backend;
import io.heddle.backend.reference.ReferenceBackend;
import io.heddle.data.LabelledText;
import io.heddle.models.TextCnn;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.text.WordPiece;
import io.heddle.text.WordPieceTrainer;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A saved classifier asked by text says what the model says about the rows. */
class TextClassifierTest {
  private static final List<String> LABELS = List.of("no", "perhaps", "yes");

  @TempDir private Path folder = Path.of("");

  @Test
  void saysWhatTheModelSays() throws Exception {
    WordPiece words = new WordPieceTrainer(50, true, ProgressListener.NONE).add("one two").words(1);
    TextCnn.Shape shape =
        new TextCnn.Shape(
            words.vocabularySize(), 4, List.of(2), 3, true, TextCnn.Channels.TUNED, 0, 0, LABELS);
    try (Backend backend = new ReferenceBackend();
        TextCnn model = TextCnn.random(shape, backend, DType.F32, 1)) {
      model.save(folder);
      words.save(folder);
      List<String> texts = List.of("two one two", "one", "");
      ClassifyData data =
          ClassifyData.of(
              texts.stream().map(t -> new LabelledText(t, null, null)).toList(), LABELS, words, 16);
      Classification.Predictions wanted =
          Classification.predict(model, words, data, 3, ProgressListener.NONE);
      try (TextClassifier saved = TextClassifier.load(folder, backend)) {
        assertEquals(LABELS, saved.labels());
        List<TextClassifier.Prediction> found = saved.predict(texts);
        for (int i = 0; i < texts.size(); i++) {
          assertEquals(LABELS.get(wanted.predicted()[i]), found.get(i).label());
          double p = wanted.probabilities()[i][wanted.predicted()[i]];
          assertEquals(p, found.get(i).probability(), 1e-6);
          double sum = found.get(i).probabilities().values().stream().mapToDouble(x -> x).sum();
          assertEquals(1, sum, 1e-9);
        }
        assertEquals(found.get(1).label(), saved.predict("one").label());
        assertEquals(List.of(), saved.predict(List.of()));
      }
      assertThrows(
          IllegalArgumentException.class,
          () -> TextClassifier.load(folder.resolve("none"), backend).close());
    }
  }
}

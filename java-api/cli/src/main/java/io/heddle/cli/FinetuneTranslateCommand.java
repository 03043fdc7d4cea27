package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.Cursor;
import io.heddle.data.Lines;
import io.heddle.data.ParallelText;
import io.heddle.methods.finetune.ClassifyData;
import io.heddle.methods.finetune.TranslateData;
import io.heddle.methods.finetune.Translation;
import io.heddle.models.SequenceToSequence;
import io.heddle.models.Translators;
import io.heddle.models.Translators.Marks;
import io.heddle.progress.ProgressListener;
import io.heddle.text.SentencePiece;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import io.heddle.text.UnigramTrainer;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code heddle finetune translate}: a text in another language. */
@Command(
    name = "translate",
    description = {
      "Trains an encoder-decoder, a Transformer or GNMT (--family), on texts and translations,"
          + " from",
      "nothing or from a saved model. Parallel files hold a text a line (train.en and train.de,"
          + " gzipped or not);",
      "tables (.tsv, .csv, .jsonl) a pair a line. The run directory holds checkpoints, metrics,"
          + " the",
      "report and the model; the same command resumes an interrupted run."
    })
final class FinetuneTranslateCommand extends FinetuneVerb {
  // Vaswani et al. 2017.
  private static final float BETA2 = 0.98f;
  private static final float EPS = 1e-9f;

  @Mixin private TranslatorOptions kind = new TranslatorOptions();

  @Option(
      names = "--data",
      description =
          "Folder whose files are called train, dev (or valid, val) and test; or the training part:"
              + " a table, a source file, or what source and target are called without endings.")
  private @Nullable Path data;

  @Option(
      names = "--source",
      defaultValue = "en",
      description = "Ending of source files, or a table's column (default: en).")
  private String source = "en";

  @Option(
      names = "--target",
      defaultValue = "de",
      description = "Ending of target files, or a table's column (default: de).")
  private String target = "de";

  @Option(names = "--dev", description = "Development part, instead of the folder's.")
  private @Nullable Path dev;

  @Option(names = "--test", description = "Test part, instead of the folder's.")
  private @Nullable Path test;

  @Option(
      names = "--hold-out",
      defaultValue = "0.02",
      description = "Share of the pairs kept as development part where there is none.")
  private double holdOut;

  @Option(
      names = "--tokens",
      defaultValue = "2000",
      description = "Tokens of a side of a batch, about; 0: --batch pairs instead (default: 2000).")
  private int tokens;

  @Option(
      names = "--label-smoothing",
      defaultValue = "0.1",
      description = "Label smoothing (default: 0.1).")
  private float smoothing;

  @Option(
      names = "--watch",
      defaultValue = "bleu",
      description = "What the best is chosen by: bleu (greedy) or loss (default: bleu).")
  private String watch = "bleu";

  @Option(names = "--beams", defaultValue = "4", description = "Beams (default: 4).")
  private int beams;

  @Option(
      names = "--length-penalty",
      defaultValue = "0.6",
      description = "Alpha of ((K + t) / (K + 1))^alpha (default: 0.6).")
  private double alpha;

  @Option(names = "--length-k", defaultValue = "5", description = "K of that (default: 5).")
  private double lengthK;

  @Option(
      names = "--predict",
      description = "File of texts to translate, one a line; the translations are written.")
  private @Nullable Path predict;

  FinetuneTranslateCommand() {}

  @Override
  @Nullable Path data() {
    return data;
  }

  @Override
  @Nullable Path model() {
    return kind.model();
  }

  @Override
  @Nullable Path predict() {
    return predict;
  }

  @Override
  void predict(Path folder, Path file, @Nullable Path to) throws IOException {
    Tokenizer known = Tokenizers.load(folder);
    try (Backend backend = session.open();
        SequenceToSequence model = Translators.open(folder, 0, backend, tune.dtype())) {
      predictions(to, writer -> write(model, known, file, writer));
    }
  }

  private ParallelText.Parts parts(Path from) throws IOException {
    ParallelText.Sides sides = new ParallelText.Sides(source, target);
    ParallelText.Parts found = ParallelText.parts(from, sides);
    List<ParallelText> train = found.train();
    List<ParallelText> held = dev == null ? found.dev() : ParallelText.read(dev, sides);
    List<ParallelText> last = test == null ? found.test() : ParallelText.read(test, sides);
    if (held.isEmpty() && holdOut > 0) {
      List<List<ParallelText>> split = ClassifyData.split(train, holdOut, tune.seed());
      train = split.get(0);
      held = split.get(1);
    }
    return new ParallelText.Parts(train, held, last);
  }

  // A vocabulary for both sides together, learnt once and kept in the run directory.
  private Tokenizer tokenizer(Path run, List<ParallelText> train, ProgressListener progress)
      throws IOException {
    Path kept = run.resolve("tokenizer");
    if (kind.tokenizer() != null) {
      return Tokenizers.load(kind.tokenizer());
    }
    if (Files.exists(kept.resolve(SentencePiece.FILE))) {
      return Tokenizers.load(kept);
    }
    UnigramTrainer trainer = new UnigramTrainer(kind.vocabulary(), progress);
    train.forEach(pair -> trainer.add(pair.source()).add(pair.target()));
    Tokenizer learnt = trainer.train();
    learnt.save(kept);
    return learnt;
  }

  @Override
  int train(Path from, Path to) throws IOException {
    kind.check();
    ParallelText.Parts texts = parts(from);
    RunDirectory directory = directory(to, "translate");
    ProgressListener progress = session.progress();
    Tokenizer words = tokenizer(to, texts.train(), progress);
    try (Backend backend = session.open();
        SequenceToSequence model = kind.translator(backend, words, tune)) {
      Translation task = task("translate " + from.getFileName(), model, words, texts);
      boolean measured = !texts.dev().isEmpty();
      TrainConfig loop =
          tune.loop(model.parameters(), task.batchesPerEpoch(), kind.usualRate(), measured)
              .adam(0.9f, BETA2, EPS);
      return end(
          run(task, loop, watch, directory, progress),
          o ->
              "%d pairs, %d pieces, %d steps"
                      .formatted(texts.train().size(), words.vocabularySize(), o.steps())
                  + tested(texts.test().size(), o.tests()),
          texts.dev().size(),
          directory,
          "predictions.txt",
          writer -> write(model, words, Objects.requireNonNull(predict), writer));
    }
  }

  private static String tested(int pairs, Map<String, Double> tests) {
    return tests.isEmpty()
        ? ""
        : String.format(
            Locale.ROOT,
            "%ntest part of %d: BLEU %.2f, greedy %.2f, loss %.4f",
            pairs,
            tests.get("bleu"),
            tests.get("bleu_greedy"),
            tests.get("loss"));
  }

  private Translation task(
      String title, SequenceToSequence model, Tokenizer words, ParallelText.Parts texts) {
    Marks marks = model.marks();
    int longest = Math.min(tune.maxLength(), model.context());
    Translation.Parts parts =
        new Translation.Parts(
            TranslateData.of(texts.train(), words, marks, longest, true),
            held(texts.dev(), words, marks, longest),
            held(texts.test(), words, marks, longest));
    Translation.Setting setting =
        new Translation.Setting(tokens, tune.batch(), smoothing, tune.seed(), decoding());
    return new Translation(title, model, words, parts, setting);
  }

  private static @Nullable TranslateData held(
      List<ParallelText> texts, Tokenizer words, Marks marks, int longest) {
    return texts.isEmpty() ? null : TranslateData.of(texts, words, marks, longest, false);
  }

  private Translation.Decoding decoding() {
    return new Translation.Decoding(beams, alpha, lengthK, Math.max(32, tune.batch()));
  }

  private void write(SequenceToSequence model, Tokenizer words, Path file, PrintWriter writer)
      throws IOException {
    Marks marks = model.marks();
    int longest = Math.min(tune.maxLength(), model.context());
    List<ParallelText> texts = new ArrayList<>();
    try (Cursor<String> lines = Lines.of(file).open()) {
      for (String line = lines.next(); line != null; line = lines.next()) {
        texts.add(new ParallelText(line, ""));
      }
    }
    int[][] sources = TranslateData.of(texts, words, marks, longest, false).sources();
    List<String> found =
        Translation.translate(model, words, sources, marks, decoding(), session.progress());
    writer.print(String.join("\n", found) + "\n");
  }
}

package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.data.LabelledText;
import io.heddle.data.Splits;
import io.heddle.methods.finetune.Classification;
import io.heddle.methods.finetune.ClassifyData;
import io.heddle.models.Classifier;
import io.heddle.models.Classifiers;
import io.heddle.models.TaskEncoder;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import io.heddle.train.RunDirectory;
import io.heddle.train.TrainConfig;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code heddle finetune classify}: texts, or pairs of texts, with labels. */
@Command(
    name = "classify",
    description = {
      "Trains a classifier of texts or pairs of texts, from nothing or from a pretrained encoder.",
      "Files: .tsv and .csv with a header or numbered columns, .jsonl, or .txt with lines of a"
          + " label,",
      "a space and the text; any of them gzipped. The run directory holds checkpoints, metrics,"
          + " the",
      "report and the model; the same command resumes an interrupted run. With --model and"
          + " --predict",
      "alone a saved classifier labels a file."
    })
final class FinetuneClassifyCommand extends FinetuneVerb {
  private static final ObjectMapper JSON = new ObjectMapper();

  @Mixin private PartOptions part = new PartOptions();
  @Mixin private ClassifierOptions kind = new ClassifierOptions();

  @Option(
      names = "--data",
      description =
          "File to train on, or a folder whose files are called train, dev (or valid), test.")
  private @Nullable Path data;

  @Option(
      names = "--hold-out",
      defaultValue = "0.1",
      description = "Share of the data kept as development part where there is none.")
  private double holdOut;

  @Option(names = "--text-column", defaultValue = "", description = "Column of the text.")
  private String textColumn = "";

  @Option(
      names = "--pair-column",
      defaultValue = "",
      description = "Column of the second text of a pair.")
  private String pairColumn = "";

  @Option(
      names = "--label-column",
      defaultValue = "",
      description =
          "Column of the label. Columns are names of a header or numbers from 1 on; usual names are"
              + " found.")
  private String labelColumn = "";

  @Option(
      names = "--label-smoothing",
      defaultValue = "0",
      description = "Label smoothing (default: 0).")
  private float smoothing;

  @Option(
      names = "--watch",
      defaultValue = "accuracy",
      description = "What the best is chosen by: accuracy, f1, mcc, ece or loss.")
  private String watch = "accuracy";

  @Option(names = "--predict", description = "File to label; its own labels are not needed.")
  private @Nullable Path predict;

  FinetuneClassifyCommand() {}

  private LabelledText.Columns columns() {
    return new LabelledText.Columns(textColumn, pairColumn, labelColumn);
  }

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
  int train(Path from, Path to) throws IOException {
    List<LabelledText> texts = new ArrayList<>();
    List<LabelledText> held = new ArrayList<>();
    read(part.splits(from), texts, held);
    RunDirectory directory = directory(to, "classify");
    ProgressListener progress = session.progress();
    List<String> labels = ClassifyData.labels(texts);
    Tokenizer tokens = kind.tokenizer(to.resolve("tokenizer"), texts, progress);
    try (Backend backend = session.open();
        Classifier model = kind.classifier(backend, labels, tokens, tune)) {
      int longest = Math.min(tune.maxLength(), model.context());
      ClassifyData train = ClassifyData.of(texts, labels, tokens, longest);
      ClassifyData dev =
          held.isEmpty() ? null : ClassifyData.of(held, labels, tokens, longest).allKnown(labels);
      Classification task =
          new Classification(
              "classify " + from.getFileName(),
              model,
              tokens,
              train,
              dev,
              tune.batch(),
              smoothing,
              tune.seed());
      TrainConfig loop =
          tune.loop(model.parameters(), task.batchesPerEpoch(), kind.usualRate(), dev != null);
      return end(
          run(task, loop, watch, directory, progress),
          o ->
              "%d examples of %d labels, %d steps"
                  .formatted(train.rows().size(), labels.size(), o.steps()),
          held.size(),
          directory,
          "predictions.jsonl",
          writer -> write(model, tokens, Objects.requireNonNull(predict), writer));
    }
  }

  private void read(Splits splits, List<LabelledText> texts, List<LabelledText> held)
      throws IOException {
    Set<String> examples = new TreeSet<>();
    for (Path file : splits.train()) {
      texts.addAll(LabelledText.read(file, columns(), true));
      examples.add(String.valueOf(file.getFileName()));
    }
    for (Path file : splits.dev()) {
      held.addAll(LabelledText.read(file, columns(), true));
    }
    if (splits.dev().isEmpty() && holdOut > 0) {
      List<List<LabelledText>> parts = ClassifyData.split(texts, holdOut, tune.seed());
      texts.clear();
      texts.addAll(parts.get(0));
      held.addAll(parts.get(1));
    }
    if (texts.isEmpty()) {
      throw new IllegalArgumentException("nothing to train on is left in " + examples);
    }
  }

  @Override
  void predict(Path folder, Path file, @Nullable Path to) throws IOException {
    Tokenizer tokens = Tokenizers.load(folder);
    try (Backend backend = session.open();
        Classifier model =
            Classifiers.load(folder, TaskEncoder.Task.CLASSIFY, backend, tune.dtype())) {
      predictions(to, writer -> write(model, tokens, file, writer));
    }
  }

  // One JSON object per example; what the file says about its labels is scored on standard error.
  private void write(Classifier model, Tokenizer tokens, Path file, PrintWriter writer)
      throws IOException {
    List<String> labels = model.labels();
    int longest = Math.min(tune.maxLength(), model.context());
    ClassifyData texts =
        ClassifyData.of(LabelledText.read(file, columns(), false), labels, tokens, longest);
    Classification.Predictions found =
        Classification.predict(
            model, tokens, texts, Math.max(64, tune.batch()), session.progress());
    for (int i = 0; i < found.predicted().length; i++) {
      ObjectNode line = JSON.createObjectNode();
      line.put("label", labels.get(found.predicted()[i]));
      ObjectNode probabilities = line.putObject("probabilities");
      for (int c = 0; c < labels.size(); c++) {
        probabilities.put(labels.get(c), found.probabilities()[i][c]);
      }
      writer.println(line);
    }
  }
}

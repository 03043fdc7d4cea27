package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.data.LabelledText;
import io.heddle.data.Splits;
import io.heddle.methods.finetune.Classification;
import io.heddle.methods.finetune.ClassifyData;
import io.heddle.methods.finetune.FinetuneRun;
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
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

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
final class FinetuneClassifyCommand implements Callable<Integer> {
  private static final int INTERRUPTED = 1;
  private static final ObjectMapper JSON = new ObjectMapper();

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();
  @Mixin private TuneOptions tune = new TuneOptions();
  @Mixin private ClassifierOptions kind = new ClassifierOptions();

  @Option(
      names = "--data",
      description =
          "File to train on, or a folder whose files are called train, dev (or valid), test.")
  private @Nullable Path data;

  @Option(
      names = "--match",
      description = "Of a folder take the files whose names match this glob, e.g. '*binary*'.")
  private @Nullable String match;

  @Option(names = "--dev", description = "File of the development part.")
  private @Nullable Path dev;

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

  @Option(names = "--out", description = "Run directory; predictions alone go to this file.")
  private @Nullable Path out;

  FinetuneClassifyCommand() {}

  private LabelledText.Columns columns() {
    return new LabelledText.Columns(textColumn, pairColumn, labelColumn);
  }

  @Override
  public Integer call() throws IOException {
    if (data != null && out != null) {
      return train(data, out);
    }
    if (data == null && predict != null && kind.model() != null) {
      return label(kind.model(), predict);
    }
    throw new ParameterException(
        spec.commandLine(), "there must be --data and --out, or --model and --predict");
  }

  private Integer train(Path from, Path to) throws IOException {
    List<LabelledText> texts = new ArrayList<>();
    List<LabelledText> held = new ArrayList<>();
    read(Splits.of(from, match, dev), texts, held);
    RunDirectory directory = new RunDirectory(to);
    directory.begin(Session.settings(spec, "classify"));
    ProgressListener progress = session.progress();
    List<String> labels = ClassifyData.labels(texts);
    Tokenizer tokens = kind.tokenizer(to.resolve("tokenizer"), texts, progress);
    try (Backend backend = session.open();
        Classifier model = kind.classifier(backend, labels, tokens, tune)) {
      int longest = Math.min(tune.maxLength(), model.context());
      ClassifyData train = ClassifyData.of(texts, labels, tokens, longest);
      ClassifyData part =
          held.isEmpty() ? null : ClassifyData.of(held, labels, tokens, longest).allKnown(labels);
      Classification task =
          new Classification(
              "classify " + from.getFileName(),
              model,
              tokens,
              train,
              part,
              tune.batch(),
              smoothing,
              tune.seed());
      TrainConfig loop =
          tune.loop(model.parameters(), task.batchesPerEpoch(), kind.usualRate(), part != null);
      FinetuneRun run = new FinetuneRun(loop, watch, directory, progress);
      FinetuneRun.Outcome outcome = Session.interruptible(run::stop, () -> run.run(task));
      if (!outcome.finished()) {
        return INTERRUPTED;
      }
      PrintWriter screen = spec.commandLine().getOut();
      screen.printf(
          "%d examples of %d labels, %d steps%n",
          train.rows().size(), labels.size(), outcome.steps());
      TuneOptions.print(screen, held.size(), outcome, to);
      if (predict != null) {
        Path file = to.resolve("predictions.jsonl");
        try (PrintWriter writer =
            new PrintWriter(Files.newBufferedWriter(file, StandardCharsets.UTF_8))) {
          write(model, tokens, predict, writer);
        }
        screen.printf("predictions: %s%n", file);
      }
      screen.flush();
      return 0;
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

  private Integer label(Path folder, Path file) throws IOException {
    Tokenizer tokens = Tokenizers.load(folder);
    try (Backend backend = session.open();
        Classifier model =
            Classifiers.load(folder, TaskEncoder.Task.CLASSIFY, backend, tune.dtype())) {
      if (out == null) {
        PrintWriter writer = spec.commandLine().getOut();
        write(model, tokens, file, writer);
        writer.flush();
        return 0;
      }
      try (PrintWriter writer =
          new PrintWriter(Files.newBufferedWriter(out, StandardCharsets.UTF_8))) {
        write(model, tokens, file, writer);
      }
      return 0;
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

package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.LabelledText;
import io.heddle.data.Splits;
import io.heddle.data.TaggedWords;
import io.heddle.methods.finetune.ClassifyData;
import io.heddle.methods.finetune.FinetuneRun;
import io.heddle.methods.finetune.TagData;
import io.heddle.methods.finetune.Tagging;
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
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** {@code heddle finetune tag}: a tag for every word. */
@Command(
    name = "tag",
    description = {
      "Trains a tagger of words, from nothing or from a pretrained encoder. Files are in columns"
          + " as",
      "CoNLL's: a word a line, an empty line after a sentence; gzipped or not. The run directory"
          + " holds",
      "checkpoints, metrics, the report and the model; the same command resumes an interrupted run."
    })
final class FinetuneTagCommand implements Callable<Integer> {
  private static final int INTERRUPTED = 1;

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();
  @Mixin private TuneOptions tune = new TuneOptions();
  @Mixin private EncoderOptions kind = new EncoderOptions();

  @Option(
      names = "--data",
      description =
          "File to train on, or a folder whose files are called train, dev (or valid), test.")
  private @Nullable Path data;

  @Option(names = "--match", description = "Of a folder take the files that match this glob.")
  private @Nullable String match;

  @Option(names = "--dev", description = "File of the development part.")
  private @Nullable Path dev;

  @Option(
      names = "--hold-out",
      defaultValue = "0.1",
      description = "Share of the sentences kept as development part where there is none.")
  private double holdOut;

  @Option(
      names = "--word-column",
      defaultValue = "1",
      description = "Column of the word, from 1 on (default: 1).")
  private int wordColumn;

  @Option(
      names = "--tag-column",
      defaultValue = "0",
      description = "Column of the tag; 0: the last one (default: 0).")
  private int tagColumn;

  @Option(
      names = "--label-smoothing",
      defaultValue = "0",
      description = "Label smoothing (default: 0).")
  private float smoothing;

  @Option(
      names = "--watch",
      defaultValue = "f1",
      description = "What the best is chosen by: f1 (of chunks), accuracy, precision or recall.")
  private String watch = "f1";

  @Option(
      names = "--predict",
      description = "File to tag: its words, and the tag as a second column, are written.")
  private @Nullable Path predict;

  @Option(names = "--out", description = "Run directory; predictions alone go to this file.")
  private @Nullable Path out;

  FinetuneTagCommand() {}

  @Override
  public Integer call() throws IOException {
    if (data != null && out != null) {
      return train(data, out);
    }
    Path folder = kind.model();
    if (data == null && predict != null && folder != null) {
      Tokenizer tokens = Tokenizers.load(folder);
      try (Backend backend = session.open();
          Classifier model =
              Classifiers.load(folder, TaskEncoder.Task.TAG, backend, tune.dtype())) {
        write(model, tokens, predict, out);
      }
      return 0;
    }
    throw new ParameterException(
        spec.commandLine(), "there must be --data and --out, or --model and --predict");
  }

  private Integer train(Path from, Path to) throws IOException {
    Splits splits = Splits.of(from, match, dev);
    List<TaggedWords> train = read(splits.train());
    List<TaggedWords> held = read(splits.dev());
    if (held.isEmpty() && holdOut > 0) {
      List<List<TaggedWords>> parts = ClassifyData.split(train, holdOut, tune.seed());
      train = parts.get(0);
      held = parts.get(1);
    }
    RunDirectory directory = new RunDirectory(to);
    directory.begin(Session.settings(spec, "tag"));
    ProgressListener progress = session.progress();
    List<String> tags = TagData.tags(train);
    List<LabelledText> texts =
        train.stream().map(s -> new LabelledText(String.join(" ", s.words()), null, null)).toList();
    Tokenizer tokens = kind.tokenizer(to.resolve("tokenizer"), texts, false, progress);
    try (Backend backend = session.open();
        Classifier model = kind.encoder(backend, TaskEncoder.Task.TAG, tags, tokens, tune)) {
      int longest = Math.min(tune.maxLength(), model.context());
      Tagging task =
          new Tagging(
              "tag " + from.getFileName(),
              model,
              tokens,
              TagData.of(train, tags, tokens, longest),
              held.isEmpty() ? null : TagData.of(held, tags, tokens, longest),
              tune.batch(),
              smoothing,
              tune.seed());
      TrainConfig loop =
          tune.loop(model.parameters(), task.batchesPerEpoch(), kind.usualRate(), !held.isEmpty());
      FinetuneRun run = new FinetuneRun(loop, watch, directory, progress);
      FinetuneRun.Outcome outcome = Session.interruptible(run::stop, () -> run.run(task));
      if (!outcome.finished()) {
        return INTERRUPTED;
      }
      PrintWriter writer = spec.commandLine().getOut();
      writer.printf(
          "%d sentences, %d tags, %d steps%n", train.size(), tags.size(), outcome.steps());
      TuneOptions.print(writer, held.size(), outcome, to);
      if (predict != null) {
        Path file = to.resolve("predictions.tsv");
        write(model, tokens, predict, file);
        writer.printf("predictions: %s%n", file);
      }
      writer.flush();
      return 0;
    }
  }

  private List<TaggedWords> read(List<Path> files) throws IOException {
    List<TaggedWords> out = new ArrayList<>();
    for (Path file : files) {
      out.addAll(TaggedWords.read(file, wordColumn, tagColumn));
    }
    return out;
  }

  // To standard output where no file is given.
  private void write(Classifier model, Tokenizer tokens, Path file, @Nullable Path to)
      throws IOException {
    int longest = Math.min(tune.maxLength(), model.context());
    List<TaggedWords> sentences = TaggedWords.read(file, wordColumn, -1);
    TagData rows = TagData.of(sentences, model.labels(), tokens, longest);
    List<List<String>> found =
        Tagging.predict(model, tokens, rows, Math.max(32, tune.batch()), session.progress());
    StringBuilder text = new StringBuilder();
    for (int s = 0; s < found.size(); s++) {
      for (int w = 0; w < found.get(s).size(); w++) {
        text.append(sentences.get(s).words().get(w)).append('\t');
        text.append(found.get(s).get(w)).append('\n');
      }
      text.append('\n');
    }
    if (to == null) {
      spec.commandLine().getOut().print(text);
      spec.commandLine().getOut().flush();
    } else {
      Files.writeString(to, text, StandardCharsets.UTF_8);
    }
  }
}

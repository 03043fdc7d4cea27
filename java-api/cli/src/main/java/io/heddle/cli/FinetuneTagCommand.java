package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.LabelledText;
import io.heddle.data.Splits;
import io.heddle.data.TaggedWords;
import io.heddle.methods.finetune.ClassifyData;
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
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

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
final class FinetuneTagCommand extends FinetuneVerb {
  @Mixin private PartOptions part = new PartOptions();

  @Mixin private EncoderOptions kind = new EncoderOptions();

  @Option(
      names = "--data",
      description =
          "File to train on, or a folder whose files are called train, dev (or valid), test.")
  private @Nullable Path data;

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

  FinetuneTagCommand() {}

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
    Tokenizer tokens = Tokenizers.load(folder);
    try (Backend backend = session.open();
        Classifier model = Classifiers.load(folder, TaskEncoder.Task.TAG, backend, tune.dtype())) {
      predictions(to, writer -> write(model, tokens, file, writer));
    }
  }

  @Override
  int train(Path from, Path to) throws IOException {
    Splits splits = part.splits(from);
    List<TaggedWords> train = read(splits.train());
    List<TaggedWords> held = read(splits.dev());
    if (held.isEmpty() && holdOut > 0) {
      List<List<TaggedWords>> parts = ClassifyData.split(train, holdOut, tune.seed());
      train = parts.get(0);
      held = parts.get(1);
    }
    int examples = train.size();
    RunDirectory directory = directory(to, "tag");
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
      return end(
          run(task, loop, watch, directory, progress),
          o -> "%d sentences, %d tags, %d steps".formatted(examples, tags.size(), o.steps()),
          held.size(),
          directory,
          "predictions.tsv",
          writer -> write(model, tokens, Objects.requireNonNull(predict), writer));
    }
  }

  private List<TaggedWords> read(List<Path> files) throws IOException {
    List<TaggedWords> out = new ArrayList<>();
    for (Path file : files) {
      out.addAll(TaggedWords.read(file, wordColumn, tagColumn));
    }
    return out;
  }

  private void write(Classifier model, Tokenizer tokens, Path file, PrintWriter writer)
      throws IOException {
    int longest = Math.min(tune.maxLength(), model.context());
    List<TaggedWords> sentences = TaggedWords.read(file, wordColumn, -1);
    TagData rows = TagData.of(sentences, model.labels(), tokens, longest);
    List<List<String>> found =
        Tagging.predict(model, tokens, rows, Math.max(32, tune.batch()), session.progress());
    for (int s = 0; s < found.size(); s++) {
      for (int w = 0; w < found.get(s).size(); w++) {
        writer.print(sentences.get(s).words().get(w) + "\t" + found.get(s).get(w) + "\n");
      }
      writer.print("\n");
    }
  }
}

package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.backend.Backend;
import io.heddle.data.PromptedText;
import io.heddle.data.Splits;
import io.heddle.methods.finetune.ClassifyData;
import io.heddle.methods.finetune.PromptRows;
import io.heddle.methods.finetune.Writing;
import io.heddle.models.Decoder;
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
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What {@code heddle finetune summarize} and {@code heddle finetune qa} have in common. */
abstract class WritingCommand extends FinetuneVerb {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Writing.Kind kind;

  @Mixin private PartOptions part = new PartOptions();
  @Mixin private DecoderOptions decoder = new DecoderOptions();

  @Option(
      names = "--data",
      description =
          "File to train on (.jsonl, .jsonl.gz), or a folder whose files are called train, dev (or"
              + " valid), test.")
  private @Nullable Path data;

  @Option(
      names = "--hold-out",
      defaultValue = "0.1",
      description =
          "Share of the examples kept as development part where there is none; examples of one"
              + " document stay together (default: 0.1).")
  private double holdOut;

  @Option(
      names = "--document-key",
      defaultValue = "",
      description = "Key of the document (default: document, text, article, ...).")
  private String documentKey = "";

  @Option(
      names = "--question-key",
      defaultValue = "",
      description = "Key of the question, if there is one (default: question or query).")
  private String questionKey = "";

  @Option(
      names = "--target-key",
      defaultValue = "",
      description =
          "Key of what is to be written, a text or a list of texts (default: summary, answers,"
              + " answer, target, ...).")
  private String targetKey = "";

  @Option(
      names = "--max-target",
      defaultValue = "128",
      description = "Most tokens that are written (default: 128).")
  private int maxTarget;

  @Option(
      names = "--keep",
      defaultValue = "START",
      description =
          "What stays of a document that does not fit: ${COMPLETION-CANDIDATES} (default: start).")
  private PromptRows.Keep keep = PromptRows.Keep.START;

  @Option(
      names = "--written",
      defaultValue = "100",
      description =
          "Texts of the development part that are written and scored at each evaluation (default:"
              + " 100).")
  private int written;

  @Option(
      names = "--watch",
      defaultValue = "",
      description = "What the best is chosen by (default: rougeL, or f1 of answers); or loss.")
  private String watch = "";

  @Option(
      names = "--predict",
      description = "File of documents (and questions) to write about: JSON lines come out.")
  private @Nullable Path predict;

  WritingCommand(Writing.Kind kind) {
    this.kind = kind;
  }

  @Override
  @Nullable Path data() {
    return data;
  }

  @Override
  @Nullable Path model() {
    return decoder.model();
  }

  @Override
  @Nullable Path predict() {
    return predict;
  }

  @Override
  void predict(Path folder, Path file, @Nullable Path to) throws IOException {
    Tokenizer tokens = Tokenizers.load(folder);
    try (Backend backend = session.open();
        Decoder model = decoder.decoder(backend, tokens, tune)) {
      predictions(to, writer -> write(model, layout(model, tokens), tokens, file, writer));
    }
  }

  @Override
  int train(Path from, Path to) throws IOException {
    List<PromptedText> train = new ArrayList<>();
    List<PromptedText> held = new ArrayList<>();
    read(part.splits(from), train, held);
    RunDirectory directory = directory(to, kind.word());
    ProgressListener progress = session.progress();
    Tokenizer tokens = decoder.tokenizer(to, () -> texts(train).iterator(), progress);
    try (Backend backend = session.open();
        Decoder model = decoder.decoder(backend, tokens, tune)) {
      PromptRows layout = layout(model, tokens);
      Writing task =
          new Writing(
              spec.name() + " " + from.getFileName(),
              kind,
              model,
              tokens,
              layout,
              train,
              held,
              tune.batch(),
              written,
              tune.seed());
      TrainConfig loop =
          tune.loop(
              model.parameters(), task.batchesPerEpoch(), decoder.usualRate(), !held.isEmpty());
      return end(
          run(task, loop, watch.isEmpty() ? kind.watched() : watch, directory, progress),
          o -> "%d examples, %d steps".formatted(train.size(), o.steps()),
          held.size(),
          directory,
          "predictions.jsonl",
          writer -> write(model, layout, tokens, Objects.requireNonNull(predict), writer));
    }
  }

  // Rows are as long as the model knows, unless they shall be shorter.
  private PromptRows layout(Decoder model, Tokenizer tokens) {
    int known = model.config().context();
    boolean said = spec.commandLine().getParseResult().hasMatchedOption("--max-length");
    int longest = said ? Math.min(tune.maxLength(), known) : known;
    return new PromptRows(tokens, kind.word(), longest, maxTarget, keep);
  }

  private PromptedText.Keys keys() {
    return new PromptedText.Keys(documentKey, questionKey, targetKey);
  }

  private void read(Splits splits, List<PromptedText> train, List<PromptedText> held)
      throws IOException {
    for (Path file : splits.train()) {
      train.addAll(PromptedText.read(file, keys(), true));
    }
    for (Path file : splits.dev()) {
      held.addAll(PromptedText.read(file, keys(), true));
    }
    if (held.isEmpty() && holdOut > 0) {
      // By document: a question about a text that was trained on would be no test.
      List<String> documents = train.stream().map(PromptedText::document).distinct().toList();
      Set<String> kept = Set.copyOf(ClassifyData.split(documents, holdOut, tune.seed()).get(1));
      held.addAll(train.stream().filter(t -> kept.contains(t.document())).toList());
      train.removeIf(t -> kept.contains(t.document()));
    }
    if (train.isEmpty()) {
      throw new IllegalArgumentException("nothing to train on is left in " + splits.train());
    }
  }

  private static List<String> texts(List<PromptedText> all) {
    List<String> out = new ArrayList<>();
    all.stream().map(PromptedText::document).distinct().forEach(out::add);
    for (PromptedText text : all) {
      if (text.question() != null) {
        out.add("Question: " + text.question());
      }
      out.addAll(text.targets());
    }
    return out;
  }

  private void write(
      Decoder model, PromptRows layout, Tokenizer tokens, Path from, PrintWriter writer)
      throws IOException {
    List<PromptedText> texts = PromptedText.read(from, keys(), false);
    List<PromptedText> prompts =
        texts.stream().map(t -> new PromptedText(t.document(), t.question(), List.of())).toList();
    for (String text :
        Writing.write(model, tokens, layout, prompts, tune.batch(), session.progress())) {
      writer.println(JSON.createObjectNode().put("prediction", text));
    }
  }
}

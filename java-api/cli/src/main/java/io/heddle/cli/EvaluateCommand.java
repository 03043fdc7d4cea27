package io.heddle.cli;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.data.Document;
import io.heddle.data.Texts;
import io.heddle.methods.choice.ChoiceEvaluation;
import io.heddle.methods.choice.QuestionFiles;
import io.heddle.methods.choice.QuestionSet;
import io.heddle.methods.lm.LanguageModeling;
import io.heddle.methods.lm.LmData;
import io.heddle.methods.lm.NeuralCache;
import io.heddle.methods.lm.RecurrentTraining;
import io.heddle.methods.lm.Score;
import io.heddle.models.Decoder;
import io.heddle.models.Model;
import io.heddle.models.RecurrentLm;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code heddle evaluate}: how well a model predicts text, or answers questions. */
@Command(
    name = "evaluate",
    description = {
      "Scores a model. Task perplexity: loss, perplexity and bits per byte of text, all bytes"
          + " counted.",
      "Task choice: questions with options (files as of MMLU, OpenBookQA, AGIEval or BIG-Bench"
          + " Hard),",
      "answered by the option that the model finds most likely."
    })
final class EvaluateCommand implements Callable<Integer> {
  /** What is measured. */
  enum Task {
    PERPLEXITY,
    CHOICE
  }

  // Steps that a recurrent model reads at once; they change nothing but the speed.
  private static final int PIECE = 70;

  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();
  @Mixin private ModelOptions model = new ModelOptions();

  @Option(
      names = "--task",
      defaultValue = "PERPLEXITY",
      description = "perplexity or choice (default: perplexity).")
  private Task task = Task.PERPLEXITY;

  @Option(
      names = "--data",
      required = true,
      description = "Text or questions, a file or a folder of them; may be repeated.")
  private List<Path> data = new ArrayList<>();

  @Option(
      names = "--hold-out",
      defaultValue = "1",
      description = "Perplexity: score this share of each document's last lines (default: 1, all).")
  private double holdOut;

  @Option(
      names = "--seq",
      defaultValue = "0",
      description = "Perplexity: window in tokens; 0: the model's context.")
  private int seq;

  @Option(
      names = "--shots",
      defaultValue = "0",
      description = "Choice: solved examples before each question (default: 0).")
  private int shots;

  @Option(
      names = "--limit",
      defaultValue = "0",
      description = "Choice: most questions of a subject; 0: all.")
  private int limit;

  @Option(names = "--batch", defaultValue = "4", description = "Texts of a batch (default: 4).")
  private int batch;

  @Mixin private CacheOptions cached = new CacheOptions();

  @Option(
      names = "--cache",
      description =
          "Perplexity: a cache of what was just read predicts beside the model (Grave et al. 2017).")
  private boolean cache;

  @Option(names = "--json", description = "Print one JSON object.")
  private boolean json;

  EvaluateCommand() {}

  @Override
  public Integer call() throws IOException {
    String text = task == Task.CHOICE ? choice() : perplexity();
    var writer = spec.commandLine().getOut();
    writer.println(text);
    writer.flush();
    return 0;
  }

  private String choice() throws IOException {
    List<QuestionSet> sets = new ArrayList<>();
    for (Path path : data) {
      sets.addAll(QuestionFiles.read(path));
    }
    List<String> free =
        sets.stream().filter(s -> s.questions().isEmpty()).map(QuestionSet::subject).toList();
    sets.removeIf(s -> s.questions().isEmpty());
    if (sets.isEmpty()) {
      throw new IllegalArgumentException(
          "nothing to choose from: " + String.join(", ", free) + " ask for free text");
    }
    try (Backend backend = session.open();
        Model loaded = model.load(backend)) {
      var evaluation = new ChoiceEvaluation(loaded, model.tokenizer(), shots, limit, batch);
      ChoiceTable table = new ChoiceTable(evaluation.run(sets, session.progress()), free, shots);
      return json ? table.json().toString() : table.text();
    }
  }

  private String perplexity() throws IOException {
    List<Document> held = new ArrayList<>();
    for (Path path : data) {
      for (Document document : Texts.read(path)) {
        held.add(holdOut >= 1 ? document : document.holdOut(holdOut).get(1));
      }
    }
    LmData tokens = LmData.of(model.tokenizer(), List.of(), held);
    NeuralCache memory = cache ? new NeuralCache(cached.options()) : null;
    if (RecurrentLm.isIn(model.folder())) {
      try (Backend backend = session.open();
          RecurrentLm recurrent = RecurrentLm.load(model.folder(), backend, DType.F32)) {
        Score score =
            RecurrentTraining.evaluate(
                recurrent,
                tokens.held(),
                tokens.heldBytes(),
                seq > 0 ? seq : PIECE,
                memory,
                session.progress());
        return json ? json(score).toString() : text(score);
      }
    }
    try (Backend backend = session.open();
        Decoder decoder = model.decoder(backend)) {
      int window = seq > 0 ? seq : decoder.config().context();
      Score score =
          LanguageModeling.evaluate(
              decoder,
              tokens.heldBatches(window, Math.max(1, window / 2), batch),
              tokens.heldBytes(),
              memory,
              session.progress());
      return json ? json(score).toString() : text(score);
    }
  }

  private static ObjectNode json(Score score) {
    return new ObjectMapper()
        .createObjectNode()
        .put("loss", score.loss())
        .put("perplexity", score.perplexity())
        .put("bits_per_byte", score.bitsPerByte())
        .put("tokens", score.tokens())
        .put("bytes", score.bytes());
  }

  private static String text(Score score) {
    return String.format(
        Locale.ROOT,
        "%d tokens, %d bytes: loss %.4f nats per token, perplexity %.2f, %.4f bits per byte",
        score.tokens(),
        score.bytes(),
        score.loss(),
        score.perplexity(),
        score.bitsPerByte());
  }
}

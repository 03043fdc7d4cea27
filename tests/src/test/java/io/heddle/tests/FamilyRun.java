package io.heddle.tests;

import io.heddle.autograd.Tape;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.models.Decoder;
import io.heddle.models.Encoder;
import io.heddle.models.Model;
import io.heddle.models.ModelConfig.HeadConfig;
import io.heddle.models.ModelConfig.Loss;
import io.heddle.models.Translator;
import io.heddle.op.Losses;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The batch of a golden file run through a model: outputs under the golden's names, and the loss.
 */
record FamilyRun(Map<String, float[]> outputs, double loss) {
  static FamilyRun of(Tape t, Model model, SafetensorsFile golden) throws IOException {
    return switch (model) {
      case Decoder decoder -> decoder(t, decoder, golden);
      case Encoder encoder -> encoder(t, encoder, golden);
      case Translator translator -> translator(t, translator, golden);
    };
  }

  static int[] ints(Tensor tensor) {
    return Arrays.stream(tensor.toDoubles()).mapToInt(x -> (int) x).toArray();
  }

  static int startToken(Translator model) {
    return Integer.parseInt(
        model.config().json().replaceAll("(?s).*\"decoder_start_token_id\" : (\\d+).*", "$1"));
  }

  private static boolean has(SafetensorsFile golden, String name) {
    return golden.entries().stream().anyMatch(e -> e.name().equals(name));
  }

  // The last dimension is a row; the others are the batch.
  private static int[][] rows(SafetensorsFile golden, String name) throws IOException {
    Tensor tensor = golden.tensor(name);
    int length = (int) tensor.dim(-1);
    int[] all = ints(tensor);
    int[][] out = new int[all.length / length][];
    for (int i = 0; i < out.length; i++) {
      out[i] = Arrays.copyOfRange(all, i * length, (i + 1) * length);
    }
    return out;
  }

  private static Tensor targets(Tape t, int[] values) {
    return t.tensor(DType.I32, values.length).copyFrom(values);
  }

  private static int counted(int[] targets) {
    return (int) Arrays.stream(targets).filter(x -> x != Losses.IGNORE).count();
  }

  private static double sum(Tensor losses) {
    return Arrays.stream(losses.toDoubles()).sum();
  }

  /** Entries of padded positions are 0 in the golden file, and anything here: they become 0. */
  float[] withoutPadding(float[] values, SafetensorsFile golden) throws IOException {
    int[] mask = ints(golden.tensor("attention_mask"));
    if (values.length % mask.length != 0 || values.length < mask.length) {
      return values;
    }
    int width = values.length / mask.length;
    float[] out = values.clone();
    for (int i = 0; i < mask.length; i++) {
      if (mask[i] == 0) {
        Arrays.fill(out, i * width, (i + 1) * width, 0);
      }
    }
    return out;
  }

  // Hugging Face shifts inside the model: the target of a token is the next one.
  private static FamilyRun decoder(Tape t, Decoder model, SafetensorsFile golden)
      throws IOException {
    int[][] ids = rows(golden, "input_ids");
    int[][] labels = rows(golden, "labels");
    int length = ids[0].length;
    int[] shifted = new int[ids.length * length];
    for (int b = 0; b < ids.length; b++) {
      for (int i = 0; i < length; i++) {
        shifted[b * length + i] = i + 1 < length ? labels[b][i + 1] : Losses.IGNORE;
      }
    }
    Tensor in = targets(t, Arrays.stream(ids).flatMapToInt(Arrays::stream).toArray());
    Tensor hidden = model.hidden(t, in, ids.length, List.of(rows(golden, "attention_mask")));
    int count = counted(shifted);
    float[] logits;
    try (Tape plain = Tape.inference(t.backend())) {
      logits = model.logits(plain, hidden).toFloats();
    }
    Tensor losses = model.losses(t, hidden, targets(t, shifted), 1f / count);
    return new FamilyRun(Map.of("logits", logits), sum(losses) / count);
  }

  private static int last(int[] labels) {
    return Arrays.stream(labels).filter(x -> x != Losses.IGNORE).reduce(0, (a, b) -> b);
  }

  private static FamilyRun translator(Tape t, Translator model, SafetensorsFile golden)
      throws IOException {
    int[][] labels = rows(golden, "labels");
    int[][] input = new int[labels.length][labels[0].length];
    for (int b = 0; b < labels.length; b++) {
      // mBART's targets begin with what ends them, the language's token.
      boolean wraps = model.config().family().equals("mbart");
      input[b][0] = wraps ? last(labels[b]) : startToken(model);
      for (int i = 1; i < labels[b].length; i++) {
        // transformers puts the padding token, 1 here, where there is no label.
        input[b][i] = labels[b][i - 1] == Losses.IGNORE ? 1 : labels[b][i - 1];
      }
    }
    Tensor hidden =
        model.hidden(t, rows(golden, "input_ids"), rows(golden, "attention_mask"), input);
    int[] flat = Arrays.stream(labels).flatMapToInt(Arrays::stream).toArray();
    int count = counted(flat);
    float[] logits;
    try (Tape plain = Tape.inference(t.backend())) {
      logits = model.logits(plain, hidden).toFloats();
    }
    Tensor losses = model.losses(t, hidden, targets(t, flat), 1f / count);
    return new FamilyRun(Map.of("logits", logits), sum(losses) / count);
  }

  private static FamilyRun encoder(Tape t, Encoder model, SafetensorsFile golden)
      throws IOException {
    int[][] ids = rows(golden, "input_ids");
    Encoder.Batch batch =
        new Encoder.Batch(
            ids,
            rows(golden, "attention_mask"),
            has(golden, "token_type_ids") ? rows(golden, "token_type_ids") : null,
            has(golden, "global_attention_mask") ? rows(golden, "global_attention_mask") : null);
    Tensor hidden = model.hidden(t, batch);
    Map<String, float[]> outputs = new LinkedHashMap<>();
    double loss = 0;
    for (HeadConfig head : model.config().heads()) {
      Tensor y = model.outputs(t, head.name(), hidden, ids.length);
      boolean pair = head.name().equals("pair");
      String labels =
          !pair
              ? "labels"
              : has(golden, "next_sentence_label") ? "next_sentence_label" : "sentence_order_label";
      if (head.loss() == Loss.SPAN) {
        float[] both = y.toFloats();
        outputs.put("start_logits", column(both, 0));
        outputs.put("end_logits", column(both, 1));
      } else {
        boolean one = has(golden, "logits");
        String sentence = has(golden, "sop_logits") ? "sop_logits" : "seq_relationship_logits";
        outputs.put(one ? "logits" : pair ? sentence : "prediction_logits", y.toFloats());
      }
      loss += loss(t, head, y, golden, labels);
    }
    return new FamilyRun(outputs, loss);
  }

  private static float[] column(float[] values, int at) {
    float[] out = new float[values.length / 2];
    for (int i = 0; i < out.length; i++) {
      out[i] = values[2 * i + at];
    }
    return out;
  }

  private static double loss(
      Tape t, HeadConfig head, Tensor y, SafetensorsFile golden, String labels) throws IOException {
    switch (head.loss()) {
      case SPAN -> {
        int[] starts = ints(golden.tensor("start_positions"));
        int[] ends = ints(golden.tensor("end_positions"));
        return sum(Encoder.spanLosses(t, y, starts, ends)) / (2 * starts.length);
      }
      case SQUARED -> {
        Tensor target = t.tensor(y.dtype(), y.shape());
        target.copyFrom(golden.tensor(labels).toFloats());
        return sum(Losses.squaredError(t, y, target, 1f / y.size())) / y.size();
      }
      case CHOICE -> {
        int[] answers = ints(golden.tensor(labels));
        return sum(Encoder.choiceLosses(t, y, answers)) / answers.length;
      }
      default -> {
        int[] wanted = ints(golden.tensor(labels));
        float scale = 1f / counted(wanted);
        Tensor targets = targets(t, wanted);
        Tensor losses =
            head.loss() == Loss.BINARY
                ? Losses.binaryCrossEntropy(t, y, targets, scale)
                : Losses.crossEntropy(t, y, targets, 0, scale);
        return sum(losses) * scale;
      }
    }
  }
}

package io.heddle.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.backend.Backend;
import io.heddle.backend.BackendOptions;
import io.heddle.backend.Backends;
import io.heddle.models.AutoModel;
import io.heddle.models.Decoder;
import io.heddle.models.Model;
import io.heddle.models.NextTokenModel;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.BooleanSupplier;
import picocli.CommandLine.Option;

/**
 * What a model folder does when it writes: the greedy continuation of a prompt, as {@code generate}
 * makes it, and without a peer in the process. {@code benchmarks/peers/decode.py} asks for rounds
 * of it in turns with transformers'.
 */
final class DecodeTimer {
  private static final int REPEATS = 5;

  @Option(names = "--tokens", description = "decode with --model: tokens to write (default: 64).")
  private int tokens = 64;

  /** Runs rounds, a JSON row each, until there is no more to do. */
  void run(
      String backendName,
      Path folder,
      DType dtype,
      int prompt,
      int rounds,
      BooleanSupplier more,
      PrintWriter out)
      throws IOException {
    try (Backend backend = Backends.open(backendName, BackendOptions.DEFAULT);
        Model model = AutoModel.load(folder, backend, dtype)) {
      if (!(model instanceof Decoder decoder)) {
        throw new IOException(folder + " holds no decoder language model");
      }
      int[] ids = new int[prompt];
      for (int i = 0; i < prompt; i++) {
        ids[i] = StepTimer.token(i, decoder.config().vocabulary());
      }
      write(decoder, ids, Math.min(tokens, 4)); // what is made at the first call is not timed
      for (int round = 0; (rounds == 0 || round < rounds) && more.getAsBoolean(); round++) {
        Text best = write(decoder, ids, tokens);
        for (int i = 1; i < REPEATS; i++) {
          best = best.faster(write(decoder, ids, tokens));
        }
        out.println(row(backendName, decoder, prompt, dtype, best));
        out.flush();
      }
    }
  }

  // What was written, and the milliseconds to the first token and for each after it.
  private record Text(List<Integer> ids, double prefill, double token) {
    Text faster(Text other) {
      return new Text(ids, Math.min(prefill, other.prefill), Math.min(token, other.token));
    }
  }

  private static Text write(Decoder model, int[] prompt, int tokens) {
    List<Integer> ids = new ArrayList<>();
    long start = System.nanoTime();
    try (NextTokenModel.Continuation text = model.begin(new int[][] {prompt}, 1, tokens)) {
      ids.add(likeliest(text));
      long first = System.nanoTime();
      for (int i = 1; i < tokens; i++) {
        text.append(new int[] {ids.getLast()});
        ids.add(likeliest(text));
      }
      double rest = (System.nanoTime() - first) * 1e-6;
      return new Text(ids, (first - start) * 1e-6, rest / Math.max(1, tokens - 1));
    }
  }

  private static int likeliest(NextTokenModel.Continuation text) {
    NextTokenModel.Choice chosen = text.likeliest();
    if (chosen != null) {
      return chosen.tokens()[0];
    }
    float[] logits = text.logits();
    int best = 0;
    for (int i = 1; i < logits.length; i++) {
      best = logits[i] > logits[best] ? i : best;
    }
    return best;
  }

  private ObjectNode row(String backend, Decoder model, int prompt, DType dtype, Text text) {
    ObjectNode row =
        new ObjectMapper()
            .createObjectNode()
            .put("op", "generate")
            .put("backend", backend)
            .put("dtype", dtype.name().toLowerCase(Locale.ROOT))
            .put("shape", "%d + %d tokens".formatted(prompt, tokens))
            .put("parameters", model.parameters().count())
            .put("prefill_ms", text.prefill)
            .put("token_ms", text.token);
    text.ids.forEach(row.putArray("ids")::add);
    return row;
  }
}

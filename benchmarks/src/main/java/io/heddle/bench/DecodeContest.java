package io.heddle.bench;

import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.models.NextTokenModel;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * What a GPT-2 small does when it writes: prefill reads a prompt and gives the logits of the next
 * token; decode reads tokens one by one into a cache, with the logits of each. libtorch does the
 * same maths on the same weights, its cache likewise made once and written in place.
 */
final class DecodeContest extends CpuContest {
  /**
   * The model and the text.
   *
   * @param prefill whether all tokens are read at once; else one by one
   */
  record Spec(
      boolean prefill, int layers, int hidden, int heads, int vocabulary, int context, int tokens) {
    /** GPT-2 small, of 124 million parameters; when time is short, of 2 of its 12 layers. */
    static Spec small(boolean prefill, boolean quick) {
      int tokens = prefill ? (quick ? 128 : 512) : quick ? 8 : 32;
      return new Spec(prefill, quick ? 2 : 12, 768, 12, 50257, 1024, tokens);
    }

    /** The shape in words. */
    String words() {
      return "L%d d%d H%d V%d %d tokens".formatted(layers, hidden, heads, vocabulary, tokens);
    }
  }

  private final Spec spec;
  private final Decoder model;
  private final int[] ids;
  private float[] logits = new float[0];

  DecodeContest(Spec spec, String backendName, DType type, int threads) {
    super(backendName, type, threads);
    this.spec = spec;
    ModelConfig config =
        ModelConfig.gpt2(
            spec.vocabulary, spec.hidden, spec.layers, spec.heads, spec.context, "full");
    this.model = own(Decoder.random(config, backend, type, 1));
    this.ids = new SplittableRandom(7).ints(spec.tokens, 0, spec.vocabulary).toArray();
    enterOurs(() -> logits = logits(model, ids, spec.prefill ? spec.tokens : 1), () -> logits);
    enterTorch();
  }

  /** Logits after the last token: {@code read} of them are read at once, the others one by one. */
  static float[] logits(Decoder model, int[] ids, int read) {
    int[][] prompt = {Arrays.copyOf(ids, read)};
    try (NextTokenModel.Continuation text = model.begin(prompt, 1, ids.length - read)) {
      for (int i = read; i < ids.length; i++) {
        text.append(new int[] {ids[i]});
      }
      return text.logits();
    }
  }

  private void enterTorch() {
    Map<String, Tensor> weights = new HashMap<>();
    model.parameters().byName().forEach((name, w) -> weights.put(name, Torch.view(w)));
    var decoder = new TorchDecoder(spec.layers, spec.hidden, spec.heads, weights);
    var all = Torch.keep(Torch.view(scope.tensor(DType.I32, spec.tokens).copyFrom(ids)));
    var long64 = Torch.keep(all.to(torch.ScalarType.Long));
    Tensor[][] cache = new Tensor[2][spec.layers];
    for (Tensor[] part : cache) {
      for (int i = 0; i < spec.layers; i++) {
        part[i] =
            Torch.view(scope.tensor(type, 1, spec.heads, spec.tokens, spec.hidden / spec.heads));
      }
    }
    enter(Torch.contestant(false, () -> List.of(torch(decoder, long64, cache))));
  }

  private Tensor torch(TorchDecoder decoder, Tensor all, Tensor[][] cache) {
    int read = spec.prefill ? spec.tokens : 1;
    Tensor last = pass(decoder, all, cache, 0, read);
    for (int i = read; i < spec.tokens; i++) {
      last = pass(decoder, all, cache, i, i + 1);
    }
    return last;
  }

  private static Tensor pass(TorchDecoder decoder, Tensor all, Tensor[][] cache, int from, int to) {
    var none = new TensorOptional();
    var hidden =
        decoder.hidden(
            all.narrow(0, from, to - from),
            from,
            (layer, qkv) -> {
              for (int part = 0; part < 2; part++) {
                cache[part][layer].narrow(2, from, to - from).copy_(decoder.part(qkv, part + 1));
              }
              var keys = cache[0][layer].narrow(2, 0, to);
              var values = cache[1][layer].narrow(2, 0, to);
              return decoder.attention(decoder.part(qkv, 0), keys, values, none, from == 0);
            });
    return decoder.logits(hidden.narrow(0, to - from - 1L, 1));
  }

  @Override
  public String op() {
    return spec.prefill ? "prefill" : "decode";
  }

  @Override
  public String shape() {
    return spec.words();
  }

  private long weights() {
    return 12L * spec.layers * spec.hidden * spec.hidden;
  }

  @Override
  public double flops() {
    double pairs = BlockLayout.of(Patterns.causal(), spec.heads, spec.tokens, spec.tokens).pairs(1);
    double attention = 4.0 * (spec.hidden / (double) spec.heads) * pairs * spec.layers;
    double outputs = 2.0 * spec.vocabulary * spec.hidden * (spec.prefill ? 1 : spec.tokens);
    return 2.0 * weights() * spec.tokens + attention + outputs;
  }

  /** Of decode: each token reads every weight once. */
  @Override
  public double bytes() {
    return (double) spec.tokens * type.bytes() * (weights() + (long) spec.vocabulary * spec.hidden);
  }

  @Override
  public Bound bound() {
    return spec.prefill ? super.bound() : Bound.MEMORY;
  }

  /** Logits went through every layer in the type of the weights. */
  @Override
  public double tolerance() {
    return type == DType.F32 ? 1e-3 : 5e-2;
  }
}

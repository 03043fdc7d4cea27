package io.heddle.bench;

import java.util.Map;
import java.util.Objects;
import org.bytedeco.pytorch.DoubleOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/** A GPT-2 shaped decoder in libtorch's operators, on our weights. */
final class TorchDecoder {
  private final int layers;
  private final int hidden;
  private final int heads;
  private final Map<String, Tensor> weights;

  /** How a layer's tokens see each other: from packed queries, keys and values to [T, d]. */
  interface Attention {
    Tensor of(int layer, Tensor qkv);
  }

  /**
   * A decoder.
   *
   * @param weights by our names, views of our memory that are kept
   */
  TorchDecoder(int layers, int hidden, int heads, Map<String, Tensor> weights) {
    this.layers = layers;
    this.hidden = hidden;
    this.heads = heads;
    this.weights = weights;
  }

  private Tensor weight(String name) {
    return Objects.requireNonNull(weights.get(name), name);
  }

  private Tensor norm(String name, Tensor x) {
    return torch.layer_norm(
        x,
        new long[] {hidden},
        new TensorOptional(weight(name + ".weight")),
        new TensorOptional(weight(name + ".bias")),
        1e-5,
        false);
  }

  private Tensor linear(String name, Tensor x) {
    return torch.linear(x, weight(name + ".weight"), new TensorOptional(weight(name + ".bias")));
  }

  /** Part 0, 1 or 2 (queries, keys, values) of a packed product, [1, H, T, D]. */
  Tensor part(Tensor qkv, int index) {
    return qkv.narrow(1, (long) index * hidden, hidden)
        .view(1, qkv.size(0), heads, hidden / heads)
        .transpose(1, 2);
  }

  /** libtorch's own attention. */
  Tensor attention(Tensor q, Tensor k, Tensor v, TensorOptional mask, boolean causal) {
    return torch
        .scaled_dot_product_attention(q, k, v, mask, 0, causal, new DoubleOptional(), false)
        .transpose(1, 2)
        .reshape(q.size(2), hidden);
  }

  /** The last hidden states [T, d] of tokens that begin at position {@code first}. */
  Tensor hidden(Tensor tokens, long first, Attention attention) {
    var places = weight("positions.weight").narrow(0, first, tokens.size(0));
    var x = torch.embedding(weight("embed.weight"), tokens).add(places);
    for (int i = 0; i < layers; i++) {
      String layer = "layers." + i + ".";
      var seen = attention.of(i, linear(layer + "qkv", norm(layer + "norm1", x)));
      x = x.add(linear(layer + "out", seen));
      var up = torch.gelu(linear(layer + "up", norm(layer + "norm2", x)), "tanh");
      x = x.add(linear(layer + "down", up));
    }
    return norm("norm", x);
  }

  /** Logits of hidden states. */
  Tensor logits(Tensor hiddenStates) {
    return torch.linear(hiddenStates, weight("embed.weight"));
  }
}

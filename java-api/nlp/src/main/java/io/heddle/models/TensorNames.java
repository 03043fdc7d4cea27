package io.heddle.models;

import java.util.ArrayList;
import java.util.List;

/**
 * Where the parameters of a {@link Decoder} lie in a checkpoint: each is one tensor of the file, or
 * several side by side (queries, keys and values; gate and up), possibly transposed (GPT-2's
 * Conv1D).
 */
final class TensorNames {
  private TensorNames() {}

  /**
   * One piece of a parameter.
   *
   * @param parameter our name
   * @param name the name in the file
   * @param from first row of the parameter that the piece fills
   * @param to row after its last
   * @param transposed whether the file holds [in, out]
   */
  record Piece(String parameter, String name, long from, long to, boolean transposed) {}

  static List<Piece> of(DecoderConfig c) {
    List<Piece> pieces = new ArrayList<>();
    switch (c.family()) {
      case "gpt2" -> gpt2(c, pieces);
      case "gpt_neo" -> gptNeo(c, pieces);
      default -> llama(c, pieces);
    }
    return pieces;
  }

  /** The names of llama2.c's conversion (tok_embeddings, attention.wq, feed_forward.w1). */
  static List<Piece> llama2c(DecoderConfig c) {
    return of(c).stream()
        .map(p -> new Piece(p.parameter, llama2cName(p.name), p.from, p.to, p.transposed))
        .toList();
  }

  private static String llama2cName(String name) {
    return name.replace("model.embed_tokens", "tok_embeddings")
        .replace("model.", "")
        .replace("self_attn.q_proj", "attention.wq")
        .replace("self_attn.k_proj", "attention.wk")
        .replace("self_attn.v_proj", "attention.wv")
        .replace("self_attn.o_proj", "attention.wo")
        .replace("mlp.gate_proj", "feed_forward.w1")
        .replace("mlp.down_proj", "feed_forward.w2")
        .replace("mlp.up_proj", "feed_forward.w3")
        .replace("input_layernorm", "attention_norm")
        .replace("post_attention_layernorm", "ffn_norm")
        .replace("lm_head", "output");
  }

  private static void whole(List<Piece> pieces, String parameter, String name, boolean transposed) {
    pieces.add(new Piece(parameter, name, 0, -1, transposed));
  }

  private static void both(List<Piece> pieces, String parameter, String name, boolean transposed) {
    whole(pieces, parameter + ".weight", name + ".weight", transposed);
    whole(pieces, parameter + ".bias", name + ".bias", false);
  }

  private static void qkv(DecoderConfig c, List<Piece> pieces, String parameter, String prefix) {
    long q = (long) c.heads() * c.headDim();
    long k = (long) c.kvHeads() * c.headDim();
    pieces.add(new Piece(parameter, prefix + "q_proj.weight", 0, q, false));
    pieces.add(new Piece(parameter, prefix + "k_proj.weight", q, q + k, false));
    pieces.add(new Piece(parameter, prefix + "v_proj.weight", q + k, q + 2 * k, false));
  }

  private static void llama(DecoderConfig c, List<Piece> pieces) {
    whole(pieces, "embed.weight", "model.embed_tokens.weight", false);
    for (int i = 0; i < c.layers(); i++) {
      String ours = "layers." + i + ".";
      String theirs = "model.layers." + i + ".";
      whole(pieces, ours + "norm1.weight", theirs + "input_layernorm.weight", false);
      qkv(c, pieces, ours + "qkv.weight", theirs + "self_attn.");
      whole(pieces, ours + "out.weight", theirs + "self_attn.o_proj.weight", false);
      whole(pieces, ours + "norm2.weight", theirs + "post_attention_layernorm.weight", false);
      long f = c.intermediate();
      pieces.add(new Piece(ours + "up.weight", theirs + "mlp.gate_proj.weight", 0, f, false));
      pieces.add(new Piece(ours + "up.weight", theirs + "mlp.up_proj.weight", f, 2 * f, false));
      whole(pieces, ours + "down.weight", theirs + "mlp.down_proj.weight", false);
    }
    whole(pieces, "norm.weight", "model.norm.weight", false);
    head(c, pieces);
  }

  private static void gpt2(DecoderConfig c, List<Piece> pieces) {
    whole(pieces, "embed.weight", "transformer.wte.weight", false);
    whole(pieces, "positions.weight", "transformer.wpe.weight", false);
    for (int i = 0; i < c.layers(); i++) {
      String ours = "layers." + i + ".";
      String theirs = "transformer.h." + i + ".";
      both(pieces, ours + "norm1", theirs + "ln_1", false);
      both(pieces, ours + "qkv", theirs + "attn.c_attn", true);
      both(pieces, ours + "out", theirs + "attn.c_proj", true);
      both(pieces, ours + "norm2", theirs + "ln_2", false);
      both(pieces, ours + "up", theirs + "mlp.c_fc", true);
      both(pieces, ours + "down", theirs + "mlp.c_proj", true);
    }
    both(pieces, "norm", "transformer.ln_f", false);
    head(c, pieces);
  }

  private static void gptNeo(DecoderConfig c, List<Piece> pieces) {
    whole(pieces, "embed.weight", "transformer.wte.weight", false);
    whole(pieces, "positions.weight", "transformer.wpe.weight", false);
    for (int i = 0; i < c.layers(); i++) {
      String ours = "layers." + i + ".";
      String theirs = "transformer.h." + i + ".";
      both(pieces, ours + "norm1", theirs + "ln_1", false);
      qkv(c, pieces, ours + "qkv.weight", theirs + "attn.attention.");
      both(pieces, ours + "out", theirs + "attn.attention.out_proj", false);
      both(pieces, ours + "norm2", theirs + "ln_2", false);
      both(pieces, ours + "up", theirs + "mlp.c_fc", false);
      both(pieces, ours + "down", theirs + "mlp.c_proj", false);
    }
    both(pieces, "norm", "transformer.ln_f", false);
    head(c, pieces);
  }

  private static void head(DecoderConfig c, List<Piece> pieces) {
    if (!c.tied()) {
      whole(pieces, "head.weight", "lm_head.weight", false);
    }
  }
}

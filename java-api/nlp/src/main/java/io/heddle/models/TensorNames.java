package io.heddle.models;

import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Where the parameters of a model lie in a checkpoint. A family's table has lines {@code ours =
 * theirs}: {@code #} stands for the layer; {@code a + b + c} are tensors whose rows follow each
 * other in the parameter (queries, keys, values; gate, up); a name without {@code .weight} or
 * {@code .bias} means both, as far as the model has them. Marks: {@code ^} the file holds [in, out]
 * (GPT-2's Conv1D); {@code @heads} queries, keys and values of a head lie together (GPT-NeoX,
 * BLOOM); {@code @codegen} CodeGen's order; {@code 1} the file has a leading dimension of 1. Of two
 * lines for one parameter the second is for gated MLPs.
 */
final class TensorNames {
  private TensorNames() {}

  /** Rows {@code from} (inclusive) to {@code to} (exclusive) of a parameter. */
  record Rows(long from, long to) {}

  /**
   * One tensor of the file.
   *
   * @param parameter our name
   * @param name the name in the file
   * @param rows what it fills, in the order in which it lies in the file
   * @param transposed whether the file holds [in, out]
   * @param leading whether the file has a leading dimension of 1
   */
  record Piece(
      String parameter, String name, List<Rows> rows, boolean transposed, boolean leading) {}

  /** The pieces of all {@code parameters} (or of values of the same shapes). */
  static List<Piece> of(ModelConfig c, Map<String, Tensor> parameters) {
    Map<String, List<Piece>> found = new LinkedHashMap<>();
    int layers = Math.max(c.layers(), c.target() == null ? 0 : c.target().layers());
    for (String line : Family.of(c.family(), "the model").names().split("\n", -1)) {
      String[] sides = line.split(" = ", -1);
      if (sides.length == 2) {
        for (int i = 0; i < (line.contains("#") ? layers : 1); i++) {
          String layer = Integer.toString(i);
          line(c, sides[0].replace("#", layer), sides[1].replace("#", layer), parameters, found);
        }
      }
    }
    List<Piece> all = new ArrayList<>();
    for (String name : parameters.keySet()) {
      List<Piece> pieces = found.get(name);
      if (pieces == null) {
        throw new IllegalStateException(
            "the table of " + c.family() + " has no line for parameter '" + name + "'");
      }
      all.addAll(pieces);
    }
    return all;
  }

  private static void line(
      ModelConfig c,
      String ours,
      String theirs,
      Map<String, Tensor> parameters,
      Map<String, List<Piece>> found) {
    Tensor whole = parameters.get(ours);
    if (whole != null) {
      put(c, ours, theirs, "", whole, found);
      return;
    }
    for (String suffix : new String[] {".weight", ".bias"}) {
      Tensor part = parameters.get(ours + suffix);
      if (part != null) {
        put(c, ours + suffix, theirs, suffix, part, found);
      }
    }
  }

  private static void put(
      ModelConfig c,
      String parameter,
      String theirs,
      String suffix,
      Tensor value,
      Map<String, List<Piece>> found) {
    String[] names = theirs.split(" \\+ ", -1);
    boolean second = names.length == 2 && c.stack().mlp().gated();
    if (!found.containsKey(parameter) || second) {
      List<Piece> pieces = new ArrayList<>();
      long[] ends = ends(c, names.length, value.dim(0));
      for (int i = 0; i < names.length; i++) {
        String[] words = names[i].strip().split(" ", -1);
        String mark = words.length > 1 ? words[1] : "";
        List<Rows> rows =
            switch (mark) {
              case "@heads" -> byHead(c, value.dim(0));
              case "@codegen" -> codegen(value.dim(0));
              default -> List.of(new Rows(i == 0 ? 0 : ends[i - 1], ends[i]));
            };
        boolean transposed = mark.equals("^") && suffix.equals(".weight");
        pieces.add(new Piece(parameter, words[0] + suffix, rows, transposed, mark.equals("1")));
      }
      found.put(parameter, pieces);
    }
  }

  private static long[] ends(ModelConfig c, int parts, long rows) {
    if (parts != 3) {
      return parts == 1 ? new long[] {rows} : new long[] {rows / 2, rows};
    }
    int heads = c.stack().heads().count();
    int kv = c.stack().heads().kv();
    long unit = rows / (heads + 2L * kv);
    return new long[] {heads * unit, (heads + (long) kv) * unit, rows};
  }

  private static List<Rows> byHead(ModelConfig c, long rows) {
    int heads = c.stack().heads().count();
    long dim = rows / (3L * heads);
    List<Rows> out = new ArrayList<>();
    for (int h = 0; h < heads; h++) {
      for (int part = 0; part < 3; part++) {
        long from = ((long) part * heads + h) * dim;
        out.add(new Rows(from, from + dim));
      }
    }
    return out;
  }

  // Four slices (of the TPU cores that CodeGen was trained on), each with queries, values, keys.
  private static List<Rows> codegen(long rows) {
    long size = rows / 12;
    List<Rows> out = new ArrayList<>();
    for (int slice = 0; slice < 4; slice++) {
      for (int part : new int[] {0, 2, 1}) {
        long from = (part * 4L + slice) * size;
        out.add(new Rows(from, from + size));
      }
    }
    return out;
  }

  /** The names of llama2.c's conversion (tok_embeddings, attention.wq, feed_forward.w1). */
  static String llama2c(String name) {
    String out = name.replace("model.embed_tokens", "tok_embeddings").replace("model.", "");
    for (String[] pair :
        Arrays.asList(
            new String[] {"self_attn.q_proj", "attention.wq"},
            new String[] {"self_attn.k_proj", "attention.wk"},
            new String[] {"self_attn.v_proj", "attention.wv"},
            new String[] {"self_attn.o_proj", "attention.wo"},
            new String[] {"mlp.gate_proj", "feed_forward.w1"},
            new String[] {"mlp.down_proj", "feed_forward.w2"},
            new String[] {"mlp.up_proj", "feed_forward.w3"},
            new String[] {"input_layernorm", "attention_norm"},
            new String[] {"post_attention_layernorm", "ffn_norm"},
            new String[] {"lm_head", "output"})) {
      out = out.replace(pair[0], pair[1]);
    }
    return out;
  }
}

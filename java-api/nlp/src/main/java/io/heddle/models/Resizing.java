package io.heddle.models;

import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Models with more tokens than they were made for. */
public final class Resizing {
  private Resizing() {}

  /**
   * The same model with another vocabulary. Rows of the embedding and of output layers that are new
   * are the mean of the old ones, so that a new token starts as an average one (Hewitt 2021); rows
   * beyond a smaller vocabulary are dropped.
   *
   * @param model stays as it is, and open
   */
  public static Model withVocabulary(Model model, int vocabulary) {
    model.parameters().needExact("resized");
    ModelConfig c = model.config();
    List<ModelConfig.HeadConfig> heads = new ArrayList<>();
    for (ModelConfig.HeadConfig h : c.heads()) {
      heads.add(h.outputs() == c.vocabulary() ? h.withOutputs(vocabulary) : h);
    }
    ModelConfig resized =
        new ModelConfig(
            c.family(),
            vocabulary,
            c.context(),
            c.embedding(),
            c.stack(),
            c.target(),
            heads,
            HuggingFace.with(c.json(), "vocab_size", vocabulary));
    Model out = AutoModel.awaiting(resized, model.backend(), model.parameters().dtype(), false);
    try {
      for (Tensor from : model.parameters().values()) {
        String name = String.valueOf(from.name());
        copy(model, from, out.parameters().get(name));
        out.parameters().filled(name);
      }
      out.parameters().settle();
      return out;
    } catch (RuntimeException | Error e) {
      out.close();
      throw e;
    }
  }

  private static void copy(Model model, Tensor from, Tensor to) {
    Params.None none = new Params.None();
    long shared = Math.min(from.dim(0), to.dim(0));
    model.backend().run(OpCode.COPY, none, from.slice(0, 0, shared), to.slice(0, 0, shared));
    if (to.dim(0) > shared) {
      try (Scope scope = new Scope(model.backend().memory())) {
        long[] row = from.shape();
        row[0] = 1;
        Tensor mean = scope.tensor(from.dtype(), row);
        model.backend().run(OpCode.REDUCE, new Params.Reduce(1, 0), from, mean);
        Tensor fresh = to.slice(0, shared, to.dim(0));
        model.backend().run(OpCode.COPY, none, mean.expand(fresh.shape()), fresh);
      }
    }
  }
}

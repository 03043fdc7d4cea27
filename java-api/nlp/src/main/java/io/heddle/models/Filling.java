package io.heddle.models;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.models.TensorNames.Piece;
import io.heddle.models.TensorNames.Rows;
import io.heddle.nn.Parameters;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Scope;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Copies a checkpoint into a model whose parameters wait for their values. What does not fit is
 * said before anything is copied, and afterwards every row of every parameter has been written.
 *
 * @param model made by {@link AutoModel#awaiting}
 * @param source where the checkpoint came from, for messages
 * @param partial whether heads may be missing, and the file may hold more than the model
 * @param mapped whether parameters that lie in the file as they are wanted are read there
 */
record Filling(Model model, Checkpoint checkpoint, Path source, boolean partial, boolean mapped) {
  // Buffers of old checkpoints, computed tables, and tied tables that some writers repeat.
  private static final Pattern REPEATED =
      Pattern.compile(
          ".*(\\.attn\\.bias|\\.masked_bias|attention\\.bias|rotary_emb\\.inv_freq|position_ids"
              + "|(en|de)coder\\.embed_tokens\\.weight|embed_positions\\.weights)");
  private static final Pattern OUTPUT =
      Pattern.compile(
          "lm_head\\.weight|embed_out\\.weight|lm_head\\.decoder\\..*|vocab_projector\\.weight"
              + "|(cls\\.)?predictions\\.decoder\\..*|generator_lm_head\\.weight|decoder\\.weight");
  private static final Pattern SINES = Pattern.compile(".*\\.embed_positions\\.weight");

  // A tensor of the file, and what it fills.
  private record Found(Piece piece, String name) {}

  /**
   * Fills the model.
   *
   * @param rename from Hugging Face's names to the file's
   */
  void run(UnaryOperator<String> rename) throws IOException {
    Parameters parameters = model.parameters();
    Set<String> names = new HashSet<>(checkpoint.names());
    List<Found> found = new ArrayList<>();
    Map<String, String> missing = new LinkedHashMap<>(); // by parameter
    for (Piece piece : TensorNames.of(model.config(), parameters.byName())) {
      String name = present(names, rename.apply(piece.name()));
      if (name == null) {
        missing.put(piece.parameter(), rename.apply(piece.name()));
      } else {
        found.add(new Found(piece, name));
      }
    }
    check(missing, found);
    missing.keySet().forEach(parameters::draw);
    Map<String, Long> written = new LinkedHashMap<>();
    for (Found f : found) {
      String parameter = f.piece.parameter();
      Tensor to = parameters.get(parameter);
      Tensor file = checkpoint.tensor(f.name);
      if (mapped && !missing.containsKey(parameter) && asWanted(file, f.piece, to)) {
        parameters.map(parameter, file);
        continue;
      }
      long rows = copy(file, f.name, f.piece, to);
      if (written.merge(parameter, rows, Long::sum) == to.dim(0)
          && !missing.containsKey(parameter)) {
        parameters.filled(parameter);
      }
    }
    parameters.settle();
  }

  // Kernels read at any address of whole elements.
  private static boolean asWanted(Tensor file, Piece piece, Tensor to) {
    return !piece.transposed()
        && piece.rows().equals(List.of(new Rows(0, to.dim(0))))
        && file.dtype() == to.dtype()
        && Arrays.equals(file.shape(), to.shape())
        && to.storage().device() < 0
        && file.address() % file.dtype().bytes() == 0;
  }

  private void check(Map<String, String> missing, List<Found> found) {
    if (partial) {
      missing.forEach(
          (parameter, name) -> {
            if (!ofHead(parameter)) {
              throw new IllegalArgumentException(
                  source + " has no tensor '" + name + "', which is not of a head");
            }
          });
      return;
    }
    String hint = "; --allow-partial (AutoModel.loadPartly) accepts that for heads";
    if (!missing.isEmpty()) {
      throw new IllegalArgumentException(
          source + " has no tensor " + list(List.copyOf(missing.values())) + hint);
    }
    Set<String> used = new HashSet<>();
    found.forEach(f -> used.add(f.name));
    List<String> extra =
        checkpoint.names().stream().filter(n -> !used.contains(n) && !known(n)).toList();
    if (!extra.isEmpty()) {
      throw new IllegalArgumentException(
          source
              + " has a tensor "
              + list(extra)
              + " that a "
              + model.config().family()
              + " model does not use"
              + hint);
    }
  }

  private boolean ofHead(String parameter) {
    return model.config().heads().stream().anyMatch(h -> parameter.startsWith(h.name() + "."));
  }

  private boolean known(String name) {
    boolean tied = model.config().heads().stream().anyMatch(ModelConfig.HeadConfig::tied);
    boolean computed =
        model.config().embedding().table() != ModelConfig.Table.LEARNED
            && SINES.matcher(name).matches();
    return computed || REPEATED.matcher(name).matches() || (tied && OUTPUT.matcher(name).matches());
  }

  // Bare models are saved without the first word; TensorFlow's norms have gamma and beta.
  private static @Nullable String present(Set<String> names, String name) {
    String old =
        name.replace("LayerNorm.weight", "LayerNorm.gamma")
            .replace("LayerNorm.bias", "LayerNorm.beta");
    String bare = name.substring(name.indexOf('.') + 1);
    for (String each : new String[] {name, old, bare}) {
      if (names.contains(each)) {
        return each;
      }
    }
    return null;
  }

  // Gives the number of rows written.
  private long copy(Tensor file, String name, Piece piece, Tensor to) {
    // Rows of eight bits are made on the host, wherever they go.
    if (to.storage().device() < 0 || to.dtype() == DType.U8) {
      return copy(file, name, piece, to, file);
    }
    try (Scope scope = new Scope(model.backend().memory())) {
      Tensor brought = scope.tensor(file.dtype(), file.shape());
      model.backend().transfer(file, brought);
      return copy(file, name, piece, to, brought);
    }
  }

  // present: what the file holds, where the parameter lies.
  private long copy(Tensor file, String name, Piece piece, Tensor to, Tensor present) {
    Tensor from = piece.transposed() ? present.transpose(0, 1) : present;
    if (piece.leading() && file.rank() > 1) {
      from = present.view(present.size());
    }
    long[] wanted = to.shape();
    wanted[0] = piece.rows().stream().mapToLong(r -> r.to() - r.from()).sum();
    if (!Arrays.equals(from.shape(), wanted)) {
      throw new IllegalArgumentException(
          source
              + ": tensor '"
              + name
              + "' is "
              + Arrays.toString(file.shape())
              + ", but by config.json "
              + piece.parameter()
              + " takes "
              + Arrays.toString(wanted));
    }
    long at = 0;
    for (Rows rows : piece.rows()) {
      long end = at + rows.to() - rows.from();
      if (to.dtype() == DType.U8) {
        model.parameters().fillRows(piece.parameter(), rows.from(), from.slice(0, at, end));
      } else {
        Tensor part = to.slice(0, rows.from(), rows.to());
        model.backend().run(OpCode.COPY, new Params.None(), from.slice(0, at, end), part);
      }
      at = end;
    }
    return at;
  }

  private static String list(List<String> names) {
    String first = "'" + String.join("', '", names.subList(0, Math.min(3, names.size()))) + "'";
    return names.size() > 3 ? first + " and " + (names.size() - 3) + " more" : first;
  }
}

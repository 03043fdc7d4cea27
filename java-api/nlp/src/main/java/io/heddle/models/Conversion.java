package io.heddle.models;

import io.heddle.backend.Backend;
import io.heddle.checkpoint.Checkpoint;
import io.heddle.models.ModelConfig.Table;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * A pretrained model under another attention schedule, and for longer sequences (MASFormer, arXiv
 * 2310.12442, section 3). Masks have no parameters, so every weight stays: as long as a sequence
 * fits into the block or window of the sparse layers, the converted model computes the same.
 */
public final class Conversion {
  /** Where the rows of a longer table of learned positions come from. */
  public enum PositionMode {
    /** The old table again and again: position p is old position p mod n. Nothing old changes. */
    TILE,
    /** The old table stretched: positions in between are on the line between their neighbours. */
    INTERPOLATE,
    /** The old rows, then random ones of GPT-2's deviation. Nothing old changes. */
    INIT;

    /** The mode of this name. */
    public static PositionMode of(String word) {
      for (PositionMode mode : values()) {
        if (mode.name().equalsIgnoreCase(word)) {
          return mode;
        }
      }
      throw new IllegalArgumentException(
          "positions '" + word + "': it can be tile, interpolate or init");
    }

    /** Its name on the command line. */
    public String word() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static final Params.None NONE = new Params.None();

  // Tokenizers and generation settings; not the configuration, nor an index of weights.
  private static final Pattern BESIDE =
      Pattern.compile(
          "(?!config\\.json$)(?!.*\\.index\\.json$).*\\.(json|txt|model|jinja)|tokenizer\\.bin"
              + "|.*\\.codes");

  private Conversion() {}

  /**
   * Converts.
   *
   * @param model stays as it is, and open
   * @param schedule of the new model, see {@link Schedule}; of an encoder-decoder the encoder's.
   *     Empty: as it was
   * @param context most tokens of a sequence of the new model; 0: as it was
   * @param mode what becomes of learned positions; without meaning for models that have none
   * @param seed of rows that are drawn
   */
  public static Model convert(
      Model model, String schedule, int context, PositionMode mode, long seed) {
    ModelConfig old = model.config();
    ModelConfig config =
        old.withContext(context == 0 ? old.context() : context).withSchedule(schedule);
    Model out = AutoModel.random(config, model.backend(), model.parameters().dtype(), seed);
    try {
      for (Tensor from : model.parameters().values()) {
        String name = String.valueOf(from.name());
        Tensor to = out.parameters().get(name);
        boolean table =
            old.embedding().table() == Table.LEARNED && name.endsWith("positions.weight");
        if (table && from.dim(0) != to.dim(0)) {
          positions(from, to, old.embedding().offset(), mode, model);
        } else {
          model.backend().run(OpCode.COPY, NONE, from, to);
        }
      }
      model.backend().synchronize();
    } catch (RuntimeException | Error e) {
      out.close();
      throw e;
    }
    return out;
  }

  /**
   * As {@link #convert(Model, String, int, PositionMode, long)} of a decoder.
   *
   * @param model stays as it is, and open
   */
  public static Decoder convert(
      Decoder model, String schedule, int context, PositionMode mode, long seed) {
    return (Decoder) convert((Model) model, schedule, context, mode, seed);
  }

  /**
   * Converts a model folder into another, which appears whole or not at all. Elements keep their
   * type; tokenizer and generation settings come along.
   *
   * @param model folder with {@code config.json} and weights
   * @param out the new folder, which must not exist
   * @return the new configuration
   */
  public static ModelConfig write(
      Path model,
      Path out,
      Backend backend,
      String schedule,
      int context,
      PositionMode mode,
      long seed)
      throws IOException {
    Path target = out.toAbsolutePath();
    Path parent = target.getParent();
    if (parent == null || Files.exists(target)) {
      throw new IllegalArgumentException(
          out + " exists: name a folder that does not, a conversion never writes over a model");
    }
    Files.createDirectories(parent);
    Path fresh = parent.resolve("." + target.getFileName() + "." + ProcessHandle.current().pid());
    try (Model old = AutoModel.load(model, backend, stored(model));
        Model converted = convert(old, schedule, context, mode, seed)) {
      ModelFolder.save(converted, fresh, Map.of());
      for (Path file : beside(model)) {
        Files.copy(file, fresh.resolve(String.valueOf(file.getFileName())));
      }
      Files.move(fresh, target, StandardCopyOption.ATOMIC_MOVE);
      return converted.config();
    } finally {
      delete(fresh);
    }
  }

  private static DType stored(Path model) throws IOException {
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      for (String name : checkpoint.names()) {
        DType dtype = checkpoint.tensor(name).dtype();
        if (dtype == DType.BF16 || dtype == DType.F16) {
          return dtype;
        }
        if (dtype == DType.F32) {
          break;
        }
      }
      return DType.F32;
    }
  }

  private static List<Path> beside(Path model) throws IOException {
    if (!Files.isDirectory(model)) {
      return List.of();
    }
    try (Stream<Path> files = Files.list(model)) {
      return files
          .filter(Files::isRegularFile)
          .filter(file -> BESIDE.matcher(String.valueOf(file.getFileName())).matches())
          .sorted()
          .toList();
    }
  }

  private static void delete(Path folder) throws IOException {
    if (!Files.isDirectory(folder)) {
      return;
    }
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.delete(file);
      }
    }
    Files.delete(folder);
  }

  // Rows before `offset` stand for no position.
  private static void positions(Tensor from, Tensor to, int offset, PositionMode mode, Model on) {
    long old = from.dim(0) - offset;
    long wanted = to.dim(0) - offset;
    if (mode == PositionMode.INTERPOLATE) {
      to.copyFrom(stretched(from.toFloats(), (int) from.dim(1), offset, old, wanted));
      return;
    }
    long first = Math.min(from.dim(0), to.dim(0));
    on.backend().run(OpCode.COPY, NONE, from.slice(0, 0, first), to.slice(0, 0, first));
    for (long at = old; mode == PositionMode.TILE && at < wanted; at += old) {
      long count = Math.min(old, wanted - at);
      on.backend()
          .run(
              OpCode.COPY,
              NONE,
              from.slice(0, offset, offset + count),
              to.slice(0, offset + at, offset + at + count));
    }
  }

  private static float[] stretched(float[] from, int size, int offset, long old, long wanted) {
    float[] out = new float[Math.toIntExact((wanted + offset) * size)];
    System.arraycopy(from, 0, out, 0, offset * size);
    for (long p = 0; p < wanted; p++) {
      double at = wanted == 1 ? 0 : (double) p * (old - 1) / (wanted - 1);
      long low = Math.min((long) at, old - 1);
      long high = Math.min(low + 1, old - 1);
      double share = at - low;
      for (int i = 0; i < size; i++) {
        double a = from[(int) ((offset + low) * size) + i];
        double b = from[(int) ((offset + high) * size) + i];
        out[(int) ((offset + p) * size) + i] = (float) (a + share * (b - a));
      }
    }
    return out;
  }
}

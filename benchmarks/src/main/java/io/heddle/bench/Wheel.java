package io.heddle.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.tensor.Tensor;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.lang.ProcessBuilder.Redirect;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * PyTorch's own CPU wheel, which has other kernels than the preset in this process: a Python
 * process ({@code benchmarks/peers/wheel.py}) that works in turns with the others. A run costs a
 * message more than it takes, some tens of microseconds.
 */
final class Wheel implements AutoCloseable {
  static final String NAME = "pytorch";
  private static final ObjectMapper JSON = new ObjectMapper();

  private static @Nullable Path python;

  private final Path folder;
  private final Process process;
  private final Writer to;
  private final BufferedReader from;

  /** From now on contests invite the PyTorch of this interpreter; null: they do not. */
  static void use(@Nullable Path interpreter) {
    python = interpreter;
  }

  /** Whether contests invite it. */
  static boolean wanted() {
    return python != null;
  }

  /**
   * Starts a process that has these tensors, and enters it.
   *
   * @param setting what {@code wheel.py} asks for the work, besides threads and tensors
   */
  static void enter(CpuContest contest, ObjectNode setting, Map<String, Tensor> tensors) {
    if (python == null) {
      return;
    }
    Wheel wheel = contest.own(new Wheel(python, contest, setting, tensors));
    contest.enter(new Contestant(NAME, () -> wheel.ask("run 1"), wheel::answer));
  }

  /** An empty setting. */
  static ObjectNode work(String name, boolean gradients) {
    return JSON.createObjectNode().put("work", name).put("gradients", gradients);
  }

  private Wheel(Path python, CpuContest contest, ObjectNode setting, Map<String, Tensor> tensors) {
    try {
      folder = Files.createTempDirectory("heddle-wheel");
      setting.put("threads", contest.threads);
      ObjectNode places = setting.putObject("tensors");
      for (Map.Entry<String, Tensor> e : tensors.entrySet()) {
        Path file = folder.resolve("t" + places.size());
        write(file, e.getValue());
        var place = places.putArray(e.getKey());
        place.add(e.getValue().dtype().name().toLowerCase(Locale.ROOT));
        var shape = place.addArray();
        for (long d : e.getValue().shape()) {
          shape.add(d);
        }
        place.add(file.toString());
      }
      Path script = Machine.inRepository("benchmarks/peers/wheel.py", "run from the repository");
      process =
          new ProcessBuilder(python.toString(), script.toString())
              .redirectError(Redirect.INHERIT)
              .start();
    } catch (IOException e) {
      throw new UncheckedIOException("PyTorch with --python " + python + " cannot start", e);
    }
    to = process.outputWriter();
    from = process.inputReader();
    String ready = ask(setting.toString());
    if (!ready.startsWith("ready ")) {
      throw new IllegalStateException("--python " + python + ": wheel.py answers '" + ready + "'");
    }
  }

  private static void write(Path file, Tensor t) throws IOException {
    if (!t.isContiguous()) {
      throw new IllegalArgumentException(t + " must be contiguous");
    }
    try (FileChannel out =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
      var bytes = t.segment().asByteBuffer();
      while (bytes.hasRemaining()) {
        out.write(bytes);
      }
    }
  }

  private String ask(String line) {
    try {
      to.write(line + "\n");
      to.flush();
      String answer = from.readLine();
      if (answer == null) {
        throw new IllegalStateException(
            "--python " + python + ": wheel.py has ended; what it said stands above");
      }
      return answer;
    } catch (IOException e) {
      throw new UncheckedIOException("--python " + python + ": wheel.py has ended", e);
    }
  }

  private double[] answer() {
    Path file = folder.resolve("answer");
    try {
      String unused = ask("answer " + file);
      var floats =
          ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.nativeOrder()).asFloatBuffer();
      float[] numbers = new float[floats.remaining()];
      floats.get(numbers);
      return CpuContest.numbers(numbers);
    } catch (IOException e) {
      throw new UncheckedIOException(file.toString(), e);
    }
  }

  @Override
  public void close() throws IOException {
    to.close();
    try {
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroy();
      }
    } catch (InterruptedException e) {
      process.destroy();
      Thread.currentThread().interrupt();
    }
    Machine.discard(folder);
  }
}

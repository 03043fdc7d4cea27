package io.heddle.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.tensor.DType;
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
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * A peer that cannot live in this process, and so works in one of its own, in turns with the
 * others: PyTorch's CPU wheel ({@code benchmarks/peers/wheel.py}, which says how they talk), and
 * ND4J ({@code benchmarks/peers/nd4j/Nd4jPeer.java}), whose JavaCPP is another one than ours. A
 * timed stretch costs one message more than it takes, some tens of microseconds.
 */
final class Guest implements AutoCloseable {
  static final String PYTORCH = "pytorch";
  static final String ND4J = "nd4j";
  private static final ObjectMapper JSON = new ObjectMapper();

  private static final Map<String, List<String>> INVITED = new HashMap<>();

  private final String name;
  private final List<String> command;
  private final Path folder;
  private final Process process;
  private final Writer to;
  private final BufferedReader from;

  /**
   * From now on contests invite this peer, where it has the op.
   *
   * @param command starts it; nothing: it is not invited any more
   */
  static void invite(String name, List<String> command) {
    if (command.isEmpty()) {
      INVITED.remove(name);
    } else {
      INVITED.put(name, List.copyOf(command));
    }
  }

  /** Invites the PyTorch of an interpreter. */
  static void invitePyTorch(Path python) {
    Path script = Machine.inRepository("benchmarks/peers/wheel.py", "run from the repository");
    invite(PYTORCH, List.of(python.toString(), script.toString()));
  }

  /** Whether contests invite it. */
  static boolean invited(String name) {
    return INVITED.containsKey(name);
  }

  /** Enters a peer, if it is invited, under its own name. */
  static void enter(
      CpuContest contest, String name, ObjectNode setting, Map<String, Tensor> tensors) {
    enterAs(contest, name, name, setting, tensors);
  }

  /** Enters those that are invited; ND4J has f32 alone. */
  static void enterAll(CpuContest contest, ObjectNode setting, Map<String, Tensor> tensors) {
    enter(contest, PYTORCH, setting, tensors);
    if (contest.type == DType.F32) {
      enter(contest, ND4J, setting, tensors);
    }
  }

  /**
   * Starts a process that has these tensors, if the peer is invited, and enters it.
   *
   * @param as the contestant's name
   * @param setting what the peer's program asks for the work, besides threads and tensors
   */
  static void enterAs(
      CpuContest contest, String name, String as, ObjectNode setting, Map<String, Tensor> tensors) {
    List<String> command = INVITED.get(name);
    if (command == null) {
      return;
    }
    Guest guest = contest.own(new Guest(name, command, contest, setting, tensors));
    contest.enter(new Contestant(as, times -> guest.command("run " + times), guest::answer));
  }

  /** An empty setting. */
  static ObjectNode work(String name, boolean gradients) {
    return JSON.createObjectNode().put("work", name).put("gradients", gradients);
  }

  private Guest(
      String name,
      List<String> command,
      CpuContest contest,
      ObjectNode setting,
      Map<String, Tensor> tensors) {
    this.name = name;
    this.command = command;
    try {
      folder = Files.createTempDirectory("heddle-guest");
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
      process = new ProcessBuilder(command).redirectError(Redirect.INHERIT).start();
    } catch (IOException e) {
      throw new UncheckedIOException(this + " cannot start", e);
    }
    to = process.outputWriter();
    from = process.inputReader();
    String ready = ask(setting.toString());
    if (!ready.startsWith("ready ")) {
      throw new IllegalStateException(this + " answers '" + ready + "'");
    }
    for (int i = 0; i < tensors.size(); i++) {
      discard(folder.resolve("t" + i)); // the guest has read them; they may be gigabytes
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

  private static void discard(Path file) {
    try {
      Files.delete(file);
    } catch (IOException e) {
      throw new UncheckedIOException(file.toString(), e);
    }
  }

  private void command(String line) {
    String answer = ask(line);
    if (!answer.equals("done")) {
      throw new IllegalStateException(this + " answers '" + answer + "' to '" + line + "'");
    }
  }

  private String ask(String line) {
    try {
      to.write(line + "\n");
      to.flush();
      String answer = from.readLine();
      if (answer == null) {
        throw new IllegalStateException(this + " has ended; what it said stands above");
      }
      return answer;
    } catch (IOException e) {
      throw new UncheckedIOException(this + " has ended", e);
    }
  }

  private double[] answer() {
    Path file = folder.resolve("answer");
    try {
      command("answer " + file);
      var floats =
          ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.nativeOrder()).asFloatBuffer();
      float[] numbers = new float[floats.remaining()];
      floats.get(numbers);
      discard(file);
      return CpuContest.numbers(numbers);
    } catch (IOException e) {
      throw new UncheckedIOException(file.toString(), e);
    }
  }

  @Override
  public String toString() {
    return "peer " + name + " (" + String.join(" ", command) + ")";
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

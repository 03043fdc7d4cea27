package io.heddle.bench;

import com.fasterxml.jackson.databind.JsonNode;
import io.heddle.cli.Verb;
import io.heddle.tensor.DType;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle bench}: kernels beside their peers and the ceiling of the machine. */
@Command(
    name = "bench",
    description =
        "Times work beside libtorch, plain Java and the machine's ceiling, in turns in one process;"
            + " answers are compared first.")
public final class BenchCommand implements Verb {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Parameters(
      paramLabel = "WORK",
      description =
          "attention, step, decode, gemm, norm, loss, optimizer, merge, merge-files, tokenize,"
              + " door, cold, or all.")
  private String work = "";

  @Option(
      names = "--backend",
      defaultValue = "cpu",
      description = "cpu (default), or cuda: beside PyTorch, by the scripts of benchmarks/peers.")
  private String backend = "cpu";

  @Option(names = "--dtype", split = ",", description = "f32, bf16 or both (default: both).")
  private List<String> types = List.of("f32", "bf16");

  @Option(names = "--threads", defaultValue = "1", description = "Threads (default: 1).")
  private int threads;

  @Option(names = "--rounds", description = "Timings of each (default: 7, quick: 5).")
  private int rounds;

  @Option(
      names = "--peer",
      description =
          "Only rows beside this peer: libtorch, onednn, pytorch, nd4j; on cuda torch (default), sdpa, flex; none: ours alone"
              + " (step: whole steps of the trainer).")
  private @Nullable String peer;

  @Option(
      names = "--python",
      description =
          "An interpreter with PyTorch, whose own wheel takes part, too, in attention, step, gemm,"
              + " norm, loss, optimizer and merge (peer pytorch).")
  private @Nullable Path python;

  @Option(
      names = "--nd4j",
      description =
          "ND4J takes part, too, in attention, gemm, norm, loss, optimizer and merge, f32 (peer nd4j);"
              + " Maven fetches it, 220 MB, the first time.")
  private boolean nd4j;

  @Option(names = "--quick", description = "Fewer shapes.")
  private boolean quick;

  @Option(names = "--json", description = "Print one JSON object per row.")
  private boolean json;

  @Option(
      names = "--out",
      description =
          "Write rows.jsonl, table.md and report.html here, after each row; a run that was"
              + " interrupted goes on when it is started again.")
  private @Nullable Path out;

  @Option(names = "--batch", description = "attention, step on cuda: batch rows (default: 1).")
  private int batch = 1;

  @Option(names = "--heads", description = "attention, step on cuda: query heads (default: 12).")
  private int heads = 12;

  @Option(names = "--kv-heads", description = "attention: key heads (default: as many).")
  private int kvHeads;

  @Option(names = "--head-dim", description = "attention: features of a head (default: 64).")
  private int headDim = 64;

  @Option(
      names = "--seq",
      description =
          "attention: one length instead of the usual shapes; step on cuda, prompt of decode (1024).")
  private int seq;

  @Option(
      names = "--window",
      paramLabel = "LEFT,RIGHT",
      description = "attention: keys on each side.")
  private @Nullable String window;

  @Option(names = "--causal", description = "attention: causal.")
  private boolean causal;

  @Option(
      names = "--sparse",
      paramLabel = "BLOCK,SHARE",
      description = "attention: random blocks, that share of them left out.")
  private @Nullable String sparse;

  @Option(names = "--direction", description = "attention: forward or backward (default: forward).")
  private String direction = "forward";

  @Option(names = "--calls", hidden = true, description = "door without a peer: calls of a run.")
  private int calls = 2000;

  @Mixin private StepTimer step = new StepTimer();

  @Mixin private DecodeTimer decode = new DecodeTimer();

  /** Made by ServiceLoader. */
  public BenchCommand() {}

  @Override
  public Integer call() throws IOException {
    if (work.equals("step") && "none".equals(peer)) {
      DType type = dtype(types.getFirst());
      step.run(backend, batch, heads, length(), type, rounds, spec.commandLine().getOut());
      return 0;
    }
    if (work.equals("door") && "none".equals(peer)) {
      CallTimer.run(backend, calls, rounds > 0 ? rounds : 7, spec.commandLine().getOut());
      return 0;
    }
    Path model = step.model();
    if (work.equals("decode") && model != null) {
      DType type = dtype(types.getFirst());
      PrintWriter rows = spec.commandLine().getOut();
      decode.run(backend, model, type, length(), rounds, step.more(), rows);
      return 0;
    }
    if (backend.equals("cuda")) {
      return onGpu();
    }
    if (python != null) {
      Guest.invitePyTorch(python);
    }
    if (nd4j) {
      Nd4jJars.fetch(spec.commandLine().getErr());
      Guest.invite(Guest.ND4J, Nd4jJars.command());
    }
    List<DType> dtypes = types.stream().map(this::dtype).toList();
    List<Contests.Entry> contests = new ArrayList<>();
    if (work.equals("attention") && seq > 0) {
      for (DType type : dtypes) {
        AttentionContest.Spec one = attention();
        contests.add(Contests.attention(one, type, backend, threads));
      }
    } else {
      if (!work.equals("all") && !Contests.WORKS.contains(work)) {
        throw new ParameterException(
            spec.commandLine(),
            "WORK is '" + work + "'; expected all, " + String.join(", ", Contests.WORKS));
      }
      for (String one : work.equals("all") ? Contests.WORKS : List.of(work)) {
        if (work.equals("all") && one.equals("tokenize") && !TokenizeContest.hasData()) {
          spec.commandLine().getErr().println("tokenize is left out: set HEDDLE_DATA to its data");
        } else {
          contests.addAll(Contests.of(one, dtypes, backend, threads, quick));
        }
      }
    }
    return run(contests);
  }

  private int onGpu() throws IOException {
    if (!work.equals("all") && !PeerScripts.WORKS.containsKey(work)) {
      throw new ParameterException(
          spec.commandLine(),
          "WORK is '"
              + work
              + "'; on cuda it is all, "
              + String.join(", ", new TreeSet<>(PeerScripts.WORKS.keySet())));
    }
    boolean one = work.equals("attention") && seq > 0;
    List<PeerScripts.Script> scripts =
        work.equals("step")
            ? List.of(new PeerScripts.Script("step.py", step.arguments(batch, heads, length())))
            : PeerScripts.scripts(
                work,
                one ? attention() : null,
                types.getFirst().toLowerCase(Locale.ROOT),
                peer,
                quick);
    List<JsonNode> rows =
        PeerScripts.run(
            Path.of(System.getProperty("heddle.root", "")).toAbsolutePath(),
            System.getenv().getOrDefault("PYTHON", "python3"),
            scripts,
            spec.commandLine().getErr());
    List<String> lines = rows.stream().map(JsonNode::toString).toList();
    PrintWriter writer = spec.commandLine().getOut();
    writer.print(json ? String.join("\n", lines) + "\n" : PeerScripts.table(rows));
    writer.flush();
    if (out != null) {
      Files.createDirectories(out);
      Files.writeString(out.resolve("rows.jsonl"), String.join("\n", lines) + "\n");
      Files.writeString(out.resolve("table.md"), PeerScripts.table(rows));
    }
    return 0;
  }

  private int length() {
    return seq > 0 ? seq : 1024;
  }

  private int run(List<Contests.Entry> contests) throws IOException {
    PrintWriter writer = spec.commandLine().getOut();
    PrintWriter progress = spec.commandLine().getErr();
    Torch.threads(threads);
    Referee referee =
        new Referee(rounds > 0 ? rounds : quick ? 5 : 7, quick ? 0.02 : 0.05, threads);
    String command = String.join(" ", spec.commandLine().getParseResult().originalArgs());
    BenchFolder folder = out == null ? null : new BenchFolder(out, command);
    ContestRun run = new ContestRun(referee, backend, peer, progress);
    List<Row> rows =
        run.run(
            contests,
            folder,
            row -> {
              if (json) {
                writer.println(row.toJson());
                writer.flush();
              }
            });
    if (!json) {
      writer.print(Row.table(rows));
      writer.flush();
    }
    if (run.failed() > 0) {
      progress.println(run.failed() + " contests failed; what they said stands above");
    }
    return run.failed() > 0 ? 1 : 0;
  }

  private DType dtype(String name) {
    return switch (name.toLowerCase(Locale.ROOT)) {
      case "f32" -> DType.F32;
      case "bf16" -> DType.BF16;
      default ->
          throw new ParameterException(
              spec.commandLine(), "--dtype is '" + name + "'; expected f32 or bf16");
    };
  }

  private AttentionContest.Spec attention() {
    if (!direction.equals("forward") && !direction.equals("backward")) {
      throw new ParameterException(
          spec.commandLine(), "--direction is '" + direction + "'; expected forward or backward");
    }
    String pattern = causal ? "causal" : "full";
    pattern = window == null ? pattern : "window:" + window;
    pattern = sparse == null ? pattern : "sparse:" + sparse;
    return new AttentionContest.Spec(
        batch,
        heads,
        kvHeads == 0 ? heads : kvHeads,
        headDim,
        seq,
        pattern,
        direction.equals("backward"));
  }
}

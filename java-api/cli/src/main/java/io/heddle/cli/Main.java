package io.heddle.cli;

import io.heddle.backend.profile.Profile;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.ServiceLoader;
import java.util.Stack;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IExecutionStrategy;
import picocli.CommandLine.IExitCodeExceptionMapper;
import picocli.CommandLine.IParameterConsumer;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * Runs one verb. Exit codes: 0 done, 1 failed, 2 wrong usage. An error is one sentence on standard
 * error; {@code --trace} adds where it came from.
 */
@Command(
    name = "heddle",
    description = "Trains, evaluates and inspects transformer models on a native compute engine.",
    mixinStandardHelpOptions = true,
    scope = ScopeType.INHERIT,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "VERB",
    commandListHeading = "%nVerbs:%n",
    optionListHeading = "%nOptions:%n",
    parameterListHeading = "%n",
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {"0:done", "1:failed", "2:wrong usage"},
    usageHelpAutoWidth = true)
public final class Main implements Runnable {
  private static final int FAILED = 1;

  private static final List<Class<?>> VERBS =
      List.of(
          DoctorCommand.class,
          QuickstartCommand.class,
          TrainCommand.class,
          FinetuneCommand.class,
          EvaluateCommand.class,
          ScoreCommand.class,
          GenerateCommand.class,
          MergeCommand.class,
          ConvertCommand.class,
          ReproduceCommand.class,
          PlanCommand.class,
          CompareCommand.class,
          InspectCommand.class,
          TokenizeCommand.class,
          VectorsCommand.class);

  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--trace",
      scope = ScopeType.INHERIT,
      arity = "0..1",
      paramLabel = "OUT.json",
      parameterConsumer = TraceFile.class,
      description =
          "Show where an error came from; with a file OUT.json also write every op to it, in the"
              + " format of Perfetto and chrome://tracing.")
  private String trace = "";

  Main() {}

  /** Runs the verb named by the arguments and ends the process with its exit code. */
  public static void main(String[] arguments) {
    PrintWriter out = new PrintWriter(System.out, false, System.out.charset());
    PrintWriter err = new PrintWriter(System.err, true, System.err.charset());
    int code = run(out, err, arguments);
    out.flush();
    System.exit(code);
  }

  /** Runs a verb; returns the exit code. */
  static int run(PrintWriter out, PrintWriter err, String... arguments) {
    Main main = new Main();
    CommandLine line = new CommandLine(main);
    addVerbs(line, arguments);
    IExitCodeExceptionMapper failed = error -> FAILED;
    line.setOut(out)
        .setErr(err)
        .setCaseInsensitiveEnumValuesAllowed(true)
        .setExitCodeExceptionMapper(failed)
        .setExecutionStrategy(main::traced)
        .setParameterExceptionHandler((e, given) -> main.wrongUsage(e, err))
        .setExecutionExceptionHandler((e, at, parsed) -> main.failed(e, err));
    try {
      return line.execute(arguments);
    } catch (Error e) {
      // picocli reports exceptions; running out of memory or a broken native library comes here.
      return main.failed(e, err);
    }
  }

  // A verb's options are found by reflection, those of all verbs in half a second: where the first
  // argument names a verb, the others stay out.
  private static void addVerbs(CommandLine line, String... arguments) {
    for (Class<?> verb : VERBS) {
      if (arguments.length > 0 && arguments[0].equals(verb.getAnnotation(Command.class).name())) {
        line.addSubcommand(verb);
        return;
      }
    }
    VERBS.forEach(line::addSubcommand);
    ServiceLoader.load(Verb.class).forEach(line::addSubcommand);
  }

  private int traced(ParseResult parsed) {
    IExecutionStrategy last = new CommandLine.RunLast();
    if (!trace.endsWith(TraceFile.SUFFIX)) {
      return last.execute(parsed);
    }
    try (AutoCloseable _ = Profile.traceTo(Path.of(trace))) {
      return last.execute(parsed);
    } catch (CommandLine.ExecutionException e) {
      throw e;
    } catch (Exception e) {
      throw new CommandLine.ExecutionException(parsed.commandSpec().commandLine(), "trace", e);
    }
  }

  /** Without a verb. */
  @Override
  public void run() {
    String verbs = String.join(", ", spec.subcommands().keySet());
    throw new ParameterException(spec.commandLine(), "no verb is given; there are: " + verbs);
  }

  private int wrongUsage(ParameterException e, PrintWriter err) {
    CommandSpec at = e.getCommandLine().getCommandSpec();
    err.println("heddle: " + Sentence.of(usageMessage(e, at.parent() == null)));
    err.println("try '" + at.qualifiedName() + " --help'");
    if (!trace.isEmpty()) {
      e.printStackTrace(err);
    }
    return CommandLine.ExitCode.USAGE;
  }

  private static String usageMessage(ParameterException e, boolean noVerb) {
    if (e instanceof UnmatchedArgumentException unmatched
        && noVerb
        && !unmatched.isUnknownOption()
        && !unmatched.getUnmatched().isEmpty()) {
      String typed = unmatched.getUnmatched().getFirst();
      // Any two letters in common suggest a verb; a slip seldom takes the first one.
      String hint =
          unmatched.getSuggestions().stream()
              .filter(verb -> verb.regionMatches(0, typed, 0, 1))
              .findFirst()
              .map(verb -> "; did you mean '" + verb + "'?")
              .orElse("");
      return "there is no verb '" + typed + "'" + hint;
    }
    String message = String.valueOf(e.getMessage());
    return message.substring(0, 1).toLowerCase(Locale.ROOT) + message.substring(1);
  }

  private int failed(Throwable e, PrintWriter err) {
    err.println("heddle: " + Sentence.of(e));
    if (!trace.isEmpty()) {
      e.printStackTrace(err);
    }
    return FAILED;
  }

  /** The version that Maven wrote into the build. */
  static String version() {
    try (InputStream in = Main.class.getResourceAsStream("version.txt")) {
      return in == null ? "unknown" : new String(in.readAllBytes(), StandardCharsets.UTF_8).strip();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A value follows {@code --trace} only if it is the name of a JSON file. */
  static final class TraceFile implements IParameterConsumer {
    static final String SUFFIX = ".json";

    TraceFile() {}

    @Override
    public void consumeParameters(Stack<String> arguments, ArgSpec option, CommandSpec command) {
      boolean file = !arguments.isEmpty() && arguments.peek().endsWith(SUFFIX);
      option.setValue(file ? arguments.pop() : "errors");
    }
  }

  /** Says the version to picocli. */
  static final class Version implements IVersionProvider {
    Version() {}

    @Override
    public String[] getVersion() {
      return new String[] {"heddle " + version()};
    }
  }
}

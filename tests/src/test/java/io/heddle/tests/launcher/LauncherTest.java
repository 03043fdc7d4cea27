package io.heddle.tests.launcher;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The script at the root, run as a user runs it. */
class LauncherTest {
  private static final Path HEDDLE =
      Path.of(System.getProperty("basedir", ".")).toAbsolutePath().resolve("../heddle").normalize();

  private record Result(int code, String out, List<String> err) {}

  private static Result run(
      Path program, Path folder, Map<String, String> environment, String... arguments)
      throws IOException, InterruptedException {
    Path app = HEDDLE.resolveSibling("java-api/cli/target/app");
    assumeTrue(Files.isDirectory(app), "needs mvn package: the launcher would start a build");
    Path out = Files.createTempFile(folder, "out", ".txt");
    Path err = Files.createTempFile(folder, "err", ".txt");
    List<String> command = new ArrayList<>(List.of(program.toString()));
    command.addAll(List.of(arguments));
    ProcessBuilder builder = new ProcessBuilder(command).directory(folder.toFile());
    builder.redirectOutput(out.toFile()).redirectError(err.toFile());
    builder.environment().putAll(environment);
    Process process = builder.start();
    assertTrue(process.waitFor(120, TimeUnit.SECONDS), "still running");
    return new Result(process.exitValue(), Files.readString(out), Files.readAllLines(err));
  }

  @Test
  void helpAndDoctorSayNothingOnStandardError(@TempDir Path folder) throws Exception {
    Result help = run(HEDDLE, folder, Map.of(), "--help");
    assertEquals(new Result(0, help.out, List.of()), help);
    assertTrue(help.out.startsWith("Usage: heddle "));
    Result doctor = run(HEDDLE, folder, Map.of(), "doctor", "--json");
    assertEquals(new Result(0, doctor.out, List.of()), doctor);
    assertTrue(doctor.out.startsWith("{") && doctor.out.contains("\"reference\""));
  }

  @Test
  void worksThroughASymbolicLink(@TempDir Path folder) throws Exception {
    Path link = Files.createSymbolicLink(folder.resolve("h"), HEDDLE);
    Path second = Files.createSymbolicLink(folder.resolve("h2"), link.getFileName());
    assertEquals(0, run(second, folder, Map.of(), "--version").code);
    Files.delete(second);
    Files.delete(link);
  }

  @Test
  void unknownVerbIsWrongUsage(@TempDir Path folder) throws Exception {
    Result result = run(HEDDLE, folder, Map.of(), "weave");
    assertEquals(2, result.code);
    assertEquals(List.of("heddle: there is no verb 'weave'", "try 'heddle --help'"), result.err);
  }

  @Test
  void wrongJavaIsOneSentence(@TempDir Path folder) throws Exception {
    Result result = run(HEDDLE, folder, Map.of("HEDDLE_JAVA", "/nowhere/java"), "--help");
    assertEquals(
        new Result(1, "", List.of("heddle: HEDDLE_JAVA is '/nowhere/java', which is no program")),
        result);
  }

  @Test
  void runsAProgramInOneFile(@TempDir Path folder) throws Exception {
    Path program = folder.resolve("Hi.java");
    Files.writeString(
        program,
        """
        import module io.heddle.nlp;
        void main(String... args) {
          IO.println(TokenCounts.of(List.of(args)).asMap());
        }
        """);
    Result result = run(HEDDLE, folder, Map.of(), "run", "Hi.java", "a", "b", "a");
    assertEquals(new Result(0, "{a=2, b=1}\n", List.of()), result);
    String sentence = "heddle: run needs a Java file, such as docs/tutorial/Embeddings.java";
    assertEquals(
        new Result(1, "", List.of(sentence)), run(HEDDLE, folder, Map.of(), "run", "weave"));
  }

  @Test
  void missingFileIsOneSentence(@TempDir Path folder) throws Exception {
    Result result = run(HEDDLE, folder, Map.of(), "inspect", "none.safetensors");
    assertEquals(new Result(1, "", List.of("heddle: there is no file 'none.safetensors'")), result);
  }
}

package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.UnaryOperator;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A page of docs/tutorial: the program that it quotes and the output that it shows.
 *
 * @param file the page
 * @param text its Markdown
 */
record TutorialPage(Path file, String text) {
  private static final Pattern COMMAND =
      Pattern.compile("\\./heddle run docs/tutorial/(\\w+)\\.java");
  private static final Pattern NUMBER = Pattern.compile("[-+]?\\d[\\d,]*(\\.\\d+)?");

  static TutorialPage of(String name) throws IOException {
    Path file = Repository.root().resolve("docs/tutorial").resolve(name);
    return new TutorialPage(file, Files.readString(file));
  }

  /** The program that the page's command runs. */
  Path program() {
    Matcher command = COMMAND.matcher(text);
    assertTrue(command.find(), file + " says how to run no program");
    return file.resolveSibling(command.group(1) + ".java");
  }

  /** The first block of a language. */
  String block(String language) {
    Matcher block = Pattern.compile("(?s)```" + language + "\n(.*?)```").matcher(text);
    assertTrue(block.find(), file + " has no block of " + language);
    return block.group(1);
  }

  /** What the page shows as output. */
  List<String> shown() {
    return block("text").lines().toList();
  }

  /** What the program prints now, run by the page's command with another folder for its files. */
  List<String> run(Path out) throws IOException, InterruptedException {
    return run(out, out.resolve("nothing"));
  }

  /** The same with a file to read. */
  List<String> run(Path out, Path input) throws IOException, InterruptedException {
    Path heddle = Repository.root().resolve("heddle");
    assumeTrue(Files.isDirectory(app()), "needs mvn package: the launcher would start a build");
    if (!Files.exists(input)) {
      Files.createFile(input);
    }
    return printed(
        List.of(heddle.toString(), "run", program().toString(), out.toString()), out, input);
  }

  /** What a command prints, which must end well. */
  static List<String> printed(List<String> command, Path folder, Path input)
      throws IOException, InterruptedException {
    Map<String, String> environment = Map.of("OMP_NUM_THREADS", "1", "HEDDLE_JAVA", java());
    String line = String.join(" ", command.stream().map(word -> "'" + word + "'").toList());
    ChildJvm.Ended ended =
        ChildJvm.run(
            List.of("sh", "-c", "exec " + line + " < '" + input + "'"), folder, environment, 10);
    assertEquals(0, ended.status(), ended.output());
    return ended.output().lines().toList();
  }

  /** The folder with all of Heddle's jars. */
  static Path app() {
    return Repository.root().resolve("java-api/cli/target/app");
  }

  static String java() {
    return Path.of(System.getProperty("java.home"), "bin", "java").toString();
  }

  /** The first thing in the page that fits a pattern's group. */
  String find(String pattern) {
    Matcher found = Pattern.compile(pattern).matcher(text);
    assertTrue(found.find(), file + " has nothing like " + pattern);
    return found.group(1);
  }

  /**
   * Holds what a program printed against the page: the same lines in the same words, whatever the
   * numbers, which the kernels of another processor may round otherwise.
   *
   * @param blurred leaves out of a line what else may differ
   */
  void assertShown(List<String> printed, UnaryOperator<String> blurred) {
    UnaryOperator<String> words = line -> NUMBER.matcher(blurred.apply(line)).replaceAll("#");
    assertEquals(
        String.join("\n", shown().stream().map(words).toList()),
        String.join("\n", printed.stream().map(words).toList()),
        () -> "printed:\n" + String.join("\n", printed));
  }

  /** The numbers of the first line that begins so. */
  static List<Double> numbers(List<String> lines, String beginning) {
    String line =
        lines.stream()
            .filter(each -> each.startsWith(beginning))
            .findFirst()
            .orElseThrow(() -> new AssertionError("no line '" + beginning + "' in " + lines));
    return NUMBER
        .matcher(line.substring(beginning.length()))
        .results()
        .map(MatchResult::group)
        .map(number -> Double.valueOf(number.replace(",", "")))
        .toList();
  }
}

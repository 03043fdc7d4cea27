package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The tutorial's programs run as its pages say, and print what its pages show. */
@NeedsNative
class TutorialTest {
  private static final int LONGEST = 60; // lines of a program
  private static final Pattern PICTURE = Pattern.compile("!\\[[^]]+]\\(([^)]+)\\)");

  @TempDir private Path out = Path.of("");

  private static List<String> pages() throws IOException {
    try (Stream<Path> files = Files.list(Repository.root().resolve("docs/tutorial"))) {
      return files
          .map(file -> String.valueOf(file.getFileName()))
          .filter(name -> name.matches("\\d-.*\\.md"))
          .sorted()
          .toList();
    }
  }

  @Test
  void pagesQuoteTheirPrograms() throws IOException {
    List<String> pages = pages();
    String index = TutorialPage.of("README.md").text();
    for (String name : pages) {
      TutorialPage page = TutorialPage.of(name);
      String program = Files.readString(page.program());
      assertEquals(program, page.block("java"), name);
      assertTrue(program.lines().count() <= LONGEST, page.program() + " is too long");
      assertTrue(index.contains("(" + name + ")"), "README.md leaves out " + name);
      Matcher picture = PICTURE.matcher(page.text());
      while (picture.find()) {
        assertTrue(Files.exists(page.file().resolveSibling(picture.group(1))), picture.group());
      }
    }
    assertEquals(pages.size(), index.lines().filter(line -> line.matches("\\| \\d .*")).count());
  }

  @Test
  void embeddings() throws Exception {
    TutorialPage page = TutorialPage.of("1-embeddings.md");
    List<String> printed = page.run(out);
    // Words that are nearly as near as each other may change places.
    page.assertShown(printed, line -> line.replaceAll("(: |\\? )[a-z].*", "$1..."));
    String[] near = {"dog: hound", "france: spain", "music: musical", "doctor: medical"};
    for (String pair : near) {
      String[] words = pair.split(": ", -1);
      assertTrue(
          printed.stream().anyMatch(l -> l.startsWith(words[0] + ": ") && l.contains(words[1])),
          pair + " is not in " + printed);
    }
    String answer = "france : french = spain : ? ";
    assertTrue(printed.stream().anyMatch(l -> l.startsWith(answer) && l.contains("spanish")));
    double soldier = TutorialPage.numbers(printed, "soldier ").getFirst();
    assertTrue(soldier < TutorialPage.numbers(printed, "nurse ").getFirst());
    assertPicture(page, "bias.svg");
  }

  @Test
  void pipeline() throws Exception {
    TutorialPage page = TutorialPage.of("2-pipeline.md");
    // Nothing here is computed in floating point by a kernel: every digit counts.
    assertEquals(page.shown(), page.run(out));
    assertPicture(page, "padding.svg");
  }

  @Test
  void aTransformerThatDoesNotLearnAndItsRepair() throws Exception {
    TutorialPage page = TutorialPage.of("4-translation.md");
    List<String> printed = page.run(out);
    page.assertShown(printed, UnaryOperator.identity());
    List<Double> after = TutorialPage.numbers(printed, "post-norm: ");
    List<Double> before = TutorialPage.numbers(printed, "pre-norm: ");
    List<Double> scaled = TutorialPage.numbers(printed, "pre-norm, ScaleNorm: ");
    assertEquals(5.0 / 6 * Math.log(10), after.get(0), 0.1, "it guesses every letter");
    assertTrue(before.get(0) < 0.2 && before.get(1) >= 90, "pre-norm: " + before);
    assertTrue(scaled.get(0) < after.get(0) - 0.2, "ScaleNorm: " + scaled);
    assertPicture(page, "repair.svg");
  }

  @Test
  void readingHelpsWhereLabelsAreFew() throws Exception {
    TutorialPage page = TutorialPage.of("5-pretraining.md");
    // All of the page's reading: after less than half of it there is no gain yet.
    List<String> printed = page.run(out);
    page.assertShown(printed, UnaryOperator.identity());
    List<String> scratch = printed.subList(1, 4);
    List<String> read = printed.subList(4, 7);
    assertEquals(Math.log(4000), last(scratch, "0 steps of reading: "), 0.2, "it guesses");
    assertEquals(5.06, last(read, "1,500 steps of reading: "), 0.2);
    for (String few : List.of("  50 labels: ", "  200 labels: ")) {
      assertTrue(last(read, few) > last(scratch, few) + 0.1, "reading is no help: " + printed);
    }
    assertPicture(page, "labels.svg");
  }

  @Test
  void classifiersAndTheProgramThatServesOne() throws Exception {
    TutorialPage page = TutorialPage.of("3-classification.md");
    List<String> printed = page.run(out);
    page.assertShown(printed, UnaryOperator.identity());
    double bag = last(printed, "text CNN, widths []");
    double cnn = last(printed, "text CNN, widths [3, 4]");
    assertEquals(0.86, bag, 0.03);
    assertEquals(0.91, cnn, 0.03);
    serves(TutorialPage.of("6-deployment.md"), out.resolve("cnn/model"));
  }

  private static void serves(TutorialPage page, Path model) throws Exception {
    Path questions = page.file().resolveSibling("questions.txt");
    List<String> printed = page.run(model, questions);
    page.assertShown(printed, UnaryOperator.identity());
    // And once more as it is shipped: compiled, with a runtime and some jars of its own.
    Path ship = Files.createDirectories(model.resolveSibling("ship"));
    String app = TutorialPage.app().toString();
    String source = page.program().toString();
    tool("javac", "-p", app, "--add-modules", "io.heddle.nlp", "-d", ship.toString(), source);
    String modules = page.find("--add-modules ([a-z.,]+) --strip");
    Path runtime = ship.resolve("runtime");
    tool("jlink", "--add-modules", modules, "--strip-debug", "--output", "" + runtime);
    String jars = page.find("app/\\{(.*)}\\.jar");
    List<String> path = new ArrayList<>(List.of(ship.toString()));
    try (var all = Files.newDirectoryStream(TutorialPage.app(), "{" + jars + "}.jar")) {
      all.forEach(jar -> path.add(jar.toString()));
    }
    List<String> command = new ArrayList<>(List.of(runtime.resolve("bin/java").toString()));
    command.addAll(
        List.of("--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"));
    command.addAll(List.of("-cp", String.join(File.pathSeparator, path), "Serve", "" + model));
    assertEquals(printed, TutorialPage.printed(command, ship, questions));
  }

  private static void tool(String name, String... arguments) {
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    PrintStream out = new PrintStream(said, true, StandardCharsets.UTF_8);
    int code = ToolProvider.findFirst(name).orElseThrow().run(out, out, arguments);
    assertEquals(0, code, said.toString(StandardCharsets.UTF_8));
  }

  private static double last(List<String> printed, String beginning) {
    return TutorialPage.numbers(printed, beginning).getLast();
  }

  // Letters are drawn with the fonts of the machine, so the bytes are not the page's.
  private void assertPicture(TutorialPage page, String name) throws IOException {
    assertTrue(page.text().contains("](" + name + ")"), page.file() + " shows no " + name);
    assertTrue(Files.readString(out.resolve(name)).startsWith("<svg "));
  }
}

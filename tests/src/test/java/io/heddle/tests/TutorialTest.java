package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
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
  void classifiersAndTheProgramThatServesOne() throws Exception {
    TutorialPage page = TutorialPage.of("3-classification.md");
    List<String> printed = page.run(out);
    page.assertShown(printed, UnaryOperator.identity());
    double bag = last(printed, "text CNN, widths []");
    double cnn = last(printed, "text CNN, widths [3, 4]");
    assertEquals(0.86, bag, 0.03);
    assertEquals(0.91, cnn, 0.03);
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

package io.heddle.cli;

import io.heddle.data.FileSets;
import io.heddle.data.vectors.VectorFile;
import io.heddle.data.vectors.WordLookup;
import io.heddle.methods.vectors.WordSimilarity;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle vectors similarity}. */
@Command(
    name = "similarity",
    description =
        "Spearman's correlation of cosines with people's scores of word pairs. Pairs with a word"
            + " that has no vector do not count; how many did is printed.")
final class VectorsSimilarityCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();

  @Option(names = "--vectors", required = true, description = "Word vectors in any format.")
  private Path vectors = Path.of("");

  @Parameters(
      arity = "1..*",
      paramLabel = "SET",
      description = "Files of two words and a number a line, or folders of .txt files.")
  private List<Path> sets = new ArrayList<>();

  VectorsSimilarityCommand() {}

  @Override
  public Integer call() throws IOException {
    WordLookup lookup = VectorFile.open(vectors);
    var out = spec.commandLine().getOut();
    out.printf("%-28s %9s %14s%n", "set", "Spearman", "pairs scored");
    for (Path set : textFiles(sets)) {
      WordSimilarity.Outcome found = WordSimilarity.of(lookup, WordSimilarity.read(set));
      out.printf(
          Locale.ROOT,
          "%-28s %9.3f %6d of %4d%n",
          set.getFileName(),
          found.spearman(),
          found.scored(),
          found.pairs());
    }
    out.flush();
    return 0;
  }

  /** Files as they are given, of folders the text files. */
  static List<Path> textFiles(List<Path> paths) throws IOException {
    List<Path> out = new ArrayList<>();
    for (Path path : paths) {
      FileSets.find(path.toString()).stream()
          .filter(f -> !Files.isDirectory(path) || f.toString().matches(".*\\.txt(\\.gz)?"))
          .forEach(out::add);
    }
    if (out.isEmpty()) {
      throw new IllegalArgumentException("no .txt file in " + paths);
    }
    return out;
  }
}

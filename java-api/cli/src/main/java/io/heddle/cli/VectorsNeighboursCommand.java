package io.heddle.cli;

import io.heddle.backend.Backend;
import io.heddle.data.vectors.VectorFile;
import io.heddle.data.vectors.WordLookup;
import io.heddle.methods.vectors.Neighbours;
import io.heddle.methods.vectors.WordSimilarity;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code heddle vectors neighbours}. */
@Command(name = "neighbours", description = "Prints the words nearest to each word.")
final class VectorsNeighboursCommand implements Callable<Integer> {
  @Spec private CommandSpec spec = CommandSpec.create();
  @Mixin private Session session = new Session();

  @Option(names = "--vectors", required = true, description = "Word vectors in any format.")
  private Path vectors = Path.of("");

  @Option(names = "--count", defaultValue = "10", description = "Neighbours of each word (10).")
  private int count;

  @Parameters(
      arity = "1..*",
      paramLabel = "WORD",
      description = "Words; with a fastText model also such as it never saw.")
  private List<String> words = new ArrayList<>();

  VectorsNeighboursCommand() {}

  @Override
  public Integer call() throws IOException {
    WordLookup lookup = VectorFile.open(vectors);
    var out = spec.commandLine().getOut();
    try (Backend backend = session.open();
        Neighbours all = new Neighbours(backend, lookup.table())) {
      for (String word : words) {
        float[] vector = WordSimilarity.find(lookup, word);
        if (vector == null) {
          throw new IllegalArgumentException("'" + word + "' is not in " + vectors);
        }
        out.println(word);
        Set<String> itself = Set.copyOf(List.of(word, word.toLowerCase(Locale.ROOT)));
        for (Neighbours.Near near : all.nearest(vector, count, itself)) {
          out.printf(Locale.ROOT, "  %.4f  %s%n", near.score(), near.word());
        }
      }
    }
    out.flush();
    return 0;
  }
}

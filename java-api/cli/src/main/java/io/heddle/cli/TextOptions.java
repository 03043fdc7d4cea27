package io.heddle.cli;

import io.heddle.data.Document;
import io.heddle.data.Texts;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import picocli.CommandLine.Option;

/** Options that say which text is trained on, and how much of it is kept to be scored on. */
final class TextOptions {
  @Option(
      names = "--data",
      required = true,
      description = "Text (.txt, .jsonl, either .gz) or a folder of it; may be repeated.")
  private List<Path> data = new ArrayList<>();

  @Option(
      names = "--hold-out",
      defaultValue = "0.05",
      description = "Share of each document's last lines kept for evaluation (default: 0.05).")
  private double holdOut;

  TextOptions() {}

  double holdOut() {
    return holdOut;
  }

  List<Document> documents() throws IOException {
    List<Document> all = new ArrayList<>();
    for (Path path : data) {
      all.addAll(Texts.read(path));
    }
    return all;
  }

  /** Every document but its last lines, and those. */
  record Parts(List<Document> train, List<Document> held) {}

  Parts parts() throws IOException {
    List<List<Document>> cut = new ArrayList<>();
    for (Document document : documents()) {
      cut.add(document.holdOut(holdOut));
    }
    return new Parts(
        cut.stream().map(List::getFirst).toList(), cut.stream().map(List::getLast).toList());
  }
}

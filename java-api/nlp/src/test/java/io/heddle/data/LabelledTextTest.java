package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.data.LabelledText.Columns;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Labelled texts in all their formats, and the files of a data set. */
class LabelledTextTest {
  private static final List<LabelledText> PAIRS =
      List.of(new LabelledText("one, two", "three", "yes"), new LabelledText("four", "five", "no"));

  private final Path folder;

  LabelledTextTest(@TempDir Path folder) {
    this.folder = folder;
  }

  private Path file(String name, String content) throws IOException {
    return Files.writeString(folder.resolve(name), content);
  }

  private static void says(String part, Executable read) {
    Exception e = assertThrows(Exception.class, read);
    StringBuilder all = new StringBuilder();
    for (Throwable t = e; t != null; t = t.getCause()) {
      all.append(t.getMessage()).append('\n');
    }
    assertTrue(all.toString().contains(part), all.toString());
  }

  @Test
  void readsEveryFormat() throws IOException {
    Path csv = file("a.csv", "label,sentence1,sentence2\nyes,\"one, two\",three\nno,four,five\n");
    assertEquals(PAIRS, LabelledText.read(csv, Columns.USUAL, true));
    Path tsv =
        file("a.tsv", "premise\thypothesis\tgold_label\none, two\tthree\tyes\nfour\tfive\tno\n");
    assertEquals(PAIRS, LabelledText.read(tsv, Columns.USUAL, true));
    Path bare = file("b.tsv", "yes\t7\tone, two\tthree\nno\t8\tfour\tfive\n");
    assertEquals(PAIRS, LabelledText.read(bare, new Columns("3", "4", "1"), true));
    Path json =
        file(
            "a.jsonl",
            """
            {"q":"one, two","a":"three","l":"yes"}
            {"q":"four","a":"five","l":"no"}
            """);
    assertEquals(PAIRS, LabelledText.read(json, new Columns("q", "a", "l"), true));
    Path lines = folder.resolve("a.txt.gz");
    try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(lines))) {
      out.write("1 good film\n0 bad .\n".getBytes(StandardCharsets.UTF_8));
    }
    assertEquals(
        List.of(new LabelledText("good film", null, "1"), new LabelledText("bad .", null, "0")),
        LabelledText.read(lines, Columns.USUAL, true));
  }

  @Test
  void labelsAreOptionalWhereTheyArePredicted() throws IOException {
    Path json = file("a.jsonl", "{\"text\":\"one\"}\n{\"text\":\"two\",\"label\":3}\n");
    assertNull(LabelledText.read(json, Columns.USUAL, false).getFirst().label());
    Path tsv = file("a.tsv", "text\none\n");
    assertNull(LabelledText.read(tsv, Columns.USUAL, false).getFirst().label());
    says("called as a label usually is", () -> LabelledText.read(tsv, Columns.USUAL, true));
  }

  @Test
  void errorsNameTheFileTheLineAndTheOption() throws IOException {
    Path tsv = file("a.tsv", "text\tlabel\none\tyes\n");
    says("--text-column", () -> LabelledText.read(tsv, new Columns("review", "", ""), true));
    says("a.tsv:2", () -> LabelledText.read(tsv, new Columns("review", "", ""), true));
    says("has 2 columns", () -> LabelledText.read(tsv, new Columns("1", "", "3"), true));
    says("all are", () -> LabelledText.read(tsv, new Columns("1", "", "label"), true));
    Path lines = file("b.txt", "1 good\nnothing\n");
    says("b.txt:2", () -> LabelledText.read(lines, Columns.USUAL, true));
    Path other = file("c.parquet", "");
    says(".tsv, .csv, .jsonl", () -> LabelledText.read(other, Columns.USUAL, true));
    Path empty = file("d.jsonl", "\n");
    says("no examples", () -> LabelledText.read(empty, Columns.USUAL, true));
  }

  @Test
  void aFolderSaysByItsNamesWhatItsFilesAre() throws IOException {
    for (String name :
        List.of(
            "x.binary.train.txt.gz",
            "x.binary.dev.txt",
            "x.fine.train.txt",
            "x.fine.valid.txt",
            "x.binary.test.tsv",
            "README.md",
            "train.py",
            "constraints.txt")) {
      file(name, "");
    }
    Splits all = Splits.of(folder, null, null);
    assertEquals(2, all.train().size());
    assertEquals(2, all.dev().size());
    Splits one = Splits.of(folder, "*binary*", null);
    assertEquals(List.of(folder.resolve("x.binary.train.txt.gz")), one.train());
    assertEquals(List.of(folder.resolve("x.binary.dev.txt")), one.dev());
    assertEquals(List.of(folder.resolve("x.binary.test.tsv")), one.test());
    Path dev = folder.resolve("x.fine.valid.txt");
    assertEquals(List.of(dev), Splits.of(folder, "*binary*", dev).dev());
    says("'*none*'", () -> Splits.of(folder, "*none*", null));
    says("does not exist", () -> Splits.of(folder.resolve("no"), null, null));
  }

  @Test
  void readsWordVectors() throws IOException {
    var words =
        new io.heddle.text.WordPieceTrainer(20, true, io.heddle.progress.ProgressListener.NONE)
            .add("loom warp")
            .words(1);
    Path plain = file("v.txt", "loom 1 2.5\nheddle 3 4\nwarp -1 0\nloom 9 9\n");
    var vectors = WordVectors.read(plain, words);
    assertEquals(2, vectors.size());
    float[] loom = Objects.requireNonNull(vectors.get(words.id("loom").orElseThrow()));
    assertEquals(2.5f, loom[1]);
    Path counted = file("w.vec", "2 2\nloom 1 2.5\nwarp -1 0\n");
    assertEquals(2, WordVectors.read(counted, words).size());
    Path short1 = file("bad.txt", "loom 1 2\nwarp 1\n");
    says("bad.txt:2", () -> WordVectors.read(short1, words));
    Path none = file("none.txt", "cat 1 2\n");
    says("no vector", () -> WordVectors.read(none, words));
  }
}

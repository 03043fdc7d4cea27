package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files to streams: what is read, and what the errors say. */
class ReadersTest {
  @TempDir private Path folder = Path.of("");

  private Path file(String name, String text) throws IOException {
    return Files.writeString(folder.resolve(name), text);
  }

  private Path gzip(String name, String text) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    // Two members, as bgzip and cat make them.
    for (String part :
        List.of(text.substring(0, text.length() / 2), text.substring(text.length() / 2))) {
      try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
        out.write(part.getBytes(StandardCharsets.UTF_8));
      }
    }
    return Files.write(folder.resolve(name), bytes.toByteArray());
  }

  private static String message(DataStream<?> stream) {
    return String.valueOf(assertThrows(IOException.class, stream::toList).getMessage());
  }

  @Test
  void lines() throws IOException {
    String text = "\uFEFFone\r\n\ntwo \u0085\u2028 é\nlast";
    List<String> wanted = List.of("one", "", "two \u0085\u2028 é", "last");
    assertEquals(wanted, Lines.of(file("a.txt", text)).toList());
    assertEquals(wanted, Lines.of(gzip("b.txt.gz", text)).toList());
    // Packed, though its name does not say so.
    assertEquals(wanted, Lines.of(gzip("c.txt", text)).toList());
    assertEquals(List.of(), Lines.of(file("d.txt", "")).toList());
    assertEquals(List.of("x", ""), Lines.of(file("e.txt", "x\n\n")).toList());
    String wide = "w".repeat(70_000);
    assertEquals(
        List.of(wide, wide, "s"), Lines.of(file("f.txt", wide + "\n" + wide + "\ns")).toList());
    Files.write(folder.resolve("g.txt"), new byte[] {'a', '\n', (byte) 0xC3, '\n'});
    assertTrue(message(Lines.of(folder.resolve("g.txt"))).contains("g.txt:2"));
    Path cut = gzip("h.gz", "x".repeat(100) + new Random(1).nextLong());
    Files.write(cut, java.util.Arrays.copyOf(Files.readAllBytes(cut), 40));
    assertTrue(message(Lines.of(cut)).contains("h.gz"));
  }

  @Test
  void rangesThatJoinGiveEveryLineOnce() throws IOException {
    Random random = new Random(3);
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 200; i++) {
      text.append(i).append("é".repeat(random.nextInt(12))).append('\n');
    }
    Path file = file("ranges.txt", text.toString());
    long size = Files.size(file);
    List<String> all = Lines.of(file).toList();
    for (int step : new int[] {1, 7, 64, 1000, (int) size, (int) size + 5}) {
      List<String> joined = new ArrayList<>();
      for (long from = 0; from < size; from += step) {
        joined.addAll(Lines.of(file, from, from + step).toList());
      }
      assertEquals(all, joined, "ranges of " + step);
    }
  }

  @Test
  void jsonLines() throws IOException {
    Path good = gzip("a.jsonl.gz", "{\"text\":\"x\",\"n\":1}\n\n{\"text\":\"y\"}\r\n");
    assertEquals(List.of("x", "y"), JsonLines.field(good, "text").toList());
    assertEquals(1, JsonLines.of(good).toList().getFirst().path("n").asInt());
    String bad = message(JsonLines.of(file("b.jsonl", "{}\n\n{\"a\":")));
    assertTrue(bad.contains("b.jsonl:3") && bad.contains("not JSON"), bad);
    assertTrue(message(JsonLines.of(file("c.jsonl", "{} {}"))).contains("c.jsonl:1"));
    String missing = message(JsonLines.field(file("d.jsonl", "{\"body\":1}"), "body"));
    assertTrue(missing.contains("'body'") && missing.contains("d.jsonl:1"), missing);
  }

  @Test
  void commaSeparatedAsRfc4180Says() throws IOException {
    String text =
        "a,b,c\r\n"
            + "\"x, \"\"y\"\"\",,\"two\r\nlines\"\r\n"
            + "\r\n"
            + "\"\",\"\"\"\",\r\n"
            + "last,1,é";
    Path file = file("a.csv", text);
    assertEquals(
        List.of(
            List.of("a", "b", "c"),
            List.of("x, \"y\"", "", "two\nlines"),
            List.of("", "\"", ""),
            List.of("last", "1", "é")),
        Delimited.CSV.of(file).toList());
    assertEquals(
        Map.of("a", "last", "b", "1", "c", "é"), Delimited.CSV.withHeader(file).toList().get(2));
    assertTrue(message(Delimited.CSV.of(file("b.csv", "a\nb,\"c\n\nd"))).contains("b.csv:2"));
    assertTrue(message(Delimited.CSV.of(file("c.csv", "\"a\"b,c"))).contains("c.csv:1"));
    assertTrue(message(Delimited.CSV.of(file("d.csv", "a\"b\",c"))).contains("d.csv:1"));
    String short1 = message(Delimited.CSV.withHeader(file("e.csv", "a,b\n1,2\n3\n")));
    assertTrue(short1.contains("e.csv:3") && short1.contains("[a, b]"), short1);
    assertTrue(message(Delimited.CSV.withHeader(file("f.csv", ""))).contains("f.csv"));
  }

  @Test
  void tabSeparatedHasNoQuotes() throws IOException {
    Path file = file("a.tsv", "He said \"no\t1\n\"\t\n");
    assertEquals(
        List.of(List.of("He said \"no", "1"), List.of("\"", "")), Delimited.TSV.of(file).toList());
  }

  @Test
  void foldersAndGlobs() throws IOException {
    Files.createDirectories(folder.resolve("x/y"));
    for (String name : List.of("x/b.txt", "x/a.txt", "x/y/c.txt", "x/.hidden.txt", "x/d.csv")) {
      file(name, name + "\n");
    }
    String root = folder.toString().replace('\\', '/');
    assertEquals(List.of("a.txt", "b.txt", "d.csv", "c.txt"), names(root + "/x"));
    assertEquals(List.of("a.txt", "b.txt"), names(root + "/x/*.txt"));
    assertEquals(List.of("a.txt", "b.txt", "c.txt"), names(root + "/{x,x/y}/*.txt"));
    assertEquals(List.of("a.txt", "b.txt", "d.csv", "c.txt"), names(root + "/x/**"));
    assertEquals(List.of("d.csv"), names(root + "/x/d.csv"));
    assertThrows(IOException.class, () -> FileSets.find(root + "/x/*.zip"));
    assertThrows(IOException.class, () -> FileSets.find(root + "/none"));
    assertThrows(IOException.class, () -> FileSets.find(root + "/none/*"));
    assertEquals(
        List.of("x/a.txt", "x/b.txt"), Lines.of(FileSets.find(root + "/x/*.txt")).toList());
  }

  private static List<String> names(String pattern) throws IOException {
    return FileSets.find(pattern).stream().map(p -> p.getFileName().toString()).toList();
  }

  @Test
  void parquet() throws IOException {
    Path file = folder.resolve("rows.parquet");
    try (InputStream in = ReadersTest.class.getResourceAsStream("rows.parquet")) {
      Files.copy(in, file);
    }
    List<Map<String, Object>> rows = ParquetRows.of(file).toList();
    assertEquals(250, rows.size());
    assertEquals(Map.of("text", "line 0 é", "label", 0, "score", 0.0), rows.getFirst());
    // A null is left out.
    assertEquals(Map.of("text", "line 3 é", "score", 0.75), rows.get(3));
    assertEquals(Map.of("label", 249), ParquetRows.of(file, "label").toList().get(249));
    assertEquals("line 249 é", ParquetRows.column(file, "text").toList().getLast());
    String missing = message(ParquetRows.of(file, "body"));
    assertTrue(missing.contains("'body'") && missing.contains("rows.parquet"), missing);
    String wrong = message(ParquetRows.column(file, "score"));
    assertTrue(wrong.contains("rows.parquet, row 1"), wrong);
    assertTrue(message(ParquetRows.of(file("no.parquet", "text"))).contains("no.parquet"));
  }
}

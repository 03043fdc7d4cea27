package io.heddle.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A text and its translation.
 *
 * @param source the text
 * @param target what it means in the other language
 */
public record ParallelText(String source, String target) {

  /**
   * Which side is which.
   *
   * @param source the ending of the source's files ({@code en} of {@code train.en.gz}), or of a
   *     table the column: its name in the header or its number from 1 on
   * @param target the same of the target
   */
  public record Sides(String source, String target) {
    /** Checks that they differ. */
    public Sides {
      if (source.isEmpty() || target.isEmpty() || source.equals(target)) {
        throw new IllegalArgumentException(
            "source '" + source + "' and target '" + target + "' must be two names or numbers");
      }
    }
  }

  /**
   * Parts of a data set.
   *
   * @param train to learn from
   * @param dev to stop and choose by; may be empty
   * @param test looked at once, at the end; may be empty
   */
  public record Parts(List<ParallelText> train, List<ParallelText> dev, List<ParallelText> test) {
    /** Copies the lists. */
    public Parts {
      train = List.copyOf(train);
      dev = List.copyOf(dev);
      test = List.copyOf(test);
    }
  }

  /**
   * Reads a data set: a folder with files that are called train, dev (or valid, val) and test; or a
   * training part alone, as {@link #read} takes it.
   */
  public static Parts parts(Path data, Sides sides) throws IOException {
    if (!Files.isDirectory(data)) {
      return new Parts(read(data, sides), List.of(), List.of());
    }
    List<List<ParallelText>> out = new ArrayList<>();
    for (Splits.Kind kind : Splits.Kind.values()) {
      List<ParallelText> part = new ArrayList<>();
      for (Path file : FileSets.below(data, f -> begins(f, sides, kind))) {
        part.addAll(isTable(file) ? table(file, sides) : lines(file, sides));
      }
      out.add(part);
    }
    if (out.getFirst().isEmpty()) {
      throw new IllegalArgumentException(
          data
              + " has no file to train on: neither a train file that ends with ."
              + sides.source
              + " or ."
              + sides.source
              + ".gz, nor a train.tsv, .csv or .jsonl");
    }
    return new Parts(out.get(0), out.get(1), out.get(2));
  }

  // A source file or a table of this part.
  private static boolean begins(Path file, Sides sides, Splits.Kind kind) {
    String name = plain(file);
    boolean source = name.endsWith("." + sides.source.toLowerCase(Locale.ROOT));
    return (source || isTable(file)) && kind.names(name);
  }

  private static String plain(Path file) {
    return String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT).replaceFirst("\\.gz$", "");
  }

  private static boolean isTable(Path file) {
    return plain(file).matches(".*\\.(tsv|tab|csv|jsonl?)");
  }

  /**
   * Reads one part.
   *
   * @param path a table ({@code .tsv}, {@code .csv}, {@code .jsonl}); a source file, whose target
   *     is called the same but for its ending; or what both are called without their endings; each
   *     gzipped or not
   * @throws IOException naming file and line that cannot be read
   */
  public static List<ParallelText> read(Path path, Sides sides) throws IOException {
    if (isTable(path)) {
      return table(path, sides);
    }
    if (Files.exists(path)) {
      return lines(path, sides);
    }
    Path source = path.resolveSibling(path.getFileName() + "." + sides.source);
    return lines(gzippedOrNot(source), sides);
  }

  private static Path gzippedOrNot(Path file) {
    Path packed = file.resolveSibling(file.getFileName() + ".gz");
    if (Files.exists(file)) {
      return file;
    }
    if (Files.exists(packed)) {
      return packed;
    }
    throw new IllegalArgumentException("there is neither " + file + " nor " + packed);
  }

  private static List<ParallelText> table(Path file, Sides sides) throws IOException {
    LabelledText.Columns columns = new LabelledText.Columns(sides.source, sides.target, "");
    return LabelledText.read(file, columns, false).stream()
        .map(row -> new ParallelText(row.first(), String.valueOf(row.second())))
        .toList();
  }

  private static List<ParallelText> lines(Path source, Sides sides) throws IOException {
    String name = String.valueOf(source.getFileName()).replaceFirst("\\.gz$", "");
    if (!name.endsWith("." + sides.source)) {
      throw new IllegalArgumentException(
          source + " does not end with ." + sides.source + ", as a source file has to");
    }
    String stem = name.substring(0, name.length() - sides.source.length());
    Path target = gzippedOrNot(source.resolveSibling(stem + sides.target));
    List<ParallelText> out = new ArrayList<>();
    try (Cursor<String> from = Lines.of(source).open();
        Cursor<String> to = Lines.of(target).open()) {
      while (true) {
        String first = from.next();
        String second = to.next();
        if (first == null && second == null) {
          return out;
        }
        if (first == null || second == null) {
          throw new IllegalArgumentException(
              (first == null ? source : target)
                  + " has "
                  + out.size()
                  + " lines, fewer than "
                  + (first == null ? target : source));
        }
        out.add(new ParallelText(first, second));
      }
    }
  }
}

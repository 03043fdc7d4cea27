package io.heddle.data;

import java.io.IOException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.PathMatcher;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Files to learn from and files to be measured on.
 *
 * @param train to learn from
 * @param dev to stop and choose by; may be empty
 * @param test looked at once, at the end; may be empty
 */
public record Splits(List<Path> train, List<Path> dev, List<Path> test) {
  private static final Pattern DATA =
      Pattern.compile(".*\\.(tsv|tab|csv|jsonl?|txt|conll|conllu|bio|iob2?)(\\.gz)?");

  /** Parts of a data set, as the names of files say. */
  enum Kind {
    TRAIN("train(ing)?"),
    DEV("dev|development|valid|validation|val"),
    TEST("test");

    private final Pattern pattern;

    Kind(String word) {
      this.pattern = Pattern.compile("(.*[^a-z])?(" + word + ")([^a-z].*)?");
    }

    /** Whether a file of this name, in lower case, belongs to this part. */
    boolean names(String file) {
      return pattern.matcher(file).matches();
    }
  }

  /** Copies the lists. */
  public Splits {
    train = List.copyOf(train);
    dev = List.copyOf(dev);
    test = List.copyOf(test);
  }

  /**
   * The files of a data set.
   *
   * @param data a file to train on, or a folder whose files say in their names what they are:
   *     train; dev, valid or val; test
   * @param match glob that names of the folder's files must match; null for all
   * @param dev a file of the development part, instead of what the folder has; null for none
   */
  public static Splits of(Path data, @Nullable String match, @Nullable Path dev)
      throws IOException {
    if (!Files.exists(data)) {
      throw new IllegalArgumentException("no data at " + data + ": it does not exist");
    }
    List<Path> given = dev == null ? List.of() : List.of(dev);
    if (!Files.isDirectory(data)) {
      return new Splits(List.of(data), given, List.of());
    }
    PathMatcher wanted =
        FileSystems.getDefault().getPathMatcher("glob:" + (match == null ? "*" : match));
    List<List<Path>> parts = List.of(new ArrayList<>(), new ArrayList<>(), new ArrayList<>());
    for (Path file : FileSets.below(data, f -> wanted.matches(f.getFileName()))) {
      String name = String.valueOf(file.getFileName()).toLowerCase(Locale.ROOT);
      List<Kind> kinds = List.of(Kind.values());
      for (int i = 0; i < kinds.size() && DATA.matcher(name).matches(); i++) {
        if (kinds.get(i).names(name)) {
          parts.get(i).add(file);
          break;
        }
      }
    }
    if (parts.getFirst().isEmpty()) {
      throw new IllegalArgumentException(
          data
              + " has no file to train on: none of its data files has 'train' in its name"
              + (match == null ? "" : " and matches '" + match + "'"));
    }
    return new Splits(parts.get(0), dev == null ? parts.get(1) : given, parts.get(2));
  }
}

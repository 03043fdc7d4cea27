package io.heddle.data;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Words with a tag each.
 *
 * @param words the words of a sentence
 * @param tags as many tags; empty where they are not known
 */
public record TaggedWords(List<String> words, List<String> tags) {
  private static final Pattern SPACE = Pattern.compile("[ \\t]+");
  private static final String DOCUMENT = "-DOCSTART-";

  /** Copies the lists. */
  public TaggedWords {
    words = List.copyOf(words);
    tags = List.copyOf(tags);
    if (!tags.isEmpty() && tags.size() != words.size()) {
      throw new IllegalArgumentException(tags.size() + " tags for " + words.size() + " words");
    }
  }

  /**
   * Reads a file in columns, as CoNLL's shared tasks have them: a word a line, its columns between
   * tabs or spaces, an empty line after a sentence; gzipped or not. Lines of {@code -DOCSTART-}
   * and, where columns are parted by tabs, comments that begin with {@code #} are left out.
   *
   * @param word column of the word, from 1 on
   * @param tag column of the tag; 0 for the last one, negative for none
   * @throws IOException naming file and line
   */
  public static List<TaggedWords> read(Path file, int word, int tag) throws IOException {
    List<TaggedWords> out = new ArrayList<>();
    List<String> words = new ArrayList<>();
    List<String> tags = new ArrayList<>();
    try (Cursor<String> lines = Lines.of(file).open()) {
      for (String line = lines.next(); line != null; line = lines.next()) {
        boolean comment = line.startsWith("# ") && line.indexOf('\t') < 0 && words.isEmpty();
        if (line.isBlank() || line.startsWith(DOCUMENT)) {
          end(words, tags, out);
        } else if (!comment) {
          String[] columns =
              line.indexOf('\t') >= 0 ? line.split("\t", -1) : SPACE.split(line.strip());
          words.add(column(columns, word, lines.place()));
          if (tag >= 0) {
            tags.add(column(columns, tag == 0 ? columns.length : tag, lines.place()));
          }
        }
      }
    }
    end(words, tags, out);
    if (out.isEmpty()) {
      throw new IllegalArgumentException(file + " has no sentences");
    }
    return out;
  }

  private static String column(String[] columns, int number, String place) throws IOException {
    if (number < 1 || number > columns.length) {
      throw new IOException(
          place + ": there is no column " + number + "; the line has " + columns.length);
    }
    return columns[number - 1];
  }

  private static void end(List<String> words, List<String> tags, List<TaggedWords> out) {
    if (!words.isEmpty()) {
      out.add(new TaggedWords(words, tags));
      words.clear();
      tags.clear();
    }
  }
}

package io.heddle.methods.vectors;

import io.heddle.data.Cursor;
import io.heddle.data.Document;
import io.heddle.data.FileSets;
import io.heddle.data.Lines;
import io.heddle.data.Texts;
import io.heddle.data.WordNetText;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * Reads texts into a {@link WordCorpus}. Text files are read as a stream, so that only ids are in
 * memory; each line is a passage, or all lines up to an empty one.
 */
public final class CorpusReader {
  private final WordCorpus.Builder corpus = new WordCorpus.Builder();
  private final boolean plain;
  private final boolean paragraphs;

  /**
   * A reader.
   *
   * @param plain words are runs of letters and digits in lower case; else what stands between
   *     spaces, as it is
   * @param paragraphs a passage ends at an empty line; else at the end of each line
   */
  public CorpusReader(boolean plain, boolean paragraphs) {
    this.plain = plain;
    this.paragraphs = paragraphs;
  }

  /**
   * Adds a file, or all {@code .txt} and {@code .jsonl} files of a folder, gzipped or not.
   *
   * @throws IOException naming the file, and the line, that cannot be read
   */
  public CorpusReader add(Path path) throws IOException {
    if (!Files.exists(path)) {
      throw new IllegalArgumentException("no data at " + path + ": it does not exist");
    }
    List<Path> files =
        FileSets.find(path.toString()).stream()
            .filter(f -> f.equals(path) || f.toString().matches(".*\\.(txt|jsonl)(\\.gz)?"))
            .toList();
    if (files.isEmpty()) {
      throw new IllegalArgumentException(path + " has no .txt or .jsonl file, gzipped or not");
    }
    for (Path file : files) {
      if (file.toString().matches(".*\\.jsonl(\\.gz)?")) {
        for (Document document : Texts.read(file)) {
          document.text().lines().forEach(this::line);
          corpus.endPassage();
        }
        continue;
      }
      try (Cursor<String> lines = Lines.of(file).open()) {
        for (String line = lines.next(); line != null; line = lines.next()) {
          line(line);
        }
      }
      corpus.endPassage();
    }
    return this;
  }

  /** Adds WordNet's definitions and examples, each a passage; see {@link WordNetText}. */
  public CorpusReader addWordNet() {
    for (WordNetText.Line line : WordNetText.load().lines()) {
      line(line.text());
      corpus.endPassage();
    }
    return this;
  }

  /** Adds a line of text. */
  public CorpusReader line(String line) {
    boolean any = false;
    int from = -1;
    for (int i = 0; i <= line.length(); ) {
      int c = i < line.length() ? line.codePointAt(i) : ' ';
      boolean inside = plain ? Character.isLetterOrDigit(c) : !Character.isWhitespace(c);
      if (inside && from < 0) {
        from = i;
      } else if (!inside && from >= 0) {
        String word = line.substring(from, i);
        corpus.word(plain ? word.toLowerCase(Locale.ROOT) : word);
        any = true;
        from = -1;
      }
      i += Character.charCount(c);
    }
    if (!paragraphs || !any) {
      corpus.endPassage();
    }
    return this;
  }

  /** What was read; see {@link WordCorpus.Builder#build}. */
  public WordCorpus corpus(long minCount) {
    return corpus.build(minCount);
  }
}

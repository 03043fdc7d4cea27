package io.heddle.data;

import io.heddle.data.vectors.VectorFile;
import io.heddle.data.vectors.WordTable;
import io.heddle.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/** Word vectors for the ids of a tokenizer, from any file that {@link VectorFile} reads. */
public final class WordVectors {
  private WordVectors() {}

  /**
   * The vectors of the words that a tokenizer has, by their ids; the first of a word counts.
   *
   * @throws IOException naming file and place where there are no numbers, or not as many as before;
   *     also when the file has no vector of a word of the vocabulary
   */
  public static Map<Integer, float[]> read(Path file, Tokenizer tokenizer) throws IOException {
    WordTable table = VectorFile.read(file, word -> tokenizer.id(word).isPresent());
    Map<Integer, float[]> out = new HashMap<>();
    for (int i = 0; i < table.words().size(); i++) {
      out.put(tokenizer.id(table.words().get(i)).orElseThrow(), table.row(i));
    }
    return out;
  }
}

package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verb tokenize where it learns. */
class TokenizeCommandTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  private int run(String... arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), arguments);
  }

  @Test
  void learnsEachKind(@TempDir Path folder) throws IOException {
    Path text = folder.resolve("text.txt");
    Files.writeString(text, "the weaver weaves the woven thread\nthreads and threads\n".repeat(9));
    for (String kind : new String[] {"bpe", "wordpiece", "unigram"}) {
      String to = folder.resolve(kind).toString();
      String[] arguments = {
        "tokenize",
        "--train",
        kind,
        "--data",
        text.toString(),
        "--vocab",
        "270",
        "--out",
        to,
        "--quiet"
      };
      assertEquals(0, run(arguments), err.toString());
      Tokenizer learnt = Tokenizers.load(Path.of(to));
      assertEquals(learnt.vocabularySize() + " pieces in " + to, out.toString().strip());
      String line = "the woven threads";
      assertEquals(line, learnt.decode(learnt.encode(line)), kind);
    }
  }

  @Test
  void saysWhatIsMissing(@TempDir Path folder) throws IOException {
    Path text = folder.resolve("text.txt");
    Files.writeString(text, "a b c\n");
    assertEquals(2, run("tokenize", "--train", "unigram", "--data", text.toString()));
    assertTrue(err.toString().startsWith("heddle: missing required option: '--out="));
    assertEquals(2, run("tokenize", "--train", "unigram", "--out", folder + "/x"));
    assertTrue(err.toString().startsWith("heddle: missing required option: '--data="));
    String[] odd = {
      "tokenize", "--train", "markov", "--data", text.toString(), "--out", folder + "/x"
    };
    assertEquals(1, run(odd));
    assertTrue(err.toString().contains("there are bpe, wordpiece and unigram"), err.toString());
    String[] small = {
      "tokenize",
      "--train",
      "unigram",
      "--vocab",
      "5",
      "--data",
      text.toString(),
      "--out",
      folder + "/x",
      "--quiet"
    };
    assertEquals(1, run(small));
    assertTrue(err.toString().contains("a vocabulary of 5 cannot hold"), err.toString());
  }
}

package io.heddle.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.data.vectors.FastTextModel;
import io.heddle.data.vectors.VectorFile;
import io.heddle.data.vectors.VectorFormat;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The verb vectors. */
class VectorsCommandTest {
  private final StringWriter out = new StringWriter();
  private final StringWriter err = new StringWriter();

  @TempDir private Path folder = Path.of("");
  private Path text = Path.of("");

  @BeforeEach
  void write() throws IOException {
    text = folder.resolve("text.txt");
    Files.writeString(
        text,
        "The weaver lifts the warp with a heddle.\nthe whale and the ship at sea\n".repeat(40));
  }

  private int run(String... arguments) {
    out.getBuffer().setLength(0);
    err.getBuffer().setLength(0);
    return Main.run(new PrintWriter(out), new PrintWriter(err, true), arguments);
  }

  private Path train(String name, String... more) {
    Path file = folder.resolve(name);
    String[] common = {
      "vectors",
      "train",
      "--data",
      text.toString(),
      "--out",
      file.toString(),
      "--quiet",
      "--backend",
      "reference",
      "--dim",
      "8",
      "--epochs",
      "2",
      "--sample",
      "0"
    };
    String[] all = java.util.Arrays.copyOf(common, common.length + more.length);
    System.arraycopy(more, 0, all, common.length, more.length);
    assertEquals(0, run(all), err.toString());
    assertTrue(out.toString().startsWith("12 words of 600 tokens, 8 numbers each, in " + file));
    return file;
  }

  @Test
  void trainsAndAsks() throws IOException {
    Path grams = train("grams.bin", "--ngrams", "3-5", "--buckets", "100");
    assertEquals(VectorFormat.FASTTEXT, VectorFile.format(grams));
    assertEquals(5, FastTextModel.load(grams).settings().longest());
    String file = grams.toString();
    String[] near = {
      "vectors",
      "neighbours",
      "--backend",
      "reference",
      "--vectors",
      file,
      "--count",
      "2",
      "weaver",
      "Heddles"
    };
    assertEquals(0, run(near), err.toString());
    assertEquals(6, out.toString().lines().count(), "two words, two neighbours each");
    String[] analogy = {
      "vectors", "analogy", "--backend", "reference", "--vectors", file, "whale", "sea", "weaver"
    };
    assertEquals(0, run(analogy), err.toString());
    assertEquals(12, out.toString().lines().count(), "two ways, five answers each");

    Path set = folder.resolve("set.txt");
    Files.writeString(set, "weaver warp 9\nwhale sea 8\nweaver whale 1\nweaver xylophone 0\n");
    assertEquals(0, run("vectors", "similarity", "--vectors", file, set.toString()));
    assertTrue(out.toString().contains("4 of    4"), "n-grams know every word: " + out);
  }

  @Test
  void everyMethodAndFormat() throws IOException {
    Path glove = train("glove.txt", "--method", "glove");
    assertEquals(VectorFormat.GLOVE, VectorFile.format(glove));
    assertEquals(VectorFormat.WORD2VEC, VectorFile.format(train("a.vec", "--method", "cbow")));
    Path binary = train("b", "--format", "word2vec_binary");
    assertEquals(VectorFormat.WORD2VEC_BINARY, VectorFile.format(binary));
    Path questions = folder.resolve("questions.txt");
    Files.writeString(questions, ": trade\nwhale sea weaver warp\nking queen man woman\n");
    String[] ask = {
      "vectors",
      "analogy",
      "--backend",
      "reference",
      "--vectors",
      glove.toString(),
      "--questions",
      questions.toString()
    };
    assertEquals(0, run(ask), err.toString());
    assertTrue(out.toString().contains("1 of     2"), out.toString());
  }

  @Test
  void saysWhatIsWrong() throws IOException {
    String file = folder.resolve("x.bin").toString();
    assertEquals(2, run("vectors"));
    assertTrue(err.toString().contains("train, neighbours, similarity, analogy"), err.toString());
    assertEquals(2, run("vectors", "train", "--out", file));
    assertTrue(err.toString().contains("--data"), err.toString());
    String data = text.toString();
    assertEquals(
        2, run("vectors", "train", "--data", data, "--out", file, "--ngrams", "3to6", "--quiet"));
    assertTrue(err.toString().contains("'3to6'; it should be like 3-6"), err.toString());
    String[] wrong = {
      "vectors", "train", "--data", data, "--out", file, "--method", "glove", "--format", "fasttext"
    };
    assertEquals(2, run(wrong));
    assertTrue(err.toString().contains("cannot hold GloVe's vectors"), err.toString());
    Files.writeString(Path.of(file), "loom 1 2\nwarp 1\n");
    assertEquals(1, run("vectors", "neighbours", "--vectors", file, "loom"));
    assertTrue(err.toString().contains("x.bin:2: 1 numbers after the word, not 2"));
    Files.writeString(Path.of(file), "loom 1 2\n");
    assertEquals(
        1, run("vectors", "neighbours", "--backend", "reference", "--vectors", file, "warp"));
    assertTrue(err.toString().contains("'warp' is not in " + file), err.toString());
    assertEquals(2, run("vectors", "analogy", "--vectors", file, "loom", "warp"));
    assertTrue(err.toString().contains("three words"), err.toString());
  }
}

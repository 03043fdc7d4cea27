package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.data.ShuffledShards.Placed;
import io.heddle.data.ShuffledShards.Position;
import io.heddle.progress.ProgressListener;
import io.heddle.text.BpeTrainer;
import io.heddle.text.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Shuffling what is larger than memory, and tokens kept on disk. */
class ShardsAndCacheTest {
  @TempDir private Path folder = Path.of("");

  private ShuffledShards<String> lines(long seed) throws IOException {
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < 100; i++) {
      text.append("line ").append(i).append('\n');
    }
    Path one = Files.writeString(folder.resolve("one.txt"), text);
    Path two = Files.writeString(folder.resolve("two.txt"), text.toString().replace("line", "l"));
    return ShuffledShards.lines(List.of(one, two), 100, 4, seed);
  }

  private static List<Placed<String>> read(ShuffledShards<String> shards, Position at, int count)
      throws IOException {
    return shards.from(at).take(count).toList();
  }

  private static List<String> values(List<Placed<String>> placed) {
    return placed.stream().map(Placed::value).toList();
  }

  @Test
  void everyEpochHasEveryLineInAnotherOrder() throws IOException {
    ShuffledShards<String> shards = lines(1);
    List<String> two = values(read(shards, Position.START, 400));
    assertEquals(200, new HashSet<>(two.subList(0, 200)).size());
    assertEquals(200, new HashSet<>(two.subList(200, 400)).size());
    assertNotEquals(two.subList(0, 200), two.subList(200, 400));
    assertEquals(two, values(read(lines(1), Position.START, 400)));
    assertNotEquals(two, values(read(lines(2), Position.START, 400)));
    long inOrder =
        IntStream.range(1, 200).filter(i -> two.get(i - 1).compareTo(two.get(i)) < 0).count();
    assertTrue(inOrder > 60 && inOrder < 140, inOrder + " neighbours in order");
  }

  @Test
  void readingGoesOnWhereItStopped() throws IOException {
    ShuffledShards<String> shards = lines(3);
    List<Placed<String>> all = read(shards, Position.START, 450);
    for (int stop : new int[] {0, 1, 7, 63, 199, 200, 201, 311}) {
      Position at = stop == 0 ? Position.START : all.get(stop - 1).next();
      assertEquals(all.subList(stop, 450), read(shards, at, 450 - stop), "from " + at);
    }
  }

  @Test
  void workersShareTheShards() throws IOException {
    ShuffledShards<String> shards = lines(4);
    List<String> seen = new ArrayList<>();
    for (int worker = 0; worker < 3; worker++) {
      for (Placed<String> placed : read(shards.part(3, worker), Position.START, 200)) {
        if (placed.next().epoch() == 0) {
          seen.add(placed.value());
        }
      }
    }
    assertEquals(200, seen.size());
    assertEquals(200, new HashSet<>(seen).size());
    // Nothing in any shard: the stream ends instead of looking for ever.
    ShuffledShards<String> none =
        new ShuffledShards<>(List.of(DataStream.<String>of(List.of())), 1, 0);
    assertEquals(List.of(), none.from(Position.START).toList());
    assertThrows(IllegalArgumentException.class, () -> shards.part(2, 2));
  }

  private static Tokenizer tokenizer(String text, int size) {
    return new BpeTrainer(size, ProgressListener.NONE).add(text).train();
  }

  private long files() throws IOException {
    try (var all = Files.list(folder.resolve("cache"))) {
      return all.count();
    }
  }

  @Test
  void tokensAreWrittenOnceAndFoundByContent() throws IOException {
    String text = "the cat\n\nsat on the mat\nthe end\n";
    Path file = Files.writeString(folder.resolve("a.txt"), text);
    Tokenizer tokenizer = tokenizer(text.repeat(5), 270);
    TokenCache cache = new TokenCache(folder.resolve("cache"), tokenizer);
    try (TokenFile tokens = cache.lines(file)) {
      assertEquals(4, tokens.documents());
      assertArrayEquals(tokenizer.encode("sat on the mat"), tokens.document(2));
      assertArrayEquals(new int[0], tokens.document(1));
      int[] all = tokens.tokens(0, (int) tokens.size());
      assertEquals("the catsat on the matthe end", tokenizer.decode(all));
      assertThrows(IndexOutOfBoundsException.class, () -> tokens.tokens(tokens.size(), 1));
      assertThrows(IndexOutOfBoundsException.class, () -> tokens.document(4));
    }
    assertEquals(1, files());
    // The same content under another name is not read again.
    Path copy = Files.copy(file, folder.resolve("b.txt"));
    DataStream<String> never =
        () -> {
          throw new AssertionError("tokenised again");
        };
    cache.open(copy, "lines", never).close();
    assertEquals(1, files());
    Files.writeString(copy, text + "more\n");
    cache.lines(copy).close();
    new TokenCache(folder.resolve("cache"), tokenizer(text, 260)).lines(file).close();
    cache.open(file, "whole", DataStream.of(List.of(text))).close();
    assertEquals(4, files());
  }

  @Test
  void nothingHalfWrittenIsFound() throws IOException {
    Path file = Files.writeString(folder.resolve("a.txt"), "one\ntwo\n");
    TokenCache cache = new TokenCache(folder.resolve("cache"), tokenizer("one two", 258));
    DataStream<String> failing =
        Lines.of(file)
            .map(
                line -> {
                  if (line.equals("two")) {
                    throw new IllegalStateException("no more");
                  }
                  return line;
                });
    var e = assertThrows(IOException.class, () -> cache.open(file, "lines", failing));
    assertTrue(e.toString().contains("a.txt:2"), e.toString());
    assertEquals(0, files());
    cache.lines(file).close();
    Path written;
    try (var all = Files.list(folder.resolve("cache"))) {
      written = all.findFirst().orElseThrow();
    }
    byte[] bytes = Files.readAllBytes(written);
    Files.write(written, Arrays.copyOf(bytes, bytes.length - 1));
    var cut = assertThrows(IOException.class, () -> cache.lines(file));
    assertTrue(cut.toString().contains("damaged"), cut.toString());
    Files.write(written, new byte[40]);
    assertThrows(IOException.class, () -> TokenFile.open(written));
  }
}

package io.heddle.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Streams: laziness, order, and what becomes of errors on other threads. */
@Timeout(60)
class StreamTest {
  private static final DataStream<Integer> TEN =
      DataStream.of(IntStream.range(0, 10).boxed().toList());

  @Test
  void dataSetsAreReadAhead() throws IOException {
    Dataset<Integer> squares = Dataset.of(100, i -> i * i);
    assertEquals(squares.toList(), squares.stream(3).toList());
    assertEquals(List.of(), squares.take(0).stream(3).toList());
  }

  @Test
  void transformsAreLazyAndKeepTheOrder() throws IOException {
    AtomicInteger asked = new AtomicInteger();
    DataStream<Integer> squares =
        TEN.map(
            x -> {
              asked.incrementAndGet();
              return x * x;
            });
    DataStream<Integer> few = squares.filter(x -> x % 2 == 0).take(2);
    assertEquals(0, asked.get());
    assertEquals(List.of(0, 4), few.toList());
    assertEquals(3, asked.get());
    assertEquals(List.of(0, 4), few.toList());
    assertEquals(List.of(8, 9), TEN.skip(8).toList());
    assertEquals(List.of(), TEN.skip(11).toList());
    assertEquals(List.of(2, 5, 8), TEN.shard(3, 2).toList());
    assertEquals(
        List.of(List.of(0, 1, 2, 3), List.of(4, 5, 6, 7), List.of(8, 9)), TEN.batch(4).toList());
    assertEquals(
        List.of(0, 1, 9),
        DataStream.concat(List.of(TEN.take(2), TEN.take(0), TEN.skip(9))).toList());
    assertThrows(IllegalArgumentException.class, () -> TEN.shard(3, 3));
    assertThrows(IllegalArgumentException.class, () -> TEN.batch(0));
  }

  @Test
  void closingReachesTheSource() throws IOException {
    AtomicBoolean closed = new AtomicBoolean();
    DataStream<Integer> endless =
        () ->
            new Cursor<>() {
              @Override
              public Integer next() {
                return 1;
              }

              @Override
              public void close() {
                closed.set(true);
              }
            };
    for (DataStream<?> each :
        List.of(
            endless.map(x -> x),
            endless.batch(2),
            endless.prefetch(3),
            endless.mapAhead(x -> x, 3),
            DataStream.concat(List.of(endless)),
            endless.take(5))) {
      closed.set(false);
      try (Cursor<?> cursor = each.open()) {
        cursor.next();
      }
      assertTrue(closed.get());
    }
  }

  @Test
  void readsAheadNoFurtherThanAsked() throws IOException, InterruptedException {
    AtomicInteger read = new AtomicInteger();
    CountDownLatch fourth = new CountDownLatch(4);
    DataStream<Integer> source =
        TEN.map(
            x -> {
              read.incrementAndGet();
              fourth.countDown();
              return x;
            });
    try (Cursor<Integer> cursor = source.prefetch(3).open()) {
      // Three in the queue, one in the hand of the thread that waits.
      assertTrue(fourth.await(30, TimeUnit.SECONDS));
      Thread.sleep(Duration.ofMillis(20));
      assertEquals(4, read.get());
      for (int i = 0; i < 10; i++) {
        assertEquals(i, cursor.next());
      }
      assertNull(cursor.next());
      assertNull(cursor.next());
    }
    assertEquals(10, read.get());
  }

  @Test
  void errorsOfTheOtherThreadNameTheFile(@TempDir Path folder) throws IOException {
    Path file = folder.resolve("numbers.txt");
    Files.writeString(file, "1\n2\nthree\n4\n");
    DataStream<Integer> numbers = Lines.of(file).map(Integer::valueOf);
    for (DataStream<Integer> each :
        List.of(numbers, numbers.prefetch(1), Lines.of(file).mapAhead(Integer::valueOf, 4))) {
      try (Cursor<Integer> cursor = each.open()) {
        assertEquals(1, cursor.next());
        assertEquals(2, cursor.next());
        var e = assertThrows(IOException.class, cursor::next);
        assertTrue(e.toString().contains("numbers.txt:3"), e.toString());
        assertTrue(e.toString().contains("three"), e.toString());
        if (each == numbers) {
          // Who reads on skips the bad line; a thread that reads ahead has stopped there.
          assertEquals(4, cursor.next());
        }
        assertNull(cursor.next());
      }
    }
    RuntimeException own = new IllegalStateException("own");
    DataStream<Integer> nameless =
        TEN.map(
            x -> {
              throw own;
            });
    assertSame(own, assertThrows(IllegalStateException.class, () -> nameless.prefetch(2).toList()));
    assertThrows(IOException.class, () -> Lines.of(folder.resolve("none")).prefetch(1).toList());
  }

  @Test
  void manyThreadsKeepTheOrder() throws IOException {
    AtomicInteger together = new AtomicInteger();
    AtomicInteger most = new AtomicInteger();
    List<Integer> out =
        TEN.mapAhead(
                x -> {
                  most.accumulateAndGet(together.incrementAndGet(), Math::max);
                  try {
                    Thread.sleep(x % 3 == 0 ? 30 : 1);
                  } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                  }
                  together.decrementAndGet();
                  return -x;
                },
                4)
            .toList();
    assertEquals(IntStream.range(0, 10).mapToObj(x -> -x).toList(), out);
    assertTrue(most.get() > 1 && most.get() <= 4, "at once: " + most);
  }
}

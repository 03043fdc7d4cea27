package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.train.RunDirectory;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Calls recorded in a JVM give the same outputs when they are replayed without one. */
@NeedsNative
class ReplayTest {
  private static final Path REPLAY = Repository.root().resolve("native/target/cmake/heddle_replay");

  private static ChildJvm.Ended replay(Path folder, List<Path> files)
      throws IOException, InterruptedException {
    List<String> command = new ArrayList<>(List.of(REPLAY.toString()));
    files.forEach(f -> command.add(f.toString()));
    return ChildJvm.run(command, folder, Map.of());
  }

  @Test
  void replayEqualsTheRecord(@TempDir Path folder) throws IOException, InterruptedException {
    // Kept: cmake/sanitize replays them under ASan and UBSan.
    Path calls = Repository.root().resolve("tests/target/recorded");
    RunDirectory.delete(calls);
    Files.createDirectories(calls);
    ChildJvm.Ended recorded =
        ChildJvm.java(RecordedCalls.class, folder, Map.of("HD_RECORD", calls.toString()));
    assertEquals(0, recorded.status(), recorded.output());
    List<Path> files;
    try (Stream<Path> all = Files.list(calls)) {
      files = all.sorted().toList();
    }
    assertEquals(5, files.size(), files.toString());
    ChildJvm.Ended replayed = replay(folder, files);
    assertEquals(0, replayed.status(), replayed.output());

    for (Path file : files) {
      byte[] bytes = Files.readAllBytes(file);
      Path damaged = folder.resolve("damaged.hdr");
      // The last bytes are the recorded output: another value there is a difference.
      byte[] other = bytes.clone();
      other[other.length - 2] ^= 0x15;
      Files.write(damaged, other);
      assertEquals(1, replay(folder, List.of(damaged)).status(), file + " with another output");
      byte[] magic = bytes.clone();
      magic[0] = 'X';
      Files.write(damaged, magic);
      assertEquals(2, replay(folder, List.of(damaged)).status(), file + " with another magic");
      Files.write(damaged, Arrays.copyOf(bytes, bytes.length / 2));
      ChildJvm.Ended cut = replay(folder, List.of(damaged));
      assertNotEquals(0, cut.status(), file + " cut in two");
      assertTrue(cut.status() < 128, file + " cut in two must not crash: " + cut.output());
    }
    assertNotEquals(0, replay(folder, List.of(folder.resolve("absent.hdr"))).status());
  }
}

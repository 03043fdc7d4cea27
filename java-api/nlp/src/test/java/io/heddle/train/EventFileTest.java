package io.heddle.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** TensorBoard's files: the frame against TensorFlow's own bytes, and what a resumed run leaves. */
class EventFileTest {
  private final Path folder;

  EventFileTest(@TempDir Path folder) {
    this.folder = folder;
  }

  @Test
  void framesAsTensorFlowDoes() {
    // tf.io.TFRecordWriter writing b"heddle".
    String expected = "0600000000000000" + "7369d537" + "686564646c65" + "0dcb08a7";
    byte[] record = EventFile.record("heddle".getBytes(StandardCharsets.UTF_8));
    assertEquals(expected, HexFormat.of().formatHex(record));
  }

  @Test
  void oneScalarPerNumberAndNothingTwiceAfterAResume() throws Exception {
    RunDirectory run = new RunDirectory(folder);
    run.truncate(0);
    run.metrics(RunDirectory.object().put("step", 0).put("loss", 2.5).put("lr", 0.5));
    run.metrics(RunDirectory.object().put("step", 1).put("loss", 1.5));
    assertEquals(3, records().size());
    run.truncate(1);
    assertEquals(2, records().size());
    ByteBuffer event = records().get(1);
    // wall_time 1: double, step 2: varint 1, summary 5: two values of tag and float.
    assertEquals(0x09, event.get());
    assertEquals(System.currentTimeMillis() * 1e-3, event.getDouble(), 3600);
    byte[] rest = new byte[event.remaining()];
    event.get(rest);
    String loss = "0a0b" + "0a04" + hex("loss") + "1500002040";
    String rate = "0a09" + "0a02" + hex("lr") + "150000003f";
    assertEquals("1001" + "2a18" + loss + rate, HexFormat.of().formatHex(rest));
  }

  private static String hex(String text) {
    return HexFormat.of().formatHex(text.getBytes(StandardCharsets.UTF_8));
  }

  private List<ByteBuffer> records() throws Exception {
    byte[] all = Files.readAllBytes(folder.resolve(EventFile.NAME));
    ByteBuffer in = ByteBuffer.wrap(all).order(ByteOrder.LITTLE_ENDIAN);
    List<ByteBuffer> out = new ArrayList<>();
    while (in.hasRemaining()) {
      int length = (int) in.getLong();
      in.getInt();
      out.add(in.slice(in.position(), length).order(ByteOrder.LITTLE_ENDIAN));
      in.position(in.position() + length + 4);
    }
    return out;
  }
}

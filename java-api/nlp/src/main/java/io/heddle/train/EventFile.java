package io.heddle.train;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * The numbers of a run for TensorBoard, {@code events.out.tfevents.*}: records of TensorFlow's
 * {@code Event} message with scalar summaries. A record is its length (u64), the length's masked
 * CRC-32C, the message, and the message's masked CRC-32C, all little-endian.
 */
final class EventFile {
  /** The name in the run's folder; TensorBoard looks for the middle part. */
  static final String NAME = "events.out.tfevents.heddle";

  private static final int MASK = 0xa282ead8;

  private final Path file;

  EventFile(Path root) {
    this.file = root.resolve(NAME);
  }

  /** Begins anew, with the lines of {@code metrics.jsonl} that a resumed run has kept. */
  void begin(List<JsonNode> lines) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    Message version = new Message().number(1, now()).text(3, "brain.Event:2");
    out.writeBytes(record(version.bytes()));
    for (JsonNode line : lines) {
      out.writeBytes(record(line));
    }
    try {
      Files.write(file, out.toByteArray());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + file, e);
    }
  }

  /** Adds a line of {@code metrics.jsonl}: a scalar for each of its numbers but the step. */
  void add(JsonNode line) {
    try {
      Files.write(file, record(line), StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + file, e);
    }
  }

  private static byte[] record(JsonNode line) {
    Message summary = new Message();
    for (Map.Entry<String, JsonNode> e : line.properties()) {
      if (e.getValue().isNumber() && !e.getKey().equals("step")) {
        float value = (float) e.getValue().asDouble();
        summary.message(1, new Message().text(1, e.getKey()).real(2, value));
      }
    }
    Message event = new Message().number(1, now()).integer(2, line.path("step").asLong() + 1);
    return record(event.message(5, summary).bytes());
  }

  private static double now() {
    return System.currentTimeMillis() * 1e-3;
  }

  /** A message framed as TensorFlow's record files are. */
  static byte[] record(byte[] message) {
    ByteBuffer out = ByteBuffer.allocate(message.length + 16).order(ByteOrder.LITTLE_ENDIAN);
    out.putLong(message.length);
    out.putInt(masked(out.array(), 0, 8));
    out.put(message);
    out.putInt(masked(message, 0, message.length));
    return out.array();
  }

  private static int masked(byte[] bytes, int from, int length) {
    CRC32C sum = new CRC32C();
    sum.update(bytes, from, length);
    int crc = (int) sum.getValue();
    return ((crc >>> 15) | (crc << 17)) + MASK;
  }

  // Protocol-buffer fields: 0 varint, 1 eight bytes, 2 with a length, 5 four bytes.
  private static final class Message {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    private void varint(long value) {
      long rest = value;
      while ((rest & ~0x7fL) != 0) {
        out.write((int) ((rest & 0x7f) | 0x80));
        rest >>>= 7;
      }
      out.write((int) rest);
    }

    Message integer(int field, long value) {
      varint(field << 3);
      varint(value);
      return this;
    }

    Message number(int field, double value) {
      varint(field << 3 | 1);
      out.writeBytes(
          ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putDouble(value).array());
      return this;
    }

    Message real(int field, float value) {
      varint(field << 3 | 5);
      out.writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putFloat(value).array());
      return this;
    }

    Message text(int field, String value) {
      return field(field, value.getBytes(StandardCharsets.UTF_8));
    }

    Message message(int field, Message value) {
      return field(field, value.bytes());
    }

    private Message field(int field, byte[] bytes) {
      varint(field << 3 | 2);
      varint(bytes.length);
      out.writeBytes(bytes);
      return this;
    }

    byte[] bytes() {
      return out.toByteArray();
    }
  }
}

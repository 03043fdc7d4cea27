package io.heddle.text;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;

/**
 * The wire format of protocol buffers, as far as a SentencePiece model needs it. A reader walks
 * over a message field by field: {@link #next}, then one of the values.
 */
final class Protobuf {
  private static final int VARINT = 0;
  private static final int FIXED64 = 1;
  private static final int BYTES = 2;
  private static final int FIXED32 = 5;

  private final ByteBuffer in;
  private int tag;
  private long number;
  private byte[] bytes = {};

  Protobuf(byte[] message) {
    in = ByteBuffer.wrap(message).order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * Reads one field.
   *
   * @return its number, or 0 at the end
   * @throws IllegalArgumentException when the bytes are no such message
   */
  int next() {
    if (!in.hasRemaining()) {
      return 0;
    }
    tag = (int) readVarint();
    int size =
        switch (tag & 7) {
          case VARINT -> 0;
          case FIXED64 -> Long.BYTES;
          case BYTES -> (int) Math.min(Integer.MAX_VALUE, Math.max(-1, readVarint()));
          case FIXED32 -> Integer.BYTES;
          default -> -1;
        };
    if (tag >>> 3 == 0 || size < 0 || size > in.remaining()) {
      throw new IllegalArgumentException("not a protocol buffer at byte " + in.position());
    }
    switch (tag & 7) {
      case VARINT -> number = readVarint();
      case FIXED64 -> number = in.getLong();
      case FIXED32 -> number = in.getInt();
      default -> {
        bytes = new byte[size];
        in.get(bytes);
      }
    }
    return tag >>> 3;
  }

  private long readVarint() {
    long value = 0;
    for (int shift = 0; shift < Long.SIZE; shift += 7) {
      if (!in.hasRemaining()) {
        break;
      }
      byte b = in.get();
      value |= (long) (b & 0x7F) << shift;
      if (b >= 0) {
        return value;
      }
    }
    throw new IllegalArgumentException("not a protocol buffer: a number without an end");
  }

  private void require(int type) {
    if ((tag & 7) != type) {
      throw new IllegalArgumentException(
          "field " + (tag >>> 3) + " is of wire type " + (tag & 7) + ", not " + type);
    }
  }

  int integer() {
    require(VARINT);
    return (int) number;
  }

  boolean bool() {
    return integer() != 0;
  }

  float real() {
    require(FIXED32);
    return Float.intBitsToFloat((int) number);
  }

  byte[] bytes() {
    require(BYTES);
    return bytes;
  }

  String string() {
    return new String(bytes(), StandardCharsets.UTF_8);
  }

  /** Writes a message. */
  static final class Writer {
    private final ByteArrayOutputStream out = new ByteArrayOutputStream();

    Writer integer(int field, int value) {
      varint((long) field << 3 | VARINT);
      varint(value);
      return this;
    }

    Writer bool(int field, boolean value) {
      return integer(field, value ? 1 : 0);
    }

    Writer real(int field, float value) {
      varint((long) field << 3 | FIXED32);
      int bits = Float.floatToIntBits(value);
      for (int shift = 0; shift < Integer.SIZE; shift += 8) {
        out.write(bits >>> shift);
      }
      return this;
    }

    Writer bytes(int field, byte... value) {
      varint((long) field << 3 | BYTES);
      varint(value.length);
      out.writeBytes(value);
      return this;
    }

    Writer string(int field, String value) {
      return bytes(field, value.getBytes(StandardCharsets.UTF_8));
    }

    private void varint(long value) {
      long rest = value;
      while ((rest & ~0x7FL) != 0) {
        out.write((int) (rest | 0x80));
        rest >>>= 7;
      }
      out.write((int) rest);
    }

    byte[] message() {
      return out.toByteArray();
    }
  }
}

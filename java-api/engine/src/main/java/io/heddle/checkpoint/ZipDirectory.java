package io.heddle.checkpoint;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * The entries of a ZIP file (PKWARE's APPNOTE, with ZIP64), all of which must be stored without
 * compression, as PyTorch writes them: then each is a range of bytes of the file. Every offset is
 * checked before it is used.
 */
final class ZipDirectory {
  private static final ValueLayout.OfShort U16 =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfInt U32 =
      ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfLong U64 =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private static final int END = 0x06054b50;
  private static final int END64 = 0x06064b50;
  private static final int LOCATOR64 = 0x07064b50;
  private static final int CENTRAL = 0x02014b50;
  private static final int LOCAL = 0x04034b50;
  private static final int END_BYTES = 22;
  private static final int CENTRAL_BYTES = 46;
  private static final int LOCAL_BYTES = 30;
  private static final long MOST_ENTRIES = 1 << 20;

  private final MemorySegment file;
  private final String name;
  private final Map<String, Range> entries = new LinkedHashMap<>();

  /** Bytes of an entry. */
  record Range(long begin, long size) {}

  private ZipDirectory(MemorySegment file, String name) {
    this.file = file;
    this.name = name;
  }

  /** Reads the directory of a file that is {@code name} in messages. */
  static Map<String, Range> read(MemorySegment file, String name) {
    ZipDirectory directory = new ZipDirectory(file, name);
    directory.read();
    return directory.entries;
  }

  private void read() {
    long end = end();
    long count = u16(end + 10);
    long size = u32(end + 12);
    long at = u32(end + 16);
    if (count == 0xffff || size == 0xffff_ffffL || at == 0xffff_ffffL) {
      if (end < 20 || i32(end - 20) != LOCATOR64) {
        throw damaged("its directory has no end");
      }
      long end64 = u64(end - 20 + 8);
      check(end64, 56);
      if (i32(end64) != END64) {
        throw damaged("its directory has no end");
      }
      count = u64(end64 + 32);
      size = u64(end64 + 40);
      at = u64(end64 + 48);
    }
    if (count < 0 || count > MOST_ENTRIES) {
      throw damaged("it claims " + Long.toUnsignedString(count) + " entries");
    }
    check(at, size);
    long stop = at + size;
    for (long i = 0; i < count; i++) {
      at = entry(at, stop);
    }
  }

  private long end() {
    long last = file.byteSize() - END_BYTES;
    for (long at = last; at >= 0 && at >= last - 0xffff; at--) {
      if (i32(at) == END && at + END_BYTES + u16(at + 20) == file.byteSize()) {
        return at;
      }
    }
    throw damaged("it has no ZIP directory: it is cut off, or no file of PyTorch 1.6 and later");
  }

  private long entry(long at, long stop) {
    if (at > stop - CENTRAL_BYTES || i32(at) != CENTRAL) {
      throw damaged("its directory is not whole");
    }
    int flags = u16(at + 8);
    int method = u16(at + 10);
    long packed = u32(at + 20);
    long size = u32(at + 24);
    int nameBytes = u16(at + 28);
    int extraBytes = u16(at + 30);
    long next = at + CENTRAL_BYTES + nameBytes + extraBytes + u16(at + 32);
    long local = u32(at + 42);
    if (next > stop) {
      throw damaged("its directory is not whole");
    }
    String entry = text(at + CENTRAL_BYTES, nameBytes);
    // Sizes that do not fit 32 bits follow in an extra field, in this order.
    long extra = at + CENTRAL_BYTES + nameBytes;
    long extraEnd = extra + extraBytes;
    while (extra + 4 <= extraEnd) {
      int id = u16(extra);
      long fieldEnd = extra + 4 + u16(extra + 2);
      if (fieldEnd > extraEnd) {
        throw damaged("an extra field of " + JsonText.quote(entry) + " is not whole");
      }
      if (id == 1) {
        long value = extra + 4;
        if (size == 0xffff_ffffL && value + 8 <= fieldEnd) {
          size = u64(value);
          value += 8;
        }
        if (packed == 0xffff_ffffL && value + 8 <= fieldEnd) {
          packed = u64(value);
          value += 8;
        }
        if (local == 0xffff_ffffL && value + 8 <= fieldEnd) {
          local = u64(value);
        }
      }
      extra = fieldEnd;
    }
    if (method != 0 || packed != size || (flags & 1) != 0) {
      throw damaged("entry " + JsonText.quote(entry) + " is compressed or encrypted");
    }
    check(local, LOCAL_BYTES);
    if (i32(local) != LOCAL) {
      throw damaged("entry " + JsonText.quote(entry) + " is not where the directory says");
    }
    long begin = local + LOCAL_BYTES + u16(local + 26) + u16(local + 28);
    check(begin, size);
    if (entries.putIfAbsent(entry, new Range(begin, size)) != null) {
      throw damaged("entry " + JsonText.quote(entry) + " comes twice");
    }
    return next;
  }

  private void check(long at, long size) {
    if (at < 0 || size < 0 || at > file.byteSize() || size > file.byteSize() - at) {
      throw damaged("its directory points outside of it");
    }
  }

  private String text(long at, int bytes) {
    byte[] text = file.asSlice(at, bytes).toArray(ValueLayout.JAVA_BYTE);
    return new String(text, StandardCharsets.UTF_8);
  }

  private int u16(long at) {
    check(at, 2);
    return Short.toUnsignedInt(file.get(U16, at));
  }

  private int i32(long at) {
    check(at, 4);
    return file.get(U32, at);
  }

  private long u32(long at) {
    return Integer.toUnsignedLong(i32(at));
  }

  private long u64(long at) {
    check(at, 8);
    return file.get(U64, at);
  }

  private PickleException damaged(String why) {
    return new PickleException(name + " is damaged: " + why);
  }
}

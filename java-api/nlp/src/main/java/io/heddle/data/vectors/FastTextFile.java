package io.heddle.data.vectors;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * fastText's {@code .bin}, little-endian: magic and version; twelve i32 and an f64 of settings; the
 * numbers of entries, words and labels as i32, of tokens and of pruned n-grams as i64; of each
 * entry its name, a 0, its count as i64 and its type as a byte (0 word, 1 label); then twice a byte
 * (1: quantised) and a matrix: rows and columns as i64, then f32.
 */
final class FastTextFile {
  static final int MAGIC = 793_712_314;
  private static final int VERSION = 12;
  private static final int OLDEST = 11;
  private static final int PIECE = 1 << 20;

  private final Path file;
  private final MemorySegment memory;
  private long at;

  private FastTextFile(Path file, MemorySegment memory) {
    this.file = file;
    this.memory = memory;
  }

  static FastTextModel read(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      MemorySegment all =
          channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), Arena.ofAuto());
      return new FastTextFile(file, all).model();
    }
  }

  private FastTextModel model() throws IOException {
    if (memory.byteSize() < 8 || int32("magic number") != MAGIC) {
      throw new IOException(file + " is no fastText model (is it packed? then unpack it first)");
    }
    int version = int32("version");
    if (version < OLDEST || version > VERSION) {
      throw new IOException(file + " is of version " + version + "; 11 and 12 can be read");
    }
    FastTextSettings settings = settings(version);
    int entries = int32("number of entries");
    int words = int32("number of words");
    int labels = int32("number of labels");
    long tokens = int64("number of tokens");
    long pruned = int64("number of pruned n-grams");
    if (words < 1 || labels < 0 || entries != (long) words + labels) {
      throw new IOException(
          "%s has %d entries, of them %d words and %d labels"
              .formatted(file, entries, words, labels));
    }
    List<String> names = new ArrayList<>();
    long[] counts = new long[words];
    for (int i = 0; i < entries; i++) {
      String name = name(i, entries);
      long count = int64("count of '" + name + "'");
      byte type = int8("type of '" + name + "'");
      if ((type == 0) != (i < words)) {
        throw new IOException(
            file + ", byte " + (at - 1) + ": '" + name + "' has type " + type + " as entry " + i);
      }
      if (i < words) {
        names.add(name);
        counts[i] = count;
      }
    }
    if (pruned > 0) {
      throw new IOException(file + " has pruned n-grams (it is quantised), which are not read");
    }
    MemorySegment input = matrix("input", words + (long) settings.buckets(), settings.dimension());
    MemorySegment output = matrix("output", -1, settings.dimension());
    return new FastTextModel(
        settings,
        names,
        counts,
        tokens,
        settings.subwords().any() ? input : input.asSlice(0, 4L * words * settings.dimension()),
        output);
  }

  private FastTextSettings settings(int version) throws IOException {
    int[] v = new int[12];
    for (int i = 0; i < v.length; i++) {
      v[i] = int32("settings");
    }
    need(8, "settings");
    double sample =
        memory.get(ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), at);
    at += 8;
    boolean oldClassifier = version == OLDEST && v[7] == 3; // those had n-grams switched off
    if (v[0] < 1 || v[8] < 0) {
      throw new IOException(file + " has vectors of " + v[0] + " numbers, " + v[8] + " buckets");
    }
    return new FastTextSettings(
        v[0],
        v[1],
        v[2],
        v[3],
        v[4],
        v[5],
        v[6],
        v[7],
        v[8],
        v[9],
        oldClassifier ? 0 : v[10],
        v[11],
        sample);
  }

  private MemorySegment matrix(String name, long wantedRows, int wantedColumns) throws IOException {
    if (int8(name + " table") != 0) {
      throw new IOException(file + " is quantised, which is not read; use the full model");
    }
    long rows = int64(name + " table");
    long columns = int64(name + " table");
    if (rows < 0 || columns != wantedColumns || (wantedRows >= 0 && rows != wantedRows)) {
      throw new IOException(
          "%s: the %s table is %d x %d, expected %s x %d"
              .formatted(
                  file,
                  name,
                  rows,
                  columns,
                  wantedRows < 0 ? "any" : Long.toString(wantedRows),
                  wantedColumns));
    }
    if (rows > Long.MAX_VALUE / 4 / columns) {
      throw new IOException(file + ": the " + name + " table has " + rows + " rows");
    }
    long bytes = 4 * rows * columns;
    need(bytes, name + " table");
    MemorySegment out = memory.asSlice(at, bytes);
    at += bytes;
    return out;
  }

  private void need(long bytes, String what) throws IOException {
    if (bytes > memory.byteSize() - at) {
      throw new IOException(file + " ends in the " + what + ", at byte " + memory.byteSize());
    }
  }

  private int int32(String what) throws IOException {
    need(4, what);
    int out = memory.get(ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), at);
    at += 4;
    return out;
  }

  private long int64(String what) throws IOException {
    need(8, what);
    long out = memory.get(ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN), at);
    at += 8;
    return out;
  }

  private byte int8(String what) throws IOException {
    need(1, what);
    return memory.get(ValueLayout.JAVA_BYTE, at++);
  }

  private String name(int entry, int entries) throws IOException {
    long end = at;
    while (end < memory.byteSize() && memory.get(ValueLayout.JAVA_BYTE, end) != 0) {
      end++;
    }
    need(end - at + 1, "name of entry " + (entry + 1) + " of " + entries);
    byte[] bytes = memory.asSlice(at, end - at).toArray(ValueLayout.JAVA_BYTE);
    at = end + 1;
    return new String(bytes, StandardCharsets.UTF_8);
  }

  static void write(FastTextModel model, OutputStream out) throws IOException {
    FastTextSettings s = model.settings();
    ByteBuffer head = ByteBuffer.allocate(256).order(ByteOrder.LITTLE_ENDIAN);
    head.putInt(MAGIC).putInt(VERSION);
    head.putInt(s.dimension()).putInt(s.window()).putInt(s.epochs()).putInt(s.minCount());
    head.putInt(s.negatives()).putInt(s.wordGrams()).putInt(s.loss()).putInt(s.model());
    Subwords grams = s.subwords();
    head.putInt(grams.buckets()).putInt(grams.shortest()).putInt(grams.longest());
    head.putInt(s.rateUpdates()).putDouble(s.sample());
    int words = model.words().size();
    head.putInt(words).putInt(words).putInt(0).putLong(model.tokens()).putLong(-1);
    out.write(head.array(), 0, head.position());
    for (int i = 0; i < words; i++) {
      out.write(VectorFile.writable(model.words().get(i)).getBytes(StandardCharsets.UTF_8));
      head.clear().put((byte) 0).putLong(model.count(i)).put((byte) 0);
      out.write(head.array(), 0, head.position());
    }
    matrix(model.input(), model.dimension(), out);
    matrix(model.output(), model.dimension(), out);
  }

  private static void matrix(MemorySegment rows, int columns, OutputStream out) throws IOException {
    ByteBuffer head = ByteBuffer.allocate(17).order(ByteOrder.LITTLE_ENDIAN);
    head.put((byte) 0).putLong(rows.byteSize() / 4 / columns).putLong(columns);
    out.write(head.array());
    for (long from = 0; from < rows.byteSize(); from += PIECE) {
      long size = Math.min(PIECE, rows.byteSize() - from);
      out.write(rows.asSlice(from, size).toArray(ValueLayout.JAVA_BYTE));
    }
  }
}

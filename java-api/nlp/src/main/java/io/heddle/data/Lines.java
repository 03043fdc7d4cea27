package io.heddle.data;

import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Lines of UTF-8 files, gzipped or not, read as they are asked for. Lines end in \n or \r\n and at
 * nothing else; a byte order mark at the start is left out.
 */
public final class Lines {
  private Lines() {}

  /** The lines of a file. */
  public static DataStream<String> of(Path file) {
    return () -> new Reader(FileSets.open(file), file, 0, Long.MAX_VALUE);
  }

  /** The lines of several files, one after the other. */
  public static DataStream<String> of(List<Path> files) {
    return DataStream.concat(files.stream().map(Lines::of).toList());
  }

  /**
   * The lines that begin at or after byte {@code from} and before byte {@code to} of a file that is
   * not gzipped. Ranges that join give every line once.
   */
  public static DataStream<String> of(Path file, long from, long to) {
    return () -> {
      SeekableByteChannel channel = Files.newByteChannel(file);
      // One byte before: if that ends a line, the line at `from` is ours.
      channel.position(Math.max(0, from - 1));
      Reader reader = new Reader(Channels.newInputStream(channel), file, from, to);
      if (from > 0) {
        reader.skipLine();
      }
      return reader;
    };
  }

  private static final class Reader implements Cursor<String> {
    private final InputStream in;
    private final Path file;
    private final boolean whole;
    private final long to;
    private final byte[] buffer = new byte[1 << 16];
    private int at;
    private int filled;
    private byte[] line = new byte[256];
    private long position; // of the next byte
    private long number; // of the last line
    private long begun; // where it began

    Reader(InputStream in, Path file, long from, long to) {
      this.in = in;
      this.file = file;
      this.whole = from == 0 && to == Long.MAX_VALUE;
      this.position = Math.max(0, from - 1);
      this.to = to;
    }

    void skipLine() throws IOException {
      bytes();
    }

    @Override
    public @Nullable String next() throws IOException {
      if (position >= to) {
        return null;
      }
      begun = position;
      int length = bytes();
      if (length < 0) {
        return null;
      }
      number++;
      int end = length > 0 && line[length - 1] == '\r' ? length - 1 : length;
      boolean mark = begun == 0 && end >= 3 && line[0] == (byte) 0xEF && line[1] == (byte) 0xBB;
      int start = mark && line[2] == (byte) 0xBF ? 3 : 0;
      try {
        return StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .decode(ByteBuffer.wrap(line, start, end - start))
            .toString();
      } catch (CharacterCodingException e) {
        throw new IOException(place() + " is not UTF-8 text: " + e.getMessage(), e);
      }
    }

    // Reads to the end of a line into `line`; its length without \n, -1 at the end of the file.
    private int bytes() throws IOException {
      int length = 0;
      while (true) {
        if (at == filled) {
          filled = read();
          at = 0;
          if (filled <= 0) {
            filled = 0;
            return length > 0 ? length : -1;
          }
        }
        int end = at;
        while (end < filled && buffer[end] != '\n') {
          end++;
        }
        int count = end - at;
        if (length + count > line.length) {
          line = Arrays.copyOf(line, Math.max(2 * line.length, length + count));
        }
        System.arraycopy(buffer, at, line, length, count);
        length += count;
        boolean found = end < filled;
        position += count + (found ? 1 : 0);
        at = found ? end + 1 : end;
        if (found) {
          return length;
        }
      }
    }

    private int read() throws IOException {
      try {
        return in.read(buffer);
      } catch (IOException e) {
        throw new IOException(file + ", byte " + position + ": " + e.getMessage(), e);
      }
    }

    @Override
    public String place() {
      return whole ? file + ":" + number : file + ", byte " + begun;
    }

    @Override
    public void close() throws IOException {
      in.close();
    }
  }
}

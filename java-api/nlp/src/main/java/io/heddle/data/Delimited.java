package io.heddle.data;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Records of fields between separators. With a quote they follow RFC 4180: a quoted field may hold
 * separators, line ends and doubled quotes. Empty lines are no records.
 *
 * @param separator between fields
 * @param quote around fields; 0 for none
 */
public record Delimited(char separator, char quote) {
  /** Comma-separated values. */
  public static final Delimited CSV = new Delimited(',', '"');

  /** Tab-separated values without quotes, as NLP corpora are written. */
  public static final Delimited TSV = new Delimited('\t', '\0');

  /** The records of a file, gzipped or not. */
  public DataStream<List<String>> of(Path file) {
    return () -> new Records(Lines.of(file).open());
  }

  /**
   * The records of a file whose first one names the fields. Reading ends with an error that names
   * the record whose number of fields differs.
   */
  public DataStream<Map<String, String>> withHeader(Path file) {
    return () -> {
      Cursor<List<String>> all = of(file).open();
      List<String> names = all.next();
      if (names == null) {
        all.close();
        throw new IOException(file + " is empty: there is no line that names the fields");
      }
      return new Transformed<List<String>, Map<String, String>>(all, row -> named(names, row));
    };
  }

  private static Map<String, String> named(List<String> names, List<String> row) {
    if (row.size() != names.size()) {
      throw new IllegalArgumentException(row.size() + " fields; the header names " + names);
    }
    Map<String, String> out = new LinkedHashMap<>();
    for (int i = 0; i < names.size(); i++) {
      out.put(names.get(i), row.get(i));
    }
    return out;
  }

  private final class Records implements Cursor<List<String>> {
    private final Cursor<String> lines;
    private String begin = "";

    Records(Cursor<String> lines) {
      this.lines = lines;
    }

    @Override
    public @Nullable List<String> next() throws IOException {
      String line = lines.next();
      while (line != null && line.isEmpty()) {
        line = lines.next();
      }
      if (line == null) {
        return null;
      }
      begin = lines.place();
      List<String> out = new ArrayList<>();
      int at = 0;
      while (at <= line.length()) {
        if (quote == 0 || at == line.length() || line.charAt(at) != quote) {
          at = plain(line, at, out);
          continue;
        }
        StringBuilder field = new StringBuilder();
        at++;
        while (true) {
          int end = line.indexOf(quote, at);
          if (end < 0) {
            field.append(line, at, line.length()).append('\n');
            line = lines.next();
            at = 0;
            if (line == null) {
              throw new IOException(begin + ": a quoted field of this record is never closed");
            }
          } else if (end + 1 < line.length() && line.charAt(end + 1) == quote) {
            field.append(line, at, end + 1);
            at = end + 2;
          } else {
            field.append(line, at, end);
            at = end + 1;
            break;
          }
        }
        if (at < line.length() && line.charAt(at) != separator) {
          throw new IOException(begin + ": text after the quote that ends a field");
        }
        out.add(field.toString());
        at++;
      }
      return out;
    }

    private int plain(String line, int at, List<String> out) throws IOException {
      int end = line.indexOf(separator, at);
      String field = line.substring(at, end < 0 ? line.length() : end);
      if (quote != 0 && field.indexOf(quote) >= 0) {
        throw new IOException(begin + ": a quote inside the field '" + field + "', which has none");
      }
      out.add(field);
      return end < 0 ? line.length() + 1 : end + 1;
    }

    @Override
    public String place() {
      return begin;
    }

    @Override
    public void close() throws IOException {
      lines.close();
    }
  }
}

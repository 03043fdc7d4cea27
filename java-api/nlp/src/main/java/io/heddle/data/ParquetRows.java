package io.heddle.data;

import dev.hardwood.InputFile;
import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.reader.RowReader;
import dev.hardwood.schema.ColumnProjection;
import dev.hardwood.schema.SchemaNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Rows of Parquet files, as data sets are published. Read by Hardwood, which needs no Hadoop.
 * Uncompressed, gzipped and Snappy files are read as they are; Zstandard needs {@code
 * com.github.luben:zstd-jni} on the path.
 */
public final class ParquetRows {
  private ParquetRows() {}

  /**
   * The rows of a file: columns by name in the file's order, without those that are null. Numbers
   * are boxed, strings are {@link String}, nested values Hardwood's. Errors name the file, and a
   * column that is missing.
   *
   * @param columns top-level columns to read; none for all
   */
  public static DataStream<Map<String, Object>> of(Path file, String... columns) {
    return () -> {
      try {
        return new Reader(file, columns);
      } catch (IOException | RuntimeException e) {
        throw failure(file, e);
      }
    };
  }

  /** The strings of one column; null ones are left out. */
  public static DataStream<String> column(Path file, String name) {
    return of(file, name).filter(row -> row.containsKey(name)).map(row -> text(row, name));
  }

  private static String text(Map<String, Object> row, String name) {
    if (row.get(name) instanceof String text) {
      return text;
    }
    throw new IllegalArgumentException("column '" + name + "' does not hold text");
  }

  private static IOException failure(Path file, Exception cause) {
    return new IOException(file + " cannot be read as Parquet: " + cause.getMessage(), cause);
  }

  private static final class Reader implements Cursor<Map<String, Object>> {
    private final Path file;
    private final ParquetFileReader reader;
    private final RowReader rows;
    private final List<String> names;
    private long number;

    Reader(Path file, String[] columns) throws IOException {
      this.file = file;
      this.reader = ParquetFileReader.open(InputFile.of(file));
      try {
        List<String> all =
            reader.getFileSchema().getRootNode().children().stream().map(SchemaNode::name).toList();
        for (String column : columns) {
          if (!all.contains(column)) {
            throw new IOException("there is no column '" + column + "' among " + all);
          }
        }
        this.names =
            columns.length == 0 ? all : all.stream().filter(List.of(columns)::contains).toList();
        this.rows =
            columns.length == 0
                ? reader.rowReader()
                : reader.buildRowReader().projection(ColumnProjection.columns(columns)).build();
      } catch (IOException | RuntimeException e) {
        reader.close();
        throw e;
      }
    }

    @Override
    public @Nullable Map<String, Object> next() throws IOException {
      try {
        if (!rows.hasNext()) {
          return null;
        }
        rows.next();
        number++;
        Map<String, Object> out = new LinkedHashMap<>();
        for (String name : names) {
          if (!rows.isNull(name)) {
            out.put(name, rows.getValue(name));
          }
        }
        return out;
      } catch (RuntimeException e) {
        throw failure(file, e);
      }
    }

    @Override
    public String place() {
      return file + ", row " + number;
    }

    @Override
    public void close() throws IOException {
      rows.close();
      reader.close();
    }
  }
}

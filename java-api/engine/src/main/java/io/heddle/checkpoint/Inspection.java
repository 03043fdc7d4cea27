package io.heddle.checkpoint;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;

/**
 * What a checkpoint holds: a safetensors file, one of {@code torch.save}, or a folder or index, for
 * people and programs; read from the header, so quick for a file of any size.
 *
 * @param file the path it was read from
 * @param bytes size of the file, or of all files
 * @param metadata free text entries of the header
 * @param tensors all tensors, in the order of their bytes
 */
public record Inspection(
    String file, long bytes, Map<String, String> metadata, List<TensorEntry> tensors) {
  /**
   * Reads and checks a checkpoint, which is all that {@link Checkpoint#open} takes.
   *
   * @throws SafetensorsException when it is damaged
   * @throws PickleException when it is a damaged file of {@code torch.save}, or asks for code
   * @throws IOException when it cannot be read
   */
  public static Inspection of(Path file) throws IOException {
    try (Checkpoint open = Checkpoint.open(file)) {
      List<TensorEntry> tensors = new ArrayList<>();
      for (String name : open.names()) {
        tensors.add(open.entry(name));
      }
      long bytes = 0;
      for (Path part : open.files()) {
        bytes += Files.size(part);
      }
      return new Inspection(
          file.toString(), bytes, open.metadata(), Collections.unmodifiableList(tensors));
    }
  }

  /** Number of elements of all tensors. */
  public long elements() {
    return tensors.stream().mapToLong(TensorEntry::elements).sum();
  }

  /** Bytes of all tensors, without the header. */
  public long tensorBytes() {
    return tensors.stream().mapToLong(TensorEntry::bytes).sum();
  }

  /**
   * One line of JSON: an object of file, bytes, metadata (an object of strings), elements,
   * tensorBytes, and tensors, a list of objects of name, dtype, shape, begin and end. These two are
   * counted from the start of the file.
   */
  public String toJson() {
    StringBuilder out = new StringBuilder("{\"file\":");
    JsonText.quote(out, file).append(",\"bytes\":").append(bytes);
    JsonText.object(out.append(",\"metadata\":"), metadata);
    out.append(",\"elements\":").append(elements());
    out.append(",\"tensorBytes\":").append(tensorBytes()).append(",\"tensors\":[");
    String comma = "";
    for (TensorEntry entry : tensors) {
      JsonText.quote(out.append(comma).append("{\"name\":"), entry.name());
      out.append(",\"dtype\":\"").append(entry.type());
      JsonText.array(out.append("\",\"shape\":"), entry.shape());
      out.append(",\"begin\":").append(entry.begin());
      out.append(",\"end\":").append(entry.end()).append('}');
      comma = ",";
    }
    return out.append("]}").toString();
  }

  /**
   * A table with one line per tensor, and the totals; ends in a line break. Control characters are
   * escaped.
   */
  public String toText() {
    StringBuilder out = new StringBuilder();
    out.append(plain(file)).append(": ").append(bytes).append(" bytes\n");
    metadata.forEach(
        (key, value) ->
            out.append("  ").append(plain(key)).append(" = ").append(plain(value)).append('\n'));
    int nameWidth = 4;
    int shapeWidth = 5;
    for (TensorEntry entry : tensors) {
      nameWidth = Math.max(nameWidth, plain(entry.name()).length());
      shapeWidth = Math.max(shapeWidth, Arrays.toString(entry.shape()).length());
    }
    String row = "%-" + nameWidth + "s  %-11s  %-" + shapeWidth + "s  %14s  %14s\n";
    if (!tensors.isEmpty()) {
      out.append(String.format(row, "name", "dtype", "shape", "begin", "end"));
    }
    for (TensorEntry entry : tensors) {
      String shape = Arrays.toString(entry.shape());
      out.append(
          String.format(row, plain(entry.name()), entry.type(), shape, entry.begin(), entry.end()));
    }
    out.append(tensors.size()).append(" tensors, ").append(elements()).append(" elements, ");
    return out.append(tensorBytes()).append(" bytes\n").toString();
  }

  // A name out of a file must not be able to steer the terminal.
  private static String plain(String text) {
    StringBuilder out = new StringBuilder();
    text.codePoints()
        .forEach(
            c -> {
              if (Character.isISOControl(c) || Character.getType(c) == Character.FORMAT) {
                out.append(String.format("\\u%04x", c));
              } else {
                out.appendCodePoint(c);
              }
            });
    return out.toString();
  }
}

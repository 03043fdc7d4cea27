package io.heddle.checkpoint;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Where everything stands in a safetensors file that is to be written: the reference
 * implementation's order (types by descending alignment, then names by their UTF-8 bytes; metadata
 * by key), so that equal contents give equal files.
 */
public final class SafetensorsLayout {
  private final byte[] header;
  private final List<TensorEntry> entries;

  /**
   * Lays tensors out.
   *
   * @param declared names, types and shapes; where their bytes are does not matter
   * @throws IllegalArgumentException when a name is not valid or the header becomes too long
   */
  public SafetensorsLayout(Map<String, String> metadata, Collection<TensorEntry> declared) {
    List<TensorEntry> placed = new ArrayList<>();
    long at = 0;
    for (TensorEntry entry : inOrder(declared)) {
      long end = Math.addExact(at, entry.type().bytes(entry.shape()));
      placed.add(new TensorEntry(entry.name(), entry.type(), entry.shape(), at, end));
      at = end;
    }
    header = header(new TreeMap<>(metadata), placed);
    placed.replaceAll(entry -> entry.moved(header.length));
    entries = Collections.unmodifiableList(placed);
  }

  /** The order in which tensors are written. */
  public static List<TensorEntry> inOrder(Collection<TensorEntry> tensors) {
    Comparator<TensorEntry> byName =
        (a, b) -> Arrays.compareUnsigned(utf8(a.name()), utf8(b.name()));
    return tensors.stream()
        .sorted(
            Comparator.comparing(TensorEntry::type, Comparator.reverseOrder())
                .thenComparing(byName))
        .toList();
  }

  /** The bytes in front of the tensors. */
  public byte[] header() {
    return header.clone();
  }

  /** The tensors in the order of their bytes, which begin after the header. */
  public List<TensorEntry> entries() {
    return entries;
  }

  /** Size of the file. */
  public long bytes() {
    return entries.isEmpty() ? header.length : entries.getLast().end();
  }

  private static byte[] header(Map<String, String> metadata, List<TensorEntry> entries) {
    StringBuilder text = new StringBuilder("{");
    if (!metadata.isEmpty()) {
      JsonText.object(text.append('"').append(Header.METADATA).append("\":"), metadata);
    }
    for (TensorEntry entry : entries) {
      JsonText.quote(text.append(text.length() > 1 ? "," : ""), entry.name());
      text.append(":{\"dtype\":\"").append(entry.type());
      JsonText.array(text.append("\",\"shape\":"), entry.shape());
      JsonText.array(text.append(",\"data_offsets\":"), entry.begin(), entry.end());
      text.append('}');
    }
    byte[] json = utf8(text.append('}').toString());
    int length = (json.length + 7) & -8; // so that the data begins at a multiple of 8
    if (length > Header.MAX_BYTES) {
      throw new IllegalArgumentException(
          "names and metadata make a header of " + length + " bytes, too long");
    }
    ByteBuffer out = ByteBuffer.allocate(Header.LENGTH_BYTES + length);
    out.order(ByteOrder.LITTLE_ENDIAN).putLong(length).put(json);
    Arrays.fill(out.array(), out.position(), out.capacity(), (byte) ' ');
    return out.array();
  }

  /** The bytes of a text; refuses what is not Unicode. */
  static byte[] utf8(String text) {
    try {
      ByteBuffer out = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(text));
      byte[] bytes = new byte[out.remaining()];
      out.get(bytes);
      return bytes;
    } catch (CharacterCodingException e) {
      throw new IllegalArgumentException("half of a surrogate pair in " + JsonText.quote(text), e);
    }
  }
}

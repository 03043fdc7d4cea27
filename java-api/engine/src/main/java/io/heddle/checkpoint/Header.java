package io.heddle.checkpoint;

import io.heddle.checkpoint.SafetensorsException.Fault;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a file's header says, checked against the file: the tensors' bytes cover everything after
 * the header, each has the size of its dtype and shape, and none overlap.
 *
 * @param metadata the free text entries, in the header's order
 * @param entries the tensors in the order of their bytes
 */
record Header(Map<String, String> metadata, List<TensorEntry> entries) {
  /** Most bytes of a header, by the format's description. */
  static final long MAX_BYTES = 100_000_000;

  /** The key of the free text entries: no tensor can have this name. */
  static final String METADATA = "__metadata__";

  /** Bytes of the length in front of the header. */
  static final int LENGTH_BYTES = 8;

  // The format sets no limit; this one keeps a hostile header from growing a huge array.
  private static final int MAX_RANK = 255;
  private static final ValueLayout.OfLong LENGTH =
      ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  /** Reads and checks the header of {@code file}, the whole file; {@code name} is for messages. */
  static Header read(MemorySegment file, String name) {
    long size = file.byteSize();
    if (size < LENGTH_BYTES) {
      throw new SafetensorsException(
          Fault.HEADER_TOO_SMALL,
          name + " has " + size + " bytes: too few for the length of a header");
    }
    long length = file.get(LENGTH, 0);
    if (length < 0 || length > MAX_BYTES) {
      throw new SafetensorsException(
          Fault.HEADER_TOO_LARGE,
          name
              + " claims a header of "
              + Long.toUnsignedString(length)
              + " bytes; the format allows "
              + MAX_BYTES);
    }
    if (length > size - LENGTH_BYTES) {
      throw new SafetensorsException(
          Fault.INVALID_HEADER_LENGTH,
          name + " claims a header of " + length + " bytes and has " + size + " in all");
    }
    // A copy: what is checked cannot change under our hands when another process writes to the
    // file.
    byte[] text = file.asSlice(LENGTH_BYTES, length).toArray(ValueLayout.JAVA_BYTE);
    Parser parser = new Parser(name, text, LENGTH_BYTES + length);
    parser.read();
    return parser.check(size);
  }

  /** Reads the JSON; offsets are made absolute. */
  private static final class Parser {
    private final String name;
    private final HeaderJson json;
    private final long dataBegin;
    private final Map<String, String> metadata = new LinkedHashMap<>();
    private final List<TensorEntry> entries = new ArrayList<>();

    Parser(String name, byte[] text, long dataBegin) {
      this.name = name;
      this.json = new HeaderJson(text, "header of " + name, Fault.INVALID_HEADER);
      this.dataBegin = dataBegin;
    }

    void read() {
      json.object(
          key -> {
            if (key.equals(METADATA)) {
              json.object(k -> metadata.put(k, json.string()));
            } else {
              entries.add(entry(key));
            }
          });
      json.end();
    }

    private TensorEntry entry(String tensor) {
      var fields =
          new Object() {
            @Nullable StorageType type;
            long @Nullable [] shape;
            long @Nullable [] offsets;
          };
      json.object(
          key -> {
            switch (key) {
              case "dtype" -> fields.type = type(tensor);
              case "shape" -> fields.shape = numbers(tensor, "dimensions", MAX_RANK);
              case "data_offsets" -> fields.offsets = numbers(tensor, "data_offsets", 2);
              // The reference implementation reads over fields that it does not know.
              default -> json.skip();
            }
          });
      long[] offsets = fields.offsets;
      if (fields.type == null || fields.shape == null || offsets == null) {
        throw json.fail(quoted(tensor) + " needs dtype, shape and data_offsets");
      }
      if (offsets.length != 2) {
        throw json.fail(quoted(tensor) + " needs two data_offsets");
      }
      long room = Long.MAX_VALUE - dataBegin;
      if (offsets[0] < 0 || offsets[1] < 0 || offsets[0] > room || offsets[1] > room) {
        throw new SafetensorsException(
            Fault.INVALID_OFFSET, tensor(tensor) + " has data_offsets that do not fit 63 bits");
      }
      return new TensorEntry(
          tensor, fields.type, fields.shape, dataBegin + offsets[0], dataBegin + offsets[1]);
    }

    private StorageType type(String tensor) {
      String text = json.string();
      StorageType type = StorageType.byName(text);
      if (type == null) {
        throw json.fail(quoted(tensor) + " has the unknown dtype " + JsonText.quote(text));
      }
      return type;
    }

    private long[] numbers(String tensor, String kind, int most) {
      long[] numbers = new long[most];
      int[] n = {0};
      json.array(
          () -> {
            if (n[0] == most) {
              throw json.fail(quoted(tensor) + " has more than " + most + " " + kind);
            }
            numbers[n[0]++] = json.unsigned();
          });
      return Arrays.copyOf(numbers, n[0]);
    }

    Header check(long fileSize) {
      entries.sort(
          Comparator.comparingLong(TensorEntry::begin).thenComparingLong(TensorEntry::end));
      long end = dataBegin;
      for (TensorEntry entry : entries) {
        if (entry.begin() != end || entry.end() < entry.begin()) {
          throw new SafetensorsException(
              Fault.INVALID_OFFSET,
              tensor(entry.name())
                  + " has data_offsets "
                  + range(entry)
                  + "; expected them to begin at "
                  + (end - dataBegin)
                  + " and not to end before");
        }
        checkSize(entry);
        end = entry.end();
      }
      if (end != fileSize) {
        throw new SafetensorsException(
            Fault.METADATA_INCOMPLETE_BUFFER,
            name + " has " + fileSize + " bytes; header and tensors make " + end);
      }
      return new Header(
          Collections.unmodifiableMap(metadata), Collections.unmodifiableList(entries));
    }

    private void checkSize(TensorEntry entry) {
      String what = entry.type() + " " + Arrays.toString(entry.shape());
      long bits;
      try {
        bits = entry.type().bits(entry.shape());
      } catch (ArithmeticException | IllegalArgumentException e) { // 2^63 and more read as -1
        throw new SafetensorsException(
            Fault.VALIDATION_OVERFLOW,
            tensor(entry.name()) + " is " + what + ": its size does not fit 63 bits");
      }
      if (bits % 8 != 0) {
        throw new SafetensorsException(
            Fault.MISALIGNED_SLICE,
            tensor(entry.name()) + " is " + what + ": " + bits + " bits are not whole bytes");
      }
      if (bits / 8 != entry.bytes()) {
        throw new SafetensorsException(
            Fault.TENSOR_INVALID_INFO,
            tensor(entry.name())
                + " is "
                + what
                + ", which takes "
                + bits / 8
                + " bytes, and has data_offsets "
                + range(entry));
      }
    }

    private String range(TensorEntry entry) {
      return "[" + (entry.begin() - dataBegin) + ", " + (entry.end() - dataBegin) + ")";
    }

    private String tensor(String tensor) {
      return name + ": tensor " + quoted(tensor);
    }

    private static String quoted(String tensor) {
      return JsonText.quote(tensor);
    }
  }
}

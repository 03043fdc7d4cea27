package io.heddle.checkpoint;

import static io.heddle.checkpoint.TestFiles.file;
import static io.heddle.checkpoint.TestFiles.header;
import static io.heddle.checkpoint.TestFiles.member;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.checkpoint.SafetensorsException.Fault;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Damaged and malicious files: each is refused with the right fault, and never with anything else.
 */
class HostileFilesTest {
  private static final String GOOD =
      header(
          "\"__metadata__\":{\"format\":\"pt\"}",
          member("a", "F32", "2,3", "0,24"),
          member("b", "BF16", "", "24,26"),
          member("c", "F4", "4", "26,28"),
          member("none", "I64", "0,7", "28,28"));

  private final Path folder;

  HostileFilesTest(@TempDir Path folder) {
    this.folder = folder;
  }

  static Stream<Arguments> offsets() {
    return Stream.of(
        // One tensor of four bytes of data, wrong in one way.
        one(Fault.INVALID_OFFSET, "hole at the start", member("a", "U8", "3", "1,4")),
        one(Fault.INVALID_OFFSET, "end before begin", member("a", "U8", "4", "4,0")),
        one(Fault.INVALID_OFFSET, "offset 2^63", member("a", "U8", "4", "0,9223372036854775808")),
        one(Fault.INVALID_OFFSET, "offset 2^63-1", member("a", "U8", "4", "0,9223372036854775807")),
        one(Fault.INVALID_OFFSET, "begin 2^64-1", member("a", "U8", "4", "18446744073709551615,4")),
        one(
            Fault.INVALID_OFFSET,
            "overlap",
            member("a", "U8", "3", "0,3"),
            member("b", "U8", "2", "2,4")),
        one(
            Fault.INVALID_OFFSET,
            "hole",
            member("a", "U8", "1", "0,1"),
            member("b", "U8", "2", "2,4")),
        one(
            Fault.INVALID_OFFSET,
            "same bytes twice",
            member("a", "U8", "4", "0,4"),
            member("b", "U8", "4", "0,4")),
        one(
            Fault.INVALID_OFFSET,
            "second ends before it begins",
            member("a", "U8", "4", "0,4"),
            member("b", "U8", "2", "4,2")));
  }

  static Stream<Arguments> sizes() {
    String max = "9223372036854775807";
    return Stream.of(
        one(Fault.TENSOR_INVALID_INFO, "shape too small", member("a", "U8", "3", "0,4")),
        one(Fault.TENSOR_INVALID_INFO, "shape too large", member("a", "U8", "5", "0,4")),
        one(Fault.TENSOR_INVALID_INFO, "zero size", member("a", "U8", "0", "0,4")),
        one(Fault.METADATA_INCOMPLETE_BUFFER, "rest", member("a", "U8", "3", "0,3")),
        one(Fault.METADATA_INCOMPLETE_BUFFER, "short", member("a", "U8", "5", "0,5")),
        one(
            Fault.METADATA_INCOMPLETE_BUFFER,
            "far",
            member("a", "U8", "1000000000000", "0,1000000000000")),
        one(Fault.METADATA_INCOMPLETE_BUFFER, "no tensor at all"),
        one(
            Fault.VALIDATION_OVERFLOW,
            "product",
            member("a", "U8", "4294967296,4294967296", "0,4")),
        one(Fault.VALIDATION_OVERFLOW, "bits", member("a", "U8", max, "0,4")),
        one(
            Fault.VALIDATION_OVERFLOW,
            "dimension",
            member("a", "U8", "18446744073709551615", "0,4")),
        one(Fault.VALIDATION_OVERFLOW, "before a 0", member("a", "U8", max + ",9,0", "0,4")),
        one(Fault.MISALIGNED_SLICE, "three nibbles", member("a", "F4", "7", "0,4")),
        one(Fault.MISALIGNED_SLICE, "six bits", member("a", "F6_E2M3", "5", "0,4")));
  }

  static Stream<Arguments> fields() {
    return Stream.of(
        bad("unknown dtype", member("a", "F31", "4", "0,4")),
        bad("lower case dtype", member("a", "u8", "4", "0,4")),
        bad("negative offset", member("a", "U8", "4", "-4,0")),
        bad("negative dimension", member("a", "U8", "-4", "0,4")),
        bad("minus zero", member("a", "U8", "-0", "0,4")),
        bad("fraction", member("a", "U8", "4.0", "0,4")),
        bad("exponent", member("a", "U8", "4e0", "0,4")),
        bad("leading zero", member("a", "U8", "04", "0,4")),
        bad("dimension 2^64", member("a", "U8", "18446744073709551616", "0,4")),
        bad("long number", member("a", "U8", "1".repeat(5000), "0,4")),
        bad("one offset", member("a", "U8", "4", "0")),
        bad("three offsets", member("a", "U8", "4", "0,4,4")),
        bad("no offsets", member("a", "U8", "4", "")),
        bad("256 dimensions", member("a", "U8", "1,".repeat(255) + "4", "0,4")),
        bad("no dtype", "\"a\":{\"shape\":[4],\"data_offsets\":[0,4]}"),
        bad("no shape", "\"a\":{\"dtype\":\"U8\",\"data_offsets\":[0,4]}"),
        bad("no data_offsets", "\"a\":{\"dtype\":\"U8\",\"shape\":[4]}"),
        bad(
            "dtype twice",
            "\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}"),
        bad("tensor twice", member("a", "U8", "4", "0,4"), member("a", "U8", "0", "4,4")),
        bad("twice, escaped", member("a", "U8", "4", "0,4"), member("\\u0061", "U8", "0", "4,4")));
  }

  static Stream<Arguments> texts() {
    return Stream.of(
        bad("metadata twice", "\"__metadata__\":{},\"__metadata__\":{}"),
        bad("metadata key twice", "\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}"),
        bad("metadata number", "\"__metadata__\":{\"k\":1}"),
        bad("metadata object", "\"__metadata__\":{\"k\":{}}"),
        bad("metadata null", "\"__metadata__\":null"),
        bad("tensor null", "\"a\":null"),
        bad("tensor list", "\"a\":[\"U8\",[4],[0,4]]"),
        bad("bad unknown field", "\"a\":{\"x\":tru}"),
        bad("half pair", member("\\ud83d", "U8", "4", "0,4")),
        bad("half pair and a letter", member("\\ud83d\\u0061", "U8", "4", "0,4")),
        bad("low half first", member("\\ude00\\ud83d", "U8", "4", "0,4")),
        bad("half an escape", member("\\u00", "U8", "4", "0,4")),
        bad("unknown escape", member("\\x", "U8", "4", "0,4")),
        bad("line break in a name", member("a\nb", "U8", "4", "0,4")),
        bad("comma at the end", member("a", "U8", "4", "0,4") + ","),
        bad("comma in a shape", member("a", "U8", "4,", "0,4")));
  }

  private static Arguments one(Fault fault, String what, String... members) {
    return Arguments.of(what, fault, file(header(members), 4));
  }

  private static Arguments bad(String what, String... members) {
    return one(Fault.INVALID_HEADER, what, members);
  }

  @ParameterizedTest(name = "{0}: {1}")
  @MethodSource({"offsets", "sizes", "fields", "texts"})
  void damaged(String what, Fault fault, byte[] bytes) {
    assertFault(fault, bytes);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"", " ", "{", "}", "[]", "null", "1", "\"a\"", "{}x", "{}{}", "{}\0", "\uFEFF{}"})
  void notAnObject(String header) {
    assertFault(Fault.INVALID_HEADER, file(header, 0));
  }

  @Test
  void notUtf8() {
    String good = header(member("na", "U8", "4", "0,4"));
    for (byte[] bad :
        new byte[][] {
          {(byte) 0xff, 'a'},
          {(byte) 0xc0, (byte) 0xaf}, // "/" in two bytes
          {(byte) 0xed, (byte) 0xa0}, // a surrogate
          {'n', (byte) 0xc3}
        }) {
      byte[] header = good.getBytes(StandardCharsets.UTF_8);
      System.arraycopy(bad, 0, header, 2, 2);
      assertFault(Fault.INVALID_HEADER, file(header, 4));
    }
  }

  @Test
  void deepNesting() {
    String deep = "[".repeat(5_000_000);
    assertFault(Fault.INVALID_HEADER, file(deep, 0));
    assertFault(Fault.INVALID_HEADER, file("{\"a\":{\"x\":" + deep, 0));
    assertFault(Fault.INVALID_HEADER, file("{\"a\":".repeat(1_000_000), 0));
    String x = "\"x\":" + "[".repeat(20) + "]".repeat(20) + ",\"dtype\"";
    String fits = header(member("a", "U8", "4", "0,4")).replace("\"dtype\"", x);
    assertEquals(1, TestFiles.read(file(fits, 4)).entries().size());
  }

  @Test
  void claimsOfLength() throws IOException {
    assertFault(Fault.HEADER_TOO_LARGE, claim(100_000_001));
    assertFault(Fault.HEADER_TOO_LARGE, claim(Long.MAX_VALUE));
    assertFault(Fault.HEADER_TOO_LARGE, claim(-1));
    assertFault(Fault.HEADER_TOO_LARGE, claim(Long.MIN_VALUE));
    assertFault(Fault.INVALID_HEADER_LENGTH, claim(100_000_000));
    assertFault(Fault.INVALID_HEADER_LENGTH, claim(9));
    assertFault(Fault.INVALID_HEADER, claim(8));
    assertFault(Fault.INVALID_HEADER, claim(0));
    Path path = Files.write(folder.resolve("claim"), claim(100_000_000));
    var e = assertThrows(SafetensorsException.class, () -> SafetensorsFile.open(path));
    assertEquals(path + " claims a header of 100000000 bytes and has 16 in all", e.getMessage());
  }

  @Test
  void truncatedAtEveryByte() throws IOException {
    byte[] whole = file(GOOD, 28);
    Path path = folder.resolve("cut.safetensors");
    for (int n = 0; n < whole.length; n++) {
      Files.write(path, Arrays.copyOf(whole, n));
      var e = assertThrows(SafetensorsException.class, () -> SafetensorsFile.open(path).close());
      Fault fault =
          n < 8
              ? Fault.HEADER_TOO_SMALL
              : n < whole.length - 28
                  ? Fault.INVALID_HEADER_LENGTH
                  : Fault.METADATA_INCOMPLETE_BUFFER;
      assertEquals(fault, e.fault(), "cut to " + n);
    }
    Files.write(path, Arrays.copyOf(whole, whole.length + 1));
    var e = assertThrows(SafetensorsException.class, () -> SafetensorsFile.open(path));
    assertEquals(Fault.METADATA_INCOMPLETE_BUFFER, e.fault());
  }

  @Test
  void unusualButValid() {
    Header header =
        TestFiles.read(
            file(
                " \t\n\r{ \"b\" : { \"data_offsets\":[1 , 2],\"shape\":[],\"dtype\":\"U8\" } , "
                    + member("z", "F32", "0", "1,1")
                    + ","
                    + member("\\ud83d\\ude00\\n", "U8", "1,1,1,1,1,1,1,1", "0,1")
                    + ","
                    + member("new", "I8", "0", "2,2")
                        .replace("}", ",\"future\":[{\"a\":-1.5e+3},null,true,false,\"\"]}")
                    + "} \n ",
                2));
    var names = header.entries().stream().map(TensorEntry::name).toList();
    assertEquals(List.of("\ud83d\ude00\n", "z", "b", "new"), names);
    assertArrayEquals(new long[0], header.entries().get(2).shape());
    assertEquals(1, header.entries().get(2).elements());
    assertEquals(0, header.entries().get(1).bytes());
  }

  @Test
  void notAFile() {
    assertThrows(NoSuchFileException.class, () -> SafetensorsFile.open(folder.resolve("none")));
    assertThrows(FileSystemException.class, () -> SafetensorsFile.open(folder));
  }

  @Test
  void messageNamesFileTensorAndNumbers() {
    var e =
        assertThrows(
            SafetensorsException.class,
            () -> TestFiles.read(file(header(member("w", "F32", "2,2", "0,4")), 4)));
    assertEquals(
        "test file: tensor \"w\" is F32 [2, 2], which takes 16 bytes, and has data_offsets [0, 4)",
        e.getMessage());
  }

  @Test
  void mutationsOpenOrAreRefused() {
    byte[] good = file(GOOD, 28);
    assertTimeout(
        Duration.ofSeconds(60),
        () -> {
          int opened = 0;
          for (int i = 0; i < 20_000; i++) {
            byte[] bytes = mutate(good, new Random(i));
            try {
              check(TestFiles.read(bytes), bytes.length);
              opened++;
            } catch (SafetensorsException e) {
              assertTrue(e.toString().contains("test file"), e.toString());
            } catch (Throwable e) {
              throw new AssertionError("seed " + i, e);
            }
          }
          assertTrue(opened > 500, opened + " files opened");
        });
  }

  // The same through a mapping: what is opened can be read to the last byte.
  @Test
  void mutatedFilesOpenOrAreRefused() throws IOException {
    byte[] good = file(GOOD, 28);
    Path path = folder.resolve("mutated.safetensors");
    for (int i = 0; i < 500; i++) {
      Files.write(path, mutate(good, new Random(i)));
      try (SafetensorsFile open = SafetensorsFile.open(path)) {
        for (TensorEntry entry : open.entries()) {
          open.segment(entry.name()).asByteBuffer().get(new byte[(int) entry.bytes()]);
        }
      } catch (SafetensorsException e) {
        assertTrue(e.toString().contains(path.toString()));
      }
    }
  }

  private static byte[] mutate(byte[] good, Random random) {
    byte[] bytes = good.clone();
    for (int n = 1 + random.nextInt(3); n > 0; n--) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(6)) {
        case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> bytes[at] = (byte) random.nextInt(256);
        case 2 -> bytes[at] = (byte) "{}[]\",:0123456789-.eE\\u ".charAt(random.nextInt(24));
        case 3 -> bytes = Arrays.copyOf(bytes, at + 1);
        case 4 -> { // a piece over another
          int from = random.nextInt(bytes.length);
          int length = Math.min(random.nextInt(20), bytes.length - Math.max(at, from));
          System.arraycopy(bytes, from, bytes, at, length);
        }
        default -> { // a digit becomes another, so that sizes change and syntax does not
          for (int i = 0; i < bytes.length; i++) {
            int j = (at + i) % bytes.length;
            if (bytes[j] >= '0' && bytes[j] <= '9') {
              bytes[j] = (byte) ('0' + random.nextInt(10));
              break;
            }
          }
        }
      }
    }
    return bytes;
  }

  private static void check(Header header, long size) {
    long at = -1;
    for (TensorEntry entry : header.entries()) {
      assertTrue(at < 0 || entry.begin() == at);
      at = entry.end();
      assertEquals(entry.type().bytes(entry.shape()), entry.bytes());
    }
    assertTrue(at < 0 || at == size);
  }

  private static byte[] claim(long length) {
    return ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(length).array();
  }

  private static void assertFault(Fault fault, byte[] bytes) {
    var e = assertThrows(SafetensorsException.class, () -> TestFiles.read(bytes));
    assertEquals(fault, e.fault(), e.getMessage());
  }
}

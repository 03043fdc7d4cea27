package io.heddle.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Decoding against the formats' definitions, encoding against a search of the nearest number. */
class FloatCodecTest {
  private static double read(StorageType type, long bits) {
    byte[] bytes = new byte[8];
    for (int i = 0; i < 8; i++) {
      bytes[i] = (byte) (bits >>> (8 * i));
    }
    double[] out = new double[1];
    FloatCodec.decode(MemorySegment.ofArray(bytes), 0, type, out, 1);
    return out[0];
  }

  private static int mantissa(StorageType type) {
    return switch (type) {
      case F16 -> 10;
      case BF16 -> 7;
      case F8_E4M3 -> 3;
      case F8_E5M2 -> 2;
      default -> throw new IllegalArgumentException();
    };
  }

  private static double defined(StorageType type, int code) {
    int m = mantissa(type);
    int e = type.bits() - 1 - m;
    int bias = (1 << (e - 1)) - 1;
    int exponent = (code >> m) & ((1 << e) - 1);
    int fraction = code & ((1 << m) - 1);
    double sign = ((code >> (type.bits() - 1)) & 1) == 1 ? -1 : 1;
    if (type == StorageType.F8_E4M3 ? (code & 0x7f) == 0x7f : exponent == (1 << e) - 1) {
      boolean infinite = type != StorageType.F8_E4M3 && fraction == 0;
      return infinite ? sign * Double.POSITIVE_INFINITY : Double.NaN;
    }
    return sign
        * (exponent == 0
            ? fraction * Math.pow(2, 1 - bias - m)
            : (1 + fraction * Math.pow(2, -m)) * Math.pow(2, exponent - bias));
  }

  @ParameterizedTest
  @EnumSource(
      value = StorageType.class,
      names = {"F16", "BF16", "F8_E4M3", "F8_E5M2"})
  void decodesEveryCode(StorageType type) {
    for (int code = 0; code < 1 << type.bits(); code++) {
      assertEquals(defined(type, code), read(type, code), type + " " + code);
    }
  }

  @ParameterizedTest
  @EnumSource(
      value = StorageType.class,
      names = {"F16", "BF16", "F8_E4M3", "F8_E5M2"})
  void roundsToTheNearestTiesToEven(StorageType type) {
    double[] numbers = // those that are not negative, ascending with their codes
        IntStream.range(0, 1 << (type.bits() - 1))
            .mapToDouble(code -> defined(type, code))
            .filter(Double::isFinite)
            .toArray();
    Random random = new Random(1);
    double largest = numbers[numbers.length - 1];
    double previous = 0;
    int checked = 0;
    for (double number : numbers) {
      double tie = previous / 2 + number / 2;
      double inside = previous + random.nextDouble() * (number - previous);
      for (double x :
          new double[] {number, tie, Math.nextUp(tie), Math.nextDown(tie), inside, -tie, -inside}) {
        double a = Math.abs(x);
        int found = Arrays.binarySearch(numbers, a);
        int low = found >= 0 ? found : -found - 2;
        int high = found >= 0 ? found : low + 1;
        double down = a - numbers[low];
        double up = numbers[high] - a;
        double nearest = numbers[down < up || (down == up && low % 2 == 0) ? low : high];
        assertEquals(Math.copySign(nearest, x), FloatCodec.rounded(x, type), type + " " + x);
        checked++;
      }
      previous = number;
    }
    assertTrue(checked > 7 * 100);
    double step = largest - numbers[numbers.length - 2];
    double tie = largest + step / 2;
    assertEquals(largest, FloatCodec.rounded(Math.nextDown(tie), type));
    boolean none = type == StorageType.F8_E4M3;
    double beyond = FloatCodec.rounded(Math.nextUp(tie), type);
    assertTrue(none ? Double.isNaN(beyond) : beyond == Double.POSITIVE_INFINITY);
    assertEquals(none ? largest : Double.POSITIVE_INFINITY, FloatCodec.rounded(tie, type));
    assertTrue(Double.isNaN(FloatCodec.rounded(Double.NaN, type)));
    assertTrue(!Double.isFinite(FloatCodec.rounded(1e300, type)));
    assertEquals(
        Double.doubleToRawLongBits(-0.0),
        Double.doubleToRawLongBits(FloatCodec.rounded(-1e-300, type)));
  }

  @ParameterizedTest
  @EnumSource(
      value = StorageType.class,
      names = {"F64", "F32"})
  void wideTypesAreJavas(StorageType type) {
    Random random = new Random(2);
    for (int i = 0; i < 10_000; i++) {
      double x = Double.longBitsToDouble(random.nextLong());
      double expected = type == StorageType.F64 ? x : (float) x;
      assertEquals(expected, FloatCodec.rounded(x, type));
    }
    assertEquals(1.5, read(StorageType.F64, Double.doubleToRawLongBits(1.5)));
  }
}

package io.heddle.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.MemorySegment;
import java.util.Random;
import java.util.TreeMap;
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
    TreeMap<Double, Integer> numbers = new TreeMap<>(); // those that are not negative
    for (int code = 0; code < 1 << (type.bits() - 1); code++) {
      double value = defined(type, code);
      if (Double.isFinite(value)) {
        numbers.put(value, code);
      }
    }
    Random random = new Random(1);
    double largest = numbers.lastKey();
    double previous = 0;
    int checked = 0;
    for (double number : numbers.keySet()) {
      double tie = previous / 2 + number / 2;
      double inside = previous + random.nextDouble() * (number - previous);
      for (double x :
          new double[] {number, tie, Math.nextUp(tie), Math.nextDown(tie), inside, -tie, -inside}) {
        double a = Math.abs(x);
        double low = numbers.floorKey(a);
        Double up = numbers.ceilingKey(a);
        double high = up == null ? low : up;
        boolean even = numbers.get(low) % 2 == 0;
        double nearest = a - low < high - a || (a - low == high - a && even) ? low : high;
        assertEquals(Math.copySign(nearest, x), FloatCodec.rounded(x, type), type + " " + x);
        checked++;
      }
      previous = number;
    }
    assertTrue(checked > 7 * 100);
    double step = largest - numbers.lowerKey(largest);
    double tie = largest + step / 2;
    assertEquals(largest, FloatCodec.rounded(Math.nextDown(tie), type));
    boolean none = type == StorageType.F8_E4M3;
    double beyond = FloatCodec.rounded(Math.nextUp(tie), type);
    assertTrue(none ? Double.isNaN(beyond) : beyond == Double.POSITIVE_INFINITY);
    assertEquals(none ? largest : Double.POSITIVE_INFINITY, FloatCodec.rounded(tie, type));
    assertTrue(Double.isNaN(FloatCodec.rounded(Double.NaN, type)));
    assertTrue(!Double.isFinite(FloatCodec.rounded(1e300, type)));
    assertEquals(Double.doubleToRawLongBits(-0.0),
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

package io.heddle.cli;

import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/**
 * Reads a number of bytes: {@code 512m}, {@code 2g}, {@code 1.5GiB}; units are powers of 1024. And
 * writes one.
 */
final class ByteCount implements ITypeConverter<Long> {
  private static final String[] UNITS = {"KiB", "MiB", "GiB", "TiB"};

  ByteCount() {}

  /** {@code bytes} in the largest unit of which there is one at least: {@code 1.5 GiB}. */
  static String of(long bytes) {
    if (bytes < 1024) {
      return bytes + " bytes";
    }
    double value = bytes / 1024.0;
    int unit = 0;
    while (value >= 1024 && unit < UNITS.length - 1) {
      value /= 1024;
      unit++;
    }
    return String.format(Locale.ROOT, "%.1f %s", value, UNITS[unit]);
  }

  @Override
  public Long convert(String text) {
    String lower = text.strip().toLowerCase(Locale.ROOT).replaceFirst("(?<=[kmgt])i?b$", "");
    int unit = lower.isEmpty() ? -1 : "kmgt".indexOf(lower.charAt(lower.length() - 1));
    String number = unit < 0 ? lower : lower.substring(0, lower.length() - 1);
    try {
      double bytes = Double.parseDouble(number) * Math.pow(1024, unit + 1);
      if (bytes >= 1 && bytes <= Long.MAX_VALUE) {
        return (long) bytes;
      }
    } catch (NumberFormatException e) {
      // said below
    }
    throw new TypeConversionException("'" + text + "' is not a number of bytes such as 512m or 2g");
  }
}

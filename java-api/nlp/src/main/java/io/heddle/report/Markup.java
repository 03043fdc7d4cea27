package io.heddle.report;

import java.util.Locale;

/** Text and numbers as they stand on the page. */
final class Markup {
  private Markup() {}

  /** Text made safe for element content and for attribute values in double quotes. */
  static String escape(String text) {
    StringBuilder safe = new StringBuilder(text.length() + 16);
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      switch (c) {
        case '&' -> safe.append("&amp;");
        case '<' -> safe.append("&lt;");
        case '>' -> safe.append("&gt;");
        case '"' -> safe.append("&quot;");
        case '\'' -> safe.append("&#39;");
        default -> safe.append(isPrintable(c) ? c : '\uFFFD');
      }
    }
    return safe.toString();
  }

  // HTML and XML forbid most control characters, escaped or not.
  private static boolean isPrintable(char c) {
    return c >= ' ' || c == '\n' || c == '\t';
  }

  /** A number for a table: four significant digits, thousands apart, no digit that says nothing. */
  static String number(double value) {
    if (!Double.isFinite(value)) {
      return Double.isNaN(value) ? "\u2013" : value > 0 ? "\u221E" : "-\u221E";
    }
    double size = Math.abs(value);
    if (value == Math.rint(value) && size < 1e15) {
      return String.format(Locale.ROOT, "%,d", (long) value);
    }
    if (size < 1e-3 || size >= 1e15) {
      return scientific(value);
    }
    int decimals = Math.max(0, 3 - (int) Math.floor(Math.log10(size)));
    return shorten(String.format(Locale.ROOT, "%,." + decimals + "f", value));
  }

  /** A number for an axis: as short as it can be, 12k for 12000. */
  static String tick(double value) {
    double size = Math.abs(value);
    if (size != 0 && size < 1e-3) {
      return scientific(value);
    }
    String[] units = {"", "k", "M", "G", "T"};
    int unit = 0;
    double scaled = value;
    // 2,500 reads well and often stands beside 500, so the first unit starts at ten thousand.
    while (Math.abs(scaled) >= (unit == 0 ? 10_000 : 1000) && unit < units.length - 1) {
      scaled /= 1000;
      unit++;
    }
    return shorten(String.format(Locale.ROOT, "%,.4f", scaled)) + units[unit];
  }

  private static String scientific(double value) {
    String[] parts = String.format(Locale.ROOT, "%.3e", value).split("e", 2);
    return shorten(parts[0]) + "e" + Integer.parseInt(parts[1]);
  }

  private static String shorten(String decimal) {
    if (decimal.indexOf('.') < 0) {
      return decimal;
    }
    String cut = decimal.replaceAll("0+$", "").replaceAll("\\.$", "");
    return cut.equals("-0") ? "0" : cut;
  }
}

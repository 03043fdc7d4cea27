package io.heddle.checkpoint;

import io.heddle.checkpoint.SafetensorsException.Fault;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.Set;

/**
 * A strict reader of JSON (RFC 8259) for headers and shard indexes: the caller says what it expects
 * next and gets it or a {@link SafetensorsException}. Refused besides bad syntax: text that is not
 * UTF-8, lone surrogates, duplicate keys, and more than {@link #MAX_DEPTH} levels. Memory in
 * proportion to the text.
 */
final class HeaderJson {
  /** Most objects and arrays inside each other; the format itself needs three. */
  static final int MAX_DEPTH = 32;

  /** Receives the members of an object and must read the value of each. */
  @FunctionalInterface
  interface Member {
    /** Reads the value that belongs to {@code key}. */
    void read(String key);
  }

  /** Must read one element of an array. */
  @FunctionalInterface
  interface Element {
    /** Reads the element. */
    void read();
  }

  private final byte[] text;
  private final String what;
  private final Fault fault;
  private int at;
  private int depth;

  /**
   * At the start of {@code text}.
   *
   * @param what what is being read, for messages: "header of FILE"
   * @param fault the kind of fault to report
   */
  HeaderJson(byte[] text, String what, Fault fault) {
    this.text = text;
    this.what = what;
    this.fault = fault;
    checkUtf8();
    space();
  }

  /** Reads an object; keys must not repeat. */
  void object(Member member) {
    open('{', "an object");
    Set<String> seen = new HashSet<>();
    if (!take('}')) {
      do {
        String key = string();
        if (!seen.add(key)) {
          throw fail("the key " + JsonText.quote(key) + " comes twice");
        }
        expect(':');
        member.read(key);
      } while (take(','));
      expect('}');
    }
    depth--;
  }

  /** Reads an array. */
  void array(Element element) {
    open('[', "an array");
    if (!take(']')) {
      do {
        element.read();
      } while (take(','));
      expect(']');
    }
    depth--;
  }

  /** Reads a string. */
  String string() {
    if (peek() != '"') {
      throw fail("expected a string");
    }
    int start = ++at;
    StringBuilder out = null;
    while (true) {
      int c = at < text.length ? text[at] & 0xff : -1;
      if (c < 0x20) {
        throw fail(c < 0 ? "a string does not end" : "a string holds a control character");
      }
      if (c != '"' && c != '\\') {
        at++;
        continue;
      }
      // Runs end at ASCII characters only, so that no character is cut.
      String run = new String(text, start, at - start, StandardCharsets.UTF_8);
      at++;
      if (c == '"') {
        space();
        return out == null ? run : out.append(run).toString();
      }
      out = (out == null ? new StringBuilder() : out).append(run);
      escape(out);
      start = at;
    }
  }

  /**
   * Reads a whole number below 2^64, without sign, point or exponent; -1 stands for 2^63 and more.
   */
  long unsigned() {
    int start = at;
    digits("a whole number that is not negative");
    int c = peek();
    if (c == '.' || c == 'e' || c == 'E') {
      throw fail("expected a whole number");
    }
    String number = new String(text, start, Math.min(at - start, 21), StandardCharsets.US_ASCII);
    space();
    try {
      return Math.max(Long.parseUnsignedLong(number), -1);
    } catch (NumberFormatException e) {
      throw fail("the number " + number + " does not fit 64 bits");
    }
  }

  /** Reads and drops a value of any kind. */
  void skip() {
    int c = peek();
    switch (c) {
      case '{' -> object(key -> skip());
      case '[' -> array(this::skip);
      case '"' -> string();
      case 't' -> word("true");
      case 'f' -> word("false");
      case 'n' -> word("null");
      default -> number();
    }
  }

  /** Checks that nothing but white space is left. */
  void end() {
    if (at < text.length) {
      throw fail("expected the end");
    }
  }

  /** What to throw when the value just read is not what the format asks for. */
  SafetensorsException fail(String why) {
    return new SafetensorsException(fault, what + " is not valid at byte " + at + ": " + why);
  }

  private void open(char bracket, String kind) {
    if (peek() != bracket) {
      throw fail("expected " + kind);
    }
    at++;
    if (++depth > MAX_DEPTH) {
      throw fail("more than " + MAX_DEPTH + " levels");
    }
    space();
  }

  private int peek() {
    return at < text.length ? text[at] : -1;
  }

  private void space() {
    while (at < text.length) {
      byte c = text[at];
      if (c != ' ' && c != '\n' && c != '\r' && c != '\t') {
        return;
      }
      at++;
    }
  }

  private boolean take(char c) {
    if (peek() != c) {
      return false;
    }
    at++;
    space();
    return true;
  }

  private void expect(char c) {
    if (!take(c)) {
      throw fail("expected '" + c + "'");
    }
  }

  private void escape(StringBuilder out) {
    int c = peek();
    at++;
    switch (c) {
      case '"', '\\', '/' -> out.append((char) c);
      case 'b' -> out.append('\b');
      case 'f' -> out.append('\f');
      case 'n' -> out.append('\n');
      case 'r' -> out.append('\r');
      case 't' -> out.append('\t');
      case 'u' -> {
        char first = hex();
        out.append(first);
        if (Character.isSurrogate(first)) {
          boolean pair = at + 1 < text.length && text[at] == '\\' && text[at + 1] == 'u';
          at += 2;
          if (Character.isLowSurrogate(first) || !pair) {
            throw fail("a string holds half of a surrogate pair");
          }
          char second = hex();
          if (!Character.isLowSurrogate(second)) {
            throw fail("a string holds half of a surrogate pair");
          }
          out.append(second);
        }
      }
      default -> throw fail("a string holds an unknown escape");
    }
  }

  private char hex() {
    int value = 0;
    for (int i = 0; i < 4; i++, at++) {
      int digit = Character.digit(peek(), 16);
      if (digit < 0) {
        throw fail("\\u needs four hexadecimal digits");
      }
      value = value * 16 + digit;
    }
    return (char) value;
  }

  private void digits(String kind) {
    int start = at;
    while (peek() >= '0' && peek() <= '9') {
      at++;
    }
    if (at == start) {
      throw fail("expected " + kind);
    }
    if (text[start] == '0' && at > start + 1) {
      throw fail("a number begins with 0");
    }
  }

  /** Reads a number of any form. */
  double number() {
    int start = at;
    if (peek() == '-') {
      at++;
    }
    digits("a value");
    if (peek() == '.') {
      at++;
      tail();
    }
    if (peek() == 'e' || peek() == 'E') {
      at++;
      if (peek() == '+' || peek() == '-') {
        at++;
      }
      tail();
    }
    String number = new String(text, start, at - start, StandardCharsets.US_ASCII);
    space();
    return Double.parseDouble(number);
  }

  private void tail() {
    int start = at;
    while (peek() >= '0' && peek() <= '9') {
      at++;
    }
    if (at == start) {
      throw fail("expected a digit");
    }
  }

  private void word(String word) {
    for (int i = 0; i < word.length(); i++, at++) {
      if (peek() != word.charAt(i)) {
        throw fail("expected a value");
      }
    }
    space();
  }

  private void checkUtf8() {
    CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
    ByteBuffer in = ByteBuffer.wrap(text);
    CharBuffer out = CharBuffer.allocate(Math.clamp(text.length, 16, 8192));
    while (true) {
      CoderResult result = decoder.decode(in, out, true);
      if (result.isError()) {
        at = in.position();
        throw fail("not UTF-8");
      }
      if (result.isUnderflow()) {
        return;
      }
      out.clear();
    }
  }
}

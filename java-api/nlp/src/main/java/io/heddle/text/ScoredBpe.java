package io.heddle.text;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * The tokenizer of llama2.c's {@code tokenizer.bin}: SentencePiece BPE with a score for every piece; neighbours whose joined piece has the
 * best score are joined first, characters outside the vocabulary become bytes, and a space is put in front of the text. File: i32 longest
 * piece; for each piece f32 score, i32 length, bytes.
 */
public final class ScoredBpe implements Tokenizer {
  /** Begins a sequence. */
  public static final int BEGIN = 1;

  private static final int END = 2;
  private static final int FIRST_BYTE = 3;

  private final List<String> pieces = new ArrayList<>();
  private final List<Float> scores = new ArrayList<>();
  private final Map<String, Integer> ids = new HashMap<>();
  private final byte[] file;

  private ScoredBpe(byte[] file, Path source) {
    this.file = file;
    ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    if (in.remaining() >= 4) {
      in.getInt();
    }
    while (in.remaining() >= 8) {
      scores.add(in.getFloat());
      int length = in.getInt();
      if (length < 0 || length > in.remaining()) {
        throw new IllegalArgumentException(source + ": piece " + pieces.size() + " has a length of " + length);
      }
      String piece = new String(file, in.position(), length, StandardCharsets.UTF_8);
      in.position(in.position() + length);
      ids.putIfAbsent(piece, pieces.size());
      pieces.add(piece);
    }
    if (pieces.size() < FIRST_BYTE + 256 || in.hasRemaining()) {
      throw new IllegalArgumentException(source + " is not a llama2.c tokenizer file");
    }
  }

  /** Reads a {@code tokenizer.bin}. */
  public static ScoredBpe load(Path file) throws IOException {
    return new ScoredBpe(Files.readAllBytes(file), file);
  }

  @Override
  public int[] encode(String text) {
    List<Integer> out = new ArrayList<>();
    String spaced = text.isEmpty() ? "" : " " + text;
    spaced.codePoints().forEach(c -> addCharacter(out, new String(Character.toChars(c))));
    while (true) {
      float best = Float.NEGATIVE_INFINITY;
      int at = -1;
      for (int i = 0; i + 1 < out.size(); i++) {
        Integer joined = ids.get(pieces.get(out.get(i)) + pieces.get(out.get(i + 1)));
        if (joined != null && scores.get(joined) > best) {
          best = scores.get(joined);
          at = i;
        }
      }
      if (at < 0) {
        return out.stream().mapToInt(Integer::intValue).toArray();
      }
      int joined = ids.getOrDefault(pieces.get(out.get(at)) + pieces.get(out.get(at + 1)), 0);
      out.set(at, joined);
      out.remove(at + 1);
    }
  }

  private void addCharacter(List<Integer> out, String character) {
    Integer id = ids.get(character);
    if (id != null) {
      out.add(id);
      return;
    }
    for (byte b : character.getBytes(StandardCharsets.UTF_8)) {
      out.add(FIRST_BYTE + (b & 0xff));
    }
  }

  /** As llama2.c prints: the space after the beginning is left out. */
  @Override
  public byte[] decodeBytes(int... tokens) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    int previous = 0;
    for (int token : tokens) {
      if (token >= FIRST_BYTE && token < FIRST_BYTE + 256) {
        out.write(token - FIRST_BYTE);
      } else if (token != BEGIN && token != END) {
        String piece = pieces.get(token);
        boolean lead = previous == BEGIN && piece.startsWith(" ");
        out.writeBytes((lead ? piece.substring(1) : piece).getBytes(StandardCharsets.UTF_8));
      }
      previous = token;
    }
    return out.toByteArray();
  }

  @Override
  public int vocabularySize() {
    return pieces.size();
  }

  @Override
  public String token(int id) {
    return pieces.get(id);
  }

  @Override
  public OptionalInt id(String token) {
    Integer id = ids.get(token);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  @Override
  public OptionalInt endOfText() {
    return OptionalInt.of(END);
  }

  @Override
  public void save(Path folder) throws IOException {
    Files.createDirectories(folder);
    Files.write(folder.resolve("tokenizer.bin"), file);
  }
}

package io.heddle.text;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;

/**
 * The tokenizer of llama2.c's {@code tokenizer.bin}: SentencePiece BPE with a score for every
 * piece. A space is put in front of the text, characters outside the vocabulary become bytes, and
 * neighbours whose joined piece has the best score are joined first. File, little-endian: i32
 * longest piece; for each piece f32 score, i32 length, bytes.
 */
public final class ScoredBpe implements Tokenizer {
  /** Begins a sequence: {@code <s>}. */
  public static final int BEGIN = 1;

  /** Ends a sequence: {@code </s>}. */
  public static final int END = 2;

  private static final int FIRST_BYTE = 3;
  private static final int FIRST_PIECE = FIRST_BYTE + 256;

  private final byte[] file;
  private final List<byte[]> pieces = new ArrayList<>();
  private final Map<String, Integer> ids = new HashMap<>(); // by bytes as ISO 8859-1
  private final PairTable pairs;

  private ScoredBpe(byte[] file, Path source) {
    this.file = file;
    List<Float> scores = new ArrayList<>();
    ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    if (in.remaining() >= 4) {
      in.getInt(); // the longest piece: a buffer size for C
    }
    while (in.remaining() >= 8) {
      scores.add(in.getFloat());
      int length = in.getInt();
      if (length < 0 || length > in.remaining()) {
        throw new IllegalArgumentException(
            source + ": piece " + pieces.size() + " has a length of " + length);
      }
      byte[] piece = new byte[length];
      in.get(piece);
      ids.putIfAbsent(latin(piece), pieces.size());
      pieces.add(piece);
    }
    if (pieces.size() < FIRST_PIECE || in.hasRemaining()) {
      throw new IllegalArgumentException(source + " is not a llama2.c tokenizer file");
    }
    this.pairs = pairs(scores);
  }

  private static String latin(byte[] bytes) {
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  // Every way to cut a piece in two pieces is a merge; equal scores share a rank, and then the
  // leftmost pair goes first, as in llama2.c. Control and byte pieces are never parts of a merge.
  private PairTable pairs(List<Float> scores) {
    float[] best = new float[scores.size()];
    for (int i = 0; i < best.length; i++) {
      best[i] = -scores.get(i);
    }
    Arrays.sort(best);
    PairTable out = new PairTable(pieces.stream().mapToInt(p -> p.length).sum());
    for (int id = FIRST_PIECE; id < pieces.size(); id++) {
      String piece = latin(pieces.get(id));
      if (ids.getOrDefault(piece, -1) != id) {
        continue;
      }
      int rank = first(best, -scores.get(id));
      for (int cut = 1; cut < piece.length(); cut++) {
        int left = ids.getOrDefault(piece.substring(0, cut), -1);
        int right = ids.getOrDefault(piece.substring(cut), -1);
        if (left >= FIRST_PIECE && right >= FIRST_PIECE) {
          out.put(left, right, rank, id);
        }
      }
    }
    return out;
  }

  private static int first(float[] sorted, float value) {
    int at = Arrays.binarySearch(sorted, value);
    while (at > 0 && sorted[at - 1] == value) {
      at--;
    }
    return at;
  }

  /** Reads a {@code tokenizer.bin}. */
  public static ScoredBpe load(Path file) throws IOException {
    return new ScoredBpe(Files.readAllBytes(file), file);
  }

  /**
   * Token ids of {@code text} without {@link #BEGIN}; a text that is not empty gets its space,
   * which decoding leaves out only after a beginning.
   */
  @Override
  public int[] encode(String text) {
    if (text.isEmpty()) {
      return new int[0];
    }
    Ids symbols = new Ids(text.length() + 1);
    (" " + WordScanner.wellFormed(text)).codePoints().forEach(c -> addCharacter(symbols, c));
    int[] all = symbols.toArray();
    return Arrays.copyOf(all, pairs.merge(all, all.length));
  }

  /** {@link #BEGIN} and the ids of {@code text}, as llama2.c feeds its models. */
  @Override
  public int[] prompt(String text) {
    Ids out = new Ids(text.length() / 2);
    out.add(BEGIN);
    out.add(encode(text));
    return out.toArray();
  }

  private void addCharacter(Ids out, int character) {
    byte[] utf8 = Character.toString(character).getBytes(StandardCharsets.UTF_8);
    Integer id = ids.get(latin(utf8));
    if (id != null) {
      out.add(id);
      return;
    }
    for (byte b : utf8) {
      out.add(FIRST_BYTE + (b & 0xff));
    }
  }

  /**
   * As llama2.c prints: the beginning and the end of a sequence are nothing, and the space that
   * follows a beginning is left out.
   */
  @Override
  public byte[] decodeBytes(int... tokens) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(4 * tokens.length);
    int previous = 0;
    for (int token : tokens) {
      byte[] piece = pieces.get(checked(token));
      if (token >= FIRST_BYTE && token < FIRST_PIECE) {
        out.write(token - FIRST_BYTE);
      } else if (token != BEGIN && token != END) {
        int from = previous == BEGIN && piece.length > 0 && piece[0] == ' ' ? 1 : 0;
        out.write(piece, from, piece.length - from);
      }
      previous = token;
    }
    return out.toByteArray();
  }

  private int checked(int token) {
    if (token < 0 || token >= pieces.size()) {
      throw new IllegalArgumentException(
          "id " + token + " is not in the vocabulary of " + pieces.size());
    }
    return token;
  }

  @Override
  public int vocabularySize() {
    return pieces.size();
  }

  @Override
  public String token(int id) {
    return new String(pieces.get(checked(id)), StandardCharsets.UTF_8);
  }

  @Override
  public OptionalInt id(String token) {
    Integer id = ids.get(latin(token.getBytes(StandardCharsets.UTF_8)));
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** {@link #BEGIN}: llama2.c's models see no other mark between texts, and stop with it. */
  @Override
  public OptionalInt endOfText() {
    return OptionalInt.of(BEGIN);
  }

  @Override
  public void save(Path folder) throws IOException {
    Files.createDirectories(folder);
    Files.write(folder.resolve("tokenizer.bin"), file);
  }
}

package io.heddle.text;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * Byte-level byte-pair encoding as GPT-2 defined it (Radford et al. 2019): text is cut into words,
 * a word's UTF-8 bytes are joined pair by pair in the order of the merges. Any text, and any bytes,
 * can be written, and decoding gives them back; a lone surrogate becomes U+FFFD.
 */
public final class ByteLevelBpe implements Tokenizer {
  /** What stands between documents. */
  public static final String END_OF_TEXT = "<|endoftext|>";

  private final List<String> pieces;
  private final Map<String, Integer> ids;
  private final List<String[]> merges;
  private final Set<String> specials;
  private final Pattern specialPattern;
  private final PairTable pairs;
  private final int[] byteIds = new int[256];
  private final byte[][] bytes;
  private final WordCache<int[]> cache = new WordCache<>(this::merged);

  /**
   * From all parts.
   *
   * @param pieces by id, in GPT-2's alphabet but for special ones
   * @param merges pairs of pieces, the first to apply first
   * @param declared special tokens; pieces that no merge can make are special, too
   */
  ByteLevelBpe(List<String> pieces, List<String[]> merges, Collection<String> declared) {
    this.pieces = List.copyOf(pieces);
    this.merges = List.copyOf(merges);
    this.ids = new HashMap<>();
    for (int i = 0; i < pieces.size(); i++) {
      if (ids.put(pieces.get(i), i) != null) {
        throw new IllegalArgumentException("the vocabulary has '" + pieces.get(i) + "' twice");
      }
    }
    for (int b = 0; b < 256; b++) {
      byteIds[b] = known(String.valueOf(ByteAlphabet.of(b)), "byte " + b);
    }
    this.pairs = new PairTable(merges.size());
    Set<String> reachable = new HashSet<>();
    for (int rank = 0; rank < merges.size(); rank++) {
      String[] pair = merges.get(rank);
      String what = "merge " + (rank + 1) + " (" + pair[0] + " " + pair[1] + ")";
      String joined = pair[0] + pair[1];
      pairs.put(known(pair[0], what), known(pair[1], what), rank, known(joined, what));
      reachable.add(joined);
    }
    this.specials = specials(declared, reachable);
    this.specialPattern = anyOf(specials);
    this.bytes = new byte[pieces.size()][];
    for (int i = 0; i < bytes.length; i++) {
      byte[] inAlphabet = ByteAlphabet.read(pieces.get(i));
      boolean literal = inAlphabet == null || declared.contains(pieces.get(i));
      bytes[i] = literal ? pieces.get(i).getBytes(StandardCharsets.UTF_8) : inAlphabet;
    }
  }

  private int known(String piece, String what) {
    Integer id = ids.get(piece);
    if (id == null) {
      throw new IllegalArgumentException(
          "the vocabulary lacks '" + piece + "', which " + what + " needs");
    }
    return id;
  }

  // In the order of ids, so that what is saved does not depend on hashing.
  private Set<String> specials(Collection<String> declared, Set<String> reachable) {
    Set<String> out = new LinkedHashSet<>();
    for (String piece : pieces) {
      boolean oneByte = piece.length() == 1 && ByteAlphabet.read(piece) != null;
      if (declared.contains(piece) || !(oneByte || reachable.contains(piece))) {
        out.add(piece);
      }
    }
    return Collections.unmodifiableSet(out);
  }

  // The longest first, so that one special token may begin with another.
  private static Pattern anyOf(Set<String> specials) {
    return Pattern.compile(
        specials.isEmpty()
            ? "(?!)"
            : specials.stream()
                .sorted(Comparator.comparingInt(String::length).reversed())
                .map(Pattern::quote)
                .collect(Collectors.joining("|")));
  }

  /**
   * Reads a folder: {@code vocab.json} and {@code merges.txt}, with the special tokens of {@code
   * tokenizer_config.json} where there is one; else GPT-2's {@code encoder.json} and {@code
   * vocab.bpe}. Each may be gzipped. For {@code tokenizer.json} there is {@link TokenizerJson}.
   *
   * @throws IOException naming the file that cannot be read
   * @throws IllegalArgumentException when a file is no byte-level BPE, or another kind of it
   */
  public static ByteLevelBpe load(Path folder) throws IOException {
    return ByteLevelFiles.load(folder);
  }

  /**
   * From a vocabulary. Pieces that are neither a byte nor made by a merge are special tokens.
   *
   * @param ids piece to id, ids 0 to n - 1
   * @param mergeLines two pieces a line; a first line starting with {@code #version} is skipped
   */
  public static ByteLevelBpe of(Map<String, Integer> ids, List<String> mergeLines) {
    return of(ids, mergeLines, Set.of());
  }

  static ByteLevelBpe of(
      Map<String, Integer> ids, List<String> mergeLines, Collection<String> specials) {
    String[] pieces = new String[ids.size()];
    ids.forEach(
        (piece, id) -> {
          if (id < 0 || id >= pieces.length || pieces[id] != null) {
            throw new IllegalArgumentException(
                "id " + id + " of '" + piece + "' is out of range or used twice");
          }
          pieces[id] = piece;
        });
    List<String[]> merges = new ArrayList<>();
    for (int i = 0; i < mergeLines.size(); i++) {
      String line = mergeLines.get(i);
      if (line.isEmpty() || (i == 0 && line.startsWith("#version"))) {
        continue;
      }
      String[] pair = line.split(" ", -1);
      if (pair.length != 2) {
        throw new IllegalArgumentException("'" + line + "' is not a merge of two pieces");
      }
      merges.add(pair);
    }
    return new ByteLevelBpe(List.of(pieces), merges, specials);
  }

  @Override
  public int[] encode(String text) {
    Ids out = new Ids(text.length() / 3);
    words(WordScanner.wellFormed(text), out);
    return out.toArray();
  }

  /**
   * Token ids of a text in which special tokens may be written, such as {@code <|endoftext|>}. For
   * text from strangers use {@link #encode(String)}, which reads them as plain characters.
   */
  public int[] encodeWithSpecials(String text) {
    Ids out = new Ids(text.length() / 3);
    String clean = WordScanner.wellFormed(text);
    Matcher special = specialPattern.matcher(clean);
    int done = 0;
    while (special.find()) {
      words(clean.substring(done, special.start()), out);
      out.add(known(special.group(), "the special token"));
      done = special.end();
    }
    words(clean.substring(done), out);
    return out.toArray();
  }

  /** Token ids of any bytes: what is UTF-8 as its text, every other byte by itself. */
  public int[] encodeBytes(byte... data) {
    Ids out = new Ids(data.length / 3);
    CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
    ByteBuffer in = ByteBuffer.wrap(data);
    CharBuffer text = CharBuffer.allocate(data.length);
    while (true) {
      CoderResult result = decoder.decode(in, text, true);
      words(text.flip().toString(), out);
      text.clear();
      if (result.isUnderflow()) {
        return out.toArray();
      }
      for (int i = 0; i < result.length(); i++) {
        out.add(byteIds[in.get() & 0xff]);
      }
      decoder.reset();
    }
  }

  private void words(String text, Ids out) {
    for (int from = 0; from < text.length(); ) {
      int end = WordScanner.next(text, from);
      out.add(cache.get(text, from, end));
      from = end;
    }
  }

  private int[] merged(String word) {
    byte[] utf8 = word.getBytes(StandardCharsets.UTF_8);
    int[] symbols = new int[utf8.length];
    for (int i = 0; i < utf8.length; i++) {
      symbols[i] = byteIds[utf8[i] & 0xff];
    }
    return Arrays.copyOf(symbols, pairs.merge(symbols, symbols.length));
  }

  @Override
  public byte[] decodeBytes(int... tokens) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(4 * tokens.length);
    for (int token : tokens) {
      out.writeBytes(bytes[checked(token)]);
    }
    return out.toByteArray();
  }

  private int checked(int token) {
    if (token < 0 || token >= bytes.length) {
      throw new IllegalArgumentException(
          "id " + token + " is not in the vocabulary of " + bytes.length);
    }
    return token;
  }

  @Override
  public int vocabularySize() {
    return pieces.size();
  }

  @Override
  public String token(int id) {
    return pieces.get(checked(id));
  }

  @Override
  public OptionalInt id(String token) {
    Integer id = ids.get(token);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  @Override
  public OptionalInt endOfText() {
    return id(END_OF_TEXT);
  }

  /** The special tokens, in the order of their ids. */
  public Set<String> specials() {
    return specials;
  }

  /** The merges, each a pair of pieces, the first to apply first. */
  List<String[]> merges() {
    return merges;
  }

  /** Writes {@code vocab.json}, {@code merges.txt} and {@code tokenizer_config.json}. */
  @Override
  public void save(Path folder) throws IOException {
    ByteLevelFiles.save(this, folder);
  }
}

package io.heddle.text;

import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Byte-level byte-pair encoding as GPT-2 defined it (Radford et al. 2019): text is cut into words by a regular expression, a word's UTF-8
 * bytes are joined pair by pair in the order of the merges. Any text can be written, and decoding gives it back.
 */
public final class ByteLevelBpe implements Tokenizer {
  /** What stands between documents. */
  public static final String END_OF_TEXT = "<|endoftext|>";

  // Python's \s, which GPT-2's expression was written for, spelt out: Java's knows ASCII only.
  private static final String SPACE = "[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]";
  private static final String OTHER = "[^\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000\\p{L}\\p{N}]";
  static final Pattern WORDS =
      Pattern.compile(
          "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?" + OTHER + "+|" + SPACE + "+(?!" + "\\S".replace("\\S", "[^\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]") + ")|" + SPACE + "+");

  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int CACHE = 1 << 16;

  private final List<String> pieces;
  private final Map<String, Integer> ids;
  private final List<String[]> merges;
  private final Map<Long, Integer> ranks = new HashMap<>(); // (left id, right id) -> rank
  private final int[] joined; // rank -> id of the joined piece
  private final int[] byteIds = new int[256];
  private final byte[][] bytes;
  private final Map<String, int[]> cache = new ConcurrentHashMap<>();

  ByteLevelBpe(List<String> pieces, List<String[]> merges) {
    this.pieces = List.copyOf(pieces);
    this.merges = List.copyOf(merges);
    this.ids = new HashMap<>();
    this.bytes = new byte[pieces.size()][];
    for (int i = 0; i < pieces.size(); i++) {
      if (ids.put(pieces.get(i), i) != null) {
        throw new IllegalArgumentException("the vocabulary has '" + pieces.get(i) + "' twice");
      }
      byte[] inAlphabet = ByteAlphabet.read(pieces.get(i));
      bytes[i] = inAlphabet == null || pieces.get(i).equals(END_OF_TEXT) ? pieces.get(i).getBytes(StandardCharsets.UTF_8) : inAlphabet;
    }
    for (int b = 0; b < 256; b++) {
      byteIds[b] = known(String.valueOf(ByteAlphabet.of(b)), "byte " + b);
    }
    this.joined = new int[merges.size()];
    for (int r = 0; r < merges.size(); r++) {
      String[] pair = merges.get(r);
      String what = "merge " + (r + 1) + " (" + pair[0] + " " + pair[1] + ")";
      joined[r] = known(pair[0] + pair[1], what);
      ranks.putIfAbsent(key(known(pair[0], what), known(pair[1], what)), r);
    }
  }

  private int known(String piece, String what) {
    Integer id = ids.get(piece);
    if (id == null) {
      throw new IllegalArgumentException("the vocabulary lacks '" + piece + "', which " + what + " needs");
    }
    return id;
  }

  private static long key(int left, int right) {
    return ((long) left << 32) | right;
  }

  /** Reads {@code vocab.json} and {@code merges.txt}, or {@code tokenizer.json}, of a folder. */
  public static ByteLevelBpe load(Path folder) throws IOException {
    Path vocab = folder.resolve("vocab.json");
    if (Files.exists(vocab)) {
      return of(
          JSON.readValue(vocab.toFile(), new TypeReference<LinkedHashMap<String, Integer>>() {}),
          Files.readAllLines(folder.resolve("merges.txt")));
    }
    Path single = folder.resolve("tokenizer.json");
    if (!Files.exists(single)) {
      throw new IllegalArgumentException(folder + " has neither vocab.json with merges.txt nor tokenizer.json");
    }
    JsonNode json = JSON.readTree(single.toFile());
    JsonNode model = json.path("model");
    if (!model.path("type").asText("BPE").equals("BPE")
        || !json.path("pre_tokenizer").toString().contains("ByteLevel")) {
      throw new IllegalArgumentException(single + " is not a byte-level BPE tokenizer");
    }
    Map<String, Integer> ids = new LinkedHashMap<>();
    model.path("vocab").properties().forEach(e -> ids.put(e.getKey(), e.getValue().asInt()));
    json.path("added_tokens").forEach(t -> ids.put(t.path("content").asText(), t.path("id").asInt()));
    List<String> lines = new ArrayList<>();
    model.path("merges").forEach(m -> lines.add(m.isArray() ? m.get(0).asText() + " " + m.get(1).asText() : m.asText()));
    return of(ids, lines);
  }

  /**
   * From a vocabulary.
   *
   * @param ids piece to id, ids 0 to n - 1
   * @param mergeLines two pieces a line; a first line starting with {@code #version} is skipped
   */
  public static ByteLevelBpe of(Map<String, Integer> ids, List<String> mergeLines) {
    String[] pieces = new String[ids.size()];
    ids.forEach(
        (piece, id) -> {
          if (id < 0 || id >= pieces.length || pieces[id] != null) {
            throw new IllegalArgumentException("id " + id + " of '" + piece + "' is out of range or used twice");
          }
          pieces[id] = piece;
        });
    List<String[]> merges = new ArrayList<>();
    for (String line : mergeLines) {
      if (line.isEmpty() || (merges.isEmpty() && line.startsWith("#version"))) {
        continue;
      }
      String[] pair = line.split(" ", -1);
      if (pair.length != 2) {
        throw new IllegalArgumentException("'" + line + "' is not a merge of two pieces");
      }
      merges.add(pair);
    }
    return new ByteLevelBpe(List.of(pieces), merges);
  }

  @Override
  public int[] encode(String text) {
    int[] out = new int[Math.max(16, text.length() / 3)];
    int n = 0;
    Matcher words = WORDS.matcher(text);
    while (words.find()) {
      int[] word = word(words.group());
      if (n + word.length > out.length) {
        out = java.util.Arrays.copyOf(out, Math.max(2 * out.length, n + word.length));
      }
      System.arraycopy(word, 0, out, n, word.length);
      n += word.length;
    }
    return java.util.Arrays.copyOf(out, n);
  }

  private int[] word(String word) {
    int[] known = cache.get(word);
    if (known == null) {
      known = merge(word.getBytes(StandardCharsets.UTF_8));
      if (cache.size() < CACHE) {
        cache.put(word, known);
      }
    }
    return known;
  }

  private record Candidate(int rank, int at, int left, int right) {}

  // Joins the pair of lowest rank, the leftmost first, until none is left; a heap of candidates keeps long words fast.
  private int[] merge(byte[] utf8) {
    int n = utf8.length;
    int[] id = new int[n];
    int[] next = new int[n];
    int[] previous = new int[n];
    for (int i = 0; i < n; i++) {
      id[i] = byteIds[utf8[i] & 0xff];
      next[i] = i + 1;
      previous[i] = i - 1;
    }
    java.util.PriorityQueue<Candidate> queue =
        new java.util.PriorityQueue<>(
            (a, b) -> a.rank != b.rank ? Integer.compare(a.rank, b.rank) : Integer.compare(a.at, b.at));
    for (int i = 0; i + 1 < n; i++) {
      offer(queue, id, i, i + 1);
    }
    while (!queue.isEmpty()) {
      Candidate c = queue.remove();
      int right = next[c.at];
      if (id[c.at] != c.left || right >= n || id[right] != c.right) {
        continue;
      }
      id[c.at] = joined[c.rank];
      id[right] = -1;
      next[c.at] = next[right];
      if (next[right] < n) {
        previous[next[right]] = c.at;
        offer(queue, id, c.at, next[c.at]);
      }
      if (previous[c.at] >= 0) {
        offer(queue, id, previous[c.at], c.at);
      }
    }
    int count = 0;
    int[] out = new int[n];
    for (int i = 0; i < n; i = next[i]) {
      out[count++] = id[i];
    }
    return java.util.Arrays.copyOf(out, count);
  }

  private void offer(java.util.PriorityQueue<Candidate> queue, int[] id, int at, int right) {
    Integer rank = ranks.get(key(id[at], id[right]));
    if (rank != null) {
      queue.add(new Candidate(rank, at, id[at], id[right]));
    }
  }

  @Override
  public byte[] decodeBytes(int... tokens) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (int token : tokens) {
      if (token < 0 || token >= bytes.length) {
        throw new IllegalArgumentException("id " + token + " is not in the vocabulary of " + bytes.length);
      }
      out.writeBytes(bytes[token]);
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
    return id(END_OF_TEXT);
  }

  @Override
  public void save(Path folder) throws IOException {
    Files.createDirectories(folder);
    Map<String, Integer> ordered = new LinkedHashMap<>();
    for (int i = 0; i < pieces.size(); i++) {
      ordered.put(pieces.get(i), i);
    }
    Files.writeString(folder.resolve("vocab.json"), JSON.writeValueAsString(ordered));
    StringBuilder lines = new StringBuilder("#version: 0.2\n");
    merges.forEach(m -> lines.append(m[0]).append(' ').append(m[1]).append('\n'));
    Files.writeString(folder.resolve("merges.txt"), lines);
    Files.writeString(
        folder.resolve("tokenizer_config.json"),
        JSON.createObjectNode()
                .put("tokenizer_class", "GPT2Tokenizer")
                .put("eos_token", END_OF_TEXT)
                .put("bos_token", END_OF_TEXT)
                .put("unk_token", END_OF_TEXT)
                .put("add_prefix_space", false)
            + "\n");
  }
}

package io.heddle.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import org.jspecify.annotations.Nullable;

/**
 * WordPiece as BERT uses it (Devlin et al. 2019): the text is cut by {@link BertWords}, each word
 * is spelt with the longest pieces that fit from the left, and pieces within a word begin with
 * {@code ##}. A word that cannot be spelt, or of more than 100 characters, is {@code [UNK]}.
 */
public final class WordPiece implements Tokenizer {
  /** Stands for words that no pieces spell. */
  public static final String UNKNOWN = "[UNK]";

  /** Begins a sequence. */
  public static final String BEGIN = "[CLS]";

  /** Ends a sequence, and stands between two. */
  public static final String END = "[SEP]";

  /** The special tokens of a vocabulary, in BERT's order. */
  static final List<String> SPECIALS = List.of("[PAD]", UNKNOWN, BEGIN, END, "[MASK]");

  private static final String WITHIN = "##";
  private static final int LONGEST_WORD = 100;
  private static final String CONFIG = "tokenizer_config.json";

  private final List<String> pieces;
  private final Map<String, Integer> ids = new HashMap<>();
  private final BertWords words;
  private final LongestPieces speller;
  private final WordCache<int[]> stretches = new WordCache<>(this::spelt);

  WordPiece(List<String> pieces, BertWords words) {
    this.pieces = List.copyOf(pieces);
    this.words = words;
    for (int i = 0; i < pieces.size(); i++) {
      ids.put(pieces.get(i), i); // of two lines the later counts, as in BERT's own reader
    }
    this.speller = new LongestPieces(pieces, WITHIN, special(UNKNOWN), LONGEST_WORD);
  }

  /**
   * Reads {@code vocab.txt}, or a folder that has it. Whether text is lower-cased is read from
   * {@code tokenizer_config.json} beside it; without one it is, unless the vocabulary has words in
   * capitals. For {@code tokenizer.json} there is {@link TokenizerJson}.
   *
   * @throws IOException naming the file that cannot be read
   * @throws IllegalArgumentException when a file is no WordPiece vocabulary
   */
  public static WordPiece load(Path path) throws IOException {
    Path folder = Files.isDirectory(path) ? path : path.toAbsolutePath().getParent();
    Path vocab = Files.isDirectory(path) ? TextFiles.first(path, "vocab.txt") : path;
    if (vocab == null) {
      throw new IllegalArgumentException(path + " has no vocab.txt");
    }
    try {
      List<String> pieces = TextFiles.lines(vocab);
      Path config = folder == null ? null : TextFiles.first(folder, CONFIG);
      return new WordPiece(pieces, words(pieces, config));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(path + ": " + e.getMessage(), e);
    }
  }

  private static BertWords words(List<String> pieces, @Nullable Path config) throws IOException {
    boolean lower = pieces.stream().noneMatch(WordPiece::isCapital);
    if (config == null) {
      return new BertWords(lower, lower, true);
    }
    JsonNode json = TextFiles.json(config);
    lower = json.path("do_lower_case").asBoolean(lower);
    return new BertWords(
        lower,
        json.path("strip_accents").asBoolean(lower),
        json.path("tokenize_chinese_chars").asBoolean(true));
  }

  private static boolean isCapital(String piece) {
    return !piece.startsWith("[") && !piece.equals(piece.toLowerCase(Locale.ROOT));
  }

  private int special(String token) {
    Integer id = ids.get(token);
    if (id == null) {
      throw new IllegalArgumentException("the vocabulary has no " + token + ", which BERT needs");
    }
    return id;
  }

  @Override
  public int[] encode(String text) {
    Ids out = new Ids(text.length() / 3);
    for (int from = BertWords.begin(text, 0); from < text.length(); ) {
      int end = BertWords.end(text, from);
      out.add(stretches.get(text, from, end));
      from = BertWords.begin(text, end);
    }
    return out.toArray();
  }

  /** {@code [CLS]}, the text, {@code [SEP]}: what BERT's models are given. */
  public int[] encodeSequence(String text) {
    Ids out = new Ids(text.length() / 3);
    out.add(special(BEGIN));
    out.add(encode(text));
    out.add(special(END));
    return out.toArray();
  }

  /** {@code [CLS]}, first, {@code [SEP]}, second, {@code [SEP]}: a pair of sentences. */
  public int[] encodePair(String first, String second) {
    Ids out = new Ids((first.length() + second.length()) / 3);
    out.add(encodeSequence(first));
    out.add(encode(second));
    out.add(special(END));
    return out.toArray();
  }

  private int[] spelt(String stretch) {
    Ids out = new Ids(stretch.length());
    for (String word : words.split(stretch)) {
      out.add(speller.spell(word));
    }
    return out.toArray();
  }

  /**
   * Words with a space between, as UTF-8; marks that stand close to the word before (Hugging Face's
   * clean-up) do so. The text that was encoded does not come back: case, accents, spaces are lost.
   */
  @Override
  public byte[] decodeBytes(int... tokens) {
    StringBuilder out = new StringBuilder();
    for (int token : tokens) {
      String piece = token(token);
      if (out.isEmpty()) {
        out.append(piece);
      } else if (piece.startsWith(WITHIN)) {
        out.append(piece, WITHIN.length(), piece.length());
      } else {
        out.append(' ').append(piece);
      }
    }
    return tidy(out.toString()).getBytes(StandardCharsets.UTF_8);
  }

  // In this order: an apostrophe that has lost its spaces makes no contraction any more.
  static String tidy(String text) {
    return text.replace(" .", ".")
        .replace(" ?", "?")
        .replace(" !", "!")
        .replace(" ,", ",")
        .replace(" ' ", "'")
        .replace(" n't", "n't")
        .replace(" 'm", "'m")
        .replace(" 's", "'s")
        .replace(" 've", "'ve")
        .replace(" 're", "'re");
  }

  /** {@link #decode} without special tokens. */
  public String decodeText(int... tokens) {
    Ids out = new Ids(tokens.length);
    for (int token : tokens) {
      if (!SPECIALS.contains(token(token))) {
        out.add(token);
      }
    }
    return decode(out.toArray());
  }

  @Override
  public int vocabularySize() {
    return pieces.size();
  }

  @Override
  public String token(int id) {
    if (id < 0 || id >= pieces.size()) {
      throw new IllegalArgumentException(
          "id " + id + " is not in the vocabulary of " + pieces.size());
    }
    return pieces.get(id);
  }

  @Override
  public OptionalInt id(String token) {
    Integer id = ids.get(token);
    return id == null ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** {@link #END}. */
  @Override
  public OptionalInt endOfText() {
    return id(END);
  }

  /** Writes {@code vocab.txt} and {@code tokenizer_config.json}. */
  @Override
  public void save(Path folder) throws IOException {
    Files.createDirectories(folder);
    Files.writeString(folder.resolve("vocab.txt"), String.join("\n", pieces) + "\n");
    ObjectNode config = new ObjectMapper().createObjectNode();
    config.put("tokenizer_class", "BertTokenizer").put("do_lower_case", words.lowerCase());
    config.put("strip_accents", words.stripAccents());
    config.put("tokenize_chinese_chars", words.splitChinese());
    TextFiles.write(folder.resolve(CONFIG), config);
  }
}

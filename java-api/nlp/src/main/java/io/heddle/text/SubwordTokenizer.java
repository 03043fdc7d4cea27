package io.heddle.text;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * A {@link SubwordBpe} with ids: {@code <unk>}, {@code </s>}, then the pieces of its vocabulary in
 * their order, or, where there is no vocabulary, printable ASCII and the symbols of the codes, each
 * as it stands within a word and at a word's end.
 */
public final class SubwordTokenizer implements Tokenizer {
  /** Stands for pieces without an id. */
  public static final String UNKNOWN = "<unk>";

  /** Ends a text. */
  public static final String END = "</s>";

  /** The files of a folder. */
  static final String CODES = "bpe.codes";

  private static final String VOCABULARY = "bpe.vocab";

  private final SubwordBpe bpe;
  private final List<String> pieces;
  private final Map<String, Integer> ids = new HashMap<>();

  /**
   * From codes and pieces, which get the ids from 2 on.
   *
   * @param bpe cuts the text
   * @param vocabulary as {@link SubwordBpe#pieces} writes them
   */
  public SubwordTokenizer(SubwordBpe bpe, Set<String> vocabulary) {
    this.bpe = bpe;
    Set<String> all = new LinkedHashSet<>(List.of(UNKNOWN, END));
    all.addAll(vocabulary);
    this.pieces = List.copyOf(all);
    pieces.forEach(piece -> ids.put(piece, ids.size()));
  }

  /** Reads a codes file, or a folder with {@code bpe.codes} and perhaps {@code bpe.vocab}. */
  public static SubwordTokenizer load(Path path) throws IOException {
    if (!Files.isDirectory(path)) {
      SubwordBpe bpe = SubwordBpe.load(path);
      return new SubwordTokenizer(bpe, symbols(bpe));
    }
    Path codes = TextFiles.first(path, CODES);
    if (codes == null) {
      throw new IllegalArgumentException(path + " has no " + CODES);
    }
    SubwordBpe bpe = SubwordBpe.load(codes);
    @Nullable Path counted = TextFiles.first(path, VOCABULARY);
    if (counted == null) {
      return new SubwordTokenizer(bpe, symbols(bpe));
    }
    Set<String> vocabulary = SubwordBpe.vocabulary(counted, 0);
    return new SubwordTokenizer(bpe.withVocabulary(vocabulary), vocabulary);
  }

  // The characters before what is made of them; digits and marks may be in no merge at all.
  private static Set<String> symbols(SubwordBpe bpe) {
    Set<String> characters = new LinkedHashSet<>();
    IntStream.rangeClosed('!', '~')
        .mapToObj(Character::toString)
        .forEach(c -> characters.addAll(List.of(c, c + SubwordBpe.SEPARATOR)));
    Set<String> joined = new LinkedHashSet<>();
    for (String code : bpe.codes()) {
      code.replace(SubwordBpe.WORD_END, "")
          .replace(" ", "")
          .codePoints()
          .mapToObj(Character::toString)
          .forEach(c -> characters.addAll(List.of(c, c + SubwordBpe.SEPARATOR)));
      String made = code.replace(" ", "");
      boolean ends = made.endsWith(SubwordBpe.WORD_END);
      String text = ends ? made.substring(0, made.length() - SubwordBpe.WORD_END.length()) : made;
      if (ends || bpe.endIsSymbol()) {
        joined.add(text);
      }
      if (!ends) {
        joined.add(text + SubwordBpe.SEPARATOR);
      }
    }
    characters.addAll(joined);
    return characters;
  }

  /** The ids of a line's pieces; the text is to be tokenized into words already. */
  @Override
  public int[] encode(String text) {
    int unknown = 0;
    return bpe.pieces(text.replaceAll("\\s", " ")).stream()
        .mapToInt(piece -> ids.getOrDefault(piece, unknown))
        .toArray();
  }

  /** The words with a space between. */
  @Override
  public byte[] decodeBytes(int... tokens) {
    List<String> out = new ArrayList<>();
    for (int token : tokens) {
      out.add(token(token));
    }
    return SubwordBpe.join(out).getBytes(StandardCharsets.UTF_8);
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

  /** Writes {@code bpe.codes} and, with every piece counted once, {@code bpe.vocab}. */
  @Override
  public void save(Path folder) throws IOException {
    Files.createDirectories(folder);
    String version = bpe.endIsSymbol() ? "0.1" : "0.2";
    Files.writeString(
        folder.resolve(CODES),
        "#version: " + version + "\n" + String.join("\n", bpe.codes()) + "\n");
    StringBuilder counts = new StringBuilder();
    pieces.subList(2, pieces.size()).forEach(p -> counts.append(p).append(" 1\n"));
    Files.writeString(folder.resolve(VOCABULARY), counts);
  }
}

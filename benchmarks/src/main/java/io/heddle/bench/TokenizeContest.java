package io.heddle.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.data.Cursor;
import io.heddle.data.Lines;
import io.heddle.text.ByteLevelBpe;
import io.heddle.text.SentencePiece;
import io.heddle.text.Tokenizer;
import io.heddle.text.TokenizerJson;
import io.heddle.text.WordPiece;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.stream.LongStream;
import java.util.zip.GZIPInputStream;

/**
 * A novel, line by line, to ids: one thread, the same vocabulary, the same ids. Beside the Hugging
 * Face library stands our own reader of the same {@code tokenizer.json}. The vocabularies and the
 * novel are the staged ones of {@code HEDDLE_DATA}.
 */
final class TokenizeContest extends Contest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String READER = "tokenizer.json"; // ours, reading Hugging Face's file
  private static final String SPACE = "\u2581";
  private static final long WARM = 2_000_000_000L; // ns in which the compiler has seen all

  /** The kinds of tokenizers. */
  enum Kind {
    /** Byte-level BPE. */
    GPT2,
    /** WordPiece. */
    BERT,
    /** SentencePiece's unigram model. */
    UNIGRAM,
    /** SentencePiece's BPE. */
    BPE;

    @Override
    public String toString() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private final Kind kind;
  private final List<String> lines = new ArrayList<>();
  private final long bytes;
  private int[][] ours = {};
  private int[][] read = {};
  private long[][] theirs = {};

  TokenizeContest(Kind kind) {
    this.kind = kind;
    try {
      Tokenizer tokenizer = tokenizer(kind);
      String json = json(kind, tokenizer).toString();
      RustTokenizer peer = own(new RustTokenizer(json));
      Tokenizer reader = reader(json);
      try (Cursor<String> all = Lines.of(file("lm-books/great-expectations.txt.gz")).open()) {
        for (String line = all.next(); line != null; line = all.next()) {
          String text = line.strip();
          if (!text.isEmpty()) {
            lines.add(text);
          }
        }
      }
      bytes = lines.stream().mapToLong(s -> s.getBytes(StandardCharsets.UTF_8).length).sum();
      Runnable own = () -> ours = encode(tokenizer);
      Runnable byFile = () -> read = encode(reader);
      enter(Contestant.of(Contestant.OURS, own, () -> numbers(ours)));
      enter(Contestant.of(RustTokenizer.NAME, () -> encode(peer), () -> numbers(theirs)));
      enter(Contestant.of(READER, byFile, () -> numbers(read)));
      for (long start = System.nanoTime(); System.nanoTime() - start < WARM; ) {
        own.run();
        byFile.run();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Whether the staged vocabularies and texts are there. */
  static boolean hasData() {
    try {
      return Files.isDirectory(file("lm-books"));
    } catch (IllegalStateException e) {
      return false;
    }
  }

  private static Path file(String name) {
    String named = System.getenv("HEDDLE_DATA");
    Path file =
        named == null
            ? Machine.inRepository("../shared/data/" + name, "set HEDDLE_DATA to the data folder")
            : Path.of(named).resolve(name);
    if (!Files.exists(file)) {
      throw new IllegalStateException(file + " is not there: set HEDDLE_DATA to the data folder");
    }
    return file;
  }

  private static Tokenizer tokenizer(Kind kind) throws IOException {
    return switch (kind) {
      case GPT2 -> ByteLevelBpe.load(file("tok-gpt2"));
      case BERT -> WordPiece.load(file("tok-bert"));
      case UNIGRAM ->
          SentencePiece.load(file("tok-sentencepiece/trained-botchan-unigram-1000.model"));
      case BPE -> SentencePiece.load(file("tok-sentencepiece/trained-botchan-bpe-1000.model"));
    };
  }

  private int[][] encode(Tokenizer tokenizer) {
    int[][] out = new int[lines.size()][];
    for (int i = 0; i < out.length; i++) {
      out[i] = tokenizer.encode(lines.get(i));
    }
    return out;
  }

  private void encode(RustTokenizer tokenizer) {
    long[][] out = new long[lines.size()][];
    for (int i = 0; i < out.length; i++) {
      out[i] = tokenizer.encode(lines.get(i));
    }
    theirs = out;
  }

  private static double[] numbers(int[][] ids) {
    return Arrays.stream(ids).flatMapToInt(Arrays::stream).asDoubleStream().toArray();
  }

  private static double[] numbers(long[][] ids) {
    return Arrays.stream(ids).flatMapToLong(LongStream::of).asDoubleStream().toArray();
  }

  // The tokenizer.json of a kind, as its authors' converters write it.
  private static ObjectNode json(Kind kind, Tokenizer tokenizer) throws IOException {
    ObjectNode json = JSON.createObjectNode().put("version", "1.0");
    json.putArray("added_tokens");
    switch (kind) {
      case GPT2 -> {
        json.set("model", byteLevel());
        json.putObject("pre_tokenizer").put("type", "ByteLevel").put("add_prefix_space", false);
        part(json, "pre_tokenizer").put("trim_offsets", true).put("use_regex", true);
      }
      case BERT -> {
        json.putObject("normalizer").put("type", "BertNormalizer").put("clean_text", true);
        part(json, "normalizer").put("handle_chinese_chars", true).put("lowercase", true);
        part(json, "normalizer").putNull("strip_accents");
        json.putObject("pre_tokenizer").put("type", "BertPreTokenizer");
        ObjectNode model = json.putObject("model").put("type", "WordPiece");
        model.put("unk_token", WordPiece.UNKNOWN).put("continuing_subword_prefix", "##");
        ObjectNode vocab = model.put("max_input_chars_per_word", 100).putObject("vocab");
        pieces(tokenizer).forEach(piece -> vocab.put(piece, vocab.size()));
      }
      case UNIGRAM, BPE -> {
        SentencePiece model = (SentencePiece) tokenizer;
        json.set("model", kind == Kind.UNIGRAM ? unigram(model) : merges(model));
        ArrayNode steps =
            json.putObject("normalizer").put("type", "Sequence").putArray("normalizers");
        steps
            .addObject()
            .put("type", "Precompiled")
            .put("precompiled_charsmap", Base64.getEncoder().encodeToString(model.rules()));
        ObjectNode spaces = steps.addObject().put("type", "Replace").put("content", " ");
        spaces.putObject("pattern").put("Regex", " {2,}");
        json.putObject("pre_tokenizer").put("type", "Metaspace").put("replacement", SPACE);
        part(json, "pre_tokenizer").put("prepend_scheme", "always").put("split", true);
      }
    }
    return json;
  }

  private static ObjectNode part(ObjectNode json, String name) {
    return (ObjectNode) json.get(name);
  }

  private static Tokenizer reader(String json) throws IOException {
    Path file = Files.createTempFile("tokenizer", ".json");
    Files.writeString(file, json);
    Tokenizer reader = TokenizerJson.load(file);
    Files.delete(file);
    return reader;
  }

  private static List<String> pieces(Tokenizer tokenizer) {
    List<String> out = new ArrayList<>();
    for (int id = 0; id < tokenizer.vocabularySize(); id++) {
      out.add(tokenizer.token(id));
    }
    return out;
  }

  private static ObjectNode byteLevel() throws IOException {
    ObjectNode model = JSON.createObjectNode().put("type", "BPE");
    try (InputStream in =
        new GZIPInputStream(Files.newInputStream(file("tok-gpt2/encoder.json.gz")))) {
      model.set("vocab", JSON.readTree(in));
    }
    ArrayNode merges = model.putArray("merges");
    try (Cursor<String> all = Lines.of(file("tok-gpt2/vocab.bpe.gz")).open()) {
      for (String line = all.next(); line != null; line = all.next()) {
        if (!line.startsWith("#version") && !line.isEmpty()) {
          merges.add(line);
        }
      }
    }
    return model;
  }

  private static ObjectNode unigram(SentencePiece tokenizer) {
    ObjectNode model = JSON.createObjectNode().put("type", "Unigram").put("byte_fallback", false);
    ArrayNode vocab = model.put("unk_id", tokenizer.id("<unk>").orElseThrow()).putArray("vocab");
    for (String piece : pieces(tokenizer)) {
      vocab.addArray().add(piece).add(tokenizer.score(vocab.size() - 1));
    }
    return model;
  }

  // A merge for every way to make a piece of two others, the best score first.
  private static ObjectNode merges(SentencePiece tokenizer) {
    ObjectNode model = JSON.createObjectNode().put("type", "BPE").put("unk_token", "<unk>");
    ObjectNode vocab = model.put("fuse_unk", true).putObject("vocab");
    pieces(tokenizer).forEach(piece -> vocab.put(piece, vocab.size()));
    record Merge(String left, String right, float score) {}
    List<Merge> all = new ArrayList<>();
    for (String piece : pieces(tokenizer)) {
      float score = tokenizer.score(vocab.get(piece).asInt());
      for (int at = 1; at < piece.length(); at++) {
        Merge merge = new Merge(piece.substring(0, at), piece.substring(at), score);
        if (vocab.has(merge.left) && vocab.has(merge.right)) {
          all.add(merge);
        }
      }
    }
    all.sort(Comparator.comparingDouble(merge -> -merge.score));
    ArrayNode merges = model.putArray("merges");
    all.forEach(merge -> merges.addArray().add(merge.left).add(merge.right));
    return model;
  }

  /** Every id is to be the same. */
  @Override
  public double tolerance() {
    return 0;
  }

  @Override
  public String op() {
    return "tokenize";
  }

  @Override
  public String dtype() {
    return kind.toString();
  }

  @Override
  public String shape() {
    long tokens = Arrays.stream(ours).mapToLong(ids -> ids.length).sum();
    return "%,d lines, %,d tokens".formatted(lines.size(), tokens);
  }

  @Override
  public double bytes() {
    return bytes;
  }

  @Override
  public Bound bound() {
    return Bound.TEXT;
  }
}

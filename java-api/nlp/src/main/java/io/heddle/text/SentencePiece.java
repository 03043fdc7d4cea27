package io.heddle.text;

import io.heddle.text.Segmenter.Part;
import io.heddle.text.SentencePieceModel.Kind;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharsetDecoder;
import java.nio.charset.CoderResult;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.random.RandomGenerator;

/**
 * A tokenizer in the form of SentencePiece's {@code .model} files (Kudo and Richardson 2018):
 * unigram, BPE, word and character models, with their normalization, byte fallback, control and
 * user-defined pieces. The same pieces as the reference implementation gives, and for unigram
 * models the n best cuts and cuts at random.
 */
public final class SentencePiece implements Tokenizer {
  /** The usual name of the file, under which {@link #save} writes it. */
  public static final String FILE = "spiece.model";

  private static final int FIRST_BYTE_DIGIT = 3; // of <0x41>

  private final byte[] file;
  private final SentencePieceModel model;
  private final PieceNormalizer normalizer;
  private final PieceNormalizer denormalizer;
  private final Segmenter segmenter;
  private final int[] byteIds = new int[256];
  private final byte[] unknownSurface;
  private final PieceWords words;

  /**
   * A piece of a text.
   *
   * @param text as it stands in the normalized text; for text outside the vocabulary that text, for
   *     a byte its piece
   * @param id its id
   */
  public record Piece(String text, int id) {}

  /**
   * One way to cut a text.
   *
   * @param pieces in order
   * @param score sum of the pieces' log-probabilities; a character outside the vocabulary has that
   *     of the rarest piece less 10
   */
  public record Cut(List<Piece> pieces, double score) {
    /** Keeps its own copy. */
    public Cut {
      pieces = List.copyOf(pieces);
    }

    /** The ids of the pieces. */
    public int[] ids() {
      return pieces.stream().mapToInt(Piece::id).toArray();
    }
  }

  /**
   * From the bytes of a model file.
   *
   * @throws IllegalArgumentException when they are no SentencePiece model
   */
  public SentencePiece(byte[] file) {
    this.file = file.clone();
    this.model = new SentencePieceModel(file);
    this.normalizer = model.normalizer();
    this.denormalizer = model.denormalizer();
    this.segmenter =
        switch (model.algorithm()) {
          case UNIGRAM -> new UnigramSegmenter(model);
          case BPE -> new BpeSegmenter(model);
          case WORD -> Segmenter.words(model);
          case CHAR -> Segmenter.characters(model);
        };
    this.unknownSurface = model.unknownSurface().getBytes(StandardCharsets.UTF_8);
    for (int b = 0; b < byteIds.length; b++) {
      byteIds[b] = model.id(String.format("<0x%02X>", b));
      if (model.byteFallback() && (byteIds[b] < 0 || !model.is(byteIds[b], Kind.BYTE))) {
        throw new IllegalArgumentException("byte_fallback needs a byte piece for each byte");
      }
    }
    this.words = new PieceWords(model, segmenter, byteIds);
  }

  /**
   * Reads a model file.
   *
   * @throws IllegalArgumentException naming the file when it is no SentencePiece model
   */
  public static SentencePiece load(Path file) throws IOException {
    try {
      return new SentencePiece(Files.readAllBytes(file));
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(
          file + " is not a SentencePiece model: " + e.getMessage(), e);
    }
  }

  /**
   * The rules that rewrite characters, as {@code tokenizer.json} has them in Base64 in a normalizer
   * {@code Precompiled}; empty where there are none.
   */
  public byte[] rules() {
    return model.rules();
  }

  /** The text as it is before it is cut, spaces written as U+2581. */
  public String normalize(String text) {
    return normalizer.normalize(text);
  }

  /** The pieces of {@code text}; neighbours outside the vocabulary are one piece. */
  public List<Piece> pieces(String text) {
    String normal = normalize(text);
    return named(normal, segmenter.cut(normal));
  }

  @Override
  public int[] encode(String text) {
    return words.ids(normalize(text));
  }

  /**
   * The {@code n} best cuts, best first; fewer if there are no more.
   *
   * @throws UnsupportedOperationException for other than unigram models
   */
  public List<Cut> nBest(String text, int n) {
    if (n < 1) {
      throw new IllegalArgumentException("n is " + n + "; ask for at least one cut");
    }
    String normal = normalize(text);
    List<Cut> out = new ArrayList<>();
    for (Lattice.Scored cut : lattice(normal).nBest(n)) {
      out.add(new Cut(named(normal, cut.parts()), cut.score()));
    }
    return out;
  }

  private Lattice lattice(String normal) {
    if (segmenter instanceof UnigramSegmenter unigram) {
      return new Lattice(unigram, normal);
    }
    throw new UnsupportedOperationException(
        "n-best needs a unigram model, and this is a model of type " + model.algorithm());
  }

  /**
   * Cuts at random, as subword regularization does in training: of all cuts in proportion to
   * exp(alpha * score) with a unigram model (Kudo 2018); with a BPE model, whose merges are left
   * out with probability alpha (Provilkov et al. 2020).
   */
  public List<Piece> sample(String text, double alpha, RandomGenerator random) {
    String normal = normalize(text);
    return named(normal, segmenter.sample(normal, alpha, random));
  }

  // Unknown neighbours become one, so that a decoder can copy them; with byte fallback, their
  // bytes.
  private List<Piece> named(String text, List<Part> parts) {
    List<Piece> out = new ArrayList<>(parts.size());
    int begin = 0;
    boolean afterUnknown = false;
    for (Part part : parts) {
      String piece = text.substring(begin, part.end());
      begin = part.end();
      boolean isUnknown = part.id() == model.unknown();
      if (isUnknown && model.byteFallback()) {
        for (byte b : piece.getBytes(StandardCharsets.UTF_8)) {
          int id = byteIds[b & 0xFF];
          out.add(new Piece(model.piece(id).text(), id));
        }
      } else if (isUnknown && afterUnknown) {
        out.add(new Piece(out.removeLast().text() + piece, part.id()));
      } else {
        out.add(new Piece(piece, part.id()));
      }
      afterUnknown = isUnknown;
    }
    return out;
  }

  /** The beginning of a sequence, if the model has one, and the ids of {@code text}. */
  @Override
  public int[] prompt(String text) {
    int begin = control(model.beginPiece());
    Ids out = new Ids(text.length() / 2);
    if (begin >= 0) {
      out.add(begin);
    }
    out.add(encode(text));
    return out.toArray();
  }

  private int control(String piece) {
    int id = model.id(piece);
    return id >= 0 && model.is(id, Kind.CONTROL) ? id : -1;
  }

  /**
   * The bytes of the pieces: control pieces are nothing, text outside the vocabulary is the model's
   * mark for it, and the space in front of a text is left out.
   */
  @Override
  public byte[] decodeBytes(int... tokens) {
    ByteArrayOutputStream out = new ByteArrayOutputStream(4 * tokens.length);
    boolean first = true;
    for (int token : tokens) {
      SentencePieceModel.Piece piece = checked(token);
      switch (piece.kind()) {
        case CONTROL -> {}
        case UNKNOWN -> out.writeBytes(unknownSurface);
        case BYTE -> out.write(Integer.parseInt(piece.text(), FIRST_BYTE_DIGIT, 5, 16));
        case NORMAL, USER_DEFINED, UNUSED -> {
          first &= out.size() == 0;
          String text = piece.text();
          if (first && model.dropsFirstSpace() && text.startsWith(PieceNormalizer.SPACE)) {
            text = text.substring(1);
            first = model.removesExtra(); // then all spaces at the beginning go
          }
          out.writeBytes(text.replace(PieceNormalizer.SPACE, " ").getBytes(StandardCharsets.UTF_8));
        }
      }
    }
    return out.toByteArray();
  }

  /** As UTF-8; every byte that is none becomes U+FFFD by itself. */
  @Override
  public String decode(int... ids) {
    ByteBuffer in = ByteBuffer.wrap(decodeBytes(ids));
    CharsetDecoder decoder = StandardCharsets.UTF_8.newDecoder();
    CharBuffer out = CharBuffer.allocate(in.remaining());
    while (true) {
      CoderResult result = decoder.decode(in, out, true);
      if (result.isUnderflow()) {
        String text = out.flip().toString();
        return model.hasDenormalizer() ? denormalizer.normalize(text) : text;
      }
      in.position(in.position() + result.length());
      out.put("\uFFFD".repeat(result.length()));
      decoder.reset();
    }
  }

  private SentencePieceModel.Piece checked(int id) {
    if (id < 0 || id >= model.size()) {
      throw new IllegalArgumentException(
          "id " + id + " is not in the vocabulary of " + model.size());
    }
    return model.piece(id);
  }

  @Override
  public int vocabularySize() {
    return model.size();
  }

  @Override
  public String token(int id) {
    return checked(id).text();
  }

  /** A piece's score: its log-probability, or for BPE minus its rank. */
  public float score(int id) {
    return checked(id).score();
  }

  @Override
  public OptionalInt id(String token) {
    int id = model.id(token);
    return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** The model's {@code </s>}. */
  @Override
  public OptionalInt endOfText() {
    int id = control(model.endPiece());
    return id < 0 ? OptionalInt.empty() : OptionalInt.of(id);
  }

  /** Writes the model file, as {@link #FILE}. */
  @Override
  public void save(Path folder) throws IOException {
    Files.createDirectories(folder);
    Files.write(folder.resolve(FILE), file);
  }
}

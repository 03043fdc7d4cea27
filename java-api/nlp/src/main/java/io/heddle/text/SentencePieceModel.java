package io.heddle.text;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a SentencePiece {@code .model} file says: {@code ModelProto} of sentencepiece_model.proto
 * with the fields that encoding and decoding need; the others (self-test samples, the trainer's
 * other options) are skipped.
 */
final class SentencePieceModel {
  /** How text is cut. */
  enum Algorithm {
    UNIGRAM,
    BPE,
    WORD,
    CHAR
  }

  /** What a piece is; in the order of the file's numbers, which begin with 1. */
  enum Kind {
    NORMAL(1),
    UNKNOWN(2),
    CONTROL(3),
    USER_DEFINED(4),
    UNUSED(5),
    BYTE(6);

    final int number;

    Kind(int number) {
      this.number = number;
    }
  }

  /** One entry of the vocabulary. */
  record Piece(String text, float score, Kind kind) {}

  private final List<Piece> pieces = new ArrayList<>();
  private final Map<String, Integer> ids = new HashMap<>();
  private final PieceTrie userDefined = new PieceTrie();
  private Algorithm algorithm = Algorithm.UNIGRAM;
  private boolean byteFallback;
  private String unknownSurface = " \u2047 ";
  private String beginPiece = "<s>";
  private String endPiece = "</s>";
  private byte[] charsMap = {};
  private byte[] reverseMap = {};
  private boolean dummyPrefix = true;
  private boolean removeExtra = true;
  private boolean escape = true;
  private boolean asSuffix;
  private int unknown = -1;

  /**
   * Reads a model.
   *
   * @throws IllegalArgumentException when it is none
   */
  SentencePieceModel(byte[] file) {
    Protobuf in = new Protobuf(file);
    for (int field = in.next(); field != 0; field = in.next()) {
      switch (field) {
        case 1 -> pieces.add(piece(new Protobuf(in.bytes())));
        case 2 -> trainer(new Protobuf(in.bytes()));
        case 3 -> normalizer(new Protobuf(in.bytes()));
        case 5 -> denormalizer(new Protobuf(in.bytes()));
        default -> {}
      }
    }
    for (int id = 0; id < pieces.size(); id++) {
      Piece piece = pieces.get(id);
      if (piece.text.isEmpty() || ids.put(piece.text, id) != null) {
        throw new IllegalArgumentException(
            "piece " + id + " '" + piece.text + "' is empty or twice");
      }
      if (piece.kind == Kind.UNKNOWN) {
        if (unknown >= 0) {
          throw new IllegalArgumentException("pieces " + unknown + " and " + id + " are unknown");
        }
        unknown = id;
      } else if (piece.kind == Kind.USER_DEFINED) {
        userDefined.put(piece.text, id);
      }
    }
    if (unknown < 0) {
      throw new IllegalArgumentException("no piece stands for unknown text");
    }
  }

  private static Piece piece(Protobuf in) {
    String text = "";
    float score = 0;
    Kind kind = Kind.NORMAL;
    for (int field = in.next(); field != 0; field = in.next()) {
      switch (field) {
        case 1 -> text = in.string();
        case 2 -> score = in.real();
        case 3 -> kind = choice(Kind.values(), in.integer(), "piece type");
        default -> {}
      }
    }
    return new Piece(text, score, kind);
  }

  private static <T> T choice(T[] all, int number, String what) {
    if (number < 1 || number > all.length) {
      throw new IllegalArgumentException("there is no " + what + " " + number);
    }
    return all[number - 1];
  }

  private void trainer(Protobuf in) {
    for (int field = in.next(); field != 0; field = in.next()) {
      switch (field) {
        case 3 -> algorithm = choice(Algorithm.values(), in.integer(), "model type");
        case 24 -> asSuffix = in.bool();
        case 35 -> byteFallback = in.bool();
        case 44 -> unknownSurface = in.string();
        case 46 -> beginPiece = in.string();
        case 47 -> endPiece = in.string();
        default -> {}
      }
    }
  }

  private void normalizer(Protobuf in) {
    for (int field = in.next(); field != 0; field = in.next()) {
      switch (field) {
        case 2 -> charsMap = in.bytes();
        case 3 -> dummyPrefix = in.bool();
        case 4 -> removeExtra = in.bool();
        case 5 -> escape = in.bool();
        default -> {}
      }
    }
  }

  private void denormalizer(Protobuf in) {
    for (int field = in.next(); field != 0; field = in.next()) {
      if (field == 2) {
        reverseMap = in.bytes();
      }
    }
  }

  /** The blob of the normalizer's {@link CharsMap}. */
  byte[] rules() {
    return charsMap.clone();
  }

  /** What happens to a text before it is cut. */
  PieceNormalizer normalizer() {
    return new PieceNormalizer(
        new CharsMap(charsMap),
        new PieceNormalizer.Options(dummyPrefix, removeExtra, escape, asSuffix),
        userDefined);
  }

  /** What happens to a decoded text: nothing, unless the model has rules for it. */
  PieceNormalizer denormalizer() {
    return new PieceNormalizer(
        new CharsMap(reverseMap),
        new PieceNormalizer.Options(false, false, false, false),
        new PieceTrie());
  }

  boolean hasDenormalizer() {
    return reverseMap.length > 0;
  }

  Algorithm algorithm() {
    return algorithm;
  }

  /** Whether decoding leaves out a space at the beginning. */
  boolean dropsFirstSpace() {
    return dummyPrefix || removeExtra;
  }

  boolean removesExtra() {
    return removeExtra;
  }

  boolean byteFallback() {
    return byteFallback;
  }

  String unknownSurface() {
    return unknownSurface;
  }

  String beginPiece() {
    return beginPiece;
  }

  String endPiece() {
    return endPiece;
  }

  int unknown() {
    return unknown;
  }

  int size() {
    return pieces.size();
  }

  Piece piece(int id) {
    return pieces.get(id);
  }

  boolean is(int id, Kind kind) {
    return pieces.get(id).kind == kind;
  }

  /** The id of a piece, or -1. */
  int id(String text) {
    return ids.getOrDefault(text, -1);
  }

  /** The id of a piece that text can be cut into, or -1: no control, unknown or byte piece. */
  int textId(String text) {
    int id = id(text);
    if (id < 0) {
      return id;
    }
    return switch (pieces.get(id).kind) {
      case NORMAL, USER_DEFINED, UNUSED -> id;
      default -> -1;
    };
  }

  /** User-defined pieces: they are never changed, and always cut out whole. */
  PieceTrie userDefined() {
    return userDefined;
  }
}

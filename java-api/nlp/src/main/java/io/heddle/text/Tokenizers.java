package io.heddle.text;

import io.heddle.progress.ProgressListener;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** Finds out what kind of tokenizer a path holds. */
public final class Tokenizers {
  private static final List<String> SENTENCE_PIECE =
      List.of(SentencePiece.FILE, "tokenizer.model", "sentencepiece.bpe.model", "source.spm");

  private static final int LEAST_SEEN = 2;

  private Tokenizers() {}

  /**
   * A folder with {@code tokenizer.bin} (llama2.c); Hugging Face's {@code tokenizer.json}; {@code
   * vocab.json} or {@code encoder.json} with its merges (GPT-2); a SentencePiece model; {@code
   * vocab.txt} (BERT); {@code bpe.codes} (subword-nmt). Or one file of these.
   *
   * @throws IllegalArgumentException when there is none, saying what was looked for
   */
  public static Tokenizer load(Path path) throws IOException {
    if (!Files.exists(path)) {
      throw new IllegalArgumentException("no tokenizer at " + path + ": it does not exist");
    }
    return Files.isDirectory(path) ? folder(path) : file(path);
  }

  /**
   * The tokenizer that was kept in {@code folder}, or a byte-level BPE trained on texts and kept
   * there.
   */
  public static Tokenizer keptOrTrained(
      Path folder, int vocabulary, Iterable<String> texts, ProgressListener progress)
      throws IOException {
    return keptOrTrained(folder, () -> new BpeTrainer(vocabulary, progress).addAll(texts).train());
  }

  /**
   * The same of whole words: the most frequent of those that occur twice, case and accents kept;
   * all others are {@link WordPiece#UNKNOWN}.
   */
  public static Tokenizer keptOrTrainedWords(Path folder, int vocabulary, Iterable<String> texts)
      throws IOException {
    return keptOrTrained(
        folder,
        () -> {
          WordPieceTrainer words = new WordPieceTrainer(vocabulary, false, ProgressListener.NONE);
          texts.forEach(words::add);
          return words.words(LEAST_SEEN);
        });
  }

  private static Tokenizer keptOrTrained(Path folder, Supplier<Tokenizer> train)
      throws IOException {
    if (Files.exists(folder.resolve("tokenizer_config.json"))) {
      return load(folder);
    }
    Tokenizer trained = train.get();
    trained.save(folder);
    return trained;
  }

  private static Tokenizer folder(Path folder) throws IOException {
    Path scored = folder.resolve("tokenizer.bin");
    if (Files.exists(scored)) {
      return ScoredBpe.load(scored);
    }
    // Where there are others beside it, Hugging Face reads this one, too.
    if (Files.exists(folder.resolve(TokenizerJson.FILE))) {
      return TokenizerJson.load(folder);
    }
    if (TextFiles.first(folder, "vocab.json", "encoder.json") != null) {
      return ByteLevelBpe.load(folder);
    }
    for (String name : SENTENCE_PIECE) {
      if (Files.exists(folder.resolve(name))) {
        return SentencePiece.load(folder.resolve(name));
      }
    }
    if (TextFiles.first(folder, "vocab.txt") != null) {
      return WordPiece.load(folder);
    }
    if (TextFiles.first(folder, SubwordTokenizer.CODES) != null) {
      return SubwordTokenizer.load(folder);
    }
    List<Path> models = models(folder);
    if (models.size() == 1) {
      return SentencePiece.load(models.getFirst());
    }
    throw new IllegalArgumentException(
        folder
            + (models.isEmpty()
                ? " has none of tokenizer.bin, vocab.json with merges.txt, a SentencePiece .model,"
                    + " vocab.txt, bpe.codes and tokenizer.json"
                : " has several models; name one of " + models));
  }

  private static List<Path> models(Path folder) throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(f -> f.toString().endsWith(".model") || f.toString().endsWith(".spm"))
          .sorted()
          .toList();
    }
  }

  private static Tokenizer file(Path file) throws IOException {
    String name = String.valueOf(file.getFileName());
    if (name.endsWith(".bin")) {
      return ScoredBpe.load(file);
    }
    if (name.endsWith(".model") || name.endsWith(".spm")) {
      return SentencePiece.load(file);
    }
    if (name.equals(TokenizerJson.FILE)) {
      return TokenizerJson.load(file);
    }
    if (name.matches("(vocab|encoder)\\.json(\\.gz)?|merges\\.txt(\\.gz)?|vocab\\.bpe(\\.gz)?")) {
      throw new IllegalArgumentException(
          file + " is half of a byte-level BPE; name the folder that has both of its files");
    }
    return TextFiles.lines(file).contains(WordPiece.UNKNOWN)
        ? WordPiece.load(file)
        : SubwordTokenizer.load(file);
  }
}

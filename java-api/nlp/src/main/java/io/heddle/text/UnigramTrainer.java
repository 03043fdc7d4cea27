package io.heddle.text;

import io.heddle.progress.ProgressListener;
import io.heddle.text.SentencePieceModel.Kind;
import io.heddle.text.UnigramSeeds.Seed;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Learns the vocabulary of a unigram {@link SentencePiece} model (Kudo 2018): it begins with many
 * substrings, fits their probabilities by expectation maximization, and drops a quarter again and
 * again: those pieces without which the text loses least likelihood. The steps and constants are
 * those of SentencePiece's trainer, the model file is one that its library loads. Texts are taken
 * as they are (its normalization {@code identity}), but for spaces. The same texts give the same
 * file, byte for byte.
 */
public final class UnigramTrainer {
  private static final int SEEDS = 1_000_000;
  private static final int ROUNDS_OF_EM = 2;
  private static final double KEPT_SHARE = 0.75;
  private static final double SPARE = 1.1;
  private static final double LEAST_COUNT = 0.5;
  private static final List<String> SPECIALS = List.of("<unk>", "<s>", "</s>");

  private final int vocabularySize;
  private final ProgressListener progress;
  private final PieceNormalizer normalizer =
      new PieceNormalizer(
          new CharsMap(new byte[0]),
          new PieceNormalizer.Options(true, true, true, false),
          new PieceTrie());
  private final Map<String, Long> words = new TreeMap<>();

  /**
   * A trainer.
   *
   * @param vocabularySize three special pieces, all characters and what is made of them
   * @param progress hears of every round of pruning
   */
  public UnigramTrainer(int vocabularySize, ProgressListener progress) {
    this.vocabularySize = vocabularySize;
    this.progress = progress;
  }

  /** Counts the words of each line of {@code text}. */
  public UnigramTrainer add(String text) {
    for (String line : text.split("\r?\n", -1)) {
      String normal = normalizer.normalize(line);
      int from = 0;
      while (from < normal.length()) {
        int next = normal.indexOf(PieceNormalizer.SPACE, from + 1);
        int end = next < 0 ? normal.length() : next;
        words.merge(normal.substring(from, end), 1L, Long::sum);
        from = end;
      }
    }
    return this;
  }

  /** Counts the words of all texts. */
  public UnigramTrainer addAll(Iterable<String> texts) {
    texts.forEach(this::add);
    return this;
  }

  /**
   * Learns. There are fewer pieces than asked for when the text has no more.
   *
   * @throws IllegalArgumentException when the characters alone are more than the vocabulary holds
   */
  public SentencePiece train() {
    Map<String, Long> characters = UnigramSeeds.characters(words);
    int room = vocabularySize - SPECIALS.size();
    if (words.isEmpty() || characters.size() > room) {
      throw new IllegalArgumentException(
          "a vocabulary of "
              + vocabularySize
              + " cannot hold the special pieces and characters of the text, which are "
              + (characters.size() + SPECIALS.size()));
    }
    UnigramPieces pieces = seeds();
    int wanted = (int) (room * SPARE);
    progress.begin("learn pieces", pieces.size(), "piece");
    int first = pieces.size();
    while (true) {
      for (int round = 0; round < ROUNDS_OF_EM; round++) {
        pieces = fitted(pieces);
      }
      if (pieces.size() <= wanted) {
        break;
      }
      pieces = pruned(pieces, wanted);
      progress.advance(first - pieces.size(), pieces.size() + " pieces left");
    }
    SentencePiece model = new SentencePiece(file(finished(pieces, characters, room)));
    progress.end(model.vocabularySize() + " pieces");
    return model;
  }

  private UnigramPieces seeds() {
    List<Seed> seeds = UnigramSeeds.of(words, SEEDS);
    double all = Math.log(seeds.stream().mapToDouble(UnigramTrainer::weight).sum());
    String[] texts = new String[seeds.size()];
    double[] scores = new double[seeds.size()];
    for (int i = 0; i < texts.length; i++) {
      texts[i] = seeds.get(i).text();
      scores[i] = Math.log(weight(seeds.get(i))) - all;
    }
    return new UnigramPieces(texts, scores);
  }

  // A character by its count, a longer piece by what it saves.
  private static double weight(Seed seed) {
    int length = seed.text().codePointCount(0, seed.text().length());
    return (double) seed.count() * length;
  }

  /** One round of expectation maximization; pieces that are hardly expected any more go. */
  private UnigramPieces fitted(UnigramPieces pieces) {
    double[] counts = new double[pieces.size()];
    words.forEach((word, times) -> pieces.expect(word, times.doubleValue(), counts));
    List<String> texts = new ArrayList<>();
    List<Double> kept = new ArrayList<>();
    double sum = 0;
    for (int id = 0; id < counts.length; id++) {
      // Characters stay, so that every word has a cut.
      if (counts[id] >= LEAST_COUNT || pieces.isCharacter(id)) {
        double count = Math.max(counts[id], LEAST_COUNT);
        texts.add(pieces.text(id));
        kept.add(count);
        sum += count;
      }
    }
    double all = digamma(sum);
    double[] scores = kept.stream().mapToDouble(count -> digamma(count) - all).toArray();
    return new UnigramPieces(texts.toArray(String[]::new), scores);
  }

  // The Bayesian form of the maximization (Liang, Jordan and Klein 2009) favours few pieces.
  private static double digamma(double x) {
    double at = x;
    double out = 0;
    for (; at < 7; at++) {
      out -= 1 / at;
    }
    at -= 0.5;
    double square = 1 / (at * at);
    double fourth = square * square;
    return out
        + Math.log(at)
        + square / 24
        - 7.0 / 960 * fourth
        + 31.0 / 8064 * fourth * square
        - 127.0 / 30720 * fourth * fourth;
  }

  private record Candidate(int id, double loss) {}

  private UnigramPieces pruned(UnigramPieces pieces, int wanted) {
    double[] used = new double[pieces.size()];
    double all = 0;
    for (Map.Entry<String, Long> word : words.entrySet()) {
      all += word.getValue();
      for (int id : pieces.best(word.getKey(), -1)) {
        used[id] += word.getValue();
      }
    }
    double sum = 0;
    for (double count : used) {
      sum += count;
    }
    List<Candidate> candidates = new ArrayList<>();
    Set<Integer> kept = new HashSet<>();
    for (int id = 0; id < used.length; id++) {
      int[] other = pieces.isCharacter(id) ? new int[0] : pieces.best(pieces.text(id), id);
      if (other.length == 0) {
        kept.add(id);
      } else if (pieces.best(pieces.text(id), -1).length == 1 && used[id] > 0) {
        double loss = loss(used, id, other, sum) * used[id] / all;
        candidates.add(new Candidate(id, loss));
      }
    }
    candidates.sort(
        Comparator.comparingDouble(Candidate::loss)
            .reversed()
            .thenComparing(c -> pieces.text(c.id)));
    int target = Math.max(wanted, (int) (KEPT_SHARE * pieces.size()));
    for (Candidate candidate : candidates) {
      if (kept.size() >= target) {
        break;
      }
      kept.add(candidate.id);
    }
    return some(pieces, kept);
  }

  // What the log-probability of a use loses when the piece's other cut takes its place.
  private static double loss(double[] used, int id, int[] other, double sum) {
    double with = Math.log(used[id]) - Math.log(sum);
    double allWithout = Math.log(sum + used[id] * (other.length - 1));
    double without = 0;
    for (int part : other) {
      without += Math.log(used[part] + used[id]) - allWithout;
    }
    return with - without;
  }

  private static UnigramPieces some(UnigramPieces pieces, Set<Integer> kept) {
    int[] ids = kept.stream().mapToInt(Integer::intValue).sorted().toArray();
    String[] texts = new String[ids.length];
    double[] scores = new double[ids.length];
    for (int i = 0; i < ids.length; i++) {
      texts[i] = pieces.text(ids[i]);
      scores[i] = pieces.score(ids[i]);
    }
    return new UnigramPieces(texts, scores);
  }

  private record Scored(String text, double score) {}

  /** All characters, and the best other pieces, the best first. */
  private static List<Scored> finished(
      UnigramPieces pieces, Map<String, Long> characters, int room) {
    List<Scored> out = new ArrayList<>();
    List<Scored> longer = new ArrayList<>();
    for (int id = 0; id < pieces.size(); id++) {
      boolean character = characters.containsKey(pieces.text(id));
      (character ? out : longer).add(new Scored(pieces.text(id), pieces.score(id)));
    }
    Comparator<Scored> order =
        Comparator.comparingDouble(Scored::score).reversed().thenComparing(Scored::text);
    longer.sort(order);
    out.addAll(longer.subList(0, Math.min(longer.size(), room - out.size())));
    out.sort(order);
    return out;
  }

  private static byte[] file(List<Scored> pieces) {
    Protobuf.Writer model = new Protobuf.Writer();
    for (String special : SPECIALS) {
      Kind kind = special.equals(SPECIALS.getFirst()) ? Kind.UNKNOWN : Kind.CONTROL;
      model.bytes(1, piece(special, 0).integer(3, kind.number).message());
    }
    for (Scored piece : pieces) {
      model.bytes(1, piece(piece.text, (float) piece.score).message());
    }
    int size = pieces.size() + SPECIALS.size();
    model.bytes(2, new Protobuf.Writer().integer(3, 1).integer(4, size).message());
    Protobuf.Writer normalizer = new Protobuf.Writer().string(1, "identity").bytes(2);
    model.bytes(3, normalizer.bool(3, true).bool(4, true).bool(5, true).message());
    return model.message();
  }

  private static Protobuf.Writer piece(String text, float score) {
    return new Protobuf.Writer().string(1, text).real(2, score);
  }
}

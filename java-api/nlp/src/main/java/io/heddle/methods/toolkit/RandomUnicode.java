package io.heddle.methods.toolkit;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.data.Mix;
import io.heddle.methods.study.Claim;
import io.heddle.methods.study.Table;
import io.heddle.progress.ProgressListener;
import io.heddle.text.BpeTrainer;
import io.heddle.text.SentencePiece;
import io.heddle.text.Tokenizer;
import io.heddle.text.TokenizerJson;
import io.heddle.text.UnigramTrainer;
import io.heddle.text.WordPieceTrainer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Texts of random Unicode through tokenizers that have bytes to fall back on, and through one that
 * has not. Texts are any scalar values: controls, noncharacters and unassigned ones too.
 */
final class RandomUnicode implements Experiment {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int PIECES = 600;
  private static final String[] SYLLABLES = {"ka", "lo", "mi", "re", "so", "tu", "ne", "vi"};
  // What is often forgotten: runs of spaces, line ends, joiners, combining marks, controls.
  private static final int[] ODD = {
    ' ', ' ', '\t', '\n', '\r', 0, 0x301, 0x200D, 0xFE0F, 0xFEFF, 0x1F468, 0x2581, 0xFFFF, 0x10FFFF
  };

  private final int texts;

  RandomUnicode(boolean quick) {
    this.texts = quick ? 3_000 : 30_000;
  }

  @Override
  public String name() {
    return "subwords";
  }

  @Override
  public String title() {
    return "Random Unicode there and back";
  }

  @Override
  public long steps() {
    return 3;
  }

  // Words of few syllables: enough for merges that cross bytes.
  private static String training(Mix random) {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < 4_000; i++) {
      for (int s = 1 + random.below(3); s >= 0; s--) {
        out.append(SYLLABLES[random.below(SYLLABLES.length)]);
      }
      out.append(i % 11 == 10 ? ". \u00fcber caf\u00e9 \u4f60\u597d\n" : " ");
    }
    return out.toString();
  }

  private static String text(Mix random) {
    StringBuilder out = new StringBuilder();
    for (int i = random.below(40); i >= 0; i--) {
      switch (random.below(4)) {
        case 0 -> out.append(SYLLABLES[random.below(SYLLABLES.length)]);
        case 1 -> out.appendCodePoint(ODD[random.below(ODD.length)]);
        case 2 -> out.appendCodePoint(0x20 + random.below(0x500));
        default -> {
          int any = random.below(0x110000);
          // Half of a pair is no character: there is no UTF-8 for it.
          out.appendCodePoint(any >= 0xD800 && any < 0xE000 ? 'x' : any);
        }
      }
    }
    return out.toString();
  }

  // A unigram model with a piece for each byte, as Hugging Face writes it.
  private static Tokenizer withBytes(SentencePiece learnt, Path folder) {
    ObjectNode json = JSON.createObjectNode();
    ObjectNode model = json.putObject("model").put("type", "Unigram").put("unk_id", 0);
    ArrayNode pieces = model.put("byte_fallback", true).putArray("vocab");
    pieces.addArray().add("<unk>").add(0.0);
    for (int b = 0; b < 256; b++) {
      pieces.addArray().add(String.format(Locale.ROOT, "<0x%02X>", b)).add(0.0);
    }
    for (int id = 3; id < learnt.vocabularySize(); id++) {
      pieces.addArray().add(learnt.token(id).replace('\u2581', ' ')).add(learnt.score(id));
    }
    ArrayNode decoders = json.putObject("decoder").put("type", "Sequence").putArray("decoders");
    decoders.addObject().put("type", "ByteFallback");
    decoders.addObject().put("type", "Fuse");
    try {
      Path file = folder.resolve(TokenizerJson.FILE);
      Files.writeString(file, json.toString());
      return TokenizerJson.load(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private record Counts(int same, long bytes, long tokens, long bytePieces) {}

  private @Nullable Counts counts(Bench bench, Tokenizer tokenizer) {
    Mix random = new Mix(Mix.hash(bench.seed()));
    int same = 0;
    long bytes = 0;
    long tokens = 0;
    long bytePieces = 0;
    for (int i = 0; i < texts; i++) {
      String text = text(random);
      int[] ids = tokenizer.encode(text);
      same += tokenizer.decode(ids).equals(text) ? 1 : 0;
      bytes += text.getBytes(StandardCharsets.UTF_8).length;
      tokens += ids.length;
      for (int id : ids) {
        String piece = tokenizer.token(id);
        bytePieces += piece.length() == 1 || piece.matches("<0x..>") ? 1 : 0;
      }
      if (bench.stopped()) {
        return null;
      }
    }
    return new Counts(same, bytes, tokens, bytePieces);
  }

  @Override
  public @Nullable Outcome run(Bench bench) {
    String training = training(new Mix(bench.seed()));
    ProgressListener none = ProgressListener.NONE;
    Map<String, Tokenizer> all = new LinkedHashMap<>();
    all.put("byte-level BPE", new BpeTrainer(PIECES, none).add(training).train());
    all.put(
        "unigram with byte fallback",
        withBytes(new UnigramTrainer(PIECES, none).add(training).train(), bench.folder()));
    all.put(
        "WordPiece, lower case", new WordPieceTrainer(PIECES, true, none).add(training).train());
    List<Claim> claims = new ArrayList<>();
    List<List<String>> rows = new ArrayList<>();
    bench.progress().begin(name(), steps(), "tokenizer");
    for (Map.Entry<String, Tokenizer> each : all.entrySet()) {
      Counts c = counts(bench, each.getValue());
      if (c == null) {
        return null;
      }
      String found = c.same + " of " + texts + " texts";
      boolean reversible = !each.getKey().startsWith("WordPiece");
      claims.add(
          Outcome.claim(
              each.getKey()
                  + (reversible
                      ? ": decode(encode(x)) = x for all texts"
                      : ": it is not, of most texts (it drops case and what it does not know)"),
              reversible ? c.same == texts : c.same < texts / 2,
              found));
      rows.add(
          List.of(
              each.getKey(),
              found,
              String.format(Locale.ROOT, "%.2f", (double) c.bytes / c.tokens),
              String.format(Locale.ROOT, "%.0f", 100.0 * c.bytePieces / c.tokens)));
      bench.progress().advance(rows.size(), each.getKey());
    }
    bench.progress().end("");
    return Outcome.of(
        claims,
        List.of(
            new Table(
                "Subwords",
                "Up to 40 characters a text from all of Unicode, %d pieces learnt from syllables."
                    .formatted(PIECES),
                List.of("tokenizer", "came back", "bytes per token", "pieces of one character, %"),
                rows)),
        List.of());
  }
}

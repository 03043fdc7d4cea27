package io.heddle.methods.merge;

import io.heddle.data.Document;
import io.heddle.data.TextSource;
import io.heddle.data.WordNetText;
import io.heddle.progress.ProgressListener;
import io.heddle.text.Tokenizer;
import io.heddle.text.Tokenizers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a reproduction learns from: a base's batches, sources that one model each is made of, and
 * one more that comes later.
 *
 * @param vocabulary number of tokens
 * @param length tokens of a row
 * @param base what the base is trained on: much else, and a little of each source
 * @param sources the sources
 * @param added a source that comes when all others are done
 * @param concatenation all sources end to end; null where that is the uniform mixture
 * @param tokenizer null where there is no text
 */
public record StudyData(
    int vocabulary,
    int length,
    TrainingSource.Rows base,
    List<TrainingSource> sources,
    TrainingSource added,
    TrainingSource.@Nullable Rows concatenation,
    @Nullable Tokenizer tokenizer) {
  /** How much of a source's text the base has seen. */
  static final double SEEN = 0.15;

  /** Folders of real text whose names are known; the last one is what is added later. */
  public static final List<String> KNOWN =
      List.of("lm-books", "lm-speeches", "mathqa-python", "instructions-p3");

  private static final int CHARACTERS = 1_500_000;
  private static final String[] REST = {
    "adj.pert", "adj.ppl", "adv", "noun.T", "noun.act", "noun.at", "noun.b", "noun.c", "noun.e",
    "noun.fe", "noun.g", "noun.l", "noun.m", "noun.o", "noun.ph", "noun.po", "noun.pr", "noun.q",
    "noun.r", "noun.s", "noun.t"
  };

  /** Sizes of tokenised text. */
  record TextSizes(int vocabulary, int length, int validationTokens, int testTokens) {
    static TextSizes of(StudyPlan plan) {
      return new TextSizes(
          plan.vocabulary(), plan.length(), plan.validationTokens(), plan.testTokens());
    }
  }

  /** WordNet's English by topic: nature, verbs, people and things; feelings come later. */
  static StudyData wordNet(TextSizes sizes, Path tokenizer, ProgressListener progress)
      throws IOException {
    WordNetText words = WordNetText.load();
    List<TextSource> sources =
        List.of(
            TextSource.wordNet(words, "nature", CHARACTERS, "noun.animal", "noun.plant"),
            TextSource.wordNet(words, "verbs", CHARACTERS, "verb"),
            TextSource.wordNet(words, "people", CHARACTERS, "noun.person"),
            TextSource.wordNet(words, "things", CHARACTERS, "noun.artifact", "noun.food"));
    TextSource added = TextSource.wordNet(words, "qualities", CHARACTERS, "adj.all");
    String text = words.text(WordNetText.Part.TRAIN, REST);
    return text(List.of(new Document("rest", text)), sources, added, sizes, tokenizer, progress);
  }

  /**
   * Folders of text below {@code data}; the base learns from all of WordNet and a little of each.
   *
   * @param names of the folders or files; the last is what is added later
   */
  static StudyData folders(
      Path data, List<String> names, TextSizes sizes, Path tokenizer, ProgressListener progress)
      throws IOException {
    List<TextSource> all = new ArrayList<>();
    for (String name : names) {
      all.add(TextSource.read(name, data.resolve(name), CHARACTERS));
    }
    String text = WordNetText.load().text(WordNetText.Part.TRAIN, "");
    return text(
        List.of(new Document("WordNet", text)),
        all.subList(0, all.size() - 1),
        all.getLast(),
        sizes,
        tokenizer,
        progress);
  }

  private static StudyData text(
      List<Document> general,
      List<TextSource> sources,
      TextSource added,
      TextSizes sizes,
      Path folder,
      ProgressListener progress)
      throws IOException {
    List<Document> seen = new ArrayList<>(general);
    sources.forEach(source -> seen.addAll(source.beginning(SEEN)));
    seen.addAll(added.beginning(SEEN));
    Tokenizer tokenizer =
        Tokenizers.keptOrTrained(
            folder, sizes.vocabulary, () -> seen.stream().map(Document::text).iterator(), progress);
    int[] held = {sizes.validationTokens, sizes.testTokens};
    List<TrainingSource> made = new ArrayList<>();
    for (TextSource source : sources) {
      made.add(TrainingSource.text(source, tokenizer, sizes.length, held));
    }
    List<Document> together = sources.stream().flatMap(source -> source.train().stream()).toList();
    return new StudyData(
        tokenizer.vocabularySize(),
        sizes.length,
        TrainingSource.packed(tokenizer, seen, sizes.length),
        List.copyOf(made),
        TrainingSource.text(added, tokenizer, sizes.length, held),
        TrainingSource.packed(tokenizer, together, sizes.length),
        tokenizer);
  }
}

package io.heddle.cli;

import io.heddle.models.RecurrentLm;
import io.heddle.nn.CharCnn.Filters;
import io.heddle.text.ElmoCharacters;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Options of words that are read by their characters; defaults are Kim et al.'s small model. */
final class CharacterOptions {
  private static final Pattern FILTER = Pattern.compile("(\\d{1,2}):([1-9]\\d{0,5})");

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec = CommandSpec.create();

  @Option(
      names = "--characters",
      description = {
        "Read a word by its characters (filters, highway layers; Kim et al. 2016), not from a table;",
        "best with --words. The output layer keeps a table of its own."
      })
  private boolean characters;

  @Option(
      names = "--filters",
      split = ",",
      paramLabel = "WIDTH:COUNT",
      defaultValue = "1:25,2:50,3:75,4:100,5:125,6:150",
      description =
          "Filters over characters, of each width how many (default:"
              + " 1:25,2:50,3:75,4:100,5:125,6:150).")
  private List<String> filters = new ArrayList<>();

  @Option(
      names = "--character-dim",
      defaultValue = "15",
      description = "Features of a character (default: 15).")
  private int size;

  @Option(
      names = "--highways",
      defaultValue = "1",
      description = "Highway layers above the filters (default: 1).")
  private int highways;

  CharacterOptions() {}

  /**
   * What reads characters; null where words have a table.
   *
   * @throws ParameterException naming the option that is wrong, or of no use without {@code
   *     --characters}
   */
  RecurrentLm.@Nullable Characters characters() {
    if (!characters) {
      for (String option : List.of("--filters", "--character-dim", "--highways")) {
        if (spec.commandLine().getParseResult().hasMatchedOption(option)) {
          throw wrong(option + " is for --characters");
        }
      }
      return null;
    }
    if (size < 1 || highways < 0) {
      throw wrong("--character-dim is " + size + " and --highways " + highways);
    }
    List<Filters> all = filters.stream().map(this::filter).toList();
    if (all.stream().map(Filters::width).distinct().count() < all.size()) {
      throw wrong("--filters names a width twice: " + String.join(",", filters));
    }
    return new RecurrentLm.Characters(size, all, highways);
  }

  private Filters filter(String text) {
    Matcher found = FILTER.matcher(text);
    int width = found.matches() ? Integer.parseInt(found.group(1)) : 0;
    if (width < 1 || width > ElmoCharacters.LENGTH) {
      throw wrong(
          "--filters has '"
              + text
              + "'; it takes WIDTH:COUNT, as in 3:75, the width 1 to "
              + ElmoCharacters.LENGTH);
    }
    return new Filters(width, Integer.parseInt(found.group(2)));
  }

  private ParameterException wrong(String what) {
    return new ParameterException(spec.commandLine(), what);
  }
}

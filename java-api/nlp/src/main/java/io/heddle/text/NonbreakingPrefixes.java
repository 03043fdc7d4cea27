package io.heddle.text;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/**
 * Words whose full stop ends no sentence, and so stays with them.
 *
 * @param always before anything
 * @param beforeNumbers only before a number
 */
public record NonbreakingPrefixes(Set<String> always, Set<String> beforeNumbers) {
  private static final Map<String, NonbreakingPrefixes> LISTS = read();

  /** Keeps its own sets. */
  public NonbreakingPrefixes {
    always = Set.copyOf(always);
    beforeNumbers = Set.copyOf(beforeNumbers);
  }

  /**
   * Moses' list of a language: of English (en), French (fr), German (de), Italian (it) and Spanish
   * (es); of any other language that of English, as Moses does where it has none.
   */
  public static NonbreakingPrefixes of(String language) {
    return Objects.requireNonNull(
        LISTS.getOrDefault(language, LISTS.get("en")), "nonbreaking.txt has no list for en");
  }

  private static Map<String, NonbreakingPrefixes> read() {
    Map<String, NonbreakingPrefixes> out = new HashMap<>();
    try (InputStream in = NonbreakingPrefixes.class.getResourceAsStream("nonbreaking.txt")) {
      if (in == null) {
        throw new IllegalStateException("the resource nonbreaking.txt is missing");
      }
      String language = "";
      Set<String> always = new HashSet<>();
      Set<String> numbers = new HashSet<>();
      var lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        if (line.endsWith(":")) {
          out.put(language, new NonbreakingPrefixes(always, numbers));
          language = line.substring(0, line.length() - 1);
          always.clear();
          numbers.clear();
        } else if (line.startsWith(" ")) {
          for (String word : Spaces.split(line)) {
            if (word.endsWith("#")) {
              numbers.add(word.substring(0, word.length() - 1));
            } else {
              always.add(word);
            }
          }
        }
      }
      out.put(language, new NonbreakingPrefixes(always, numbers));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return out;
  }
}

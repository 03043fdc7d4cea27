package io.heddle.methods.choice;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.data.FileSets;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;

/**
 * Tasks of BIG-Bench Hard (Suzgun et al. 2022). Options are those that the input lists; a task
 * whose inputs list none has all its targets for options, if they are few; if they are many it asks
 * for free text and has no questions here. An example that lists one option alone (one of snarks is
 * cut short) asks nothing and is left out.
 */
final class HardTasks {
  private static final int FEW = 10;

  private HardTasks() {}

  static List<Question> read(Path file) throws IOException {
    JsonNode examples;
    try (InputStream in = FileSets.open(file)) {
      examples = new ObjectMapper().readTree(in).path("examples");
    } catch (JsonProcessingException e) {
      throw new IOException(file + " is not JSON: " + e.getOriginalMessage(), e);
    }
    if (!examples.isArray()) {
      throw new IllegalArgumentException(
          file + " has no list 'examples': it is not a task of BIG-Bench Hard");
    }
    TreeSet<String> targets = new TreeSet<>();
    examples.forEach(e -> targets.add(e.path("target").asText()));
    List<Question> out = new ArrayList<>();
    for (JsonNode example : examples) {
      String input = example.path("input").asText();
      List<String> listed = Options.listed(input);
      List<String> options = listed.isEmpty() ? List.copyOf(targets) : listed;
      if (listed.isEmpty() && targets.size() > FEW) {
        return List.of();
      }
      if (options.size() < 2) {
        continue;
      }
      int answer = options.indexOf(example.path("target").asText().strip());
      if (answer < 0) {
        throw new IllegalArgumentException(
            file + ": example " + out.size() + ": its target is none of its options " + options);
      }
      out.add(new Question("Q: " + input + "\nA:", options, answer));
    }
    return out;
  }
}

package io.heddle.models;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.heddle.autograd.Tape;
import io.heddle.nn.CharCnn;
import io.heddle.nn.CharCnn.Filters;
import io.heddle.nn.Parameters;
import io.heddle.op.Layers;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import io.heddle.text.ElmoCharacters;
import io.heddle.text.Spelling;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Tokens that a language model reads by their characters (Kim et al. 2016, "Character-aware neural
 * language models") instead of finding them in a table: each different token of a piece of text
 * goes through the filters and highway layers of a {@link CharCnn} once, however often it stands
 * there.
 */
final class SpeltWords {
  private static final String PREFIX = "words.";
  private static final String SIZE = "character_size";
  private static final String FILTERS = "character_filters";
  private static final String HIGHWAYS = "character_highways";

  private final CharCnn cnn;
  private final Spelling spelling;

  SpeltWords(RecurrentLm.Characters shape, Spelling spelling, int output, Parameters parameters) {
    this.cnn = new CharCnn(config(shape, spelling, output), parameters, PREFIX);
    this.spelling = spelling;
  }

  /** Makes the parameters. */
  static void create(
      RecurrentLm.Characters shape, Spelling spelling, int output, Parameters p, long seed) {
    CharCnn.create(config(shape, spelling, output), p, PREFIX, seed);
  }

  private static CharCnn.Config config(
      RecurrentLm.Characters shape, Spelling spelling, int output) {
    return new CharCnn.Config(
        ElmoCharacters.SIZE,
        spelling.length(),
        shape.size(),
        shape.filters(),
        shape.highways(),
        output);
  }

  /**
   * What tokens are read as.
   *
   * @param ids [N]
   * @return [N, E]
   */
  Tensor embedded(Tape t, int[] ids) {
    Map<Integer, Integer> places = new LinkedHashMap<>();
    int[] index = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      Integer known = places.putIfAbsent(ids[i], places.size());
      index[i] = known == null ? places.size() - 1 : known;
    }
    int[] words = places.keySet().stream().flatMapToInt(spelling::characters).toArray();
    Tensor read = cnn.words(t, words);
    return Layers.embedding(t, read, t.tensor(DType.I32, index.length).copyFrom(index));
  }

  /** Writes a shape to a model's configuration. */
  static void write(RecurrentLm.Characters shape, ObjectNode json) {
    json.put(SIZE, shape.size()).put(HIGHWAYS, shape.highways());
    ArrayNode filters = json.putArray(FILTERS);
    shape.filters().forEach(each -> filters.addArray().add(each.width()).add(each.count()));
  }

  /** The shape in a configuration; null where words are found in a table. */
  static RecurrentLm.@Nullable Characters read(JsonNode json) {
    if (!json.has(SIZE)) {
      return null;
    }
    List<Filters> filters = new ArrayList<>();
    json.path(FILTERS)
        .forEach(each -> filters.add(new Filters(each.path(0).asInt(), each.path(1).asInt())));
    return new RecurrentLm.Characters(
        json.path(SIZE).asInt(), filters, json.path(HIGHWAYS).asInt());
  }
}

package io.heddle.models;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/** The names of a model's outputs, as {@code config.json} keeps them. */
final class Labels {
  private Labels() {}

  /** {@code id2label}, in the order of ids; LABEL_0, LABEL_1 where there are none. */
  static List<String> of(JsonNode json) {
    JsonNode names = json.path("id2label");
    int count = json.path("num_labels").asInt(names.isEmpty() ? 2 : names.size());
    List<String> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      out.add(names.path(String.valueOf(i)).asText("LABEL_" + i));
    }
    return out;
  }

  /** Writes {@code id2label} and {@code label2id}. */
  static ObjectNode put(ObjectNode json, List<String> labels) {
    json.remove("num_labels");
    ObjectNode names = json.putObject("id2label");
    ObjectNode ids = json.putObject("label2id");
    for (int i = 0; i < labels.size(); i++) {
      names.put(String.valueOf(i), labels.get(i));
      ids.put(labels.get(i), i);
    }
    return json;
  }
}

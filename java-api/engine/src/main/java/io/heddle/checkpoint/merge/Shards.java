package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.JsonText;
import io.heddle.checkpoint.SafetensorsLayout;
import io.heddle.checkpoint.TensorEntry;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How tensors are spread over files: in their order, a new file where the next one would make it
 * larger than the limit; one tensor alone may be.
 */
final class Shards {
  /** One file. */
  record Shard(String name, SafetensorsLayout layout) {}

  /** Where a tensor is: in which file, from which byte. */
  record Place(int shard, long begin) {}

  private final List<Shard> shards = new ArrayList<>();
  private final Map<String, Place> places = new HashMap<>();

  /**
   * Spreads tensors.
   *
   * @param single the name of the only file; empty for Hugging Face's names in a folder
   * @param metadata of every file
   */
  Shards(String single, List<TensorEntry> tensors, long limit, Map<String, String> metadata) {
    List<List<TensorEntry>> groups = new ArrayList<>();
    groups.add(new ArrayList<>());
    long bytes = 0;
    for (TensorEntry tensor : tensors) {
      if (single.isEmpty() && bytes > 0 && bytes + tensor.bytes() > limit) {
        groups.add(new ArrayList<>());
        bytes = 0;
      }
      groups.getLast().add(tensor);
      bytes += tensor.bytes();
    }
    for (int i = 0; i < groups.size(); i++) {
      String name =
          !single.isEmpty()
              ? single
              : groups.size() == 1
                  ? "model.safetensors"
                  : "model-%05d-of-%05d.safetensors".formatted(i + 1, groups.size());
      SafetensorsLayout layout = new SafetensorsLayout(metadata, groups.get(i));
      shards.add(new Shard(name, layout));
      for (TensorEntry entry : layout.entries()) {
        places.put(entry.name(), new Place(i, entry.begin()));
      }
    }
  }

  List<Shard> all() {
    return shards;
  }

  Place of(String tensor) {
    Place place = places.get(tensor);
    if (place == null) {
      throw new IllegalArgumentException("no file holds tensor " + tensor);
    }
    return place;
  }

  /** Size of all files. */
  long bytes() {
    return shards.stream().mapToLong(shard -> shard.layout().bytes()).sum();
  }

  /** The header of a file with other values of its metadata, all of the length they had. */
  byte[] header(int shard, Map<String, String> metadata) {
    SafetensorsLayout layout = shards.get(shard).layout();
    byte[] header = new SafetensorsLayout(metadata, layout.entries()).header();
    if (header.length != layout.header().length) {
      throw new IllegalStateException("the header of shard " + shard + " changed its length");
    }
    return header;
  }

  /** Hugging Face's index of the files. */
  String index(List<TensorEntry> tensors) {
    long total = tensors.stream().mapToLong(TensorEntry::bytes).sum();
    StringBuilder out = new StringBuilder();
    out.append("{\n  \"metadata\": {\"total_size\": ").append(total);
    out.append("},\n  \"weight_map\": {");
    String comma = "\n";
    for (TensorEntry tensor : tensors) {
      out.append(comma).append("    ").append(JsonText.quote(tensor.name())).append(": ");
      out.append(JsonText.quote(shards.get(of(tensor.name()).shard()).name()));
      comma = ",\n";
    }
    return out.append("\n  }\n}\n").toString();
  }

  /** Whether a file of this name holds weights, as loaders of a folder see it. */
  static boolean isWeights(Path file) {
    String name = String.valueOf(file.getFileName());
    return name.endsWith(".safetensors")
        || name.endsWith(".safetensors.index.json")
        || name.endsWith(".bin.index.json")
        || name.matches("pytorch_model.*\\.bin");
  }
}

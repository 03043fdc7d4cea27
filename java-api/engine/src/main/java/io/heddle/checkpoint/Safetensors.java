package io.heddle.checkpoint;

import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;

/**
 * Whole safetensors files in one call. To read, see {@link SafetensorsFile}; to write in pieces,
 * {@link SafetensorsWriter}.
 */
public final class Safetensors {
  private Safetensors() {}

  /**
   * Writes {@code tensors} (on the host or a device, any strides) to {@code file}, replacing it in
   * one step; after a failure it is as it was.
   *
   * @param metadata free text entries of the header
   */
  public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata)
      throws IOException {
    try (SafetensorsWriter writer = new SafetensorsWriter(file)) {
      metadata.forEach(writer::metadata);
      tensors.forEach((name, t) -> writer.declare(name, StorageType.of(t.dtype()), t.shape()));
      for (TensorEntry entry : writer.begin()) {
        Tensor tensor = tensors.get(entry.name());
        if (tensor == null) { // another thread changed the map
          throw new IllegalStateException("tensor " + entry.name() + " is gone");
        }
        writer.write(entry.name(), tensor);
      }
      writer.commit();
    }
  }
}

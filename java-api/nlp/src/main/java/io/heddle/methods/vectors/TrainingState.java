package io.heddle.methods.vectors;

import io.heddle.checkpoint.Safetensors;
import io.heddle.checkpoint.SafetensorsFile;
import io.heddle.tensor.Tensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;

/** A run that can be resumed: its tables, the next step and what run it is, in one safetensors. */
final class TrainingState {
  private static final String STEP = "step";
  private static final String RUN = "run";
  private static final String INPUT = "input";
  private static final String OUTPUT = "output";

  private final Path file;
  private final String run;
  private final Tensor input;
  private final Tensor output;

  TrainingState(Path file, String run, Tensor input, Tensor output) {
    this.file = file;
    this.run = run;
    this.input = input;
    this.output = output;
  }

  /** Fills the tables; the next step, 0 when there is no file. */
  long load() throws IOException {
    if (!Files.exists(file)) {
      return 0;
    }
    try (SafetensorsFile saved = SafetensorsFile.open(file)) {
      String theirs = saved.metadata().getOrDefault(RUN, "no run of word vectors");
      if (!theirs.equals(run)) {
        throw new IOException(
            file + " is the state of another run (" + theirs + "); delete it to start anew");
      }
      input.copyFrom(saved.segment(INPUT));
      output.copyFrom(saved.segment(OUTPUT));
      return Long.parseLong(saved.metadata().getOrDefault(STEP, "0"));
    }
  }

  void save(long step) throws IOException {
    Safetensors.write(
        file, Map.of(INPUT, input, OUTPUT, output), Map.of(RUN, run, STEP, Long.toString(step)));
  }

  void delete() throws IOException {
    Files.deleteIfExists(file);
  }
}

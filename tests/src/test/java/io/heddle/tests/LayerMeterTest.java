package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.autograd.Randomness;
import io.heddle.autograd.Tape;
import io.heddle.backend.profile.LayerProfile;
import io.heddle.backend.profile.Profile;
import io.heddle.methods.longrange.LayerMeter;
import io.heddle.models.Decoder;
import io.heddle.models.ModelConfig;
import io.heddle.progress.ProgressListener;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What layers take: told to who listens, beside its prediction, and to nobody else. */
class LayerMeterTest {
  private static final int LAYERS = 4;
  private static final int LENGTH = 128;
  private static final ModelConfig CONFIG =
      ModelConfig.llama(16, 32, LAYERS, 4, 2, 64, LENGTH, "window:16,full@1");

  @TempDir Path folder = Path.of("");

  private static void step(Lab lab, boolean recompute) {
    try (Decoder model = Decoder.random(CONFIG, lab.backend, DType.F32, 1);
        Tape t = new Tape(lab.backend, true, Randomness.NONE)) {
      model.recompute(recompute);
      model.parameters().trainable();
      Tensor ids = t.tensor(DType.I32, LENGTH).copyFrom(new int[LENGTH]);
      model.losses(t, model.hidden(t, ids, 1, null), ids, 1);
      t.backward();
    }
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void rowsBesideTheirPrediction(String backend) {
    try (Lab lab = new Lab(backend)) {
      for (boolean recompute : new boolean[] {false, true}) {
        LayerMeter.Measured found =
            new LayerMeter(CONFIG, LENGTH, DType.F32, recompute)
                .measure(
                    lab.backend, 1, ProgressListener.NONE); // its layers' time lies within its own
        assertEquals(LAYERS, found.rows().size());
        double took = 0;
        double shares = 0;
        for (LayerMeter.Row row : found.rows()) {
          assertEquals(row.layer() == 1 ? "full" : "window:16", row.pattern());
          assertTrue(row.forward() > 0 && row.backward() > 0, row.toString());
          assertTrue(
              Math.abs(row.kept() - row.bytes()) <= 0.12 * row.bytes(),
              "bytes of the layer, recompute " + recompute + ": " + row);
          took += row.forward() + row.backward();
          shares += row.measured();
        }
        assertEquals(1, shares, 1e-9);
        assertEquals(1, found.rows().stream().mapToDouble(LayerMeter.Row::predicted).sum(), 1e-9);
        assertTrue(took < 1.5 * found.step(), "layers took " + took + " of " + found.step());
        LayerMeter.Row full = found.rows().get(1);
        LayerMeter.Row window = found.rows().get(2);
        assertTrue(full.flops() > window.flops());
      }
    }
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void everyLayerThereAndBackOnce(String backend) throws Exception {
    try (Lab lab = new Lab(backend)) {
      List<String> heard = new ArrayList<>();
      LayerProfile.Listener listener =
          (stack, layer, back, nanos, bytes) -> heard.add((back ? "back " : "") + layer);
      try (AutoCloseable _ = LayerProfile.listen(listener)) {
        assertThrows(IllegalStateException.class, () -> LayerProfile.listen(listener));
        step(lab, true);
      }
      List<String> wanted = List.of("0", "1", "2", "3", "back 3", "back 2", "back 1", "back 0");
      assertEquals(wanted, heard);
      assertNull(LayerProfile.begin(lab.backend, "", 0, false, 0));
      step(lab, true);
      assertEquals(wanted, heard);
    }
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void recordingAndTrace(String backend) throws Exception {
    Path recorded = folder.resolve("layers.jfr");
    Path trace = folder.resolve("trace.json");
    try (Lab lab = new Lab(backend);
        Recording recording = new Recording()) {
      recording.enable("io.heddle.Layer");
      recording.start();
      try (AutoCloseable _ = Profile.traceTo(trace)) {
        step(lab, false);
      }
      recording.stop();
      recording.dump(recorded);
    }
    List<RecordedEvent> events =
        RecordingFile.readAllEvents(recorded).stream()
            .filter(e -> e.getEventType().getName().equals("io.heddle.Layer"))
            .toList();
    assertEquals(2 * LAYERS, events.size());
    for (RecordedEvent event : events) {
      assertTrue(event.getDuration().isPositive());
      assertEquals(event.getBoolean("back"), event.getLong("bytes") < 0, event.toString());
    }
    List<String> spans = new ArrayList<>();
    for (JsonNode span : new ObjectMapper().readTree(trace.toFile())) {
      spans.add(span.get("name").asText());
    }
    assertTrue(spans.contains("layer 3 back"), spans.toString());
    assertFalse(spans.contains("layer 4"), spans.toString());
  }
}

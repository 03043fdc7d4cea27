package io.heddle.tests;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.heddle.backend.profile.Profile;
import io.heddle.op.OpCode;
import io.heddle.op.Params;
import io.heddle.op.pattern.BlockLayout;
import io.heddle.op.pattern.Patterns;
import io.heddle.tensor.DType;
import io.heddle.tensor.Tensor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Ops show in a Chrome trace and in a flight recording, with their work. */
class ProfileTest {
  @TempDir Path folder;

  // A causal mask over 130 tokens visits 1 + 2 + 3 blocks of each of 2 heads.
  private static final long FLOPS = 4L * 8 * 2 * 6 * 64 * 64;

  private static void attention(Lab lab) {
    Tensor q = lab.put(DType.F32, Lab.normal(1, 2 * 130 * 8), 1, 2, 130, 8);
    Tensor o = lab.out(DType.F32, 1, 2, 130, 8);
    BlockLayout.Tensors t = lab.layout(BlockLayout.of(Patterns.causal(), 2, 130, 130));
    Params params = new Params.Attention(0, 0, 0.3f, 0, 0);
    lab.run(
        OpCode.ATTENTION_FWD,
        params,
        q,
        q,
        q,
        t.rowPtr(),
        t.rowBlocks(),
        t.masks(),
        t.headGroup(),
        null,
        null,
        o,
        null);
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void chromeTrace(String backend) throws Exception {
    Path file = folder.resolve("trace.json");
    try (Lab lab = new Lab(backend)) {
      try (AutoCloseable _ = Profile.traceTo(file)) {
        assertThrows(IllegalStateException.class, () -> Profile.traceTo(file));
        attention(lab);
        assertFalse(Files.exists(file), "the file appears when it is whole");
      }
      attention(lab);
    }
    JsonNode spans = new ObjectMapper().readTree(file.toFile());
    assertEquals(1, spans.size());
    JsonNode span = spans.get(0);
    assertEquals("attention_fwd", span.get("name").asText());
    assertEquals(backend, span.get("cat").asText());
    assertTrue(span.get("dur").asDouble() > 0);
    assertEquals(FLOPS, span.get("args").get("flops").asLong());
    assertTrue(span.get("args").get("shapes").asText().startsWith("f32[1,2,130,8] f32"));
  }

  @ParameterizedTest
  @MethodSource("io.heddle.tests.BackendsUnderTest#names")
  void flightRecording(String backend) throws Exception {
    Path file = folder.resolve("ops.jfr");
    try (Lab lab = new Lab(backend);
        Recording recording = new Recording()) {
      recording.enable("io.heddle.Op");
      recording.start();
      attention(lab);
      recording.stop();
      recording.dump(file);
    }
    List<RecordedEvent> events =
        RecordingFile.readAllEvents(file).stream()
            .filter(e -> e.getEventType().getName().equals("io.heddle.Op"))
            .toList();
    assertEquals(1, events.size());
    RecordedEvent event = events.getFirst();
    assertEquals("attention_fwd", event.getString("op"));
    assertEquals(backend, event.getString("backend"));
    assertEquals(FLOPS, event.getLong("flops"));
    assertTrue(event.getDuration().isPositive());
  }
}

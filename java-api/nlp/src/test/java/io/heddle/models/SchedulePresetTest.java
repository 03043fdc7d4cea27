package io.heddle.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** Named schedules are what they are named after, at any depth. */
class SchedulePresetTest {
  private static Schedule of(String name, int layers) {
    return Schedule.parse(name, layers, 2);
  }

  @Test
  void masformer() {
    assertEquals("FFFF" + "B".repeat(20), of("masformer", 24).letters());
    assertEquals("FBBB", of("masformer", 4).letters());
    assertEquals("block:1024", of("masformer", 24).groups(23).getFirst());
  }

  @Test
  void others() {
    assertEquals("FWFWFW", of("gpt-neo", 6).letters());
    assertEquals("window:256", of("gpt-neo", 6).groups(1).getFirst());
    assertEquals("F", of("gpt-neo", 1).letters());
    assertEquals("WWWWWFWWWWWFWW", of("gemma3", 14).letters());
    assertEquals("WWW", of(" mistral ", 3).letters());
    assertEquals("block:1024,full@bottom:4", of("masformer", 24).toString());
  }

  @Test
  void anUnknownNameTellsTheKnownOnes() {
    String message =
        assertThrows(IllegalArgumentException.class, () -> of("masformers", 4)).getMessage();
    assertTrue(String.valueOf(message).contains("masformer, gpt-neo, gemma3, mistral"), message);
  }
}

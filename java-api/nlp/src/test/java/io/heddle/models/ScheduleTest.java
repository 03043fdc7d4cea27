package io.heddle.models;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.heddle.models.Schedule.Placement;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Where full layers stand, how a schedule is printed, and how far its layers see. */
class ScheduleTest {
  private static String letters(String text) {
    return Schedule.parse(text, 6, 2).letters();
  }

  @Test
  void placements() {
    assertEquals(List.of(0, 1, 2, 3), Placement.BOTTOM.layers(24, 4));
    assertEquals(List.of(20, 21, 22, 23), Placement.TOP.layers(24, 4));
    assertEquals(List.of(10, 11, 12, 13), Placement.MIDDLE.layers(24, 4));
    assertEquals(List.of(0, 6, 12, 18), Placement.EVERY.layers(24, 4));
    assertEquals(List.of(0, 4, 9, 14, 19), Placement.EVERY.layers(24, 5));
    assertEquals(List.of(), Placement.MIDDLE.layers(4, 0));
    assertThrows(IllegalArgumentException.class, () -> Placement.TOP.layers(4, 5));
  }

  @Test
  void writtenAndPrinted() {
    assertEquals("FFBBBB", letters("block:16,full@bottom:2"));
    assertEquals("BBBBFF", letters("block:16,full@top:2"));
    assertEquals("BBFFBB", letters("block:16,full@middle:2"));
    assertEquals("FWFWFW", letters("window:4,full@every:3"));
    assertEquals("FWFBBB", letters("block:16,full@0+2,window:8@1"));
    assertEquals("MMMMUD", letters("full,window:4#1,window:4|global:2@4,dilated:9/3@5"));
    assertEquals("FFFFFG", letters("full,global:3@5"));
    for (Placement placement : Placement.values()) {
      for (int full = 0; full <= 6; full++) {
        String text = Schedule.mixed(6, full, placement, "block:8");
        String same = "block:8,full@" + placement.word() + ":" + full;
        assertEquals(letters(same), letters(text));
        assertEquals(
            full, text.equals("full") ? 6 : letters(text).chars().filter(c -> c == 'F').count());
      }
    }
    assertEquals("window:9,full@1+4", Schedule.mixed(6, List.of(1, 4), "window:9"));
  }

  @Test
  void errorsNameThePart() {
    for (String text : List.of("full@bottom:7", "full@top:x", "full@every:", "full@low:1")) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> letters(text));
      assertTrue(
          String.valueOf(e.getMessage()).startsWith("schedule '" + text + "': "), e.getMessage());
    }
  }

  @Test
  void reach() {
    Schedule s =
        Schedule.parse(
            "full,window:5@1,block:4@2,block:4/2@3,dilated:9/3@4,window:3|global:1@5", 6, 2);
    assertEquals(Long.MAX_VALUE, s.reach(0));
    assertEquals(5, s.reach(1));
    assertEquals(4, s.reach(2));
    assertEquals(12, s.reach(3));
    assertEquals(9, s.reach(4));
    assertEquals(Long.MAX_VALUE, s.reach(5));
    assertEquals(7, Schedule.parse("window:5#0,window:7#1", 1, 2).reach(0));
  }
}

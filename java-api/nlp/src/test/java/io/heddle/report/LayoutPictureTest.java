package io.heddle.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class LayoutPictureTest {
  @Test
  void smallLayoutsAreExact() {
    String svg = new LayoutPicture().layer("causal", 3, 3, (q, k) -> k <= q).svg();
    assertTrue(svg.contains("<path d=\"M0 0h1v1h-1zM0 1h2v1h-2zM0 2h3v1h-3z\"/>"), svg);
    assertTrue(svg.contains("fill-opacity=\"0.4\" d=\"\""), "no cell is partly seen");
  }

  @Test
  void largeLayoutsShowFirstAndLastPositionOfACell() {
    String svg = new LayoutPicture().layer("global", 1L << 40, 1L << 40, (q, k) -> k == 0).svg();
    assertTrue(svg.contains("fill-opacity=\"0.4\" d=\"M0 0h1v1h-1zM0 1h1"), "the first key");
    String last = new LayoutPicture().layer("last", 4800, 4800, (q, k) -> k == 4799).svg();
    assertTrue(last.contains("M47 0h1v1h-1z"), "the last key");
  }

  @Test
  void onePanelPerLayer() {
    LayoutPicture picture = new LayoutPicture();
    for (int i = 0; i < 13; i++) {
      picture.layer("layer " + i, 1, 7, (q, k) -> false);
    }
    assertEquals(14, picture.svg().split("<title>", -1).length);
    assertThrows(IllegalArgumentException.class, () -> picture.layer("none", 0, 1, (q, k) -> true));
  }
}

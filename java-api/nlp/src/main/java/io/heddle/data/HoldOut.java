package io.heddle.data;

import java.util.ArrayList;
import java.util.List;

/**
 * Documents cut in a part to train on and a part to be scored on, see {@link Document#holdOut}.
 *
 * @param train what comes first in each document
 * @param heldOut the last lines of each document; documents too short to lose a line are left out
 */
public record HoldOut(List<Document> train, List<Document> heldOut) {
  /** Copies the lists. */
  public HoldOut {
    train = List.copyOf(train);
    heldOut = List.copyOf(heldOut);
  }

  /**
   * Holds out the last {@code fraction} of the lines of every document. For a few long documents;
   * many short ones are better split as wholes.
   *
   * @param fraction in [0, 1), e.g. 0.05
   */
  public static HoldOut lastLines(List<Document> documents, double fraction) {
    List<Document> train = new ArrayList<>();
    List<Document> held = new ArrayList<>();
    for (Document document : documents) {
      List<Document> parts = document.holdOut(fraction);
      if (!parts.get(0).text().isEmpty()) {
        train.add(parts.get(0));
      }
      if (!parts.get(1).text().isEmpty()) {
        held.add(parts.get(1));
      }
    }
    return new HoldOut(train, held);
  }
}

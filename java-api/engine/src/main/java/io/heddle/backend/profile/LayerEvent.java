package io.heddle.backend.profile;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/** One layer, forward or backward, in a flight recording. */
@Name("io.heddle.Layer")
@Label("Layer")
@Category("Heddle")
@StackTrace(false)
final class LayerEvent extends Event {
  @Label("Stack")
  @Nullable String stack;

  @Label("Layer")
  int layer;

  @Label("On the way back")
  boolean back;

  @Label("Bytes held more than before")
  @DataAmount
  long bytes;
}

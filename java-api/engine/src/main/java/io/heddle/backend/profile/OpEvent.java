package io.heddle.backend.profile;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/** One op in a flight recording. */
@Name("io.heddle.Op")
@Label("Op")
@Category("Heddle")
@StackTrace(false)
final class OpEvent extends Event {
  @Label("Op")
  @Nullable String op;

  @Label("Backend")
  @Nullable String backend;

  @Label("Shapes")
  @Nullable String shapes;

  @Label("Bytes of all operands")
  @DataAmount
  long bytes;

  @Label("Floating-point operations")
  long flops;
}

package io.heddle.cli;

import io.heddle.progress.ProgressListener;
import java.io.PrintStream;
import java.nio.charset.Charset;
import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.time.Duration;
import java.util.Locale;
import java.util.function.LongSupplier;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;
import org.jspecify.annotations.Nullable;

/**
 * Shows progress on standard error: a bar where that is a terminal, a line now and then where it is
 * a file or a log, nothing with {@code --quiet}.
 */
final class Progress implements ProgressListener {
  // A log wants few lines: none sooner than this, and then only when the task got further by a
  // twentieth or a minute went by.
  private static final long PAUSE = Duration.ofSeconds(5).toNanos();
  private static final long LONG_PAUSE = Duration.ofMinutes(1).toNanos();
  private static final double SHARE = 0.05;

  private final PrintStream out;
  private final int columns;
  private final boolean color;
  private final boolean quiet;
  private final LongSupplier nanoTime;

  private @Nullable ProgressBar bar;
  private String task = "";
  private String unit = "";
  private long total;
  private long done;
  private long started;
  private long lastTime;
  private long lastDone;

  /**
   * Progress of any stream.
   *
   * @param columns width of the terminal; 0 when {@code out} is none
   * @param nanoTime a clock
   */
  Progress(PrintStream out, int columns, boolean color, boolean quiet, LongSupplier nanoTime) {
    this.out = out;
    this.columns = columns;
    this.color = color;
    this.quiet = quiet;
    this.nanoTime = nanoTime;
  }

  /** Progress on standard error. The launcher says how wide it is, if it is a terminal. */
  static Progress onStandardError(boolean quiet) {
    String noColor = System.getenv("NO_COLOR");
    return new Progress(
        System.err,
        Integer.getInteger("heddle.columns", 0),
        noColor == null || noColor.isEmpty(),
        quiet,
        System::nanoTime);
  }

  @Override
  public void begin(String task, long total, String unit) {
    this.task = task;
    this.total = total;
    this.unit = unit;
    done = 0;
    started = nanoTime.getAsLong();
    lastTime = started;
    lastDone = 0;
    if (!quiet && columns > 0) {
      bar =
          new ProgressBarBuilder()
              .setTaskName(task)
              .setInitialMax(total)
              .setUnit(" " + unit, 1)
              .showSpeed(new DecimalFormat("0.0", DecimalFormatSymbols.getInstance(Locale.ROOT)))
              .setStyle(style(out.charset()))
              .setUpdateIntervalMillis(200)
              .setConsumer(new ConsoleProgressBarConsumer(out, columns - 1))
              .build();
    }
  }

  @Override
  public void advance(long done, String message) {
    this.done = done;
    if (bar != null) {
      bar.setExtraMessage(message.isEmpty() ? "" : " " + message);
      bar.stepTo(done);
      return;
    }
    long now = nanoTime.getAsLong();
    boolean further = total > 0 && done - lastDone >= SHARE * total;
    if (!quiet && now - lastTime >= (further ? PAUSE : LONG_PAUSE)) {
      lastTime = now;
      lastDone = done;
      out.println(line(now, message));
    }
  }

  @Override
  public void end(String message) {
    if (bar != null) {
      bar.setExtraMessage(message.isEmpty() ? "" : " " + message);
      bar.close();
      bar = null;
    } else if (!quiet) {
      String took = clock(nanoTime.getAsLong() - started);
      out.println("%s: %d %s in %s%s".formatted(task, done, units(done), took, tail(message)));
    }
  }

  private String line(long now, String message) {
    double rate = done * 1e9 / Math.max(1, now - started);
    String speed = "%.1f %s/s".formatted(rate, unit);
    if (total <= 0) {
      return "%s: %d %s, %s%s".formatted(task, done, units(done), speed, tail(message));
    }
    String left = done == 0 ? "?" : clock((long) ((total - done) / rate * 1e9));
    return "%s: %d of %d %s, %d %%, %s, %s left%s"
        .formatted(task, done, total, units(total), 100 * done / total, speed, left, tail(message));
  }

  private static String tail(String message) {
    return message.isEmpty() ? "" : ", " + message;
  }

  private String units(long count) {
    return count == 1 ? unit : unit + "s";
  }

  private static String clock(long nanos) {
    Duration time = Duration.ofNanos(nanos);
    return time.toHours() == 0
        ? "%d:%02d".formatted(time.toMinutes(), time.toSecondsPart())
        : "%d:%02d:%02d".formatted(time.toHours(), time.toMinutesPart(), time.toSecondsPart());
  }

  private ProgressBarStyle style(Charset charset) {
    if (!charset.newEncoder().canEncode('\u2588')) {
      return ProgressBarStyle.ASCII;
    }
    return color ? ProgressBarStyle.COLORFUL_UNICODE_BAR : ProgressBarStyle.UNICODE_BLOCK;
  }
}

package io.heddle.backend.profile;

import java.io.BufferedWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Locale;

/**
 * Spans in the Trace Event Format that Perfetto and chrome://tracing open. Written beside the file
 * under a temporary name and renamed on close.
 */
final class ChromeTrace implements AutoCloseable {
  private final Path file;
  private final Path temporary;
  private final BufferedWriter out;
  private final long zero = System.nanoTime();
  private String separator = "[\n";

  ChromeTrace(Path file) throws IOException {
    this.file = file.toAbsolutePath();
    this.temporary = this.file.resolveSibling(this.file.getFileName() + ".part");
    this.out = Files.newBufferedWriter(temporary);
  }

  synchronized void span(
      String name, String backend, String shapes, long bytes, long flops, long start, long end) {
    try {
      out.write(separator);
      separator = ",\n";
      out.write(
          String.format(
              Locale.ROOT,
              "{\"name\":\"%s\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":1,\"tid\":%d,\"ts\":%.3f,"
                  + "\"dur\":%.3f,\"args\":{\"shapes\":\"%s\",\"bytes\":%d,\"flops\":%d,"
                  + "\"GFLOP/s\":%.2f,\"GB/s\":%.2f}}",
              name,
              backend,
              Thread.currentThread().threadId(),
              (start - zero) * 1e-3,
              (end - start) * 1e-3,
              shapes,
              bytes,
              flops,
              (double) flops / Math.max(1, end - start),
              (double) bytes / Math.max(1, end - start)));
    } catch (IOException e) {
      throw new UncheckedIOException("the trace " + file + " cannot be written", e);
    }
  }

  @Override
  public synchronized void close() throws IOException {
    out.write(separator.equals("[\n") ? "[]\n" : "\n]\n");
    out.close();
    Files.move(
        temporary, file, StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
  }
}

package io.heddle.methods.vectors;

import io.heddle.data.Mix;
import io.heddle.progress.ProgressListener;
import java.io.BufferedOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;

/**
 * How often words stand beside each other, weighted by 1 / distance, both ways (Pennington et al.
 * 2014). Counted in bounded memory: a full table is emptied into 64 files, by a hash of the pair,
 * and each file is summed up alone. A file is therefore a random part of all pairs, which is what
 * training wants. Closing deletes the files.
 */
public final class Cooccurrences implements AutoCloseable {
  static final int PARTS = 64;
  private static final int RECORD = 12; // row, column, count

  private final Path folder;
  private final long pairs;

  /** Pairs of a part. */
  @SuppressWarnings("ArrayRecordComponent") // handed over, never compared
  record Part(int[] rows, int[] columns, float[] counts) {}

  private Cooccurrences(Path folder, long pairs) {
    this.folder = folder;
    this.pairs = pairs;
  }

  /**
   * Counts.
   *
   * @param window largest distance
   * @param memory most pairs in memory at once, of about 20 bytes each
   */
  public static Cooccurrences count(
      WordCorpus corpus, int window, int memory, ProgressListener progress) throws IOException {
    if (window < 1 || memory < 1) {
      throw new IllegalArgumentException("window " + window + ", " + memory + " pairs in memory");
    }
    Path folder = Files.createTempDirectory("cooccurrences");
    boolean done = false;
    try {
      PairCounts counts = new PairCounts(memory);
      progress.begin("co-occurrences", corpus.kept(), "word");
      for (int p = 0; p < corpus.passages(); p++) {
        for (int i = corpus.start(p); i < corpus.start(p + 1); i++) {
          for (int j = Math.max(corpus.start(p), i - window); j < i; j++) {
            float weight = 1.0f / (i - j);
            add(counts, corpus.id(i), corpus.id(j), weight, folder);
            add(counts, corpus.id(j), corpus.id(i), weight, folder);
          }
        }
        progress.advance(corpus.start(p + 1), "");
      }
      spill(counts, folder);
      long pairs = 0;
      for (int part = 0; part < PARTS; part++) {
        pairs += sum(folder.resolve(Integer.toString(part)));
      }
      progress.end(pairs + " pairs");
      done = true;
      return new Cooccurrences(folder, pairs);
    } finally {
      if (!done) {
        delete(folder);
      }
    }
  }

  private static void add(PairCounts counts, int row, int column, float weight, Path folder)
      throws IOException {
    if (counts.full()) {
      spill(counts, folder);
    }
    counts.add(row, column, weight);
  }

  private static void spill(PairCounts counts, Path folder) throws IOException {
    List<DataOutputStream> parts = new ArrayList<>();
    try {
      for (int i = 0; i < PARTS; i++) {
        parts.add(append(folder.resolve(Integer.toString(i))));
      }
      counts.<IOException>drain(
          (row, column, sum) -> {
            long hash = Mix.hash(((long) column << 32) | row);
            write(parts.get((int) (hash >>> 58)), row, column, sum);
          });
    } finally {
      for (DataOutputStream part : parts) {
        part.close();
      }
    }
  }

  private static DataOutputStream append(Path file) throws IOException {
    OutputStream out =
        Files.newOutputStream(file, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    return new DataOutputStream(new BufferedOutputStream(out, 1 << 16));
  }

  private static void write(DataOutputStream out, int row, int column, float sum)
      throws IOException {
    out.writeInt(row);
    out.writeInt(column);
    out.writeFloat(sum);
  }

  // Sums the pairs that were spilt several times; how many pairs there are.
  private static int sum(Path file) throws IOException {
    ByteBuffer records = ByteBuffer.wrap(Files.readAllBytes(file));
    int n = records.remaining() / RECORD;
    PairCounts counts = new PairCounts(n + 1);
    for (int i = 0; i < n; i++) {
      counts.add(records.getInt(), records.getInt(), records.getFloat());
    }
    int pairs = counts.size();
    Files.delete(file);
    try (DataOutputStream out = append(file)) {
      counts.<IOException>drain((row, column, sum) -> write(out, row, column, sum));
    }
    return pairs;
  }

  /** Different pairs, (a, b) and (b, a) both. */
  public long pairs() {
    return pairs;
  }

  /** A part's pairs, in an order that the seed decides on. */
  Part part(int part, long seed) {
    ByteBuffer records;
    try {
      records = ByteBuffer.wrap(Files.readAllBytes(folder.resolve(Integer.toString(part))));
    } catch (IOException e) {
      throw new java.io.UncheckedIOException("co-occurrences cannot be read again", e);
    }
    int n = records.remaining() / RECORD;
    int[] order = new Mix(seed).order(n);
    Part out = new Part(new int[n], new int[n], new float[n]);
    for (int i = 0; i < n; i++) {
      int at = order[i] * RECORD;
      out.rows[i] = records.getInt(at);
      out.columns[i] = records.getInt(at + 4);
      out.counts[i] = records.getFloat(at + 8);
    }
    return out;
  }

  @Override
  public void close() throws IOException {
    delete(folder);
  }

  private static void delete(Path folder) throws IOException {
    for (int i = 0; i < PARTS; i++) {
      Files.deleteIfExists(folder.resolve(Integer.toString(i)));
    }
    Files.deleteIfExists(folder);
  }
}

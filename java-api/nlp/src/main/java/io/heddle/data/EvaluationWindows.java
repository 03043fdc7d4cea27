package io.heddle.data;

import io.heddle.op.Losses;
import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A text cut for scoring: every token but the first of each document is a target exactly once, with
 * at least {@code length - stride} tokens of context where the document has them.
 */
public final class EvaluationWindows {
  /**
   * A window.
   *
   * @param tokens of the document
   * @param from first token of the window
   * @param scored targets up to this token are scored by windows before
   * @param end last target
   */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Window(int[] tokens, int from, int scored, int end) {}

  private EvaluationWindows() {}

  /**
   * Cuts.
   *
   * @param documents tokens of each document; each begins with a token that is not scored (the end
   *     of the text before)
   * @param length tokens of a window
   * @param stride tokens scored in each window but the first of a document; smaller ones give more
   *     context and cost more
   * @param rows windows of a batch; the last batch may have fewer
   * @return batches, made when they are asked for, since small strides read every token many times
   */
  public static List<TokenBatch> cut(List<int[]> documents, int length, int stride, int rows) {
    if (stride < 1 || stride > length) {
      throw new IllegalArgumentException(
          "stride " + stride + " must be between 1 and the window of " + length);
    }
    if (rows < 1) {
      throw new IllegalArgumentException(rows + " rows make no batch");
    }
    List<Window> windows = new ArrayList<>();
    for (int[] tokens : documents) {
      int scored = 0;
      while (scored < tokens.length - 1) {
        int end = Math.min(scored == 0 ? length : scored + stride, tokens.length - 1);
        windows.add(new Window(tokens, Math.max(0, end - length), scored, end));
        scored = end;
      }
    }
    return new AbstractList<>() {
      @Override
      public TokenBatch get(int index) {
        int first = Math.multiplyExact(index, rows);
        return batch(windows.subList(first, Math.min(first + rows, windows.size())), length);
      }

      @Override
      public int size() {
        return Math.ceilDiv(windows.size(), rows);
      }
    };
  }

  private static TokenBatch batch(List<Window> windows, int length) {
    int[] ids = new int[windows.size() * length];
    int[] targets = new int[ids.length];
    Arrays.fill(targets, Losses.IGNORE);
    for (int r = 0; r < windows.size(); r++) {
      Window w = windows.get(r);
      for (int i = w.from; i < w.end; i++) {
        int at = r * length + i - w.from;
        ids[at] = w.tokens[i];
        if (i >= w.scored) {
          targets[at] = w.tokens[i + 1];
        }
      }
    }
    return new TokenBatch(windows.size(), ids, targets, null);
  }
}

package io.heddle.data;

import io.heddle.op.Losses;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A text cut for scoring: every token but the first of each document is a target exactly once, with at least {@code length - stride}
 * tokens of context where the document has them.
 */
public final class EvaluationWindows {
  private EvaluationWindows() {}

  /**
   * Cuts.
   *
   * @param documents tokens of each document; each begins with a token that is not scored (the end of the text before)
   * @param length tokens of a window
   * @param stride tokens scored in each window but the first
   * @param rows windows of a batch
   */
  public static List<TokenBatch> cut(List<int[]> documents, int length, int stride, int rows) {
    if (stride < 1 || stride > length) {
      throw new IllegalArgumentException("stride " + stride + " must be between 1 and the window of " + length);
    }
    List<int[]> ids = new ArrayList<>();
    List<int[]> targets = new ArrayList<>();
    for (int[] tokens : documents) {
      int scored = 0; // targets 1 .. scored are done
      while (scored < tokens.length - 1) {
        int end = Math.min(scored == 0 ? length : scored + stride, tokens.length - 1);
        int from = Math.max(0, end - length);
        int[] window = new int[length];
        int[] next = new int[length];
        Arrays.fill(next, Losses.IGNORE);
        for (int i = from; i < end; i++) {
          window[i - from] = tokens[i];
          if (i >= scored) {
            next[i - from] = tokens[i + 1];
          }
        }
        ids.add(window);
        targets.add(next);
        scored = end;
      }
    }
    List<TokenBatch> out = new ArrayList<>();
    for (int i = 0; i < ids.size(); i += rows) {
      int n = Math.min(rows, ids.size() - i);
      out.add(new TokenBatch(n, join(ids.subList(i, i + n), length), join(targets.subList(i, i + n), length), null));
    }
    return out;
  }

  private static int[] join(List<int[]> parts, int length) {
    int[] out = new int[parts.size() * length];
    for (int i = 0; i < parts.size(); i++) {
      System.arraycopy(parts.get(i), 0, out, i * length, length);
    }
    return out;
  }
}

package io.heddle.metrics;

/**
 * The number of edits in TER (Snover et al. 2006): words are inserted, deleted or replaced, and
 * runs of words that also stand in the reference are shifted, always the shift that saves most, as
 * tercom chooses it. Its limits are kept: runs of at most 10 words, positions at most 50 apart, a
 * thousand candidates.
 */
final class ShiftedEdits {
  private static final int LONGEST = 10;
  private static final int FARTHEST = 50;
  private static final int CANDIDATES = 1000;

  private final int[] reference;
  private final EditTable table;
  private int[] words;
  private int tried;

  // The best shift so far: what it saves, its run, and where it goes.
  private int saved;
  private int bestLength;
  private int bestStart;
  private int bestTarget;
  private int[] best = {};

  // Of the current words: the word that each reference word is aligned to, and what is wrong.
  private int[] aligned = {};
  private boolean[] wrong = {};
  private boolean[] wrongReference = {};

  private ShiftedEdits(int[] words, int[] reference) {
    this.words = words;
    this.reference = reference;
    this.table = new EditTable(reference, words.length);
  }

  /** Shifts and other edits that turn {@code words} into {@code reference}. */
  static int count(int[] words, int[] reference) {
    return reference.length == 0 ? words.length : new ShiftedEdits(words, reference).run();
  }

  private int run() {
    int shifts = 0;
    while (true) {
      int before = table.distance(words);
      align(table.steps());
      best = new int[0];
      candidates(before);
      if (tried >= CANDIDATES || best.length == 0 || saved <= 0) {
        return shifts + table.distance(words);
      }
      shifts++;
      words = best;
    }
  }

  private void align(byte[] steps) {
    aligned = new int[reference.length];
    wrong = new boolean[words.length];
    wrongReference = new boolean[reference.length];
    int own = -1;
    int other = -1;
    for (byte step : steps) {
      own += step == EditTable.INSERT ? 0 : 1;
      other += step == EditTable.DELETE ? 0 : 1;
      if (step != EditTable.DELETE) {
        aligned[other] = own;
        wrongReference[other] = step != EditTable.SAME;
      }
      if (step != EditTable.INSERT) {
        wrong[own] = step != EditTable.SAME;
      }
    }
  }

  private void candidates(int before) {
    for (int start = 0; start < words.length; start++) {
      for (int at = 0; at < reference.length; at++) {
        if (Math.abs(at - start) > FARTHEST) {
          continue;
        }
        int most = Math.min(LONGEST, Math.min(words.length - start, reference.length - at));
        for (int n = 1; n <= most && words[start + n - 1] == reference[at + n - 1]; n++) {
          consider(start, at, n, before);
          if (tried >= CANDIDATES) {
            return;
          }
        }
      }
    }
  }

  private void consider(int start, int at, int length, int before) {
    boolean needed =
        any(wrong, start, length)
            && any(wrongReference, at, length)
            && !(aligned[at] >= start && aligned[at] < start + length);
    int last = -1;
    for (int offset = -1; needed && offset < length && at + offset < reference.length; offset++) {
      int target = at + offset == -1 ? 0 : aligned[at + offset] + 1;
      if (target == last) {
        continue;
      }
      last = target;
      int[] shifted = shift(start, length, target);
      int saves = before - table.distance(shifted);
      tried++;
      if (best.length == 0 || better(saves, length, start, target)) {
        saved = saves;
        bestLength = length;
        bestStart = start;
        bestTarget = target;
        best = shifted;
      }
    }
  }

  private boolean better(int saves, int length, int start, int target) {
    if (saves != saved) {
      return saves > saved;
    }
    if (length != bestLength) {
      return length > bestLength;
    }
    return start != bestStart ? start < bestStart : target < bestTarget;
  }

  private static boolean any(boolean[] flags, int from, int count) {
    for (int i = from; i < from + count; i++) {
      if (flags[i]) {
        return true;
      }
    }
    return false;
  }

  // A target within the run means: so many words behind the run's start as it would be there.
  private int[] shift(int start, int length, int target) {
    int to = target < start ? target : target > start + length ? target - length : target;
    int[] out = new int[words.length];
    int[] rest = new int[words.length - length];
    System.arraycopy(words, 0, rest, 0, start);
    System.arraycopy(words, start + length, rest, start, rest.length - start);
    int place = Math.min(to, rest.length);
    System.arraycopy(rest, 0, out, 0, place);
    System.arraycopy(words, start, out, place, length);
    System.arraycopy(rest, place, out, place + length, rest.length - place);
    return out;
  }
}

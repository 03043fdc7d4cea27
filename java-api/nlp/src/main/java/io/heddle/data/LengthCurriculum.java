package io.heddle.data;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * How long rows are at which step: short ones first, for they are cheap and teach most of a
 * language, long ones when there is something to gain from them. A step has as many tokens whatever
 * the length of its rows, so that learning rates mean the same throughout.
 *
 * <p>Written {@code 1024@0,4096@500}: rows of 1024 tokens from step 0, of 4096 from step 500 on.
 *
 * @param stages in the order of their steps, the first at step 0
 */
public record LengthCurriculum(List<Stage> stages) {
  private static final Pattern ITEM = Pattern.compile("\\s*(\\d{1,9})@(\\d{1,18})\\s*");

  /**
   * From a step on, rows of one length.
   *
   * @param length tokens of a row
   * @param from first step, counted from 0
   */
  public record Stage(int length, long from) {}

  /** Checks the order. */
  public LengthCurriculum {
    stages = List.copyOf(stages);
    for (int i = 0; i < stages.size(); i++) {
      Stage stage = stages.get(i);
      if (stage.length < 1 || (i == 0 ? stage.from != 0 : stage.from <= stages.get(i - 1).from)) {
        throw new IllegalArgumentException(
            "the curriculum has "
                + stage.length
                + "@"
                + stage.from
                + (i == 0 ? " first; it must begin at step 0" : "; its steps must rise"));
      }
    }
    if (stages.isEmpty()) {
      throw new IllegalArgumentException("a curriculum has at least one length");
    }
  }

  /** Rows of one length throughout. */
  public static LengthCurriculum constant(int length) {
    return new LengthCurriculum(List.of(new Stage(length, 0)));
  }

  /** Reads {@code LENGTH@STEP,LENGTH@STEP,...}. */
  public static LengthCurriculum parse(String text) {
    List<Stage> stages = new ArrayList<>();
    for (String item : text.split(",", -1)) {
      Matcher found = ITEM.matcher(item);
      if (!found.matches()) {
        throw new IllegalArgumentException(
            "'" + item + "' in curriculum '" + text + "' is not LENGTH@STEP, e.g. 1024@0,4096@500");
      }
      stages.add(new Stage(Integer.parseInt(found.group(1)), Long.parseLong(found.group(2))));
    }
    return new LengthCurriculum(stages);
  }

  /** Tokens of a row at a step. */
  public int length(long step) {
    return stages.get(stage(step)).length;
  }

  /** Tokens of the longest rows. */
  public int longest() {
    return stages.stream().mapToInt(Stage::length).max().orElseThrow();
  }

  private int stage(long step) {
    int at = 0;
    while (at + 1 < stages.size() && stages.get(at + 1).from <= step) {
      at++;
    }
    return at;
  }

  /**
   * Batches of packed tokens. Each stage draws its rows from the whole text anew, as a run of that
   * length alone would; the batch of a number is a pure function of it.
   *
   * @param tokens all tokens, end to end
   * @param budget tokens of every batch; a multiple of each length
   * @param accumulation batches of a step
   */
  public LongFunction<TokenBatch> batches(int[] tokens, int budget, int accumulation, long seed) {
    List<PackedTokens> packed = new ArrayList<>();
    for (int i = 0; i < stages.size(); i++) {
      int length = stages.get(i).length;
      if (budget % length != 0) {
        throw new IllegalArgumentException(
            "rows of "
                + length
                + " tokens do not make up a batch of "
                + budget
                + ": it must be a multiple of every length of the curriculum");
      }
      long own = i == 0 ? seed : Mix.hash(seed + i);
      packed.add(new PackedTokens(tokens, length, budget / length, own));
    }
    return number -> {
      int at = stage(number / accumulation);
      return packed.get(at).batch(number - stages.get(at).from * accumulation);
    };
  }

  /** As it is written on the command line. */
  @Override
  public String toString() {
    StringBuilder out = new StringBuilder();
    for (Stage stage : stages) {
      out.append(out.isEmpty() ? "" : ",").append(stage.length).append('@').append(stage.from);
    }
    return out.toString();
  }
}

package io.heddle.methods.longrange;

import io.heddle.methods.longrange.CostModel.Cost;
import io.heddle.models.Schedule;
import io.heddle.models.Schedule.Placement;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/** How many layers to leave full: what each number costs, and the largest that a budget allows. */
public final class SchedulePlanner {
  private static final int SMALLEST = 64; // what kernels work on at once
  private static final int ROWS = 12;

  private final CostModel.Shape shape;
  private final CostModel model;
  private final Placement placement;

  /**
   * One choice.
   *
   * @param full number of full layers
   * @param schedule as text
   * @param cost of one sequence
   */
  public record Choice(int full, String schedule, Cost cost) {}

  /**
   * What one sequence may cost.
   *
   * @param flops of a forward pass
   * @param bytes of keys and values
   */
  public record Budget(double flops, double bytes) {
    /** Whether a choice stays within it. */
    public boolean allows(Choice choice) {
      return choice.cost.flops() <= flops && choice.cost.cache() <= bytes;
    }
  }

  /** A planner for sequences of {@code length} tokens with elements of {@code bytes} bytes. */
  public SchedulePlanner(CostModel.Shape shape, long length, int bytes, Placement placement) {
    this.shape = shape;
    this.model = new CostModel(shape, length, bytes);
    this.placement = placement;
  }

  /** The choice of {@code full} full layers, the rest {@code sparse}. */
  public Choice choice(int full, String sparse) {
    String schedule = Schedule.mixed(shape.layers(), full, placement, sparse);
    return new Choice(full, schedule, model.of(schedule));
  }

  /** About twelve choices from no full layer to all, that of {@code wanted} among them. */
  public List<Choice> choices(int wanted, String sparse) {
    TreeSet<Integer> counts = new TreeSet<>(List.of(0, 1, shape.layers(), wanted));
    int step = Math.max(1, Math.ceilDiv(shape.layers(), ROWS));
    for (int full = 0; full <= shape.layers(); full += step) {
      counts.add(full);
    }
    List<Choice> out = new ArrayList<>();
    for (int full : counts) {
      out.add(choice(full, sparse));
    }
    return out;
  }

  /**
   * The most full layers that a budget allows; when not even one fits, the widest of the halved
   * blocks or windows that do without one. Null when nothing fits.
   *
   * @param kind {@code window} or {@code block}
   * @param size of it, in tokens
   */
  public @Nullable Choice propose(Budget budget, String kind, int size) {
    for (int full = shape.layers(); full >= 0; full--) {
      Choice choice = choice(full, kind + ":" + size);
      if (budget.allows(choice)) {
        return choice;
      }
    }
    for (int less = size / 2; less >= SMALLEST; less /= 2) {
      Choice choice = choice(0, kind + ":" + less);
      if (budget.allows(choice)) {
        return choice;
      }
    }
    return null;
  }
}

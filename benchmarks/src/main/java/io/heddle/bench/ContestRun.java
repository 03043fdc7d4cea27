package io.heddle.bench;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Contests one after the other: each is made, judged and closed before the next one is made. */
final class ContestRun {
  private final Referee referee;
  private final String backend;
  private final @Nullable String peer;
  private final PrintWriter progress;
  private int failed;

  /**
   * A run.
   *
   * @param peer rows beside this peer alone; {@code none}: ours alone; null: all
   * @param progress is told of each contest
   */
  ContestRun(Referee referee, String backend, @Nullable String peer, PrintWriter progress) {
    this.referee = referee;
    this.backend = backend;
    this.peer = peer;
    this.progress = progress;
  }

  /**
   * Holds the contests that the folder does not have yet. One that fails is named, and the others
   * still take place.
   *
   * @param each gets every new row
   * @return all rows, those that the folder had first
   */
  List<Row> run(List<Contests.Entry> contests, @Nullable BenchFolder folder, Consumer<Row> each)
      throws IOException {
    List<Row> rows = folder == null ? new ArrayList<>() : folder.rows();
    for (int i = 0; i < contests.size(); i++) {
      Contests.Entry entry = contests.get(i);
      if (folder != null && folder.has(entry.name())) {
        continue;
      }
      progress.println("%d of %d: %s".formatted(i + 1, contests.size(), entry.name()));
      progress.flush();
      List<Row> more;
      try (Contest contest = entry.contest().get()) {
        more = judge(contest);
      } catch (RuntimeException e) {
        failed++;
        progress.println("FAILED: " + entry.name() + ": " + e.getMessage());
        progress.flush();
        continue;
      }
      more.forEach(each);
      if (folder == null) {
        rows.addAll(more);
      } else {
        folder.add(entry.name(), more);
      }
    }
    return rows;
  }

  private List<Row> judge(Contest contest) {
    if ("none".equals(peer)) {
      contest.alone();
    }
    return referee.judge(contest, backend).stream()
        .filter(row -> peer == null || row.peer().isEmpty() || isOf(row.peer(), peer))
        .toList();
  }

  // "pytorch" and "pytorch in place" are both of pytorch.
  private static boolean isOf(String name, String peer) {
    return name.equals(peer) || name.startsWith(peer + " ");
  }

  /** How many contests failed. */
  int failed() {
    return failed;
  }
}

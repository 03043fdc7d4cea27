package io.heddle.text;

import io.heddle.text.Segmenter.Part;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.PriorityQueue;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** All cuts of a text under a unigram model, as a graph of pieces between its characters. */
final class Lattice {
  // The reference cuts its agenda down like this, too: texts of repeated phrases have a vast number
  // of equally good cuts.
  private static final int AGENDA = 10_000;
  private static final int SMALL_AGENDA = 512;

  private record Node(int begin, int end, int id, float score) {}

  // A cut from a node to the end: gx is the sum to the right of and with the node, fx the best
  // total that a cut with this rest can have.
  private record Path(@Nullable Node node, @Nullable Path next, float fx, float gx, long order) {
    static int compare(Path a, Path b) {
      int byScore = Float.compare(b.fx, a.fx);
      return byScore != 0 ? byScore : Long.compare(a.order, b.order);
    }
  }

  /** A cut and the sum of its log-probabilities. */
  record Scored(List<Part> parts, double score) {}

  private final int length;
  private final List<List<Node>> ending = new ArrayList<>();

  Lattice(UnigramSegmenter model, String text) {
    length = text.length();
    for (int i = 0; i <= length; i++) {
      ending.add(new ArrayList<>());
    }
    for (int at = 0; at < length; at += Character.charCount(text.codePointAt(at))) {
      int from = at;
      model.visit(
          text,
          from,
          (end, id, score) -> ending.get(end).add(new Node(from, end, id, (float) score)));
    }
  }

  // The best sum of a cut of what is left of each place.
  private float[] best() {
    float[] best = new float[length + 1];
    for (int end = 1; end <= length; end++) {
      float top = Float.NEGATIVE_INFINITY;
      for (Node node : ending.get(end)) {
        top = Math.max(top, best[node.begin] + node.score);
      }
      best[end] = top;
    }
    return best;
  }

  /** The {@code n} best cuts, best first, found with A* from the end of the text. */
  List<Scored> nBest(int n) {
    float[] best = best();
    PriorityQueue<Path> agenda = new PriorityQueue<>(Path::compare);
    List<Scored> out = new ArrayList<>();
    long order = 0;
    agenda.add(new Path(null, null, best[length], 0, order));
    while (!agenda.isEmpty() && out.size() < n) {
      Path top = agenda.remove();
      int begin = top.node == null ? length : top.node.begin;
      if (begin == 0) {
        out.add(new Scored(parts(top), top.fx));
        continue;
      }
      for (Node node : ending.get(begin)) {
        float fx = best[node.begin] + node.score + top.gx;
        agenda.add(new Path(node, top, fx, node.score + top.gx, ++order));
      }
      if (agenda.size() >= AGENDA) {
        agenda = shrunk(agenda, (int) Math.min(SMALL_AGENDA, 10L * n));
      }
    }
    return out;
  }

  private static PriorityQueue<Path> shrunk(PriorityQueue<Path> agenda, int size) {
    PriorityQueue<Path> out = new PriorityQueue<>(Path::compare);
    for (int i = 0; i < size && !agenda.isEmpty(); i++) {
      out.add(agenda.remove());
    }
    return out;
  }

  private static List<Part> parts(Path first) {
    List<Part> out = new ArrayList<>();
    Path at = first;
    while (at != null && at.node != null) {
      out.add(new Part(at.node.end, at.node.id));
      at = at.next;
    }
    return out;
  }

  /** A cut drawn with a probability in proportion to exp(alpha * score). */
  List<Part> sample(double alpha, RandomGenerator random) {
    double[] sums = new double[length + 1];
    for (int end = 1; end <= length; end++) {
      double sum = Double.NEGATIVE_INFINITY;
      for (Node node : ending.get(end)) {
        sum = logSum(sum, sums[node.begin] + alpha * node.score);
      }
      sums[end] = sum;
    }
    List<Part> out = new ArrayList<>();
    for (int end = length; end > 0; ) {
      List<Node> nodes = ending.get(end);
      double left = random.nextDouble();
      int i = -1;
      while (left >= 0 && i + 1 < nodes.size()) {
        Node node = nodes.get(++i);
        left -= Math.exp(sums[node.begin] + alpha * node.score - sums[end]);
      }
      Node chosen = nodes.get(i);
      out.add(new Part(end, chosen.id));
      end = chosen.begin;
    }
    Collections.reverse(out);
    return out;
  }

  private static double logSum(double a, double b) {
    double high = Math.max(a, b);
    return high == Double.NEGATIVE_INFINITY
        ? high
        : high + Math.log1p(Math.exp(Math.min(a, b) - high));
  }
}

package io.heddle.text;

import io.heddle.text.SentencePieceModel.Kind;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleSupplier;
import java.util.random.RandomGenerator;

/**
 * SentencePiece's BPE: characters are joined as long as two neighbours make a piece, the piece with
 * the best score first and of these the leftmost. User-defined pieces are cut out whole and joined
 * with nothing; unused pieces may be joined, and come apart again at the end.
 */
final class BpeSegmenter implements Segmenter {
  private final SentencePieceModel model;
  private final PieceTrie trie = new PieceTrie();
  private final int[] ranks;

  BpeSegmenter(SentencePieceModel model) {
    this.model = model;
    float[] order = new float[model.size()];
    for (int id = 0; id < order.length; id++) {
      order[id] = -model.piece(id).score();
      if (model.textId(model.piece(id).text()) == id) {
        trie.put(model.piece(id).text(), id);
      }
    }
    float[] sorted = order.clone();
    Arrays.sort(sorted);
    ranks = new int[order.length];
    for (int id = 0; id < order.length; id++) {
      // Equal scores share a rank.
      int rank = Arrays.binarySearch(sorted, order[id]);
      while (rank > 0 && sorted[rank - 1] == order[id]) {
        rank--;
      }
      ranks[id] = rank;
    }
  }

  @Override
  public List<Part> cut(String text) {
    return new Merging(text).run(0, () -> 1);
  }

  @Override
  public List<Part> sample(String text, double alpha, RandomGenerator random) {
    return new Merging(text).run(alpha, random::nextDouble);
  }

  private int find(String text, int begin, int end) {
    int node = PieceTrie.ROOT;
    for (int at = begin; at < end && node != PieceTrie.NONE; at++) {
      node = trie.child(node, text.charAt(at));
    }
    return node == PieceTrie.NONE ? PieceTrie.NONE : trie.value(node);
  }

  /** The symbols of one text, each known by the place where it begins. */
  private final class Merging {
    private final String text;
    private final int[] end; // of the symbol that begins here
    private final int[] previous;
    private final int[] joined; // what the symbol here and the next would make
    private final boolean[] fixed;
    private final Map<Integer, Integer> halves =
        new HashMap<>(); // of unused pieces: the left's size
    private final LongHeap agenda;

    Merging(String text) {
      this.text = text;
      int n = text.length();
      end = new int[n];
      previous = new int[n + 1];
      joined = new int[n];
      fixed = new boolean[n];
      agenda = new LongHeap(n);
    }

    List<Part> run(double dropout, DoubleSupplier random) {
      int n = text.length();
      previous[0] = -1;
      for (int at = 0; at < n; at = end[at]) {
        int size = model.userDefined().longest(text, at);
        fixed[at] = size > 0;
        end[at] = size > 0 ? at + size : text.offsetByCodePoints(at, 1);
        previous[end[at]] = at;
      }
      for (int at = 0; at < n; at = end[at]) {
        offer(at);
      }
      while (!agenda.isEmpty()) {
        long best = agenda.poll();
        int at = (int) best;
        // Out of date when the pair at this place has become another.
        if (joined[at] < 0 || ranks[joined[at]] != (int) (best >>> 32)) {
          continue;
        }
        if (dropout > 0 && random.getAsDouble() < dropout) {
          joined[at] = -1;
          continue;
        }
        join(at);
      }
      List<Part> out = new ArrayList<>();
      for (int at = 0; at < n; at = end[at]) {
        emit(at, end[at], out);
      }
      return out;
    }

    private void offer(int at) {
      int next = end[at];
      joined[at] = -1;
      if (next == text.length() || fixed[at] || fixed[next]) {
        return;
      }
      int id = find(text, at, end[next]);
      joined[at] = id;
      if (id >= 0) {
        agenda.add((long) ranks[id] << 32 | at);
        if (model.is(id, Kind.UNUSED)) {
          halves.put(id, next - at);
        }
      }
    }

    private void join(int at) {
      int right = end[at];
      end[at] = end[right];
      joined[right] = -1;
      previous[end[at]] = at;
      offer(at);
      if (previous[at] >= 0) {
        offer(previous[at]);
      }
    }

    private void emit(int begin, int end, List<Part> out) {
      int id = find(text, begin, end);
      Integer left = id >= 0 && model.is(id, Kind.UNUSED) ? halves.get(id) : null;
      if (left == null) {
        out.add(new Part(end, id < 0 ? Segmenter.known(model, text.substring(begin, end)) : id));
        return;
      }
      emit(begin, begin + left, out);
      emit(begin + left, end, out);
    }
  }
}

package io.heddle.op;

import java.util.ArrayList;
import java.util.List;

/**
 * The tensors an op takes, parsed from its row of {@code ops.def}: {@code "x bias? -> y"}.
 *
 * @param names tensor names in call order, without marks
 * @param optional whether each may be absent
 * @param inputs how many of them are inputs; the others are outputs
 * @param list index of the entry that stands for any number of tensors, or -1
 */
public record Signature(List<String> names, List<Boolean> optional, int inputs, int list) {
  static Signature parse(String text) {
    List<String> names = new ArrayList<>();
    List<Boolean> optional = new ArrayList<>();
    int inputs = -1;
    int list = -1;
    for (String word : text.strip().split(" +", -1)) {
      if (word.equals("->")) {
        inputs = names.size();
        continue;
      }
      char mark = word.charAt(word.length() - 1);
      if (mark == '*') {
        list = names.size();
      }
      optional.add(mark == '?');
      names.add(mark == '?' || mark == '*' ? word.substring(0, word.length() - 1) : word);
    }
    return new Signature(List.copyOf(names), List.copyOf(optional), inputs, list);
  }

  /** The entry that tensor {@code index} of a call with {@code n} tensors belongs to. */
  public int entry(int index, int n) {
    int extra = n - names.size();
    if (list < 0 || index <= list) {
      return index;
    }
    return index <= list + extra ? list : index - extra;
  }

  /** The name of tensor {@code index} of a call with {@code n} tensors. */
  public String name(int index, int n) {
    return names.get(entry(index, n));
  }

  /** Whether tensor {@code index} of a call with {@code n} tensors is written. */
  public boolean isOutput(int index, int n) {
    return entry(index, n) >= inputs;
  }
}

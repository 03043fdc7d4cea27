package io.heddle.text;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Makes a {@link Vocab} from counts. Starts with GluonNLP's defaults. */
public final class VocabBuilder {
  private final TokenCounts counts;
  private final Map<String, String> named = new LinkedHashMap<>();
  private final List<String> reserved = new ArrayList<>();
  private final Map<String, Integer> places = new LinkedHashMap<>();
  private @Nullable String unknown = "<unk>";
  private @Nullable String padding = "<pad>";
  private @Nullable String begin = "<bos>";
  private @Nullable String end = "<eos>";
  private int maxSize = Integer.MAX_VALUE;
  private long minFrequency = 1;

  /** A builder over {@code counts}. */
  public VocabBuilder(TokenCounts counts) {
    this.counts = counts;
  }

  /** Most counted tokens; special and reserved ones come on top. */
  public VocabBuilder maxSize(int size) {
    if (size < 0) {
      throw new IllegalArgumentException("a vocabulary cannot have " + size + " tokens");
    }
    maxSize = size;
    return this;
  }

  /** Tokens seen less often are left out. */
  public VocabBuilder minFrequency(long frequency) {
    if (frequency < 1) {
      throw new IllegalArgumentException("minimal frequency " + frequency + " must be positive");
    }
    minFrequency = frequency;
    return this;
  }

  /** What every token that is not there becomes; null makes looking one up an error. */
  public VocabBuilder unknown(@Nullable String token) {
    unknown = token;
    return this;
  }

  /** The token that fills up rows; null for none. */
  public VocabBuilder padding(@Nullable String token) {
    padding = token;
    return this;
  }

  /** The tokens around sentences; null for none. */
  public VocabBuilder sentence(@Nullable String beginToken, @Nullable String endToken) {
    begin = beginToken;
    end = endToken;
    return this;
  }

  /**
   * One more special token.
   *
   * @param name by which {@link Vocab#special} finds it; ends in {@code _token}
   */
  public VocabBuilder special(String name, String token) {
    if (!name.endsWith("_token") || name.startsWith("_")) {
      throw new IllegalArgumentException(
          "special token name '" + name + "' must end in _token and not begin with _");
    }
    if (Set.of("unknown_token", Vocab.PADDING, Vocab.BEGIN, Vocab.END).contains(name)) {
      throw new IllegalArgumentException("'" + name + "' has a setter of its own");
    }
    named.put(name, token);
    return this;
  }

  /** Tokens that get an index whatever their count; none may be special already. */
  public VocabBuilder reserved(List<String> tokens) {
    reserved.addAll(tokens);
    return this;
  }

  /**
   * Moves a token to an index; the token that was there takes its place. Moves happen in the order
   * of these calls. GluonNLP's {@code token_to_idx}.
   */
  public VocabBuilder place(String token, int index) {
    places.put(token, index);
    return this;
  }

  /** The vocabulary. */
  public Vocab build() {
    Map<String, String> special = new LinkedHashMap<>(named);
    put(special, Vocab.PADDING, padding);
    put(special, Vocab.BEGIN, begin);
    put(special, Vocab.END, end);
    Set<String> first = new LinkedHashSet<>(special.values());
    if (unknown != null) {
      first.remove(unknown);
    }
    for (String token : reserved) {
      if (token.equals(unknown) || !first.add(token)) {
        throw new IllegalArgumentException(
            "reserved token '" + token + "' is reserved twice, or special already");
      }
    }
    List<String> tokens = new ArrayList<>();
    if (unknown != null) {
      tokens.add(unknown);
    }
    tokens.addAll(first);
    addCounted(tokens);
    move(tokens);
    return Vocab.ordered(tokens, unknown, special, List.copyOf(first));
  }

  private static void put(Map<String, String> special, String name, @Nullable String token) {
    if (token != null) {
      special.put(name, token);
    }
  }

  private void addCounted(List<String> tokens) {
    Set<String> taken = new HashSet<>(tokens);
    List<Map.Entry<String, Long>> order = new ArrayList<>(counts.asMap().entrySet());
    order.sort(
        Map.Entry.<String, Long>comparingByValue(Comparator.reverseOrder())
            .thenComparing(Map.Entry::getKey, VocabBuilder::byCodePoint));
    int room = maxSize;
    for (Map.Entry<String, Long> entry : order) {
      if (entry.getValue() < minFrequency || room == 0) {
        return;
      }
      if (!taken.contains(entry.getKey())) {
        tokens.add(entry.getKey());
        room--;
      }
    }
  }

  // Java compares UTF-16 units, which puts U+FFFD after U+10000; Python compares code points.
  static int byCodePoint(String a, String b) {
    int shorter = Math.min(a.length(), b.length());
    for (int i = 0; i < shorter; i++) {
      char x = a.charAt(i);
      char y = b.charAt(i);
      if (x != y) {
        boolean pair = Character.isSurrogate(x) != Character.isSurrogate(y);
        return pair ? (Character.isSurrogate(x) ? 1 : -1) : Character.compare(x, y);
      }
    }
    return Integer.compare(a.length(), b.length());
  }

  private void move(List<String> tokens) {
    if (places.values().stream().distinct().count() < places.size()) {
      throw new IllegalArgumentException("two tokens are to have one index: " + places);
    }
    places.forEach(
        (token, to) -> {
          int from = tokens.indexOf(token);
          if (from < 0 || to < 0 || to >= tokens.size()) {
            throw new IllegalArgumentException(
                "'"
                    + token
                    + "' cannot be moved to "
                    + to
                    + ": "
                    + (from < 0
                        ? "it is not in the vocabulary"
                        : "there are " + tokens.size() + " tokens"));
          }
          tokens.set(from, tokens.get(to));
          tokens.set(to, token);
        });
  }
}

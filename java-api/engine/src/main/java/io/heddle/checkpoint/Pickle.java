package io.heddle.checkpoint;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import org.jspecify.annotations.Nullable;

/**
 * Reads Python's pickle format (protocols 2 to 5, as {@code torch.save} writes it) as data:
 * numbers, texts, lists, tuples and dictionaries. Names of classes and functions stay names; what
 * calling one gives is asked of the {@link Calls}, a closed list, and nothing is ever run. Memory
 * in proportion to the text.
 */
final class Pickle {
  /** A class or function by its name. */
  record Global(String module, String name) {
    @Override
    public String toString() {
      return module + "." + name;
    }
  }

  /** A tuple. */
  record Tuple(List<@Nullable Object> items) {}

  /** Stands for what a call gives, and for objects outside the pickle. */
  interface Calls {
    /** The result of a call; refuses those not allowed. */
    @Nullable Object call(Global function, List<@Nullable Object> arguments);

    /** The object with this persistent id. */
    Object persistent(@Nullable Object id);
  }

  private static final Object MARK = new Object();

  private final ByteBuffer in;
  private final String name;
  private final Calls calls;
  private final List<@Nullable Object> stack = new ArrayList<>();
  private final Map<Integer, @Nullable Object> memo = new LinkedHashMap<>();

  /**
   * At the start of {@code text}.
   *
   * @param name what is read, for messages
   */
  Pickle(byte[] text, String name, Calls calls) {
    this.in = ByteBuffer.wrap(text).order(ByteOrder.LITTLE_ENDIAN);
    this.name = name;
    this.calls = calls;
  }

  /** The object. */
  @Nullable Object read() {
    try {
      while (true) {
        int op = Byte.toUnsignedInt(in.get());
        if (op == '.') {
          return pop();
        }
        step(op);
      }
    } catch (BufferUnderflowException
        | NoSuchElementException
        | IndexOutOfBoundsException
        | ClassCastException e) {
      throw damaged("it ends early or its parts do not fit together");
    }
  }

  private void step(int op) {
    switch (op) {
      case 0x80 -> protocol(u8());
      case 0x95 -> in.getLong(); // a frame's length
      case '(' -> push(MARK);
      case '0' -> pop();
      case '1' -> popToMark();
      case '2' -> push(stack.getLast());
      case 'N' -> push(null);
      case 0x88 -> push(true);
      case 0x89 -> push(false);
      case 'J' -> push((long) in.getInt());
      case 'K' -> push((long) u8());
      case 'M' -> push((long) Short.toUnsignedInt(in.getShort()));
      case 0x8a -> push(integer(u8()));
      case 'G' -> push(Double.longBitsToDouble(Long.reverseBytes(in.getLong())));
      case 'X' -> push(text(in.getInt()));
      case 0x8c -> push(text(u8()));
      case 0x8d -> push(text(longLength()));
      case 'T' -> push(text(in.getInt()));
      case 'U' -> push(text(u8()));
      case 'B' -> push(bytes(in.getInt()));
      case 'C' -> push(bytes(u8()));
      case 0x8e -> push(bytes(longLength()));
      case ')' -> push(new Tuple(List.of()));
      case 't' -> push(new Tuple(popToMark()));
      case 0x85 -> tuple(1);
      case 0x86 -> tuple(2);
      case 0x87 -> tuple(3);
      case ']' -> push(new ArrayList<@Nullable Object>());
      case 'a' -> append(Arrays.asList(pop()));
      case 'e' -> append(popToMark());
      case '}' -> push(new LinkedHashMap<Object, @Nullable Object>());
      case 's' -> {
        Object value = pop();
        put(Arrays.asList(pop(), value));
      }
      case 'u' -> put(popToMark());
      case 'q' -> memo.put(u8(), stack.getLast());
      case 'r' -> memo.put(in.getInt(), stack.getLast());
      case 0x94 -> memo.put(memo.size(), stack.getLast());
      case 'h' -> push(remembered(u8()));
      case 'j' -> push(remembered(in.getInt()));
      case 'c' -> push(new Global(line(), line()));
      case 0x93 -> {
        if (!(pop() instanceof String what) || !(pop() instanceof String module)) {
          throw damaged("a name is no text");
        }
        push(new Global(module, what));
      }
      case 'R', 0x81 -> {
        Tuple arguments = (Tuple) pop();
        Object function = pop();
        if (!(function instanceof Global global) || arguments == null) {
          throw damaged("it calls something that is no function");
        }
        push(calls.call(global, arguments.items()));
      }
      case 'b' -> { // attributes of an object: of a dictionary they are no data
        pop();
        if (!(stack.getLast() instanceof Map)) {
          throw damaged("it sets the state of an object that is no dictionary");
        }
      }
      case 'Q' -> push(calls.persistent(pop()));
      default -> throw damaged("operation 0x%02x is not one of data".formatted(op));
    }
  }

  private void protocol(int version) {
    if (version < 2 || version > 5) {
      throw damaged("protocol " + version + " is not supported");
    }
  }

  private void push(@Nullable Object object) {
    stack.add(object);
  }

  private @Nullable Object pop() {
    Object object = stack.removeLast();
    if (object == MARK) {
      throw damaged("its parts do not fit together");
    }
    return object;
  }

  private List<@Nullable Object> popToMark() {
    int at = stack.lastIndexOf(MARK);
    if (at < 0) {
      throw damaged("its parts do not fit together");
    }
    List<@Nullable Object> tail = stack.subList(at + 1, stack.size());
    List<@Nullable Object> out = new ArrayList<>(tail);
    stack.subList(at, stack.size()).clear();
    return out;
  }

  private void tuple(int n) {
    List<@Nullable Object> items = new ArrayList<>();
    for (int i = 0; i < n; i++) {
      items.addFirst(pop());
    }
    push(new Tuple(items));
  }

  @SuppressWarnings("unchecked") // only lists of this kind are pushed
  private void append(List<@Nullable Object> items) {
    if (!(stack.getLast() instanceof ArrayList<?> list)) {
      throw damaged("it adds items to something that is no list");
    }
    ((ArrayList<@Nullable Object>) list).addAll(items);
  }

  @SuppressWarnings("unchecked") // only maps of this kind are pushed
  private void put(List<@Nullable Object> pairs) {
    if (!(stack.getLast() instanceof LinkedHashMap<?, ?> map) || pairs.size() % 2 != 0) {
      throw damaged("it adds members to something that is no dictionary");
    }
    for (int i = 0; i < pairs.size(); i += 2) {
      Object key = pairs.get(i);
      if (!(key instanceof String || key instanceof Long)) {
        throw damaged("a key of a dictionary is neither a text nor a number");
      }
      ((LinkedHashMap<Object, @Nullable Object>) map).put(key, pairs.get(i + 1));
    }
  }

  private @Nullable Object remembered(int key) {
    if (!memo.containsKey(key)) {
      throw damaged("it refers to something that it does not hold");
    }
    return memo.get(key);
  }

  private int u8() {
    return Byte.toUnsignedInt(in.get());
  }

  private Long integer(int bytes) {
    if (bytes > 8) {
      throw damaged("a number has " + bytes + " bytes");
    }
    long value = 0;
    for (int i = 0; i < bytes; i++) {
      value |= (long) u8() << (8 * i);
    }
    int unused = 64 - 8 * bytes;
    return bytes == 0 ? 0 : (value << unused) >> unused;
  }

  private int longLength() {
    long length = in.getLong();
    return length < 0 || length > in.remaining() ? -1 : (int) length;
  }

  private byte[] bytes(int length) {
    if (length < 0 || length > in.remaining()) {
      throw damaged("it ends early");
    }
    byte[] out = new byte[length];
    in.get(out);
    return out;
  }

  private String text(int length) {
    return new String(bytes(length), StandardCharsets.UTF_8);
  }

  private String line() {
    int from = in.position();
    while (in.get() != '\n') {
      // to the end of the line
    }
    return new String(in.array(), from, in.position() - 1 - from, StandardCharsets.UTF_8);
  }

  PickleException damaged(String why) {
    return new PickleException(name + " cannot be read at byte " + in.position() + ": " + why);
  }
}

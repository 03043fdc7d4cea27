package io.heddle.binding;

import io.heddle.backend.DeviceException;
import io.heddle.backend.Probe;
import io.heddle.binding.ffm.FfmTransport;
import io.heddle.binding.javacpp.JavaCppTransport;
import io.heddle.op.OpCode;
import io.heddle.tensor.OutOfNativeMemoryException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.function.LongBinaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The door of one transport, after the handshake: the library's ABI version, op names, signatures
 * and parameter sizes equal the generated table, or the door stays shut with both values in the
 * message.
 */
public final class Door {
  private static final int TEXT_BYTES = 4096;
  private static final int INVALID = 1;
  static final int UNSUPPORTED = 2;
  private static final int NO_MEMORY = 3;

  private static @Nullable Door ofDefault;

  private final Transport transport;

  private Door(Transport transport) {
    this.transport = transport;
  }

  /**
   * The door of {@code -Dheddle.transport}: {@code javacpp} (default) or {@code ffm}. Loads the
   * library at the first call.
   */
  public static synchronized Door open() {
    if (ofDefault == null) {
      ofDefault = open(System.getProperty("heddle.transport", "javacpp"));
    }
    return ofDefault;
  }

  /** The door of a named transport. */
  public static Door open(String transport) {
    String failure = NativeLibrary.load();
    if (failure != null) {
      throw new IllegalStateException(failure);
    }
    Transport chosen =
        switch (transport) {
          case "javacpp" -> new JavaCppTransport();
          case "ffm" -> new FfmTransport();
          default ->
              throw new IllegalArgumentException(
                  "heddle.transport is '" + transport + "'; it can be javacpp or ffm");
        };
    Door door = new Door(chosen);
    door.handshake();
    return door;
  }

  /** The calls behind the door. */
  public Transport transport() {
    return transport;
  }

  private void handshake() {
    check("ABI version", OpCode.ABI_VERSION, transport.abiVersion());
    OpCode[] ops = OpCode.values();
    check("number of ops", ops.length, transport.opCount());
    for (int i = 0; i < ops.length; i++) {
      int op = i;
      check("name of op " + i, ops[i].opName(), text((t, n) -> transport.opName(op, t, n)));
      check("params of " + ops[i].opName(), ops[i].paramsBytes(), transport.opParamsBytes(i));
    }
  }

  private static void check(String what, Object ours, Object theirs) {
    if (!ours.toString().equals(theirs.toString())) {
      throw new IllegalStateException(
          "libheddle does not fit these classes: " + what + " is " + theirs + ", expected " + ours);
    }
  }

  /** The index of the backend with this name. */
  public int backend(String name) {
    for (int i = 0; i < transport.backendCount(); i++) {
      int backend = i;
      if (text((t, n) -> transport.backendName(backend, t, n)).equals(name)) {
        return i;
      }
    }
    throw new IllegalArgumentException("libheddle has no backend '" + name + "'");
  }

  /** Whether a backend can be used here; never throws for a missing device. */
  public Probe probe(int backend) {
    int[] status = new int[1];
    String reason =
        text(
            (t, n) -> {
              status[0] = transport.backendProbe(backend, t, n);
              return 0;
            });
    return new Probe(status[0] == 0, reason);
  }

  /** Throws what {@code status} stands for, with the library's stack of causes; 0 passes. */
  public void check(int status) {
    if (status == 0) {
      return;
    }
    String causes = text(transport::lastError);
    throw switch (status) {
      case INVALID -> new IllegalArgumentException(causes);
      case UNSUPPORTED -> new UnsupportedOperationException(causes);
      case NO_MEMORY -> new OutOfNativeMemoryException(causes);
      default -> new DeviceException(causes);
    };
  }

  /** Calls a text function with a buffer; returns what it wrote. */
  public static String text(LongBinaryOperator call) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment buffer = arena.allocate(TEXT_BYTES);
      long ignored = call.applyAsLong(buffer.address(), TEXT_BYTES);
      return ignored < 0 ? "" : buffer.getString(0, StandardCharsets.UTF_8);
    }
  }
}

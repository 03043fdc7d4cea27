package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.merge.TensorPlan.Input;
import io.heddle.checkpoint.merge.TensorPlan.Piece;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.security.MessageDigest;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;

/** The reading side of a merge: bytes, digests of them, and whether files stay as they were. */
final class Inputs {
  private final MergePlan plan;
  private final boolean hash;
  private final Digests digests;
  private final Map<String, Running> running = new ConcurrentHashMap<>();
  private final AtomicLong read = new AtomicLong();
  private final AtomicLong done = new AtomicLong();
  private final long total;

  /** A digest of what was read of a tensor so far. Used by one thread at a time. */
  private static final class Running {
    final MessageDigest digest = Digests.sha256();
    long next;
  }

  Inputs(MergePlan plan, Map<String, String> digests) {
    this.plan = plan;
    this.hash = plan.merge().options().hash();
    this.digests = new Digests(digests);
    this.total = plan.bytesRead() + plan.bytesWritten();
  }

  Digests digests() {
    return digests;
  }

  long bytesRead() {
    return read.get();
  }

  void advance(long bytes) {
    plan.merge().options().progress().advance(Math.min(total, done.addAndGet(bytes)), total);
  }

  /** Reads elements of an operand. */
  void read(TensorPlan tensor, int slot, long first, long count, MemorySegment into)
      throws IOException {
    Input input = tensor.inputs().get(slot);
    int bits = input.type().bits();
    for (Piece piece : input.pieces()) {
      long from = Math.max(first, piece.first());
      long to = Math.min(first + count, piece.first() + piece.count());
      if (from < to) {
        MemorySegment part = into.asSlice((from - first) * bits / 8, (to - from) * bits / 8);
        plan.models().get(piece.model()).read(piece.tensor(), from * bits / 8, part);
      }
    }
    read.addAndGet(into.byteSize());
    if (hash && input.pieces().size() == 1) {
      digest(tensor, slot, input, first, into);
    }
    advance(into.byteSize());
  }

  private void digest(TensorPlan tensor, int slot, Input input, long first, MemorySegment bytes) {
    Piece piece = input.pieces().getFirst();
    if (digests.has(piece.model(), piece.tensor())) {
      return;
    }
    Running of = running.computeIfAbsent(tensor.name() + " " + slot, key -> new Running());
    if (of.next == first) { // another pass reads the same again
      Digests.update(of.digest, bytes);
      of.next = first + bytes.byteSize() * 8 / input.type().bits();
    }
  }

  /** The digests of all that was read in full for a tensor. */
  Map<String, String> finish(TensorPlan tensor) {
    Map<String, String> out = new HashMap<>();
    for (int slot = 0; slot < tensor.inputs().size(); slot++) {
      Running of = running.remove(tensor.name() + " " + slot);
      if (of == null) {
        continue;
      }
      Piece piece = tensor.inputs().get(slot).pieces().getFirst();
      // Rows of a larger tensor are not the tensor.
      if (of.next == plan.elements(piece.model(), piece.tensor())) {
        String digest = Digests.hex(of.digest);
        digests.put(piece.model(), piece.tensor(), digest);
        out.put(Digests.key(piece.model(), piece.tensor()), digest);
      }
    }
    return out;
  }

  /** Refuses tensors that cannot be combined and are not the same in all models. */
  void checkSame(TensorPlan tensor, List<MemorySegment> operands, long first) {
    for (int i = 1; i < operands.size(); i++) {
      long at = operands.getFirst().mismatch(operands.get(i));
      if (at >= 0) {
        int model = tensor.inputs().get(i).pieces().getFirst().model();
        throw new IllegalArgumentException(
            "tensor %s is %s, which cannot be combined, and differs in %s; convert it to F32 first"
                .formatted(Operands.quote(tensor.name()), tensor.type(), plan.models().get(model)));
      }
    }
  }

  /** Refuses when a file is not the one that was opened. */
  void checkUnchanged() throws IOException {
    List<String> now = plan.identitiesNow();
    for (int i = 0; i < now.size(); i++) {
      if (!now.get(i).equals(plan.identities().get(i))) {
        Checkpoint model = plan.models().get(i);
        throw new IOException(model + " was changed while it was read: merge again");
      }
    }
  }
}

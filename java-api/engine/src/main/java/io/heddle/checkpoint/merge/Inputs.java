package io.heddle.checkpoint.merge;

import io.heddle.checkpoint.Checkpoint;
import io.heddle.checkpoint.merge.TensorPlan.Input;
import io.heddle.checkpoint.merge.TensorPlan.Piece;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
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
  private final Map<String, RunSums> running = new ConcurrentHashMap<>();
  private final AtomicLong read = new AtomicLong();
  private long done;
  private final long total;

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

  /** Says that so many more bytes were read or written. */
  synchronized void advance(long bytes) {
    done += bytes;
    plan.merge().options().progress().advance(Math.min(total, done), total);
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
  }

  private void digest(TensorPlan tensor, int slot, Input input, long first, MemorySegment bytes) {
    Piece piece = input.pieces().getFirst();
    if (digests.has(piece.model(), piece.tensor())) {
      return;
    }
    RunSums sums =
        running.computeIfAbsent(
            tensor.name() + " " + slot, key -> new RunSums(input.type(), piece.count()));
    if (!sums.isWhole()) { // else another pass reads the same again
      sums.update(first * input.type().bits() / 8, bytes);
    }
  }

  /** The digests of all that was read in full for a tensor. */
  Map<String, String> finish(TensorPlan tensor) {
    Map<String, String> out = new HashMap<>();
    for (int slot = 0; slot < tensor.inputs().size(); slot++) {
      RunSums sums = running.remove(tensor.name() + " " + slot);
      if (sums == null) {
        continue;
      }
      Piece piece = tensor.inputs().get(slot).pieces().getFirst();
      // Rows of a larger tensor are not the tensor.
      if (sums.isWhole() && piece.count() == plan.elements(piece.model(), piece.tensor())) {
        String digest = sums.digest();
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

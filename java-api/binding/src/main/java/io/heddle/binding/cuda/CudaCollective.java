package io.heddle.binding.cuda;

import static org.bytedeco.cuda.global.nccl.ncclFloat32;
import static org.bytedeco.cuda.global.nccl.ncclSuccess;
import static org.bytedeco.cuda.global.nccl.ncclSum;
import static org.bytedeco.cuda.global.nccl.ncclUint8;

import io.heddle.backend.DeviceException;
import io.heddle.backend.collective.Collective;
import io.heddle.backend.collective.Meeting;
import io.heddle.tensor.Tensor;
import java.util.List;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.global.nccl;
import org.bytedeco.cuda.nccl.ncclComm;
import org.bytedeco.cuda.nccl.ncclUniqueId;

/**
 * Sums over GPUs by NCCL (2.x) on a context's stream; one GPU for each rank, as NCCL has it. The
 * order of additions is the library's own: the same bits on all ranks, and, for the same ranks on
 * the same machines with the same settings, in every run. A rank that is gone is noticed by the
 * {@link Meeting}, and waiting sums are then given up.
 */
final class CudaCollective implements Collective {
  private final CudaBackend backend;
  private final Meeting meeting;
  private final CUstream_st stream;
  private final ncclComm all = new ncclComm();
  private boolean open;

  /**
   * Brings the ranks' GPUs together.
   *
   * @param stream where sums run; its device is the thread's current one
   */
  CudaCollective(CudaBackend backend, Meeting meeting, long stream) {
    this.backend = backend;
    this.meeting = meeting;
    this.stream = new CUstream_st(new Address().at(stream));
    try (ncclUniqueId name = new ncclUniqueId()) {
      byte[] bytes = new byte[name.sizeof()];
      if (meeting.rank() == 0) {
        check(nccl.ncclGetUniqueId(name), "naming the ranks");
        name.asByteBuffer().get(bytes);
      }
      name.asByteBuffer().put(meeting.gather(bytes)[0]);
      check(
          nccl.ncclCommInitRank(all, meeting.size(), name, meeting.rank()),
          "bringing the ranks together");
    }
    open = true;
    meeting.alarm(this::abort);
  }

  private static void check(int status, String what) {
    if (status != ncclSuccess) {
      throw new DeviceException(
          "NCCL: %s failed: %s (%s); NCCL_DEBUG=WARN in the environment tells more"
              .formatted(
                  what,
                  nccl.ncclGetErrorString(status).getString(),
                  nccl.ncclGetLastError(null).getString()));
    }
  }

  // What waits on the GPU for the lost rank ends, so that the wait for the stream does.
  private synchronized void abort() {
    if (open) {
      open = false;
      nccl.ncclCommAbort(all);
    }
  }

  // Work that was given up leaves anything in the tensors: nobody may go on with it.
  private void done(String what) {
    backend.synchronize();
    meeting.check();
    int[] status = new int[1];
    synchronized (this) {
      if (open) {
        check(nccl.ncclCommGetAsyncError(all, status), what);
      }
    }
    check(status[0], what);
  }

  @Override
  public Meeting meeting() {
    return meeting;
  }

  @Override
  public void sum(List<Tensor> tensors) {
    tensors.forEach(Collective::check);
    meeting.check();
    // Not synchronized: the library may wait for other ranks in here, until abort ends it.
    check(nccl.ncclGroupStart(), "a sum");
    for (Tensor x : tensors) {
      Address at = new Address().at(x.address());
      check(
          nccl.ncclAllReduce(at, at, x.size(), ncclFloat32, ncclSum, all, stream),
          "the sum of " + x);
    }
    check(nccl.ncclGroupEnd(), "a sum");
    done("a sum over ranks");
  }

  @Override
  public void broadcast(Tensor tensor) {
    Address at = new Address().at(tensor.address());
    long bytes = tensor.size() * tensor.dtype().bytes();
    meeting.check();
    check(
        nccl.ncclBroadcast(at, at, bytes, ncclUint8, 0, all, stream), "the broadcast of " + tensor);
    done("a broadcast");
  }

  @Override
  public synchronized void close() {
    if (open) {
      open = false;
      nccl.ncclCommDestroy(all);
    }
  }
}

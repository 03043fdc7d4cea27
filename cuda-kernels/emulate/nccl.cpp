// The functions of NCCL 2 that the Java side calls, on the host: with the emulated plugin it lets the tests of sums over GPUs run where
// there is none. Built as libnccl.so.2. Ranks, in one process or several, meet in shared memory that is named by the id which rank 0 draws;
// each lays a part of its numbers into its own place, and all add up all places in the order of the ranks. Unlike the real one it lets
// ranks share a device.
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>

#define API extern "C" __attribute__((visibility("default")))

namespace {

enum Status { kSuccess = 0, kSystemError = 2, kInvalidArgument = 4, kRemoteError = 6 };
enum Type { kUint8 = 1, kFloat32 = 7 };
constexpr int kSum = 0, kMaxRanks = 8;
constexpr size_t kPart = 1 << 20;  // bytes
constexpr const char* kPrefix = "/heddle-nccl-";

struct Id {
  char text[128];
};

struct Shared {
  std::atomic<int> came, round;
  char places[kMaxRanks][kPart];
};

}  // namespace

struct ncclComm {
  Shared* shared;
  int rank, size;
  std::atomic<bool> aborted;

  // False when the work was given up.
  bool meet() {
    const int round = shared->round.load();
    if (shared->came.fetch_add(1) + 1 == size) {
      shared->came.store(0);
      shared->round.store(round + 1);
      return true;
    }
    while (shared->round.load() == round) {
      if (aborted.load()) return false;
      sched_yield();
    }
    return true;
  }
};

API int ncclGetVersion(int* version) {
  *version = 22800;
  return kSuccess;
}
API const char* ncclGetErrorString(int status) { return status == kSuccess ? "no error" : "an error (emulated)"; }
API const char* ncclGetLastError(ncclComm*) { return "none is kept (emulated)"; }
API int ncclGetUniqueId(Id* id) {
  static std::atomic<int> drawn{0};
  const long long now = std::chrono::steady_clock::now().time_since_epoch().count();
  std::snprintf(id->text, sizeof id->text, "%s%d-%d-%lld", kPrefix, getpid(), drawn.fetch_add(1), now);
  return kSuccess;
}
API int ncclCommInitRank(ncclComm** comm, int size, Id id, int rank) {
  if (rank < 0 || rank >= size || size > kMaxRanks || std::strncmp(id.text, kPrefix, std::strlen(kPrefix)) != 0) return kInvalidArgument;
  const int file = shm_open(id.text, O_CREAT | O_RDWR, 0600);
  if (file < 0) return kSystemError;
  const bool sized = ftruncate(file, sizeof(Shared)) == 0;  // zeroes, whoever comes first
  void* memory = sized ? mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  close(file);
  if (memory == MAP_FAILED) return kSystemError;
  *comm = new ncclComm{static_cast<Shared*>(memory), rank, size, {false}};
  (*comm)->meet();
  if (rank == 0) shm_unlink(id.text);
  return kSuccess;
}
API int ncclCommDestroy(ncclComm* comm) {
  munmap(comm->shared, sizeof(Shared));
  delete comm;
  return kSuccess;
}
// Another thread may be at work with it: what is given up is kept.
API int ncclCommAbort(ncclComm* comm) {
  comm->aborted.store(true);
  return kSuccess;
}
API int ncclCommGetAsyncError(ncclComm* comm, int* status) {
  *status = comm->aborted.load() ? kRemoteError : kSuccess;
  return kSuccess;
}
API int ncclGroupStart() { return kSuccess; }
API int ncclGroupEnd() { return kSuccess; }
API int ncclAllReduce(const void* from, void* to, size_t count, int type, int op, ncclComm* comm, void*) {
  if (type != kFloat32 || op != kSum) return kInvalidArgument;
  for (size_t at = 0; at < count; at += kPart / sizeof(float)) {
    const size_t some = count - at < kPart / sizeof(float) ? count - at : kPart / sizeof(float);
    std::memcpy(comm->shared->places[comm->rank], static_cast<const float*>(from) + at, some * sizeof(float));
    if (!comm->meet()) return kSuccess;
    float* out = static_cast<float*>(to) + at;
    for (size_t i = 0; i < some; i++) {
      float sum = 0;
      for (int r = 0; r < comm->size; r++) {
        float x;
        std::memcpy(&x, comm->shared->places[r] + i * sizeof x, sizeof x);
        sum = r == 0 ? x : sum + x;
      }
      out[i] = sum;
    }
    if (!comm->meet()) return kSuccess;
  }
  return kSuccess;
}
API int ncclBroadcast(const void* from, void* to, size_t count, int type, int root, ncclComm* comm, void*) {
  if (type != kUint8) return kInvalidArgument;
  for (size_t at = 0; at < count; at += kPart) {
    const size_t some = count - at < kPart ? count - at : kPart;
    if (comm->rank == root) std::memcpy(comm->shared->places[0], static_cast<const char*>(from) + at, some);
    if (!comm->meet()) return kSuccess;
    std::memcpy(static_cast<char*>(to) + at, comm->shared->places[0], some);
    if (!comm->meet()) return kSuccess;
  }
  return kSuccess;
}

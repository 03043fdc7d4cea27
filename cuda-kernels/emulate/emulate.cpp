// Fibers for emulate.h, and as much of the CUDA runtime as plugin.cu uses, over host memory. A barrier that not all threads of a block or
// warp reach ends the process with a message: on a GPU it would hang.
#include "emulate.h"

#include <setjmp.h>
#include <ucontext.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <vector>

#include "emulated_mma.h"
#include "emulated_stream.h"

EmulatedIndex emulated_thread, emulated_block;
dim3 emulated_block_size, emulated_grid;

namespace {

constexpr size_t kStack = 256 * 1024;

struct Barrier {
  int arrived = 0;
  unsigned round = 0;
};

struct Copy {
  uintptr_t to;
  const void* from;
  bool real;
};

// swapcontext saves the signal mask, which costs two system calls; jumping costs none. AddressSanitizer knows only the former.
struct Place {
  ucontext_t context;
  jmp_buf jump;
  bool jumps = false;  // has left by a jump, so it is entered by one
};

#ifdef __SANITIZE_ADDRESS__
void go(Place& from, Place& to) { swapcontext(&from.context, &to.context); }
#else
void go(Place& from, Place& to) {
  from.jumps = true;
  if (_setjmp(from.jump) != 0) return;
  if (to.jumps) _longjmp(to.jump, 1);
  setcontext(&to.context);
}
#endif

struct Fiber {
  Place place;
  EmulatedIndex index;
  bool done;
  std::vector<Copy> open;                // copies of cp.async since the last commit
  std::deque<std::vector<Copy>> groups;  // committed, not yet arrived
};

std::vector<Fiber> fibers;
std::vector<char> stacks, shared_memory;
std::vector<Barrier> warps;
std::vector<uint64_t> slots;
Barrier block_barrier;
Place scheduler;
size_t current, alive, moved;
std::vector<int> warp_alive;
const std::function<void()>* body_now;

void entry() {
  (*body_now)();
  fibers[current].done = true;
  alive--;
  warp_alive[current / 32]--;
  moved++;
  go(fibers[current].place, scheduler);
}

void wait(Barrier& barrier, const int& expected) {
  const unsigned round = barrier.round;
  barrier.arrived++;
  moved++;
  // Those that have left count as arrived, also if they leave while others wait.
  while (barrier.round == round) {
    if (barrier.arrived >= expected) {
      barrier.arrived = 0;
      barrier.round++;
      moved++;
      break;
    }
    go(fibers[current].place, scheduler);
  }
}

void run_block(size_t threads) {
  std::memset(shared_memory.data(), 0xff, shared_memory.size());  // NaN: what is read before it is written shows
  block_barrier = {};
  warps.assign((threads + 31) / 32, {});
  warp_alive.assign(warps.size(), 0);
  alive = threads;
  for (size_t i = 0; i < threads; i++) {
    Fiber& f = fibers[i];
    f.done = false;
    f.open.clear();
    f.groups.clear();
    f.index = {static_cast<unsigned>(i % emulated_block_size.x), static_cast<unsigned>(i / emulated_block_size.x % emulated_block_size.y),
               static_cast<unsigned>(i / emulated_block_size.x / emulated_block_size.y)};
    warp_alive[i / 32]++;
    f.place.jumps = false;
    getcontext(&f.place.context);
    f.place.context.uc_stack.ss_sp = stacks.data() + i * kStack;
    f.place.context.uc_stack.ss_size = kStack;
    f.place.context.uc_link = nullptr;
    makecontext(&f.place.context, entry, 0);
  }
  while (alive > 0) {
    moved = 0;
    for (size_t i = 0; i < threads; i++) {
      if (fibers[i].done) continue;
      current = i;
      emulated_thread = fibers[i].index;
      go(scheduler, fibers[i].place);
    }
    if (moved == 0) {
      std::fprintf(stderr, "emulated kernel: a barrier is not reached by all threads of block %u\n", emulated_block.x);
      std::abort();
    }
  }
}

int block_alive() { return static_cast<int>(alive); }
}  // namespace

char* emulated_shared() { return shared_memory.data(); }
int emulated_lane() { return static_cast<int>(current % 32); }

void __syncthreads() {
  Barrier& barrier = block_barrier;
  const unsigned round = barrier.round;
  barrier.arrived++;
  moved++;
  while (barrier.round == round) {
    if (barrier.arrived >= block_alive()) {
      barrier.arrived = 0;
      barrier.round++;
      moved++;
      break;
    }
    go(fibers[current].place, scheduler);
  }
}

void __syncwarp() { wait(warps[current / 32], warp_alive[current / 32]); }

namespace {
// Two sets of slots in turn: one barrier is enough, as nobody can be two exchanges ahead.
uint64_t* own_slots() {
  static std::vector<unsigned> turn;
  turn.resize(1024);
  slots.resize(32 * 2 * 32 * 4);
  const unsigned set = turn[current]++ % 2;
  return slots.data() + (current / 32 * 2 + set) * 32 * 4;
}
}  // namespace

uint64_t* emulated_exchange(uint64_t mine) {
  uint64_t* to = own_slots();
  to[current % 32] = mine;
  __syncwarp();
  return to;
}

const uint64_t* emulated_gather(const uint64_t* mine, int words) {
  uint64_t* to = own_slots();
  for (int i = 0; i < words; i++) to[current % 32 * 4 + static_cast<size_t>(i)] = mine[i];
  __syncwarp();
  return to;
}

void emulated_fault(const char* what) {
  std::fprintf(stderr, "emulated kernel: %s (thread %zu of block %u)\n", what, current, emulated_block.x);
  std::abort();
}

void emulated_copy_async(uintptr_t to, const void* from, bool real) {
  if (to % 16 != 0 || (real && reinterpret_cast<uintptr_t>(from) % 16 != 0))
    emulated_fault("cp.async: an address that is not aligned to 16 bytes");
  std::memset(reinterpret_cast<void*>(to), 0xff, 16);  // NaN: a tile that others still read, or read too early, shows
  fibers[current].open.push_back({to, from, real});
}
void emulated_commit_copies() {
  Fiber& f = fibers[current];
  f.groups.push_back(std::move(f.open));
  f.open.clear();
}
void emulated_wait_copies(int left) {
  Fiber& f = fibers[current];
  for (; f.groups.size() > static_cast<size_t>(left); f.groups.pop_front()) {
    for (const Copy& c : f.groups.front()) {
      if (c.real) {
        std::memcpy(reinterpret_cast<void*>(c.to), c.from, 16);
      } else {
        std::memset(reinterpret_cast<void*>(c.to), 0, 16);
      }
    }
  }
}

namespace {
void run_grid(dim3 grid, dim3 block, int64_t shared, const std::function<void()>& body) {
  const size_t threads = static_cast<size_t>(block.x) * block.y * block.z;
  if (threads == 0 || threads > 1024 || threads % 32 != 0) {
    std::fprintf(stderr, "emulated kernel: a block of %zu threads\n", threads);
    std::abort();
  }
  if (fibers.size() < threads) {
    fibers.resize(threads);
    stacks.resize(threads * kStack);
  }
  shared_memory.assign(static_cast<size_t>(shared) + 16, 0);
  emulated_block_size = block;
  emulated_grid = grid;
  body_now = &body;
  for (unsigned z = 0; z < grid.z; z++) {
    for (unsigned y = 0; y < grid.y; y++) {
      for (unsigned x = 0; x < grid.x; x++) {
        emulated_block = {x, y, z};
        run_block(threads);
      }
    }
  }
}
}  // namespace

// ---- the runtime ----
namespace {
std::map<uintptr_t, size_t> device_memory;  // blocks, by address

EmulatedStream& stream_of(cudaStream_t s) { return *reinterpret_cast<EmulatedStream*>(s); }

bool on_device(const void* p) {
  const auto at = reinterpret_cast<uintptr_t>(p);
  const auto after = device_memory.upper_bound(at);
  return after != device_memory.begin() && at < std::prev(after)->first + std::prev(after)->second;
}

cudaError_t allocate(void** p, size_t bytes) {
  *p = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (*p == nullptr) return cudaErrorMemoryAllocation;
  std::memset(*p, 0xff, bytes);  // NaN
  device_memory[reinterpret_cast<uintptr_t>(*p)] = bytes;
  return cudaSuccess;
}

// On a GPU that would be the graph's, or an error; the plugin asks for neither.
cudaError_t refused(cudaStream_t s) {
  if (stream_of(s).kept == nullptr) return cudaSuccess;
  stream_of(s).broken = true;
  return cudaErrorStreamCaptureUnsupported;
}
}  // namespace

void emulated_launch(cudaStream_t stream, dim3 grid, dim3 block, int64_t shared, const std::function<void()>& body) {
  stream_of(stream).take([=] { run_grid(grid, block, shared, body); });
}

extern "C" {
cudaError_t cudaGetLastError(void) { return cudaSuccess; }
const char* cudaGetErrorString(cudaError_t) { return "emulated"; }
const char* cudaGetErrorName(cudaError_t) { return "emulated"; }
cudaError_t cudaRuntimeGetVersion(int* v) { return *v = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* v) { return *v = CUDART_VERSION, cudaSuccess; }
cudaError_t cudaGetDeviceCount(int* n) { return *n = 1, cudaSuccess; }
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* p, int) {
  *p = {};
  std::strcpy(p->name, "emulated on the host");
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrMaxSharedMemoryPerBlockOptin ? 227 * 1024 : attribute == cudaDevAttrComputeCapabilityMajor ? 9 : 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* s, unsigned) {
  return *s = reinterpret_cast<cudaStream_t>(new EmulatedStream), cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t s) { return delete &stream_of(s), cudaSuccess; }
cudaError_t cudaStreamSynchronize(cudaStream_t s) { return refused(s); }
cudaError_t cudaDeviceGetDefaultMemPool(cudaMemPool_t*, int) { return cudaSuccess; }
cudaError_t cudaMemPoolSetAttribute(cudaMemPool_t, cudaMemPoolAttr, void*) { return cudaSuccess; }
cudaError_t cudaMemGetInfo(size_t* left, size_t* total) { return *left = *total = 0, cudaSuccess; }
cudaError_t cudaPointerGetAttributes(cudaPointerAttributes* a, const void* p) {
  *a = {};
  a->type = on_device(p) ? cudaMemoryTypeDevice : cudaMemoryTypeUnregistered;
  return cudaSuccess;
}
cudaError_t cudaMalloc(void** p, size_t bytes) { return allocate(p, bytes); }
cudaError_t cudaFree(void* p) {
  device_memory.erase(reinterpret_cast<uintptr_t>(p));
  return std::free(p), cudaSuccess;
}
cudaError_t cudaMallocAsync(void** p, size_t bytes, cudaStream_t s) {
  const cudaError_t error = refused(s);
  return error == cudaSuccess ? allocate(p, bytes) : error;
}
cudaError_t cudaFreeAsync(void* p, cudaStream_t s) {
  const cudaError_t error = refused(s);
  return error == cudaSuccess ? cudaFree(p) : error;
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t s) {
  return stream_of(s).take([=] { std::memmove(to, from, bytes); }), cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* p, int byte, size_t bytes, cudaStream_t s) {
  return stream_of(s).take([=] { std::memset(p, byte, bytes); }), cudaSuccess;
}
cudaError_t cudaMemPoolTrimTo(cudaMemPool_t, size_t) { return cudaSuccess; }

// A graph is the work that was kept; so is what is instantiated of it.
cudaError_t cudaStreamBeginCapture(cudaStream_t s, cudaStreamCaptureMode) {
  stream_of(s).kept = new EmulatedStream::Work;
  stream_of(s).broken = false;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t* graph) {
  EmulatedStream::Work* kept = stream_of(s).kept;
  stream_of(s).kept = nullptr;
  if (stream_of(s).broken) return delete kept, *graph = nullptr, cudaErrorStreamCaptureInvalidated;
  return *graph = reinterpret_cast<cudaGraph_t>(kept), cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  return *made = reinterpret_cast<cudaGraphExec_t>(new EmulatedStream::Work(*reinterpret_cast<EmulatedStream::Work*>(graph))), cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t made, cudaStream_t) {
  for (const auto& work : *reinterpret_cast<EmulatedStream::Work*>(made)) work();
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return delete reinterpret_cast<EmulatedStream::Work*>(graph), cudaSuccess; }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t made) { return delete reinterpret_cast<EmulatedStream::Work*>(made), cudaSuccess; }
}

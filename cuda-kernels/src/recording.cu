// Recordings: a stretch of the context's stream, captured as a CUDA graph. The context's mutex is held from begin to end, so other threads
// wait; within, only work on the stream is done. The capture is a relaxed one: the arena's cudaMalloc, and what libraries do when first
// called, are no work of the stream and may happen.
#include <algorithm>

#include "context.h"
#include "recording.h"

namespace hd {
namespace {
constexpr int64_t kAlign = 512;
constexpr int64_t kSegment = 32 << 20;  // at least this, and an eighth of what there is: large ones have less waste

int64_t rounded(int64_t bytes, int64_t to) { return (bytes + to - 1) / to * to; }

// Frees what only recordings have kept.
void tidy(CudaContext& c) {
  Recordings& r = c.recordings;
  if (r.open || r.kept > 0) return;
  for (void* data : r.outgrown) cudaFreeAsync(data, c.stream);
  r.outgrown.clear();
  if (r.arena.held() == 0) r.arena.drop();
}
}  // namespace

void* Arena::take(int64_t bytes) {
  const int64_t need = rounded(std::max<int64_t>(bytes, 1), kAlign);
  auto best = blocks_.end();
  for (auto at = blocks_.begin(); at != blocks_.end(); ++at) {
    const Block& b = at->second;
    if (!b.used && b.bytes >= need && (best == blocks_.end() || b.bytes < best->second.bytes)) best = at;
  }
  if (best == blocks_.end()) best = segment(need);
  if (best == blocks_.end()) return nullptr;
  Block& block = best->second;
  if (block.bytes > need) blocks_[best->first + need] = {block.bytes - need, false, false};
  block.bytes = need;
  block.used = true;
  held_++;
  return best->first;
}

Arena::Blocks::iterator Arena::segment(int64_t bytes) {
  for (const int64_t wanted : {std::max({bytes, kSegment, rounded(total_ / 8, kSegment)}), bytes}) {
    void* data = nullptr;
    if (cudaMalloc(&data, static_cast<size_t>(wanted)) == cudaSuccess) {
      total_ += wanted;
      return blocks_.insert({static_cast<char*>(data), {wanted, false, true}}).first;
    }
    cudaGetLastError();
  }
  return blocks_.end();
}

void Arena::join_next(Blocks::iterator at) {
  const auto next = std::next(at);
  if (next == blocks_.end() || next->second.used || next->second.first) return;
  at->second.bytes += next->second.bytes;
  blocks_.erase(next);
}

bool Arena::give(void* data) {
  const auto at = blocks_.find(static_cast<char*>(data));
  if (at == blocks_.end() || !at->second.used) return false;
  at->second.used = false;
  held_--;
  join_next(at);
  if (!at->second.first && !std::prev(at)->second.used) join_next(std::prev(at));
  return true;
}

void Arena::drop() {
  for (const auto& [data, block] : blocks_) {
    if (block.first) cudaFree(data);
  }
  blocks_.clear();
  total_ = 0;
}

hd_status capture_begin(CudaContext& c) {
  c.mutex.lock();
  hd_status status = HD_OK;
  if (c.recordings.open) {
    status = fail(HD_INVALID, "a recording is under way: recordings cannot be nested");
  } else {
    // What the allocator caches is of no use to recordings, and they may need the room.
    cudaMemPool_t pool;
    cudaError_t error = cudaStreamSynchronize(c.stream);
    if (error == cudaSuccess) error = cudaDeviceGetDefaultMemPool(&pool, c.device);
    if (error == cudaSuccess) error = cudaMemPoolTrimTo(pool, 0);
    if (error == cudaSuccess) error = cudaStreamBeginCapture(c.stream, cudaStreamCaptureModeRelaxed);
    if (error != cudaSuccess) status = cuda_fail(error, "beginning a recording");
  }
  if (status == HD_OK) {
    c.recordings.open = true;  // the mutex stays locked until the end
    c.recordings.held_before = c.recordings.arena.held();
  } else {
    c.mutex.unlock();
  }
  return status;
}

namespace {
hd_status instantiate(CudaContext& c, cudaGraph_t graph, void** recording) {
  const int64_t held = c.recordings.arena.held() - c.recordings.held_before;
  if (held > 0) {
    return fail(HD_UNSUPPORTED, "recording: %lld blocks of memory made within are still held at its end; make before it what outlives it",
                static_cast<long long>(held));
  }
  cudaGraphExec_t made = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&made, graph, 0);
  if (error != cudaSuccess) return cuda_fail(error, "preparing a recording");
  *recording = made;
  c.recordings.kept++;
  return HD_OK;
}
}  // namespace

hd_status capture_end(CudaContext& c, void** recording) {
  const std::lock_guard<std::recursive_mutex> lock(c.mutex);
  if (!c.recordings.open) return fail(HD_INVALID, "no recording is under way on this thread");
  c.recordings.open = false;
  cudaGraph_t graph = nullptr;
  const cudaError_t error = cudaStreamEndCapture(c.stream, &graph);
  hd_status status = HD_OK;
  if (error != cudaSuccess) {
    cudaGetLastError();
    status =
        fail(HD_UNSUPPORTED, "recording: something in it cannot be recorded: %s (%s)", cudaGetErrorString(error), cudaGetErrorName(error));
  } else if (recording != nullptr) {
    status = instantiate(c, graph, recording);
  }
  if (graph != nullptr) cudaGraphDestroy(graph);
  for (void* data : c.recordings.given_back) cudaFreeAsync(data, c.stream);
  c.recordings.given_back.clear();
  tidy(c);
  c.mutex.unlock();  // begin's
  return status;
}

hd_status replay(CudaContext& c, void* recording) {
  const std::lock_guard<std::recursive_mutex> lock(c.mutex);
  if (c.recordings.open) return fail(HD_UNSUPPORTED, "recording: a replay cannot be recorded");
  cudaSetDevice(c.device);
  const cudaError_t error = cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording), c.stream);
  return error == cudaSuccess ? HD_OK : cuda_fail(error, "replaying a recording");
}

hd_status forget(CudaContext& c, void* recording) {
  const std::lock_guard<std::recursive_mutex> lock(c.mutex);
  cudaSetDevice(c.device);
  if (!c.recordings.open) cudaStreamSynchronize(c.stream);
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording));
  c.recordings.kept--;
  tidy(c);
  return HD_OK;
}
}  // namespace hd

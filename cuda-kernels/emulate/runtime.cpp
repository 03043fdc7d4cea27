// As much of the CUDA runtime as plugin.cu and the kernels' launchers use, over host memory. HD_EMULATED_DEVICE names the device: "hopper"
// is one of compute capability 9.0, whose own attention kernels run; without it the device is a 9.1, which nobody has kernels of its own
// for.
#include <cstdlib>
#include <map>

#include "emulated_stream.h"
#include "fibers.h"

namespace emulated {
namespace {
bool hopper() {
  const char* device = std::getenv("HD_EMULATED_DEVICE");
  return device != nullptr && std::string(device) == "hopper";
}
}  // namespace

int processors() { return hopper() ? 3 : 1; }
}  // namespace emulated

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

void emulated_launch(cudaStream_t stream, dim3 grid, dim3 block, int64_t shared, const std::function<void()>& kernel) {
  stream_of(stream).take([=] { emulated_run(grid, block, shared, kernel); });
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
  switch (attribute) {
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = emulated::kSharedLimit;
      break;
    case cudaDevAttrComputeCapabilityMajor:
      *value = 9;
      break;
    case cudaDevAttrComputeCapabilityMinor:
      *value = emulated::hopper() ? 0 : 1;
      break;
    case cudaDevAttrMultiProcessorCount:
      *value = emulated::processors();
      break;
    default:
      *value = 1;
  }
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
cudaError_t cudaGetDriverEntryPointByVersion(const char* name, void** f, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  const bool known = std::string(name) == "cuTensorMapEncodeTiled";
  *f = known ? reinterpret_cast<void*>(emulated::emulated_encode_tiled) : nullptr;
  *found = known ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
}

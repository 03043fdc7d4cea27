// The CUDA backend's table. Nothing here throws or aborts: a machine without a driver, or with an old one, is a sentence in probe's
// text. Streams and memory live in the device's primary context, which cuBLASLt and cuDNN share. Errors of kernels arrive late: the door
// waits after every op where it is told to (hd_careful), so that the error names it.
#include <cuda_runtime.h>
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#if !defined(HD_EMULATE) && __has_include(<nvtx3/nvToolsExt.h>)
#include <nvtx3/nvToolsExt.h>
#define HD_NVTX 1
#endif

#include "context.h"

namespace hd {
namespace {

#ifdef HD_EMULATE
constexpr bool kEmulated = true;
#else
constexpr bool kEmulated = false;
#endif

const hd_host* host = nullptr;

const char* const kOpNames[] = {
#define HD_OP(name, Params, signature) #name,
#include "heddle/ops.def"
#undef HD_OP
};
const char* const kSignatures[] = {
#define HD_OP(name, Params, signature) signature,
#include "heddle/ops.def"
#undef HD_OP
};
const Kernel kKernels[] = {
#define HD_OP(name, Params, signature) name,
#include "heddle/ops.def"
#undef HD_OP
};

std::string version(int number) { return std::to_string(number / 1000) + "." + std::to_string(number % 1000 / 10); }

// ---- what is there ----

struct Facts {
  hd_status status = HD_DEVICE;
  std::string reason;
  int devices = 0, driver = 0, runtime = 0;
};

Facts look() {
  Facts f;
  // Asked for first: without it the runtime's own message does not say what is missing. Never closed: the runtime uses it.
  if (!kEmulated && dlopen("libcuda.so.1", RTLD_LAZY | RTLD_LOCAL) == nullptr) {
    f.reason = "no NVIDIA driver: libcuda.so.1 was not found";
    return f;
  }
  cudaRuntimeGetVersion(&f.runtime);
  if (cudaDriverGetVersion(&f.driver) != cudaSuccess || f.driver == 0) {
    f.reason = "the NVIDIA driver does not answer: libcuda.so.1 is there, but no kernel module is loaded";
    return f;
  }
  if (f.driver / 1000 < f.runtime / 1000) {
    f.reason = "the NVIDIA driver is too old: it offers CUDA " + version(f.driver) + ", this build needs CUDA " +
               std::to_string(f.runtime / 1000) + ".0 or newer; update the driver";
    return f;
  }
  const cudaError_t error = cudaGetDeviceCount(&f.devices);
  cudaGetLastError();  // leave no error behind for the next call
  if (error == cudaErrorNoDevice || (error == cudaSuccess && f.devices == 0)) {
    f.reason = "no GPU: the NVIDIA driver is there, but it shows no device (is CUDA_VISIBLE_DEVICES set?)";
    return f;
  }
  if (error != cudaSuccess) {
    f.reason = std::string("the NVIDIA driver does not answer: ") + cudaGetErrorString(error);
    return f;
  }
  bool usable = false;
  for (int d = 0; d < f.devices; d++) {
    int major = 0;
    usable = usable || (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, d) == cudaSuccess && major >= 8);
  }
  if (!usable) {
    f.reason = "no GPU of compute capability 8.0 or newer, which the kernels need";
    return f;
  }
  f.status = HD_OK;
  f.reason = "available";
  return f;
}

const Facts& facts() {
  static const Facts found = look();
  return found;
}

hd_status probe(char* text, int64_t capacity) {
  copy_text(facts().reason, reinterpret_cast<hd_address>(text), capacity);
  return facts().status;
}

std::string quoted(const char* text) {
  std::string out = "\"";
  for (; *text != 0; text++) {
    if (*text == '"' || *text == '\\') out += '\\';
    if (static_cast<unsigned char>(*text) >= 32) out += *text;
  }
  return out + '"';
}

// As the driver's tools write it: GPU-8-4-4-4-12 digits.
std::string uuid_text(const cudaDeviceProp& p) {
  std::string text = "GPU";
  for (int i = 0; i < 16; i++) {
    char byte[4];
    const bool dash = i == 0 || i == 4 || i == 6 || i == 8 || i == 10;
    std::snprintf(byte, sizeof byte, dash ? "-%02x" : "%02x", static_cast<unsigned char>(p.uuid.bytes[i]));
    text += byte;
  }
  return text;
}

int64_t describe_devices(char* text, int64_t capacity) {
  const Facts& f = facts();
  std::string json = "{\"driver\":\"" + version(f.driver) + "\",\"runtime\":\"" + version(f.runtime) + "\",\"devices\":[";
  for (int d = 0; f.status == HD_OK && d < f.devices; d++) {
    cudaDeviceProp p;
    if (cudaGetDeviceProperties(&p, d) != cudaSuccess) continue;
    json += json.back() == '[' ? "" : ",";
    json += "{\"ordinal\":" + std::to_string(d) + ",\"name\":" + quoted(p.name) + ",\"compute\":\"" + std::to_string(p.major) + "." +
            std::to_string(p.minor) + "\",\"memory\":" + std::to_string(p.totalGlobalMem) +
            ",\"multiprocessors\":" + std::to_string(p.multiProcessorCount) + ",\"l2\":" + std::to_string(p.l2CacheSize) +
            ",\"shared_per_block\":" + std::to_string(p.sharedMemPerBlockOptin) + ",\"uuid\":\"" + uuid_text(p) + "\"}";
  }
  return copy_text(json + "]}", reinterpret_cast<hd_address>(text), capacity);
}

// ---- contexts ----

CudaContext& context_of(void* context) { return *static_cast<CudaContext*>(context); }

void close(void* context) {
  CudaContext* c = &context_of(context);
  cudaSetDevice(c->device);
  cudaStreamSynchronize(c->stream);
  c->recordings.arena.drop();
  for (void* data : c->recordings.outgrown) cudaFreeAsync(data, c->stream);
  if (c->scratch != nullptr) cudaFreeAsync(c->scratch, c->stream);
  if (c->faults != nullptr) cudaFreeAsync(c->faults, c->stream);
  if (c->tickets != nullptr) cudaFreeAsync(c->tickets, c->stream);
  cudaStreamSynchronize(c->stream);
  cudaStreamDestroy(c->stream);
  delete c;
}

hd_status set_up(CudaContext& c) {
  cudaError_t error = cudaSetDevice(c.device);  // makes the primary context current on this thread
  // A stream with the default flags waits for the legacy stream and it for us: libraries that are given no stream stay in order.
  if (error == cudaSuccess) error = cudaStreamCreateWithFlags(&c.stream, cudaStreamDefault);
  if (error != cudaSuccess) return cuda_fail(error, "opening the GPU");
  int processors = 0, shared = 0, pools = 0, major = 0, minor = 0;
  cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, c.device);
  cudaDeviceGetAttribute(&shared, cudaDevAttrMaxSharedMemoryPerBlockOptin, c.device);
  cudaDeviceGetAttribute(&pools, cudaDevAttrMemoryPoolsSupported, c.device);
  if (pools == 0) return fail(HD_UNSUPPORTED, "GPU %d has no stream-ordered memory (cudaMallocAsync)", c.device);
  cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, c.device);
  cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, c.device);
  c.capability = 10 * major + minor;
  c.processors = processors;
  c.shared_limit = shared;
  cudaMemPool_t pool;
  uint64_t threshold = UINT64_MAX;  // freed memory stays with the pool: this is the cache behind hd_alloc
  error = cudaDeviceGetDefaultMemPool(&pool, c.device);
  if (error == cudaSuccess) error = cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold);
  if (error == cudaSuccess) error = cudaMallocAsync(reinterpret_cast<void**>(&c.faults), HD_OP_COUNT * sizeof(*c.faults), c.stream);
  if (error == cudaSuccess) error = cudaMemsetAsync(c.faults, 0xff, HD_OP_COUNT * sizeof(*c.faults), c.stream);
  if (error == cudaSuccess) error = cudaMallocAsync(reinterpret_cast<void**>(&c.tickets), 2 * sizeof(*c.tickets), c.stream);
  if (error == cudaSuccess) error = cudaMemsetAsync(c.tickets, 0, 2 * sizeof(*c.tickets), c.stream);
  return error == cudaSuccess ? HD_OK : cuda_fail(error, "setting up the memory pool");
}

void* open(int32_t device, int32_t threads) {
  const int32_t ordinal = device < 0 ? 0 : device;
  if (ordinal >= facts().devices || threads < 0) {
    fail(HD_INVALID, "no GPU %d: the driver shows %d", ordinal, facts().devices);
    return nullptr;
  }
  auto c = new (std::nothrow) CudaContext{};
  if (c == nullptr) {
    fail(HD_NO_MEMORY, "no memory for a context");
    return nullptr;
  }
  c->device = ordinal;
  if (set_up(*c) != HD_OK) {
    if (c->stream != nullptr) cudaStreamDestroy(c->stream);
    delete c;
    return nullptr;
  }
  return c;
}

// ---- memory ----

using Lock = std::lock_guard<std::recursive_mutex>;

void* alloc(void* context, int64_t bytes) {
  CudaContext& c = context_of(context);
  const Lock lock(c.mutex);
  cudaSetDevice(c.device);
  void* data = nullptr;
  cudaError_t error = cudaErrorMemoryAllocation;
  if (c.recordings.open) {
    data = c.recordings.arena.take(bytes);
    if (data != nullptr) return data;
  } else {
    error = cudaMallocAsync(&data, static_cast<size_t>(bytes == 0 ? 1 : bytes), c.stream);
    if (error == cudaSuccess) return data;
    cudaGetLastError();
  }
  size_t left = 0, total = 0;
  cudaMemGetInfo(&left, &total);
  if (error == cudaErrorMemoryAllocation) {
    fail(HD_NO_MEMORY, "no GPU memory for %lld bytes (%lld MiB of %lld MiB are free, before what the pool holds)",
         static_cast<long long>(bytes), static_cast<long long>(left >> 20), static_cast<long long>(total >> 20));
  } else {
    cuda_fail(error, "allocating GPU memory");
  }
  return nullptr;
}

hd_status release(void* context, void* data) {
  if (data == nullptr) return HD_OK;
  CudaContext& c = context_of(context);
  const Lock lock(c.mutex);
  cudaSetDevice(c.device);
  if (c.recordings.arena.give(data)) return HD_OK;
  if (c.recordings.open) {
    c.recordings.given_back.push_back(data);
    return HD_OK;
  }
  const cudaError_t error = cudaFreeAsync(data, c.stream);
  return error == cudaSuccess ? HD_OK : cuda_fail(error, "freeing GPU memory");
}

bool is_device_memory(const void* p) {
  cudaPointerAttributes a;
  if (cudaPointerGetAttributes(&a, p) != cudaSuccess) {
    cudaGetLastError();
    return false;
  }
  return a.type == cudaMemoryTypeDevice || a.type == cudaMemoryTypeManaged;
}

hd_status faults_of(CudaContext& c);

// Device to device is left on the stream. With the host on a side the bytes have arrived on return.
hd_status copy_bytes(void* context, void* to, const void* from, int64_t bytes) {
  if (bytes == 0) return HD_OK;
  CudaContext& c = context_of(context);
  const bool on_device = is_device_memory(to) && is_device_memory(from);
  {
    const Lock lock(c.mutex);
    if (c.recordings.open && !on_device) {
      return fail(HD_UNSUPPORTED, "recording: %lld bytes cannot be copied %s the host within it; do that before or after",
                  static_cast<long long>(bytes), is_device_memory(to) ? "from" : "to");
    }
    cudaSetDevice(c.device);
    const cudaError_t error = cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault, c.stream);
    if (error != cudaSuccess) return cuda_fail(error, "copying");
  }
  return on_device ? HD_OK : faults_of(c);
}

hd_status fill(void* context, void* data, int32_t byte, int64_t bytes) {
  if (bytes == 0) return HD_OK;
  CudaContext& c = context_of(context);
  const Lock lock(c.mutex);
  cudaSetDevice(c.device);
  const cudaError_t error = cudaMemsetAsync(data, byte, static_cast<size_t>(bytes), c.stream);
  return error == cudaSuccess ? HD_OK : cuda_fail(error, "filling GPU memory");
}

// Waits for the stream, then reports the index errors that kernels noted since the last time.
hd_status faults_of(CudaContext& c) {
  unsigned long long faults[HD_OP_COUNT];
  cudaError_t error = cudaMemcpyAsync(faults, c.faults, sizeof faults, cudaMemcpyDeviceToHost, c.stream);
  if (error == cudaSuccess) error = cudaStreamSynchronize(c.stream);
  if (error != cudaSuccess) return cuda_fail(error, "waiting for the GPU (HD_SYNC=1 or -Dheddle.sync=true tells which op failed)");
  for (int32_t op = 0; op < HD_OP_COUNT; op++) {
    if (faults[op] == ~0ull) continue;
    error = cudaMemsetAsync(c.faults, 0xff, sizeof faults, c.stream);
    if (error != cudaSuccess) return cuda_fail(error, "clearing the noted errors");
    return fail(HD_INVALID, "%s: the index at position %llu is %d, which is out of range; results since then are not valid", kOpNames[op],
                faults[op] >> 32, static_cast<int32_t>(faults[op] & 0xffffffffu));
  }
  return HD_OK;
}

hd_status sync(void* context) {
  CudaContext& c = context_of(context);
  {
    const Lock lock(c.mutex);
    if (c.recordings.open) return fail(HD_UNSUPPORTED, "recording: nothing is done yet that could be waited for");
  }
  cudaSetDevice(c.device);
  return faults_of(c);
}

// ---- ops ----

int32_t supported(int32_t op) { return kKernels[op] != nullptr; }

// What a profiler shows of a call: its op and shapes. The text costs as much as a launch, so it is made only where NVTX will load a tool.
struct Range {
#ifdef HD_NVTX
  inline static const bool heard = std::getenv("NVTX_INJECTION64_PATH") != nullptr;

  Range(int32_t op, const hd_tensor* const* tensors, int32_t n) {
    if (!heard) return;
    std::string text = kOpNames[op];
    for (int32_t i = 0; i < n; i++) {
      if (tensors[i] == nullptr) continue;
      text += ' ';
      text += describe(*tensors[i]);
    }
    nvtxRangePushA(text.c_str());
  }
  ~Range() {
    if (heard) nvtxRangePop();
  }
#else
  Range(int32_t, const hd_tensor* const*, int32_t) {}
#endif
};

hd_status run(void* context, int32_t op, const hd_tensor* const* tensors, int32_t n, const void* params) {
  if (kKernels[op] == nullptr) return fail(HD_UNSUPPORTED, "the CUDA backend does not have this op");
  CudaContext& c = context_of(context);
  for (int32_t i = 0; i < n; i++) {
    const bool weights = op == HD_OP_linear_combination && i == 1;  // a few numbers, taken from either side
    if (tensors[i] != nullptr && tensors[i]->device != c.device && !weights) {
      return fail(HD_INVALID, "tensor '%s' is in %s, not on GPU %d; copy it there first", tensor_name(op, i, n).c_str(),
                  tensors[i]->device < 0 ? "host memory" : "another GPU's memory", c.device);
    }
  }
  const Lock lock(c.mutex);
  cudaSetDevice(c.device);
  const Range range(op, tensors, n);
  return kKernels[op]({c, op, tensors, n, params});
}

void* stream_of(void* context) {
  CudaContext& c = context_of(context);
  const Lock lock(c.mutex);
  cudaSetDevice(c.device);
  return c.stream;
}

hd_status begin_capture(void* context) {
  cudaSetDevice(context_of(context).device);
  return capture_begin(context_of(context));
}
hd_status end_capture(void* context, void** recording) { return capture_end(context_of(context), recording); }
hd_status replay_one(void* context, void* recording) { return replay(context_of(context), recording); }
hd_status forget_one(void* context, void* recording) { return forget(context_of(context), recording); }

const hd_backend kBackend = {
    HD_ABI_VERSION, "cuda", probe, describe_devices, open, close,         nullptr,     stream_of,  alloc,     release,
    copy_bytes,     fill,   sync,  supported,        run,  begin_capture, end_capture, replay_one, forget_one};

const char* const kDtypes[] = {"f32", "bf16", "f16", "f64", "i32", "i64", "u8"};

}  // namespace

// ---- what the door's library has under the same names; the plugin sees only the host's table ----

hd_status fail(hd_status status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  host->fail(status, format, arguments);
  va_end(arguments);
  return status;
}

hd_status cuda_fail(cudaError_t error, const char* doing) {
  cudaGetLastError();
  const hd_status status = error == cudaErrorMemoryAllocation ? HD_NO_MEMORY : HD_DEVICE;
  return fail(status, "%s failed: %s (%s)", doing, cudaGetErrorString(error), cudaGetErrorName(error));
}

void* workspace(const Call& call, int64_t bytes) {
  CudaContext& c = call.context;
  if (bytes <= c.scratch_bytes) return c.scratch;
  if (c.recordings.open) {
    fail(HD_NO_MEMORY, "recording: the workspace would have to grow to %lld bytes; run the same once before",
         static_cast<long long>(bytes));
    return nullptr;
  }
  if (c.scratch != nullptr && c.recordings.kept > 0) {
    c.recordings.outgrown.push_back(c.scratch);
  } else if (c.scratch != nullptr) {
    cudaFreeAsync(c.scratch, c.stream);
  }
  c.scratch = nullptr;
  c.scratch_bytes = 0;
  const int64_t rounded = (bytes + (1 << 20) - 1) >> 20 << 20;
  const cudaError_t error = cudaMallocAsync(&c.scratch, static_cast<size_t>(rounded), c.stream);
  if (error != cudaSuccess) {
    c.scratch = nullptr;
    cudaGetLastError();
    fail(HD_NO_MEMORY, "no GPU memory for %lld bytes of workspace", static_cast<long long>(rounded));
    return nullptr;
  }
  c.scratch_bytes = rounded;
  return c.scratch;
}

int64_t copy_text(const std::string& text, hd_address to, int64_t capacity) {
  if (to != 0 && capacity > 0) std::snprintf(reinterpret_cast<char*>(to), static_cast<size_t>(capacity), "%s", text.c_str());
  return static_cast<int64_t>(text.size());
}

const char* dtype_name(int32_t dtype) { return dtype >= 0 && dtype <= HD_U8 ? kDtypes[dtype] : "unknown dtype"; }

std::string describe(const hd_tensor& t) {
  std::string text = std::string(dtype_name(t.dtype)) + " [";
  for (int32_t i = 0; i < t.rank && i < HD_MAX_RANK; i++) text += (i == 0 ? "" : ", ") + std::to_string(t.shape[i]);
  return text + "]";
}

// The index-th name of the signature; the '*' entry stands for as many tensors as are left.
std::string tensor_name(int32_t op, int32_t index, int32_t n) {
  std::string names[64];
  int32_t count = 0, list = -1;
  const std::string signature = std::string(kSignatures[op]) + " ";
  for (size_t at = 0, end; (end = signature.find(' ', at)) != std::string::npos && count < 64; at = end + 1) {
    const std::string word = signature.substr(at, end - at);
    if (word.empty() || word == "->") continue;
    if (word.back() == '*') list = count;
    names[count++] = word;
  }
  const int32_t extra = n - count;
  int32_t at = index;
  if (list >= 0 && index > list) at = index <= list + extra ? list : index - extra;
  return at >= 0 && at < count ? names[at] : "tensor " + std::to_string(index);
}
}  // namespace hd

extern "C" HD_API const hd_backend* hd_plugin(const hd_host* host_table) {
  if (host_table == nullptr || host_table->abi != HD_ABI_VERSION) return nullptr;
  hd::host = host_table;
  return &hd::kBackend;
}

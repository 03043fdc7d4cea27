// The CPU backend: chooses the tier once and runs its kernels.
#include <cpuid.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "cpu/context.h"
#include "cpu/memory.h"
#include "door/backend.h"

namespace hd {
namespace scalar {
Tier tier();
}
namespace v3 {
Tier tier();
}
namespace v4 {
Tier tier();
}
namespace v4bf16 {
Tier tier();
}

namespace {

struct Choice {
  Tier tier;
  std::string why;
};

// What the CPU and the operating system offer; HEDDLE_ISA=scalar|v3|v4|v4bf16 forces a lower tier, so that one machine can test all.
Choice choose() {
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512cd");
  const bool bf16 = v4 && __builtin_cpu_supports("avx512bf16");
  const Tier tiers[] = {scalar::tier(), v3::tier(), v4::tier(), v4bf16::tier()};
  const char* const reasons[] = {"the CPU has no AVX2 with FMA", "the CPU has AVX2 with FMA, but no AVX-512 (F, BW, DQ, VL, CD)",
                                 "the CPU has AVX-512, but not its bf16 products", "the CPU has AVX-512 with bf16 products"};
  const int best = bf16 ? 3 : v4 ? 2 : v3 ? 1 : 0;
  const char* forced = std::getenv("HEDDLE_ISA");
  if (forced != nullptr) {
    for (int i = 0; i <= best; i++) {
      if (std::strcmp(forced, tiers[i].name) == 0) return {tiers[i], std::string("HEDDLE_ISA=") + forced};
    }
    return {tiers[best], std::string(reasons[best]) + " (HEDDLE_ISA=" + forced + " is not to be had here)"};
  }
  return {tiers[best], reasons[best]};
}

const Choice& choice() {
  static const Choice chosen = choose();
  return chosen;
}

std::string cpu_model() {
  unsigned regs[12];
  char model[49] = {};
  for (unsigned i = 0; i < 3; i++) __get_cpuid(0x80000002u + i, &regs[4 * i], &regs[4 * i + 1], &regs[4 * i + 2], &regs[4 * i + 3]);
  std::memcpy(model, regs, 48);
  std::string text = model;
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

hd_status probe(char* text, int64_t capacity) {
  copy_text("available", reinterpret_cast<hd_address>(text), capacity);
  return HD_OK;
}

int64_t describe_cpu(char* text, int64_t capacity) {
  const Choice& c = choice();
  const std::string json = "{\"cpu\":\"" + cpu_model() + "\",\"tier\":\"" + c.tier.name + "\",\"why\":\"" + c.why +
                           "\",\"cores\":" + std::to_string(omp_get_num_procs()) + ",\"openmp\":" + std::to_string(_OPENMP) + "}";
  return copy_text(json, reinterpret_cast<hd_address>(text), capacity);
}

void* open(int32_t device, int32_t threads) {
  if (device > 0 || threads < 0) {
    fail(HD_INVALID, "the CPU backend has no device %d and cannot use %d threads", device, threads);
    return nullptr;
  }
  return new CpuContext{threads == 0 ? omp_get_num_procs() : threads};
}

void close(void* context) { delete static_cast<CpuContext*>(context); }

void use_threads(void* context) { omp_set_num_threads(static_cast<CpuContext*>(context)->threads); }

void* alloc(void*, int64_t bytes) {
  void* data = take_memory(bytes);
  if (data == nullptr) fail(HD_NO_MEMORY, "no memory for %lld bytes", static_cast<long long>(bytes));
  return data;
}

hd_status free_block(void*, void* data) {
  if (data != nullptr) give_memory(data);
  return HD_OK;
}

hd_status copy(void*, void* to, const void* from, int64_t bytes) {
  std::memcpy(to, from, static_cast<size_t>(bytes));
  return HD_OK;
}

hd_status fill(void*, void* data, int32_t byte, int64_t bytes) {
  std::memset(data, byte, static_cast<size_t>(bytes));
  return HD_OK;
}

hd_status sync(void*) { return HD_OK; }

int32_t supported(int32_t op) { return choice().tier.kernels[op] != nullptr; }

hd_status run(void* context, int32_t op, const hd_tensor* const* tensors, int32_t n, const void* params) {
  const Kernel kernel = choice().tier.kernels[op];
  if (kernel == nullptr) return fail(HD_UNSUPPORTED, "the CPU backend does not have this op");
  for (int32_t i = 0; i < n; i++) {
    if (tensors[i] != nullptr && tensors[i]->device >= 0) {
      return fail(HD_INVALID, "tensor '%s' is in device memory; copy it to the host first", tensor_name(op, i, n).c_str());
    }
  }
  return kernel({*static_cast<const CpuContext*>(context), op, tensors, n, params});
}

const hd_backend kBackend = {HD_ABI_VERSION, "cpu", probe, describe_cpu, open, close,   use_threads, nullptr, alloc,  free_block,
                             copy,           fill,  sync,  supported,    run,  nullptr, nullptr,     nullptr, nullptr};

}  // namespace

const hd_backend* cpu_backend() { return &kBackend; }

void* workspace(int64_t bytes) {
  struct Scratch {
    void* data = nullptr;
    int64_t bytes = 0;
    ~Scratch() { std::free(data); }
  };
  thread_local Scratch scratch;
  if (scratch.bytes < bytes) {
    std::free(scratch.data);
    scratch.bytes = (bytes + 4095) / 4096 * 4096;
    scratch.data = std::aligned_alloc(4096, static_cast<size_t>(scratch.bytes));
    if (scratch.data == nullptr) scratch.bytes = 0;
  }
  return scratch.data;
}
}  // namespace hd

// The CUDA backend's context, what a kernel's launcher is given, and the launch itself.
#pragma once
#include <cuda_runtime.h>

#include <cstdint>
#include <mutex>
#include <type_traits>

#include "door/backend.h"
#include "recording.h"

namespace hd {

struct CudaContext {
  cudaStream_t stream;  // first: a caller that knows this layout may share the stream
  int32_t device;
  int32_t processors;
  int32_t capability;    // compute capability, 90 for 9.0
  int64_t shared_limit;  // bytes of shared memory that one block may have
  // One op at a time: the workspace is shared by the ops of the stream. Whoever records holds it until the end.
  std::recursive_mutex mutex;
  void* scratch = nullptr;
  int64_t scratch_bytes = 0;
  uint32_t* tickets = nullptr;           // device, [2], zero between kernels: see Deal in hopper/walk.h
  unsigned long long* faults = nullptr;  // device, [HD_OP_COUNT]: see report_fault in device.h
  Recordings recordings;
};

struct Call {
  CudaContext& context;
  int32_t op;
  const hd_tensor* const* t;
  int32_t n;
  const void* values;

  template <class P>
  const P& params() const {
    return *static_cast<const P*>(values);
  }
  template <class T>
  T* data(int32_t i) const {
    return t[i] == nullptr ? nullptr : reinterpret_cast<T*>(t[i]->data);
  }
  bool has(int32_t i) const { return t[i] != nullptr; }
};

using Kernel = hd_status (*)(const Call& call);

// One per row of ops.def; weak, so that an op without a kernel here is 'unsupported' instead of a failure to link.
#define HD_OP(name, Params, signature) hd_status name(const Call& call) __attribute__((weak));
#include "heddle/ops.def"
#undef HD_OP

hd_status cuda_fail(cudaError_t error, const char* doing);

// Device memory of the context that holds until the next call of this function; null after fail(). Stream-ordered, so work that was
// launched on an older, smaller workspace still finds it.
void* workspace(const Call& call, int64_t bytes);

#ifndef HD_EMULATE
template <class... P>
hd_status launch(const Call& call, void (*kernel)(P...), dim3 grid, dim3 block, int64_t shared, std::type_identity_t<P>... arguments) {
  if (shared > call.context.shared_limit) {
    return fail(HD_UNSUPPORTED, "this kernel needs %lld bytes of shared memory for these shapes; a block of this GPU may have %lld",
                static_cast<long long>(shared), static_cast<long long>(call.context.shared_limit));
  }
  if (shared > 48 * 1024) {
    const auto error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared));
    if (error != cudaSuccess) return cuda_fail(error, "asking for shared memory");
  }
  kernel<<<grid, block, static_cast<size_t>(shared), call.context.stream>>>(arguments...);
  const auto error = cudaGetLastError();
  return error == cudaSuccess ? HD_OK : cuda_fail(error, "launching the kernel");
}
#else
// cuda-kernels/emulate: the same sources as a host library, to test them where there is no GPU.
template <class... P>
hd_status launch(const Call& call, void (*kernel)(P...), dim3 grid, dim3 block, int64_t shared, std::type_identity_t<P>... arguments) {
  emulated_launch(call.context.stream, grid, block, shared, [=] { kernel(arguments...); });
  return HD_OK;
}
#endif
}  // namespace hd

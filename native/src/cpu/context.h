// The CPU backend's context, and what a kernel is given.
#pragma once
#include <omp.h>

#include <cstdint>

#include "door/backend.h"

namespace hd {

struct CpuContext {
  int32_t threads;
};

// Scratch memory of the calling thread, 64-byte aligned, valid until the thread's next call of this function. Grows and is kept.
void* workspace(int64_t bytes);

struct Call {
  const CpuContext& context;
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

// Runs body(i) for i in [0, n), on up to context.threads threads. Dynamic order: body must not depend on who runs it.
template <class Body>
void parallel(const CpuContext& context, int64_t n, const Body& body) {
  if (n <= 1 || context.threads == 1) {
    for (int64_t i = 0; i < n; i++) body(i);
    return;
  }
  const int team = static_cast<int>(n < context.threads ? n : context.threads);
#pragma omp parallel for schedule(dynamic) num_threads(team)
  for (int64_t i = 0; i < n; i++) body(i);
}

struct Tier {
  const char* name;
  const Kernel* kernels;  // HD_OP_COUNT of them; null where the op is not supported
};
}  // namespace hd

// What the lock-free trainers of word vectors share: how examples are divided, and how failures of threads come back.
#pragma once
#include <atomic>

#include "cpu/context.h"
#include "views.h"

namespace hd::HD_TIER {

// Fewer examples than this are not worth a thread, nor the races.
constexpr int64_t kExamplesPerThread = 256;

// body(from, to) -> bool on contiguous runs of examples, one per thread; false when any call gave false.
template <class Body>
bool hogwild(const CpuContext& context, int64_t examples, const Body& body) {
  const int64_t runs = most(1, least(context.threads, examples / kExamplesPerThread));
  std::atomic<bool> good = true;
  parallel(context, runs, [&](int64_t i) {
    if (!body(examples * i / runs, examples * (i + 1) / runs)) good = false;
  });
  return good;
}
}  // namespace hd::HD_TIER

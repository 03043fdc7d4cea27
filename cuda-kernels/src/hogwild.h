// What the lock-free trainers of word vectors share: how examples are divided, and how a warp reads what others write.
#pragma once
#include "check.h"
#include "device.h"

namespace hd {

// Fewer examples than this are not worth a warp, nor the races.
constexpr int64_t kExamplesPerWarp = 256;

// Runs of examples, one warp and block each: as many as the device may have at a time, 16 on a processor.
inline int64_t runs_of(const Call& call, int64_t examples) {
  return most(1, least(int64_t{16} * call.context.processors, examples / kExamplesPerWarp));
}
__device__ inline int64_t run_begin(int64_t examples, int64_t run) { return examples * run / gridDim.x; }

// Not from the first-level cache, which does not see other processors' writes.
__device__ inline float fresh(const float* p) { return __ldcg(p); }

__device__ inline float warp_sum(float x) {
  for (int step = 16; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffu, x, step);
  return x;
}

struct Table {
  float* data;
  int64_t stride, rows;

  Table(const Call& call, int32_t i) : data(call.data<float>(i)), stride(call.t[i]->stride[0]), rows(call.t[i]->shape[0]) {}
  __device__ float* row(int64_t r) const { return data + r * stride; }
  __device__ bool has(int32_t r) const { return r >= 0 && r < rows; }
};
}  // namespace hd

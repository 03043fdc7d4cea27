// Prefix sums over the threads of a block.
#pragma once
#include "device.h"

namespace hd {

constexpr int kScan = 1024;  // threads of a block that forms them

// The sum of x over the threads before this one, in a block of kScan; total: over all. All threads of the block must call it.
__device__ inline int32_t sum_before(int32_t x, int32_t& total) {
  __shared__ int32_t sums[kScan / 32];
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const auto scan = [&](int32_t v) {  // up to and with this lane
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      const int32_t other = __shfl_sync(0xffffffffu, v, lane >= step ? lane - step : lane);
      if (lane >= step) v += other;
    }
    return v;
  };
  const int32_t mine = scan(x);
  if (lane == 31) sums[warp] = mine;
  __syncthreads();
  const int32_t all = scan(sums[lane]);  // every warp forms the sums of the warps
  total = __shfl_sync(0xffffffffu, all, 31);
  const int32_t warps_before = __shfl_sync(0xffffffffu, all, warp > 0 ? warp - 1 : 0);
  __syncthreads();
  return mine - x + (warp > 0 ? warps_before : 0);
}
}  // namespace hd

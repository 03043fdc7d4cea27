// Prefix sums over the threads of a block.
#pragma once
#include "device.h"

namespace hd {

constexpr int kScan = 1024;  // threads of a block that forms them, at most

// The sum of x over the threads before this one, in a block of whole warps; total: over all. All threads of the block must call it.
template <class N>
__device__ N sum_before(N x, std::type_identity_t<N>& total) {
  __shared__ N sums[kScan / 32];
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const auto scan = [&](N v) {  // up to and with this lane
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      const N other = __shfl_sync(0xffffffffu, v, lane >= step ? lane - step : lane);
      if (lane >= step) v += other;
    }
    return v;
  };
  const N mine = scan(x);
  if (lane == 31) sums[warp] = mine;
  __syncthreads();
  const N all = scan(lane < static_cast<int>(blockDim.x / 32) ? sums[lane] : N{0});  // every warp forms the sums of the warps
  total = __shfl_sync(0xffffffffu, all, 31);
  const N warps_before = __shfl_sync(0xffffffffu, all, warp > 0 ? warp - 1 : 0);
  __syncthreads();
  return mine - x + (warp > 0 ? warps_before : N{0});
}
}  // namespace hd

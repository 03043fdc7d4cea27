// argmax: y[n] = the first v of those with the largest x[n,v].
// Shapes: x [N,V]; y i32 [N]. Work: a block of up to 1024 threads per row, kAhead packs of 16 bytes of a thread under way; value and column
// make one number of 64 bits, whose maximum is the answer. On chip: registers; no spills (README.md has the counts). Numerics: exact; NaN
// counts as -inf. Cost: reads N V elements once. Deterministic. Checked on: see README.md.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

constexpr int kMostThreads = 1024, kAhead = 4;

// Larger for a larger x, and of equal ones for the one that comes first.
__device__ uint64_t rank_of(float x, int64_t column) {
  const uint32_t bits = __float_as_uint((x == x ? x : -INFINITY) + 0.0f);  // -0 becomes 0
  const uint32_t order = (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
  return static_cast<uint64_t>(order) << 32 | ~static_cast<uint32_t>(column);
}

template <class T>
__global__ void __launch_bounds__(kMostThreads) argmax_kernel(View<const T> x, int32_t* y, int64_t step, int64_t n) {
  constexpr int W = kWidth<T>;
  const T* row = x.row(blockIdx.x);
  uint64_t best = 0;
  for (int64_t first = static_cast<int64_t>(threadIdx.x) * W; first < n; first += static_cast<int64_t>(blockDim.x) * W * kAhead) {
    Bits<T> bits[kAhead];
#pragma unroll
    for (int u = 0; u < kAhead; u++) bits[u] = load_bits(row, first + static_cast<int64_t>(u) * blockDim.x * W, n, x.vector);
#pragma unroll
    for (int u = 0; u < kAhead; u++) {
      float values[W];
      unpack(bits[u], values);
#pragma unroll
      for (int i = 0; i < W; i++) {
        const int64_t column = first + static_cast<int64_t>(u) * blockDim.x * W + i;
        const uint64_t rank = column < n ? rank_of(values[i], column) : 0;
        best = rank > best ? rank : best;
      }
    }
  }
  best = team_join<Largest>(best);
  if (threadIdx.x == 0) y[blockIdx.x * step] = static_cast<int32_t>(~static_cast<uint32_t>(best));
}
}  // namespace

hd_status argmax(const Call& call) {
  Check check(call);
  check.floats(0).rank(0, 2).rank(1, 1).dtype(1, HD_I32).rows_of(1, 0).dense(0).output(1);
  check.require(check.failed() || last(*call.t[0]) > 0, "x must have at least one column");
  if (check.failed()) return check.status();
  const int64_t rows = call.t[0]->shape[0], n = last(*call.t[0]);
  if (rows == 0) return HD_OK;
  if (rows > INT32_MAX || n > INT32_MAX) return fail(HD_UNSUPPORTED, "more than 2^31 - 1 rows or columns");
  return with_float(call.t[0]->dtype, [&](auto type) {
    using T = decltype(type);
    unsigned threads = 32;
    while (threads < kMostThreads && static_cast<int64_t>(threads) * kWidth<T> < n) threads *= 2;
    return launch(call, argmax_kernel<T>, dim3(static_cast<unsigned>(rows)), threads, 0, View<const T>(call, 0), call.data<int32_t>(1),
                  call.t[1]->stride[0], n);
  });
}
}  // namespace hd

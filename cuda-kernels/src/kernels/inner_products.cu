// inner_products: y[(i, j)] = <d_i, d_j> of sources, or of their differences d to a base, in f64: what SLERP (Shoemake 1985), Karcher
// means, Model Stock (Jang et al. 2024), norms and cosines are made of. Shapes: base, sources contiguous, of one size N, of any float
// dtypes; y f64 [n (n + 1) / 2]. Work: sixteen threads have a run of 4096 elements, each eight neighbours of every 128, which are eight of
// the run's 128 sums for each pair; the next elements are under way while these are worked on. A last kernel adds the runs up, a thread for
// each of 128 sums. Up to three sources are read once; more go in twos, each pair of twos a block of its own. On chip: registers (README.md
// has the counts). Numerics: f64, products and sums rounded separately, in the order that ops.def gives: the same bits as on the CPU. Cost:
// reads (n + 1) N elements; the conversions to f64 (16 per clock of an SM) come next. Deterministic. Checked on: see README.md.
#include "sources.h"

namespace hd {
namespace {

constexpr int64_t kRun = 4096;
constexpr int kChains = 128;            // sums of a run, and of the runs
constexpr int kPack = 8;                // neighbouring elements of a thread, each of another sum
constexpr int kTeam = kChains / kPack;  // threads of a run
constexpr int kBlock = 128;             // threads
constexpr int kTogether = 3;            // sources that are read once
constexpr int kGroup = 2;               // of more

// Eight elements of one tensor as they lie; T void: of any dtype, loaded when they are asked for. Zeros at first, and past the end.
template <class T>
struct Eight {
  Bits<T> part[kPack / kWidth<T>];

  __device__ void load(const void* p, int32_t, int64_t at, int64_t n) {
#pragma unroll
    for (int k = 0; k < kPack / kWidth<T>; k++) part[k] = load_bits(static_cast<const T*>(p), at + k * kWidth<T>, n, true);
  }
  __device__ double operator[](int i) const { return to_f64(part[i / kWidth<T>].item[i % kWidth<T>]); }
};
template <>
struct Eight<void> {
  const void* data;
  int64_t first, end;
  int32_t dtype;

  __device__ void load(const void* p, int32_t type, int64_t at, int64_t n) { data = p, first = at, end = n, dtype = type; }
  __device__ double operator[](int i) const { return first + i < end ? load_double(data, dtype, first + i) : 0.0; }
};

template <class T, int R>
struct Elements {
  Eight<T> base, x[R];

  __device__ void load(const Sources& s, const int32_t (&source)[R], int64_t at, int64_t end) {
    if (s.based()) base.load(s.base, s.base_dtype, at, end);
#pragma unroll
    for (int k = 0; k < R; k++) x[k].load(s.data[source[k]], s.dtype[source[k]], at, end);
  }
};

// Blocks of a processor, at least: two sources ask for 24 to 48 KB at a time then.
template <class T>
constexpr int resident(int rows) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
  constexpr int kPair = 2;  // with more, registers spill there
#else
  constexpr int kPair = 4;
#endif
  return rows == 2 && !std::is_same_v<T, double> ? kPair : 1;
}

// The sums of the pairs of R sources, or with Cross of one of the first and one of the second half of them: sums[pair, run]. blockIdx.y
// counts groups of sources, or pairs of groups.
template <class T, int R, bool Cross>
__global__ void __launch_bounds__(kBlock, resident<T>(R)) inner_kernel(const __grid_constant__ Sources s, double* sums, int64_t runs) {
  constexpr int kPairs = Cross ? R * R / 4 : R * (R + 1) / 2;
  int32_t source[R], a = static_cast<int32_t>(blockIdx.y), b = a;
  if constexpr (Cross) {
    for (b = 1; a >= b; b++) a -= b;
  }
#pragma unroll
  for (int k = 0; k < R; k++) source[k] = Cross ? (k < R / 2 ? a * R / 2 + k : b * R / 2 + k - R / 2) : a * R + k;
  int32_t real[R];  // past the last source it once more, for sums that are not stored
#pragma unroll
  for (int k = 0; k < R; k++) real[k] = static_cast<int32_t>(least(source[k], s.count - 1));
  const int64_t run = (static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x) / kTeam, end = least(s.n, (run + 1) * kRun);
  const int lane = static_cast<int>(threadIdx.x % kTeam);
  double sum[kPairs][kPack] = {};
  Elements<T, R> now{}, next{};
  int64_t at = run * kRun + lane * kPack;
  if (at < end) now.load(s, real, at, end);
  for (; at < end; at += kChains) {
    if (at + kChains < end) next.load(s, real, at + kChains, end);
#pragma unroll
    for (int i = 0; i < kPack; i++) {
      const double zero = -now.base[i];  // without a base -0, which changes nothing
      double d[R];
#pragma unroll
      for (int k = 0; k < R; k++) d[k] = __dadd_rn(now.x[k][i], zero);
      int pair = 0;
#pragma unroll
      for (int v = Cross ? R / 2 : 0; v < R; v++) {
#pragma unroll
        for (int u = 0; u < (Cross ? R / 2 : v + 1); u++, pair++) sum[pair][i] = __dadd_rn(sum[pair][i], __dmul_rn(d[u], d[v]));
      }
    }
    now = next;
  }
  int pair = 0;
#pragma unroll
  for (int v = Cross ? R / 2 : 0; v < R; v++) {
#pragma unroll
    for (int u = 0; u < (Cross ? R / 2 : v + 1); u++, pair++) {
      double(&mine)[kPack] = sum[pair];
#pragma unroll
      for (int step = kTeam / 2; step > 0; step /= 2) {
#pragma unroll
        for (int i = 0; i < kPack; i++) mine[i] = __dadd_rn(mine[i], __shfl_xor_sync(0xffffffffu, mine[i], step));
      }
#pragma unroll
      for (int width = kPack / 2; width > 0; width /= 2) {
#pragma unroll
        for (int i = 0; i < width; i++) mine[i] = __dadd_rn(mine[i], mine[i + width]);
      }
      const int64_t i = source[u], j = source[v];
      if (lane == 0 && run < runs && j < s.count) sums[(j * (j + 1) / 2 + i) * runs + run] = mine[0];
    }
  }
}

// A block per pair, a thread for each of the sums that the runs go to.
__global__ void __launch_bounds__(kChains) add_runs(const double* sums, double* y, int64_t runs) {
  __shared__ double chain[kChains];
  const int me = static_cast<int>(threadIdx.x);
  const double* const mine = sums + blockIdx.x * runs;
  double total = 0;
#pragma unroll 16
  for (int64_t r = me; r < runs; r += kChains) total = __dadd_rn(total, mine[r]);
  chain[me] = total;
  for (int width = kChains / 2; width > 0; width /= 2) {
    __syncthreads();
    if (me < width) chain[me] = __dadd_rn(chain[me], chain[me + width]);
  }
  if (me == 0) y[blockIdx.x] = chain[0];
}

template <class T>
hd_status sum_runs(const Call& call, const Sources& s, double* sums, int64_t runs) {
  const auto blocks = static_cast<unsigned>(ceil_div(runs, kBlock / kTeam));
  void (*const kernels[kTogether])(Sources, double*, int64_t) = {inner_kernel<T, 1, false>, inner_kernel<T, 2, false>,
                                                                 inner_kernel<T, 3, false>};
  if (s.count <= kTogether) return launch(call, kernels[s.count - 1], dim3(blocks), kBlock, 0, s, sums, runs);
  const auto groups = static_cast<unsigned>(ceil_div(s.count, kGroup));
  const hd_status status = launch(call, inner_kernel<T, kGroup, false>, dim3(blocks, groups), kBlock, 0, s, sums, runs);
  if (status != HD_OK) return status;
  return launch(call, inner_kernel<T, 2 * kGroup, true>, dim3(blocks, groups * (groups - 1) / 2), kBlock, 0, s, sums, runs);
}
}  // namespace

hd_status inner_products(const Call& call) {
  const int32_t count = call.n - 2, y = call.n - 1;
  Check check(call);
  check.require(count >= 1 && call.has(1), "there must be a source");
  if (check.failed()) return check.status();
  const int64_t n = elements(*call.t[1]), pairs = static_cast<int64_t>(count) * (count + 1) / 2, runs = ceil_div(n, kRun);
  check_sources(check, call, 1, count, n);
  check.dtype(y, HD_F64).vector(y, pairs, "one per pair of sources").contiguous(y);
  if (check.failed()) return check.status();
  auto sums = static_cast<double*>(workspace(call, most(1, runs * pairs) * static_cast<int64_t>(sizeof(double))));
  if (sums == nullptr) return HD_NO_MEMORY;
  const Sources sources = sources_of(call, 1, count, n);
  if (runs > 0) {
    const hd_status status =
        !sources.dense ? sum_runs<void>(call, sources, sums, runs)
                       : with_any_float(sources.base_dtype, [&](auto type) { return sum_runs<decltype(type)>(call, sources, sums, runs); });
    if (status != HD_OK) return status;
  }
  return launch(call, add_runs, dim3(static_cast<unsigned>(pairs)), kChains, 0, sums, call.data<double>(y), runs);
}
}  // namespace hd

// inner_products: y[(i, j)] = <d_i, d_j> of sources, or of their differences d to a base, in f64: what SLERP (Shoemake 1985), Karcher
// means, Model Stock (Jang et al. 2024), norms and cosines are made of. Shapes: base, sources contiguous, of one size N, of any float
// dtypes; y f64 [n (n + 1) / 2]. Work: a block has four runs of 4096 elements. Four warps bring the next 128 elements of each to f64, 16
// bytes at a time, while the others add up: a thread has the even or the odd products of one run and one pair. A last block adds the runs
// up in order. Up to four sources are read once; more go in groups of four, each pair of groups a block of its own. On chip: two tiles of
// f64, 4 KiB for each source, whose neighbours lie so that neither side meets a bank twice. Numerics: f64, products and sums rounded
// separately, in the order that ops.def gives: the same bits as on the CPU. Cost: reads (n + 1) N elements; the conversions to f64 (16 per
// clock of an SM) come next. The sum over runs is one chain of additions, which for n = 2 takes about as long as reading does.
// Deterministic. Checked on: see README.md.
#include "sources.h"

namespace hd {
namespace {

constexpr int64_t kRun = 4096;
constexpr int kRuns = 4;            // of a block
constexpr int kStep = 128;          // elements of a run in a tile
constexpr int kStride = kStep + 2;  // numbers between runs: the next one is in other banks
constexpr int kGroup = 4;           // sources
constexpr int kLoaders = 128;       // threads
constexpr int kTile = kRuns * kStride;

struct Pair {
  int32_t i, j;  // rows of the tile
  int64_t at;    // of the result
  bool exists;
};

// The sources of blockIdx.y's two groups, a <= b, which may be one.
struct Groups {
  int32_t a = 0, b = 0, rows, firsts;

  __device__ explicit Groups(int32_t count) {
    int32_t left = static_cast<int32_t>(blockIdx.y);
    for (; left > b; b++) left -= b + 1;
    a = left;
    firsts = static_cast<int32_t>(least(kGroup, count - a * kGroup));
    rows = firsts + (a == b ? 0 : static_cast<int32_t>(least(kGroup, count - b * kGroup)));
  }
  __device__ int32_t source(int32_t row) const { return row < firsts ? a * kGroup + row : b * kGroup + row - firsts; }
  __device__ Pair pair(int32_t number) const {
    Pair p{0, 0, 0, false};
    if (a == b) {
      for (; number > p.j; p.j++) number -= p.j + 1;
      p.i = number;
      p.exists = p.j < rows;
    } else {
      p.i = number % firsts;
      p.j = firsts + number / firsts;
      p.exists = p.j < rows;
    }
    if (!p.exists) return {0, 0, 0, false};
    const int64_t i = source(p.i), j = source(p.j);
    p.at = j * (j + 1) / 2 + i;
    return p;
  }
};

// Elements [k, k + kStep) of the block's runs; those from `end` on are 0. Neighbour pair c of pack q lies at c * packs + q.
__device__ void bring(const Sources& s, const Groups& g, int64_t first, int64_t k, int64_t end, double* tile) {
  if (!s.dense) {
    for (int item = static_cast<int>(threadIdx.x); item < kRuns * kStep; item += kLoaders) {
      const int run = item / kStep, e = item % kStep;
      const int64_t at = first + run * kRun + k + e;
      for (int32_t row = 0; row < g.rows; row++)
        tile[row * kTile + run * kStride + e] = at < end ? load_difference(s, g.source(row), at) : 0.0;
    }
    return;
  }
  const int width = pack_width(s.base_dtype), packs = kStep / width;
  for (int item = static_cast<int>(threadIdx.x); item < kRuns * packs; item += kLoaders) {
    const int run = item / packs, q = item % packs;
    const int64_t at = first + run * kRun + k + q * width;
    const bool whole = at + width <= end;
    double* to = tile + run * kStride + q * 2;
#pragma unroll 1
    for (int32_t row = 0; row < g.rows; row += kGroup) {
      uint4 raw[kGroup] = {}, base = {};
      if (whole) {
#pragma unroll
        for (int i = 0; i < kGroup; i++) {
          if (row + i < g.rows) raw[i] = load_raw(s.data[g.source(row + i)], at / width);
        }
        if (s.based()) base = load_raw(s.base, at / width);
      }
      double b[kMostWide] = {};
      if (whole && s.based()) widen(base, s.base_dtype, b);
#pragma unroll
      for (int i = 0; i < kGroup; i++) {
        if (row + i >= g.rows) continue;
        double x[kMostWide] = {};
        if (whole) {
          widen(raw[i], s.base_dtype, x);
        } else {
#pragma unroll
          for (int e = 0; e < kMostWide; e++) x[e] = e < width && at + e < end ? load_difference(s, g.source(row + i), at + e) : 0.0;
        }
#pragma unroll
        for (int c = 0; c < kMostWide / 2; c++) {
          if (2 * c >= width) continue;
          const double2 pair = {__dadd_rn(x[2 * c], -b[2 * c]), __dadd_rn(x[2 * c + 1], -b[2 * c + 1])};
          *reinterpret_cast<double2*>(to + (row + i) * kTile + c * packs * 2) = pair;
        }
      }
    }
  }
}

// Even or odd products of one run and pair, in the order of the elements.
__device__ double add(double sum, const double* a, const double* b, int packs) {
  const int each = kStep / 2 / packs;
  for (int q = 0; q < packs; q++) {
    for (int c = 0; c < each; c++) {
      const int at = (c * packs + q) * 2;
      sum = __dadd_rn(sum, __dmul_rn(a[at], b[at]));
    }
  }
  return sum;
}

// sums[pair, run]
__global__ void __launch_bounds__(2 * kLoaders) inner_kernel(const __grid_constant__ Sources s, double* sums, int64_t runs) {
  const Groups g(s.count);
  auto tiles = reinterpret_cast<double*>(dynamic_shared());
  const int64_t first_run = static_cast<int64_t>(blockIdx.x) * kRuns, first = first_run * kRun;
  const int64_t even_end = s.n - s.n % 2;  // a lone last element is added at the end
  const bool loads = threadIdx.x < kLoaders;
  const int worker = static_cast<int>(threadIdx.x) - kLoaders, half = worker % 2, run = worker / 2 % kRuns;
  const Pair pair = loads ? Pair{0, 0, 0, false} : g.pair(worker / (2 * kRuns));
  const int packs = s.dense ? kStep / pack_width(s.base_dtype) : kStep / 2;
  const int64_t steps = ceil_div(least(kRun, s.n - first), kStep);
  double sum = 0;
  if (loads) bring(s, g, first, 0, even_end, tiles);
  __syncthreads();
  for (int64_t t = 0; t < steps; t++) {
    const double* now = tiles + t % 2 * g.rows * kTile;
    if (loads && t + 1 < steps) bring(s, g, first, (t + 1) * kStep, even_end, tiles + (t + 1) % 2 * g.rows * kTile);
    if (pair.exists) sum = add(sum, now + pair.i * kTile + run * kStride + half, now + pair.j * kTile + run * kStride + half, packs);
    __syncthreads();
  }
  if (loads) return;
  const double odd = __shfl_xor_sync(0xffffffffu, sum, 1);
  if (!pair.exists || half != 0 || first_run + run >= runs) return;
  double total = __dadd_rn(sum, odd);
  if (s.n % 2 != 0 && first_run + run == runs - 1)
    total = __dadd_rn(total, __dmul_rn(load_difference(s, g.source(pair.i), s.n - 1), load_difference(s, g.source(pair.j), s.n - 1)));
  sums[pair.at * runs + first_run + run] = total;
}

// One warp per pair: all lanes bring, one adds, in order.
__global__ void __launch_bounds__(32) add_runs(const double* sums, double* y, int64_t runs) {
  constexpr int kChunk = 512;
  __shared__ double chunk[kChunk];
  double total = 0;
  for (int64_t from = 0; from < runs; from += kChunk) {
    const int length = static_cast<int>(least(kChunk, runs - from));
#pragma unroll
    for (int i = static_cast<int>(threadIdx.x); i < kChunk; i += 32) chunk[i] = i < length ? sums[blockIdx.x * runs + from + i] : 0.0;
    __syncwarp();
    if (threadIdx.x == 0) {
#pragma unroll 16
      for (int i = 0; i < length; i++) total = __dadd_rn(total, chunk[i]);
    }
    __syncwarp();
  }
  if (threadIdx.x == 0) y[blockIdx.x] = total;
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
  if (runs > 0) {
    const int64_t groups = ceil_div(count, kGroup), rows = groups > 1 ? 2 * kGroup : count;
    const int64_t each = groups > 1 ? kGroup * kGroup : pairs;  // pairs of a block, at most
    const auto threads = static_cast<unsigned>(kLoaders + ceil_div(each * 2 * kRuns, 32) * 32);
    const dim3 grid(static_cast<unsigned>(ceil_div(runs, kRuns)), static_cast<unsigned>(groups * (groups + 1) / 2));
    const int64_t shared = 2 * rows * kTile * static_cast<int64_t>(sizeof(double));
    const hd_status status = launch(call, inner_kernel, grid, threads, shared, sources_of(call, 1, count, n), sums, runs);
    if (status != HD_OK) return status;
  }
  return launch(call, add_runs, dim3(static_cast<unsigned>(pairs)), 32, 0, sums, call.data<double>(y), runs);
}
}  // namespace hd

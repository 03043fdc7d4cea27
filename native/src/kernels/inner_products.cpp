// inner_products: y[(i, j)] = <d_i, d_j> of sources, or of their differences d to a base, in f64: what SLERP (Shoemake 1985), Karcher
// means, Model Stock (Jang et al. 2024), norms and cosines are made of, in one pass. Shapes: base, sources contiguous, of one size N, of
// any float dtypes; y f64 [n (n + 1) / 2]. Work: tasks are kRuns runs of 4096 elements side by side. Some elements of each are brought to
// f64 in a tile where neighbours in a vector are of different runs, so that the order of a run's sum stays as ops.def has it and no
// addition waits for another. Numerics: f64, products and sums rounded separately, one order of sums for every tier and backend: the same
// bits. Cost: reads (n + 1) N elements once; n (n + 1) / 2 products. Bandwidth-bound for few sources of 32 bits, else the products bound.
// Deterministic: the order of sums depends on N alone.
#include <atomic>
#include <new>

#include "sources.h"

namespace hd::HD_TIER {
namespace {

constexpr int64_t kRun = 4096;
constexpr int64_t kHalf = kLanes / 2;            // numbers of a vector of f64
constexpr int64_t kVectors = 4;                  // sums under way: an addition takes about as many cycles
constexpr int64_t kRuns = kVectors * kHalf / 2;  // two sums, of even and odd elements, for each
constexpr int64_t kStep = 64;                    // elements of a run that are in the tile at a time
constexpr int64_t kTile = kStep * kRuns;         // numbers of one source there
constexpr int64_t kAhead = 2 * kStep;            // elements, asked for while others are worked on

struct Products {
  const hd_tensor* base;
  const hd_tensor* const* source;
  int64_t count, n;

  int64_t pairs() const { return count * (count + 1) / 2; }

  // One run by itself: the last ones, and the definition of the order.
  void run(int64_t from, int64_t length, double* sums) const {
    for (int64_t j = 0, at = 0; j < count; j++) {
      for (int64_t i = 0; i <= j; i++, at++) {
        double even = 0, odd = 0;
        int64_t k = from;
        for (; k + 1 < from + length; k += 2) {
          even += difference(base, *source[i], k) * difference(base, *source[j], k);
          odd += difference(base, *source[i], k + 1) * difference(base, *source[j], k + 1);
        }
        const double lone = k < from + length ? difference(base, *source[i], k) * difference(base, *source[j], k) : 0.0;
        sums[at] = even + odd + lone;
      }
    }
  }

  // Elements [k, k + kStep) of each of the runs from `from` on: pair p of run r is at tile[(p * kRuns + r) * 2].
  void bring(const hd_tensor& x, int64_t from, int64_t k, double* tile) const {
    for (int64_t r = 0; r < kRuns; r++) {
      const int64_t first = from + r * kRun + k;
      const char* ahead = reinterpret_cast<const char*>(x.data) + (first + kAhead) * dtype_bytes(x.dtype);
      for (int64_t b = 0; b < kStep * dtype_bytes(x.dtype); b += 64) __builtin_prefetch(ahead + b);
      for (int64_t e = 0; e < kStep; e += kLanes) {
        const wide d = get_difference(base, x, first + e, Full{});
        double pair[kLanes];
        put_wide(pair, d, Full{});
        for (int64_t p = 0; p < kLanes; p += 2) std::memcpy(tile + (((e + p) / 2) * kRuns + r) * 2, pair + p, 16);
      }
    }
  }

  static void add(const double* a, const double* b, double* sums) {
    vd s[kVectors];
    std::memcpy(s, sums, sizeof s);
    for (int64_t k = 0; k < kTile; k += kVectors * kHalf) {
      for (int64_t v = 0; v < kVectors; v++) {
        vd x, y;
        std::memcpy(&x, a + k + v * kHalf, sizeof x);
        std::memcpy(&y, b + k + v * kHalf, sizeof y);
        s[v] += x * y;
      }
    }
    std::memcpy(sums, s, sizeof s);
  }

  // kRuns whole runs from element `from` on.
  bool runs(int64_t from, double* sums) const {
    double* tiles = scratch<double>(count * kTile + pairs() * kRuns * 2);
    if (tiles == nullptr) return false;
    double* halves = tiles + count * kTile;
    for (int64_t i = 0; i < pairs() * kRuns * 2; i++) halves[i] = 0;
    for (int64_t k = 0; k < kRun; k += kStep) {
      for (int64_t i = 0; i < count; i++) bring(*source[i], from, k, tiles + i * kTile);
      for (int64_t j = 0, at = 0; j < count; j++) {
        for (int64_t i = 0; i <= j; i++, at++) add(tiles + i * kTile, tiles + j * kTile, halves + at * kRuns * 2);
      }
    }
    for (int64_t r = 0; r < kRuns; r++) {
      for (int64_t at = 0; at < pairs(); at++) {
        const double* half = halves + (at * kRuns + r) * 2;
        sums[r * pairs() + at] = half[0] + half[1];
      }
    }
    return true;
  }

  bool task(int64_t first, int64_t end, double* sums) const {
    if (end - first == kRuns && end * kRun <= n) return runs(first * kRun, sums + first * pairs());
    for (int64_t r = first; r < end; r++) run(r * kRun, least(kRun, n - r * kRun), sums + r * pairs());
    return true;
  }
};
}  // namespace

hd_status inner_products(const Call& call) {
  const int32_t count = call.n - 2, y = call.n - 1;
  Check check(call);
  check.require(count >= 1 && call.has(1), "there must be a source");
  if (check.failed()) return check.status();
  const int64_t n = elements(*call.t[1]);
  check_sources(check, call, 1, count, n);
  const Products p{call.t[0], call.t + 1, count, n};
  check.dtype(y, HD_F64).vector(y, p.pairs(), "one per pair of sources").contiguous(y);
  if (check.failed()) return check.status();
  const int64_t runs = ceil_div(n, kRun);
  auto sums = new (std::nothrow) double[static_cast<size_t>(most(1, runs * p.pairs()))];
  bool good = sums != nullptr;
  if (good) {
    std::atomic<bool> done = true;
    parallel(call.context, ceil_div(runs, kRuns), [&](int64_t task) {
      if (!p.task(task * kRuns, least(runs, (task + 1) * kRuns), sums)) done = false;
    });
    good = done;
  }
  auto total = call.data<double>(y);
  for (int64_t at = 0; good && at < p.pairs(); at++) {
    total[at] = 0;
    for (int64_t r = 0; r < runs; r++) total[at] += sums[r * p.pairs() + at];
  }
  delete[] sums;
  return good ? HD_OK : fail(HD_NO_MEMORY, "no memory for the sums of %lld runs", static_cast<long long>(runs));
}
}  // namespace hd::HD_TIER

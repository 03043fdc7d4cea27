// inner_products: y[(i, j)] = <d_i, d_j> of sources, or of their differences d to a base, in f64: what SLERP (Shoemake 1985), Karcher
// means, Model Stock (Jang et al. 2024), norms and cosines are made of, in one pass. Shapes: base, sources contiguous, of one size N, of
// any float dtypes; y f64 [n (n + 1) / 2]. Work: tasks are runs of 4096 elements, of which some are brought to f64 in a tile; the 128 sums
// of a run and pair are vectors of neighbours, as many in registers at a time as no addition waits for another. Numerics: f64, products and
// sums rounded separately, one order of sums for every tier and backend: the same bits. Cost: reads (n + 1) N elements once;
// n (n + 1) / 2 products. Bandwidth-bound for few sources of 32 bits, else the products bound.
// Deterministic: the order of sums depends on N alone.
#include <atomic>
#include <new>

#include "sources.h"

namespace hd::HD_TIER {
namespace {

constexpr int64_t kRun = 4096;
constexpr int64_t kSums = 128;         // of a run, and of the runs
constexpr int64_t kHalf = kLanes / 2;  // numbers of a vector of f64
constexpr int64_t kVectors = 8;        // sums under way: an addition takes some four cycles
constexpr int64_t kTile = 512;         // elements of each source at a time
constexpr int64_t kTask = 16;          // runs

// The sums s and s + 64 are added, of these s and s + 32, and so on.
double folded(double* sums) {
  for (int64_t half = kSums / 2; half > 0; half /= 2) {
    for (int64_t s = 0; s < half; s++) sums[s] += sums[s + half];
  }
  return sums[0];
}

struct Products {
  const hd_tensor* base;
  const hd_tensor* const* source;
  int64_t count, n;

  int64_t pairs() const { return count * (count + 1) / 2; }

  // Past `length` zeros, whose products change no sum.
  void bring(const hd_tensor& x, int64_t from, int64_t length, double* tile) const {
    if (length < kTile) std::memset(tile + length, 0, static_cast<size_t>(kTile - length) * sizeof *tile);
    vectors(0, length, [&](int64_t i, auto mask) { put_wide(tile + i, get_difference(base, x, from + i, mask), mask); });
  }

  static void add(const double* a, const double* b, double* sums) {
    static_assert(kSums % (kVectors * kHalf) == 0);
    for (int64_t first = 0; first < kSums; first += kVectors * kHalf) {
      vd s[kVectors];
      std::memcpy(s, sums + first, sizeof s);
      for (int64_t k = first; k < kTile; k += kSums) {
        for (int64_t v = 0; v < kVectors; v++) {
          vd x, y;
          std::memcpy(&x, a + k + v * kHalf, sizeof x);
          std::memcpy(&y, b + k + v * kHalf, sizeof y);
          s[v] += x * y;
        }
      }
      std::memcpy(sums + first, s, sizeof s);
    }
  }

  // One run; false where memory is short.
  bool run(int64_t from, int64_t length, double* totals) const {
    double* tiles = scratch<double>(count * kTile + pairs() * kSums);
    if (tiles == nullptr) return false;
    double* sums = tiles + count * kTile;
    std::memset(sums, 0, static_cast<size_t>(pairs() * kSums) * sizeof *sums);
    for (int64_t k = 0; k < length; k += kTile) {
      for (int64_t i = 0; i < count; i++) bring(*source[i], from + k, least(kTile, length - k), tiles + i * kTile);
      for (int64_t j = 0, at = 0; j < count; j++) {
        for (int64_t i = 0; i <= j; i++, at++) add(tiles + i * kTile, tiles + j * kTile, sums + at * kSums);
      }
    }
    for (int64_t at = 0; at < pairs(); at++) totals[at] = folded(sums + at * kSums);
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
    parallel(call.context, ceil_div(runs, kTask), [&](int64_t task) {
      for (int64_t r = task * kTask; r < least(runs, (task + 1) * kTask); r++) {
        if (!p.run(r * kRun, least(kRun, n - r * kRun), sums + r * p.pairs())) done = false;
      }
    });
    good = done;
  }
  auto total = call.data<double>(y);
  for (int64_t at = 0; good && at < p.pairs(); at++) {
    double ends[kSums] = {};
    for (int64_t r = 0; r < runs; r++) ends[r % kSums] += sums[r * p.pairs() + at];
    total[at] = folded(ends);
  }
  delete[] sums;
  return good ? HD_OK : fail(HD_NO_MEMORY, "no memory for the sums of %lld runs", static_cast<long long>(runs));
}
}  // namespace hd::HD_TIER

// sparse_combination: y = base + lambda sum_i t_i, t_i = w_i thin_i(source_i - base), signs elected or not: TIES (Yadav et al. 2023), DARE
// (Yu et al. 2023), Breadcrumbs (Davari & Belilovsky 2023) in one pass, once magnitude_cuts has found where the cuts are. Shapes: base,
// sources, y contiguous, of one size, of any float dtypes; weights f64 [n]; cuts f64 [n, 2, 2]; keys i64 [n]; keep f64 [n]. Work: pieces of
// elements, a vector at a time; its terms stay in L1 between the sum and the election. Random words for four vectors of each source come at
// once. Signs are as good as random, so that all choices are masks. Numerics: f64, each step rounded separately, one rounding to the dtype
// of y: the same bits in every tier and backend. Cost: reads (n + 1) and writes 1 N elements; some 15 operations for each source on two
// registers for kLanes elements bound it, for random thinning its division and Philox's ten rounds. Deterministic: elements are
// independent.
#include <atomic>

#include "philox.h"
#include "sources.h"

namespace hd::HD_TIER {
namespace {

wide masked(wide x, vl lo, vl hi) { return {(vd)((vl)x.lo & lo), (vd)((vl)x.hi & hi)}; }

// All ones where the element is below the cut, for the numbers of half a `wide` from element `first` on.
vl below(const double* cut, vd d, int64_t first) {
  const vd size = (vd)((vl)d & kMagnitude), limit = vd{} + cut[0];
  const auto element = static_cast<int64_t>(cut[1]);  // those before it are below also when equal
  if (first >= element) return size < limit;
  if (first + kLanes / 2 <= element) return size <= limit;
  vl before;
  for (int i = 0; i < kLanes / 2; i++) before[i] = first + i < element ? -1 : 0;
  return (size < limit) | ((size == limit) & before);
}

struct Source {
  const hd_tensor* x;
  double weight;
  const double* cuts;  // of two; null: all stay
  double keep;
  uint64_t key;

  bool random() const { return keep != 1; }
};

struct Combination {
  const hd_tensor *base, *y;
  hd_SparseCombinationParams params;
  double weights;  // their sum
  int32_t count;

  wide thinned(const Source& s, wide d, int64_t e, const uint32_t* words) const {
    if (s.cuts != nullptr) {
      const auto inside = [&](vd half, int64_t at) { return ~below(s.cuts, half, at) & below(s.cuts + 2, half, at); };
      d = masked(d, inside(d.lo, e), inside(d.hi, e + kLanes / 2));
    }
    if (!s.random()) return d;
    const vu bound = vu{} + static_cast<uint32_t>(s.keep * 4294967296.0);
    vu word;
    std::memcpy(&word, words, sizeof word);
    const wide kept = widen(word < bound ? splat(1.0f) : splat(0.0f));
    if (params.rescale != 0) d = d / splat_wide(s.keep);
    return masked(d, kept.lo != 0.0, kept.hi != 0.0);
  }

  // The sum of the terms, which it leaves in `terms`, or of those that are elected.
  wide sum(wide* terms, const Source* sources, int64_t e, const uint32_t* words, const wide* d) const {
    wide total = splat_wide(0);
    for (int32_t k = 0; k < count; k++) {
      terms[k] = splat_wide(sources[k].weight) * thinned(sources[k], d[k], e, words + k * kPhiloxWords);
      total = total + terms[k];
    }
    if (params.elect == 0) return params.normalize != 0 ? total / splat_wide(weights) : total;
    const wide sign = total;
    wide divisor = splat_wide(0);
    total = splat_wide(0);
    for (int32_t k = 0; k < count; k++) {
      const auto counts = [](vd term, vd s) { return (((vl)term ^ (vl)s) >= 0) & (((vl)term & kMagnitude) > 0); };
      const vl lo = counts(terms[k].lo, sign.lo), hi = counts(terms[k].hi, sign.hi);
      total = total + masked(terms[k], lo, hi);
      divisor = divisor + masked(splat_wide(sources[k].weight), lo, hi);
    }
    if (params.normalize == 0) return total;
    const auto or_one = [](vd x) { return x == 0.0 ? vd{} + 1.0 : x; };
    return total / wide{or_one(divisor.lo), or_one(divisor.hi)};
  }

  template <class Mask>
  void vector(wide* terms, wide* d, const Source* sources, int64_t i, const uint32_t* words, Mask mask) const {
    const wide b = get_source(*base, i, mask);
    for (int32_t k = 0; k < count; k++) d[k] = get_source(*sources[k].x, i, mask) - b;
    const wide out = b + splat_wide(params.lambda) * sum(terms, sources, params.first + i, words, d);
    with_source(*y, i, [&](auto p) { put_wide(const_cast<std::remove_const_t<std::remove_pointer_t<decltype(p)>>*>(p), out, mask); });
  }

  bool piece(const Source* sources, int64_t from, int64_t to) const {
    char* memory = scratch<char>(2 * count * static_cast<int64_t>(sizeof(wide)) + count * kPhiloxWords * 4);
    if (memory == nullptr) return false;
    auto terms = reinterpret_cast<wide*>(memory);
    wide* d = terms + count;
    auto words = reinterpret_cast<uint32_t*>(d + count);
    for (int64_t at = from; at < to; at += kPhiloxWords) {
      for (int32_t k = 0; k < count; k++) {
        if (sources[k].random()) philox_words(static_cast<uint64_t>((params.first + at) / 4), 0, sources[k].key, words + k * kPhiloxWords);
      }
      vectors(at, least(to, at + kPhiloxWords), [&](int64_t i, auto mask) { vector(terms, d, sources, i, words + (i - at), mask); });
    }
    return true;
  }
};

hd_status check_numbers(const Call& call, int32_t count) {
  const auto keep = call.data<const double>(4);
  for (int32_t i = 0; keep != nullptr && i < count; i++) {
    if (!(keep[i] >= 0 && keep[i] <= 1)) return fail(HD_INVALID, "keep[%d] is %g, expected a probability", i, keep[i]);
  }
  return HD_OK;
}
}  // namespace

hd_status sparse_combination(const Call& call) {
  const int32_t count = call.n - 6, y = call.n - 1;
  const auto& params = call.params<hd_SparseCombinationParams>();
  const int64_t n = elements(*call.t[y]);
  Check check(call);
  check_sources(check, call, 5, count, n);
  check.dtype(1, HD_F64)
      .vector(1, count, "one per source")
      .contiguous(1)
      .dtype(2, HD_F64)
      .count(2, 4 * count, "two cuts per source")
      .contiguous(2);
  check.dtype(3, HD_I64).vector(3, count, "one per source").contiguous(3).dtype(4, HD_F64).vector(4, count, "one per source").contiguous(4);
  check.require(call.has(3) == call.has(4), "keys and keep come together");
  check.require(params.first >= 0 && params.first % 4 == 0, "first must be a multiple of 4");
  check.require(call.t[y]->dtype <= HD_F64, "y must be a float").contiguous(y);
  for (int32_t i = 0; i < call.n - 1; i++) {
    if (i >= 1 && i <= 4) continue;
    check.require(call.t[i]->data != call.t[y]->data || dtype_bytes(call.t[i]->dtype) == dtype_bytes(call.t[y]->dtype) || n == 0,
                  "y may only lie over an input whose elements have the size of its own");
  }
  if (check.failed()) return check.status();
  if (const hd_status status = check_numbers(call, count); status != HD_OK) return status;
  Source sources[kMostSources];
  double weights = 0;
  for (int32_t k = 0; k < count; k++) {
    sources[k] = {call.t[5 + k], call.data<const double>(1)[k], call.has(2) ? call.data<const double>(2) + 4 * k : nullptr,
                  call.has(4) ? call.data<const double>(4)[k] : 1.0, call.has(3) ? call.data<const uint64_t>(3)[k] : 0};
    weights += sources[k].weight;
  }
  const Combination c{call.t[0], call.t[y], params, __builtin_fabs(weights) < 1e-8 ? 1.0 : weights, count};
  std::atomic<bool> done = true;
  parallel_pieces(call.context, 1, n, [&](int64_t, int64_t, int64_t from, int64_t to) {
    if (!c.piece(sources, from, to)) done = false;
  });
  return done ? HD_OK : fail(HD_NO_MEMORY, "no memory for the terms of %d sources", count);
}
}  // namespace hd::HD_TIER

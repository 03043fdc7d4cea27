// linear_combination: y = base + sum_i w[i] (source[i] - base), or sum_i w[i] source[i]: checkpoint arithmetic (task vectors, Ilharco et
// al. 2023; model soups, Wortsman et al. 2022) in one pass over memory.
// Shapes: base, sources, y contiguous, of one size, of any float dtypes each; weights f64 [n], n >= 1.
// Work: pieces of elements, summed in registers; with mixed dtypes or many sources in blocks that stay in L1, to which one source
// after the other is added.
// Numerics: sums in f64, so that terms that cancel cost 16 bit types nothing; products and sums rounded separately, so that every
// tier gives the same bits; one rounding to the dtype of y (to 16 bits by rounding to odd first). All weights 0: y is base, bit for
// bit when the dtypes agree, whatever the sources hold.
// Cost: reads (n + 1) and writes 1 N elements; bandwidth-bound.
// Deterministic: elements are independent.
#include <limits>
#include <type_traits>

#include "pairs.h"
#include "sources.h"

namespace hd::HD_TIER {
namespace {

constexpr int64_t kBlock = 1024;  // two f64 blocks are 16 KiB: half of L1
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// NaN with no payload: one of more bits than the result has would be rounded to a number.
double plain(double w) { return w == w ? w : kNaN; }
wide plain(wide x) { return {x.lo == x.lo ? x.lo : vd{} + kNaN, x.hi == x.hi ? x.hi : vd{} + kNaN}; }

// Elements [from, from + n), n <= kBlock.
void combine_block(const Call& call, const double* weights, int64_t from, int64_t n) {
  double base[kBlock], total[kBlock];
  if (call.has(0)) {
    with_source(*call.t[0], from, [&](auto p) {
      vectors(0, n, [&](int64_t i, auto mask) {
        const auto b = get_wide(p + i, mask);
        put_wide(base + i, b, mask);
        put_wide(total + i, b, mask);
      });
    });
  }
  for (int32_t k = 2; k + 1 < call.n; k++) {
    const auto w = splat_wide(plain(weights[k - 2]));
    with_source(*call.t[k], from, [&](auto p) {
      vectors(0, n, [&](int64_t i, auto mask) {
        if (call.has(0)) {
          put_wide(total + i, get_wide(total + i, mask) + w * (get_wide(p + i, mask) - get_wide(base + i, mask)), mask);
        } else if (k == 2) {
          put_wide(total + i, w * get_wide(p + i, mask), mask);
        } else {
          put_wide(total + i, get_wide(total + i, mask) + w * get_wide(p + i, mask), mask);
        }
      });
    });
  }
  const hd_tensor& y = *call.t[call.n - 1];
  with_source(y, from, [&](auto p) {
    using T = std::remove_const_t<std::remove_pointer_t<decltype(p)>>;
    T* out = const_cast<T*>(p);
    vectors(0, n, [&](int64_t i, auto mask) { put_wide(out + i, plain(get_wide(total + i, mask)), mask); });
  });
}

constexpr int32_t kFew = 8;  // sources whose addresses and weights stay in registers or L1

#if defined(__AVX512F__)
inline pairs pairs_of(const bf16* const* source, const wide* weight, int32_t count, int64_t at) {
  pairs total = weight[0].lo * get_pairs(source[0] + at);
  for (int32_t k = 1; k < count; k++) total = total + weight[k].lo * get_pairs(source[k] + at);
  return total;
}
inline pairs pairs_of(const bf16* base, const bf16* const* source, const wide* weight, int32_t count, int64_t at) {
  const pairs b = get_pairs(base + at);
  pairs total = b;
  for (int32_t k = 0; k < count; k++) total = total + weight[k].lo * (get_pairs(source[k] + at) - b);
  return total;
}
#endif

// The usual case: everything of one dtype and few sources, summed in registers.
template <class T>
void combine_alike(const Call& call, const double* weights, int64_t from, int64_t to) {
  const int32_t count = call.n - 3;
  const T* source[kFew];
  wide weight[kFew];
  for (int32_t k = 0; k < count; k++) {
    source[k] = call.data<const T>(2 + k);
    weight[k] = splat_wide(plain(weights[k]));
  }
  const T* base = call.data<const T>(0);
  T* y = call.data<T>(call.n - 1);
  const auto sum = [&](int64_t i, auto mask) {
    if (base == nullptr) {
      auto total = weight[0] * get_wide(source[0] + i, mask);
      for (int32_t k = 1; k < count; k++) total = total + weight[k] * get_wide(source[k] + i, mask);
      put_wide(y + i, total, mask);
    } else {
      const auto b = get_wide(base + i, mask);
      auto total = b;
      for (int32_t k = 0; k < count; k++) total = total + weight[k] * (get_wide(source[k] + i, mask) - b);
      put_wide(y + i, total, mask);
    }
  };
#if defined(__AVX512F__)
  if constexpr (std::is_same_v<T, bf16>) {
    for (; from + kPairs <= to; from += kPairs) {
      const pairs total = base == nullptr ? pairs_of(source, weight, count, from) : pairs_of(base, source, weight, count, from);
      if (!put_pairs(y + from, total)) vectors(from, from + kPairs, sum);
    }
  }
#endif
  vectors(from, to, sum);
}

void combine_piece(const Call& call, const double* weights, bool alike, int64_t from, int64_t to) {
  const int32_t dtype = call.t[call.n - 1]->dtype;
  if (alike && dtype == HD_F32) return combine_alike<float>(call, weights, from, to);
  if (alike && dtype == HD_BF16) return combine_alike<bf16>(call, weights, from, to);
  if (alike && dtype == HD_F16) return combine_alike<f16>(call, weights, from, to);
  for (int64_t i = from; i < to; i += kBlock) combine_block(call, weights, i, least(kBlock, to - i));
}

hd_status copy_base(const Call& call) {
  const hd_tensor *base = call.t[0], *y = call.t[call.n - 1];
  const hd_tensor* const tensors[] = {base, y};
  const hd_NoneParams none{};
  return copy({call.context, HD_OP_copy, tensors, 2, &none});
}
}  // namespace

hd_status linear_combination(const Call& call) {
  const int32_t y = call.n - 1, sources = call.n - 3;
  const int64_t n = elements(*call.t[y]);
  Check check(call);
  check.dtype(1, HD_F64).vector(1, sources, "one per source").contiguous(1);
  bool alike = sources <= kFew;
  for (int32_t i = 0; i < call.n; i++) {
    if (i == 1 || !call.has(i)) continue;
    check.count(i, n, "the size of y").contiguous(i).require(call.t[i]->dtype <= HD_F64, "base, sources and y must be floats");
    check.require(call.t[i]->data != call.t[y]->data || dtype_bytes(call.t[i]->dtype) == dtype_bytes(call.t[y]->dtype) || n == 0,
                  "y may only lie over an input whose elements have the size of its own");
    alike = alike && call.t[i]->dtype == call.t[y]->dtype;
  }
  if (check.failed()) return check.status();
  const double* weights = call.data<const double>(1);
  bool zero = call.has(0);
  for (int32_t i = 0; i < sources; i++) zero = zero && weights[i] == 0.0;
  if (zero) return copy_base(call);
  parallel_pieces(call.context, 1, n, [&](int64_t, int64_t, int64_t from, int64_t to) { combine_piece(call, weights, alike, from, to); });
  return HD_OK;
}
}  // namespace hd::HD_TIER

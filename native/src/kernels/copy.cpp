// copy: y = x, any dtype to any dtype, any strides; x may broadcast.
// Shapes: x has the shape of y. Work: as in elementwise.cpp: dimensions sorted by the strides of y, merged, cut into pieces of runs.
// When x is dense along another dimension than y (a transpose), the pieces are tiles over both, so that the lines of x are used while
// they are in L1.
// Numerics: rounds to nearest even once: f64 and integers reach 16 bits by rounding to odd first. Equal dtypes move bits. Floats become
// integers by truncation, saturate out of range, and NaN becomes 0; integers wrap into narrower ones.
// Cost: reads x and writes y once; dense copies run at the speed of memcpy.
// Deterministic: elements are independent.
#include "check.h"
#include "cpu/kernels.h"
#include "wide.h"

namespace hd::HD_TIER {
namespace {

template <class T>
constexpr bool kIsInteger = std::numeric_limits<T>::is_integer;

template <class D>
D truncate(double x) {
  constexpr double low = static_cast<double>(std::numeric_limits<D>::min()), high = static_cast<double>(std::numeric_limits<D>::max());
  if (x != x) return 0;
  if (x <= low) return std::numeric_limits<D>::min();
  if (x >= high) return std::numeric_limits<D>::max();
  return static_cast<D>(x);
}

// The nearest double that rounds to 16 bits as x does: past 53 bits the lost ones are kept as one sticky bit.
inline double sticky(int64_t x) {
  if (x < (int64_t{1} << 53) && x > -(int64_t{1} << 53)) return static_cast<double>(x);
  return static_cast<double>((x & ~int64_t{0x7ff}) | ((x & 0x7ff) != 0 ? 0x800 : 0));
}

template <class D, class S>
D convert(S x) {
  if constexpr (kIsInteger<S> && (kIsInteger<D> || sizeof(D) >= 4)) {
    return static_cast<D>(x);
  } else if constexpr (kIsInteger<S>) {
    return from_f64<D>(sticky(x));
  } else if constexpr (kIsInteger<D>) {
    return truncate<D>(to_f64(x));
  } else if constexpr (sizeof(D) == 8 || sizeof(S) == 8) {
    return from_f64<D>(to_f64(x));
  } else {
    return from_f32<D>(to_f32(x));
  }
}

template <class A, class B>
constexpr bool kSame = false;
template <class A>
constexpr bool kSame<A, A> = true;

template <class D, class S>
void copy_run(D* y, int64_t sy, const S* x, int64_t sx, int64_t n) {
  if (sy != 1 || sx != 1) {
    for (int64_t i = 0; i < n; i++) {
      if constexpr (kSame<D, S>) {
        y[i * sy] = x[i * sx];
      } else {
        y[i * sy] = convert<D>(x[i * sx]);
      }
    }
  } else if constexpr (kSame<D, S>) {
    std::memcpy(y, x, static_cast<size_t>(n) * sizeof(D));
  } else if constexpr (kIsInteger<D> || kIsInteger<S>) {
    for (int64_t i = 0; i < n; i++) y[i] = convert<D>(x[i]);
  } else if constexpr (sizeof(D) == 8 || sizeof(S) == 8) {
    vectors(0, n, [&](int64_t i, auto mask) { put_wide(y + i, get_wide(x + i, mask), mask); });
  } else {
    vectors(0, n, [&](int64_t i, auto mask) { put(y + i, get(x + i, mask), mask); });
  }
}

// Side of a transposed tile. It passes through a dense buffer, because lines a power of two apart share a cache set.
constexpr int64_t kTile = 32;

// The two dimensions of a transpose: y is dense along the last, x along `other`; -1 if x is not dense elsewhere.
inline int other_dimension(const Nest<2>& n) {
  for (int d = 0; d + 1 < n.rank; d++) {
    if (n.stride[1][d] == 1 && n.step(1) != 1 && n.shape[d] > 1) return d;
  }
  return -1;
}

template <class D, class S>
void transpose(const Call& call, Nest<2> n, int other, D* y, const S* x) {
  const int64_t width = n.shape[other], sy = n.step(0), sx = n.step(1), across = n.stride[0][other];
  n.shape[other] = 1;
  const int64_t planes = n.runs / width, row_tiles = ceil_div(width, kTile), tiles = ceil_div(n.length, kGrain / kTile);
  parallel(call.context, planes * row_tiles * tiles, [&](int64_t task) {
    const int64_t tile = task % tiles, row_tile = task / tiles % row_tiles, plane = task / tiles / row_tiles;
    const int64_t first = row_tile * kTile, end = least(width, first + kTile);
    const int64_t begin = tile * (kGrain / kTile), stop = least(n.length, begin + kGrain / kTile);
    each_run(n, plane, plane + 1, [&](int64_t, const int64_t* at) {
      S buffer[kTile][kTile];
      for (int64_t from = begin; from < stop; from += kTile) {
        const int64_t count = least(kTile, stop - from);
        for (int64_t j = 0; j < count; j++) {
          std::memcpy(buffer[j], x + at[1] + first + (from + j) * sx, static_cast<size_t>(end - first) * sizeof(S));
        }
        for (int64_t r = first; r < end; r++) {
          copy_run(y + at[0] + r * across + from * sy, sy, &buffer[0][r - first], kTile, count);
        }
      }
    });
  });
}

template <class D, class S>
hd_status run(const Call& call) {
  const int64_t all = elements(*call.t[1]);
  const S* x = call.data<const S>(0);
  D* y = call.data<D>(1);
  if (all == 0) return HD_OK;
  if (is_contiguous(*call.t[0]) && is_contiguous(*call.t[1])) {
    parallel_pieces(call.context, 1, all,
                    [&](int64_t, int64_t, int64_t from, int64_t to) { copy_run(y + from, 1, x + from, 1, to - from); });
    return HD_OK;
  }
  const hd_tensor* const tensors[] = {call.t[1], call.t[0]};
  const Nest<2> n = nest(tensors, true);
  if (const int other = other_dimension(n); other >= 0) {
    transpose(call, n, other, y, x);
    return HD_OK;
  }
  parallel_pieces(call.context, n.runs, n.length, [&](int64_t first, int64_t end, int64_t from, int64_t to) {
    each_run(n, first, end, [&](int64_t, const int64_t* at) {
      copy_run(y + at[0] + from * n.step(0), n.step(0), x + at[1] + from * n.step(1), n.step(1), to - from);
    });
  });
  return HD_OK;
}

template <class F>
hd_status with_any(int32_t dtype, const F& f) {
  switch (dtype) {
    case HD_I32:
      return f(int32_t{});
    case HD_I64:
      return f(int64_t{});
    case HD_U8:
      return f(uint8_t{});
    default:
      return with_any_float(dtype, f);
  }
}
}  // namespace

hd_status copy(const Call& call) {
  Check check(call);
  check.same_shape(0, 1).output(1);
  if (check.failed()) return check.status();
  return with_any(call.t[1]->dtype,
                  [&](auto to) { return with_any(call.t[0]->dtype, [&](auto from) { return run<decltype(to), decltype(from)>(call); }); });
}
}  // namespace hd::HD_TIER

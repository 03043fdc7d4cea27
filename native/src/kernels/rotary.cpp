// rotary: rotary position embedding (Su et al. 2021). The pair (a, b) becomes (a cos - b sin, b cos + a sin); the inverse is its gradient.
// Shapes: x, y [B, H, T, D]; positions i32 [T] or [B, T]; inv_freq f32 [R], 2R <= D. The last D - 2R features are copied.
// Work: first a table of cos and sin, one row of 2 x width floats per position (shared by all heads), then tasks of whole rows of x.
// In the table neighbouring pairs have their factors twice, as (c, c) and (-s, s), so that a pair is rotated by one shuffle.
// Numerics: angle, cos and sin in f64, rounded to f32 after the amplitude; the rotation in f32.
// Cost: reads and writes B H T D elements once, plus B T R sincos of some 6 cycles.
// Deterministic: elements are independent.
#include <cmath>

#include "check.h"
#include "cpu/kernels.h"
#include "wide.h"

namespace hd::HD_TIER {
namespace {

using Params = hd_RotaryParams;

struct Turn {
  wide cos, sin;
};

// Angles up to which the sum of three parts of pi/2, the first two of 33 bits, is exact enough (Cody & Waite 1980); others go to libm.
constexpr double kSmall = 1 << 20;

// Errors below 1e-15 for |x| <= kSmall: polynomials of fdlibm's k_sin and k_cos on [-pi/4, pi/4], and the quarter that x lies in.
inline void turn(vd x, vd& cos, vd& sin) {
  typedef int64_t vl __attribute__((vector_size(sizeof(vd))));
  const vd shift = vd{} + 0x1.8p52;  // the sum's last bits are the rounded number
  const vd sum = x * 6.36619772367581382433e-01 + shift, n = sum - shift;
  const vd r = ((x - n * 1.57079632673412561417e+00) - n * 6.07710050630396597660e-11) - n * 2.02226624879595063154e-21;
  const vd z = r * r;
  const vd odd = r + r * z *
                         (-1.66666666666666324348e-01 +
                          z * (8.33333333332248946124e-03 +
                               z * (-1.98412698298579493134e-04 + z * (2.75573137070700676789e-06 + z * -2.50507602534068634195e-08))));
  const vd even = 1.0 - 0.5 * z +
                  z * z *
                      (4.16666666666666019037e-02 +
                       z * (-1.38888888888741095749e-03 + z * (2.48015872894767294178e-05 + z * -2.75573143513906633035e-07)));
  const vl quarter = (vl)sum, swapped = -(quarter & 1);
  const auto pick = [&](vd first, vd second, vl negative) {
    return (vd)((((vl)first & ~swapped) | ((vl)second & swapped)) ^ ((negative & 2) << 62));
  };
  sin = pick(odd, even, quarter);
  cos = pick(even, odd, quarter + 1);
}

Turn turn(wide x) {
  Turn t;
  turn(x.lo, t.cos.lo, t.sin.lo);
  turn(x.hi, t.cos.hi, t.sin.hi);
  return t;
}

Turn turn_by_libm(wide x) {
  double angle[kLanes], cos[kLanes], sin[kLanes];
  put_wide(angle, x, Full{});
  for (int i = 0; i < kLanes; i++) cos[i] = std::cos(angle[i]), sin[i] = std::sin(angle[i]);
  return {get_wide(cos, Full{}), get_wide(sin, Full{})};
}

// Frequencies of a call.
struct Frequencies {
  const float* data;
  int64_t pairs;
  double largest = 0;

  Frequencies(const float* from, int64_t count) : data(from), pairs(count) {
    for (int64_t i = 0; i < count; i++) {
      const double size = std::fabs(static_cast<double>(from[i]));
      largest = largest >= size ? largest : size;
    }
  }
};

// cos then sin factors of one position; `width` is R, or 2R for neighbouring pairs.
void fill_factors(float* factors, const Frequencies& f, int32_t position, const Params& p) {
  const double at = static_cast<double>(position), amplitude = static_cast<double>(p.amplitude);
  const bool small = std::fabs(at) * f.largest <= kSmall;
  const wide sine = splat_wide(p.inverse != 0 ? -amplitude : amplitude);
  vectors(0, f.pairs, [&](int64_t i, auto mask) {
    const wide angle = splat_wide(at) * get_wide(f.data + i, mask);
    const Turn t = small ? turn(angle) : turn_by_libm(angle);
    const vf c = narrow(t.cos * splat_wide(amplitude)), s = narrow(t.sin * sine);
    if (p.interleaved == 0) {
      put(factors + i, c, mask);
      put(factors + f.pairs + i, s, mask);
    } else {
      for (int64_t j = 0; j < least(kLanes, f.pairs - i); j++) {
        float* to = factors + 2 * (i + j);
        to[0] = to[1] = c[j];
        to[2 * f.pairs] = -s[j];
        to[2 * f.pairs + 1] = s[j];
      }
    }
  });
}

inline vf swap_neighbours(vf x) {
  vi lane;
  for (int i = 0; i < kLanes; i++) lane[i] = i ^ 1;
  return __builtin_shuffle(x, lane);
}

template <class T>
void rotate_row(const T* x, T* y, const float* factors, int64_t pairs, int64_t features, bool interleaved) {
  if (interleaved) {
    const float *c = factors, *s = factors + 2 * pairs;
    vectors(0, 2 * pairs, [&](int64_t i, auto mask) {
      const vf v = get(x + i, mask);
      put(y + i, v * get(c + i, mask) + swap_neighbours(v) * get(s + i, mask), mask);
    });
  } else {
    vectors(0, pairs, [&](int64_t i, auto mask) {
      const vf a = get(x + i, mask), b = get(x + pairs + i, mask), c = get(factors + i, mask), s = get(factors + pairs + i, mask);
      put(y + i, a * c - b * s, mask);
      put(y + pairs + i, b * c + a * s, mask);
    });
  }
  const int64_t rest = features - 2 * pairs;
  if (rest > 0 && x != y) std::memcpy(y + 2 * pairs, x + 2 * pairs, static_cast<size_t>(rest) * sizeof(T));
}

template <class T>
hd_status run(const Call& call) {
  const Params& p = call.params<Params>();
  const View<const T> x(call, 0);
  const View<T> y(call, 3);
  const View<const int32_t> positions(call, 1, 0);
  const int64_t heads = call.t[0]->shape[1], steps = call.t[0]->shape[2], features = call.t[0]->shape[3];
  const int64_t pairs = call.t[2]->shape[0], count = positions.rows.count;
  const int64_t width = (p.interleaved != 0 ? 4 : 2) * pairs;
  if (x.rows.count == 0 || features == 0) return HD_OK;
  float* table = scratch<float>(count * width);
  if (table == nullptr) return fail(HD_NO_MEMORY, "no memory for the factors of %lld positions", static_cast<long long>(count));
  const Frequencies frequencies(call.data<const float>(2), pairs);
  // sincos costs about four times what rotating an element does
  parallel_rows(call.context, count, 4 * pairs, [&](int64_t i) { fill_factors(table + i * width, frequencies, *positions.row(i), p); });
  const bool per_batch = call.t[1]->rank == 2;
  parallel_rows(call.context, x.rows.count, features, [&](int64_t r) {
    const int64_t t = r % steps, b = r / steps / heads;
    rotate_row(x.row(r), y.row(r), table + (per_batch ? b * steps + t : t) * width, pairs, features, p.interleaved != 0);
  });
  return HD_OK;
}

bool positions_fit(const hd_tensor& positions, const hd_tensor& x) {
  if (positions.rank == 1) return positions.shape[0] == x.shape[2];
  return positions.rank == 2 && positions.shape[0] == x.shape[0] && positions.shape[1] == x.shape[2];
}
}  // namespace

hd_status rotary(const Call& call) {
  Check check(call);
  check.rank(0, 4).floats(0, 3).same_shape(3, 0).dtype(1, HD_I32).rank(2, 1).dtype(2, HD_F32).dense(0, 2, 3).output(3);
  check.require(check.failed() || positions_fit(*call.t[1], *call.t[0]), "positions must be [T] or [B, T]");
  check.require(check.failed() || 2 * call.t[2]->shape[0] <= call.t[0]->shape[3],
                "inv_freq has more than half as many elements as a head has features");
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) { return run<decltype(type)>(call); });
}
}  // namespace hd::HD_TIER

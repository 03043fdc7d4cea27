// rotary: rotary position embedding (Su et al. 2021). The pair (a, b) becomes (a cos - b sin, b cos + a sin); the inverse is its gradient.
// Shapes: x, y [B, H, T, D]; positions i32 [T] or [B, T]; inv_freq f32 [R], 2R <= D. The last D - 2R features are copied.
// Work: first a table of cos and sin, one row of 2 x width floats per position (shared by all heads), then tasks of whole rows of x.
// In the table neighbouring pairs have their factors twice, as (c, c) and (-s, s), so that a pair is rotated by one shuffle.
// Numerics: angle, cos and sin in f64, rounded to f32 after the amplitude; the rotation in f32.
// Cost: reads and writes B H T D elements once, plus B T R sincos.
// Deterministic: elements are independent.
#include <cmath>

#include "check.h"
#include "cpu/kernels.h"
#include "views.h"

namespace hd::HD_TIER {
namespace {

using Params = hd_RotaryParams;

// cos then sin factors of one position; `width` is R, or 2R for neighbouring pairs.
void fill_factors(float* factors, int64_t pairs, int32_t position, const float* inv_freq, const Params& p) {
  for (int64_t i = 0; i < pairs; i++) {
    const double angle = static_cast<double>(position) * static_cast<double>(inv_freq[i]);
    const double amplitude = static_cast<double>(p.amplitude);
    const float c = static_cast<float>(std::cos(angle) * amplitude);
    const float s = static_cast<float>(std::sin(p.inverse != 0 ? -angle : angle) * amplitude);
    if (p.interleaved == 0) {
      factors[i] = c;
      factors[pairs + i] = s;
    } else {
      factors[2 * i] = factors[2 * i + 1] = c;
      factors[2 * pairs + 2 * i] = -s;
      factors[2 * pairs + 2 * i + 1] = s;
    }
  }
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
  // sincos costs about 30 times what rotating an element does
  parallel_rows(call.context, count, 32 * pairs,
                [&](int64_t i) { fill_factors(table + i * width, pairs, *positions.row(i), call.data<const float>(2), p); });
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

// softmax_fwd, softmax_bwd: y = exp(x - max) / sum over the last dimension, and dx = y * (dy - sum(y * dy)).
// Shapes: all [N.., F]. Work: tasks of whole rows. Forward: one pass for the maximum, one for the sum, one that writes; the last two read
// from cache. Recomputing exp in the third pass costs less than keeping it in f32 when the rows are 16 bits wide, and needs no scratch.
// Numerics: f32; a row of -inf gives 0, a row with NaN or +inf gives NaN.
// Cost: reads 1 (backward 2) and writes 1 N F elements of memory, 2 exponentials per element.
// Deterministic: a row is computed by one thread.
#include "check.h"
#include "cpu/kernels.h"
#include "softmax_row.h"

namespace hd::HD_TIER {
namespace {

template <class T>
hd_status forward(const Call& call) {
  const View<const T> x(call, 0);
  const View<T> y(call, 1);
  const int64_t n = last(*call.t[0]);
  parallel_rows(call.context, x.rows.count, n, [&](int64_t r) {
    const T* in = x.row(r);
    T* out = y.row(r);
    const float top = row_max(in, n);
    const float shift = top == -kInfinity ? 0.0f : top;
    const float total = sum_exp(in, n, shift);
    const float factor = total == 0.0f ? 0.0f : 1.0f / total;
    vectors(0, n, [&](int64_t i, auto mask) { put(out + i, exp(get(in + i, mask) - shift) * factor, mask); });
  });
  return HD_OK;
}

template <class T>
hd_status backward(const Call& call) {
  const View<const T> dy(call, 0), y(call, 1);
  const View<T> dx(call, 2);
  const int64_t n = last(*call.t[1]);
  parallel_rows(call.context, y.rows.count, n, [&](int64_t r) {
    const T *grad = dy.row(r), *out = y.row(r);
    T* to = dx.row(r);
    vf products{};
    vectors(0, n, [&](int64_t i, auto mask) { products = fma(get(grad + i, mask), get(out + i, mask), products); });
    const float dot = sum(products);
    vectors(0, n, [&](int64_t i, auto mask) { put(to + i, get(out + i, mask) * (get(grad + i, mask) - dot), mask); });
  });
  return HD_OK;
}
}  // namespace

hd_status softmax_fwd(const Call& call) {
  Check check(call);
  check.floats(0, 1).same_shape(1, 0).dense(0, 1).output(1);
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) { return forward<decltype(type)>(call); });
}

hd_status softmax_bwd(const Call& call) {
  Check check(call);
  check.floats(0, 1, 2).same_shape(1, 0).same_shape(2, 0).dense(0, 1, 2).output(2);
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) { return backward<decltype(type)>(call); });
}
}  // namespace hd::HD_TIER

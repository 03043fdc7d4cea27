// argmax: y[n] = the first v of those with the largest x[n,v].
// Shapes: x [N,V]; y i32 [N]. Work: tasks of whole rows: a pass for the maximum by vectors, and one that looks for it from the front.
// Numerics: exact; NaN counts as -inf. Cost: reads N V elements, and again as far as the maximum. Deterministic.
#include "check.h"
#include "cpu/kernels.h"
#include "views.h"

namespace hd::HD_TIER {
namespace {

constexpr float kLowest = -__builtin_inff();

template <class T>
hd_status run(const Call& call) {
  const View<const T> x(call, 0);
  int32_t* y = call.data<int32_t>(1);
  const int64_t n = last(*call.t[0]), step = call.t[1]->stride[0];
  parallel_rows(call.context, x.rows.count, n, [&](int64_t r) {
    const T* row = x.row(r);
    vf tops = splat(kLowest);
    vectors(0, n, [&](int64_t i, auto mask) {
      const vf next = mask.keep_or(get(row + i, mask), kLowest);
      tops = next > tops ? next : tops;  // NaN is not
    });
    const float top = max_lane(tops);
    int64_t at = 0;  // where nothing is above -inf the first is as large as any
    while (top > kLowest && to_f32(row[at]) != top) at++;
    y[r * step] = static_cast<int32_t>(at);
  });
  return HD_OK;
}
}  // namespace

hd_status argmax(const Call& call) {
  Check check(call);
  check.floats(0).rank(0, 2).rank(1, 1).dtype(1, HD_I32).rows_of(1, 0).dense(0).output(1);
  check.require(check.failed() || last(*call.t[0]) > 0, "x must have at least one column");
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) { return run<decltype(type)>(call); });
}
}  // namespace hd::HD_TIER

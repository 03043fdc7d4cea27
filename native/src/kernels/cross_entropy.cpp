// cross_entropy: softmax cross-entropy with label smoothing (Szegedy et al. 2016), and its gradient from the same call.
// loss = log(sum exp z) - (1 - e) z[target] - e mean(z), z = logits - max; dlogits = grad_scale * (softmax - t).
// Shapes: logits, dlogits [N, V]; targets i32 [N]; loss f32 [N]. Targets are checked before anything is written.
// Work: tasks of whole rows. Three passes over a row: maximum, sums, gradient; the later ones read from L2 for usual vocabularies.
// Numerics: f32 sums in lanes, the loss is put together in f64. Without smoothing logits of -inf are fine (probability 0).
// Cost: reads and writes N V elements once, 2 exponentials per element.
// Deterministic: a row is computed by one thread.
#include <cmath>

#include "check.h"
#include "cpu/kernels.h"
#include "softmax_row.h"

namespace hd::HD_TIER {
namespace {

using Params = hd_CrossEntropyParams;

template <class T>
float sum_shifted(const T* x, int64_t n, float shift) {
  vf total{};
  vectors(0, n, [&](int64_t i, auto mask) { total += mask.keep(get(x + i, mask) - shift); });
  return sum(total);
}

template <class T>
float loss_row(const T* x, T* dx, int64_t n, int64_t target, const Params& p) {
  const float top = row_max(x, n), total = sum_exp(x, n, top);
  const float at_target = to_f32(x[target]) - top;
  const double smoothing = static_cast<double>(p.label_smoothing);
  double loss = std::log(static_cast<double>(total)) - (1.0 - smoothing) * static_cast<double>(at_target);
  if (p.label_smoothing > 0) loss -= smoothing / static_cast<double>(n) * static_cast<double>(sum_shifted(x, n, top));
  if (dx == nullptr) return static_cast<float>(loss);

  const float uniform = static_cast<float>(smoothing / static_cast<double>(n)), factor = 1.0f / total;
  vectors(0, n, [&](int64_t i, auto mask) { put(dx + i, (exp(get(x + i, mask) - top) * factor - uniform) * p.grad_scale, mask); });
  const float probability = exp(splat(at_target))[0] * factor;
  dx[target] = from_f32<T>((probability - (1.0f - p.label_smoothing) - uniform) * p.grad_scale);
  return static_cast<float>(loss);
}

template <class T>
hd_status run(const Call& call) {
  const Params& p = call.params<Params>();
  const View<const T> logits(call, 0);
  const View<const int32_t> targets(call, 1, 0);
  const View<float> loss(call, 2, 0);
  const View<T> dlogits(call, 3);
  const int64_t rows = call.t[0]->shape[0], n = call.t[0]->shape[1];
  for (int64_t r = 0; r < rows; r++) {
    const int64_t target = *targets.row(r);
    if (target != p.ignore_index && (target < 0 || target >= n)) {
      return fail(HD_INVALID, "targets[%lld] is %lld, expected 0 to %lld or ignore_index %lld", static_cast<long long>(r),
                  static_cast<long long>(target), static_cast<long long>(n - 1), static_cast<long long>(p.ignore_index));
    }
  }
  parallel_rows(call.context, rows, n, [&](int64_t r) {
    const int64_t target = *targets.row(r);
    if (target != p.ignore_index) {
      *loss.row(r) = loss_row<T>(logits.row(r), dlogits.row(r), n, target, p);
      return;
    }
    *loss.row(r) = 0;
    if (dlogits.data != nullptr && n > 0) std::memset(dlogits.row(r), 0, static_cast<size_t>(n) * sizeof(T));
  });
  return HD_OK;
}
}  // namespace

hd_status cross_entropy(const Call& call) {
  const Params& p = call.params<Params>();
  Check check(call);
  check.rank(0, 2).floats(0, 3).dtype(1, HD_I32).dtype(2, HD_F32).rows_of(1, 0).rows_of(2, 0).same_shape(3, 0);
  check.dense(0, 3).output(2).output(3).require(p.label_smoothing >= 0 && p.label_smoothing < 1, "label_smoothing must lie in [0, 1)");
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) { return run<decltype(type)>(call); });
}
}  // namespace hd::HD_TIER

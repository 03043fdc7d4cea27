// cross_entropy: softmax cross-entropy with label smoothing (Szegedy et al. 2016), and its gradient from the same call.
// loss = log(sum exp z) - (1 - e) z[target] - e mean(z), z = logits - max; dlogits = grad_scale * (softmax - t).
// Shapes: logits, dlogits [N, V]; targets i32 [N]; loss f32 [N]. A target out of range is noted (report_fault), its row gives NaN.
// Work: a team of up to 256 threads per row. One pass forms maximum and sums together (online softmax, Milakov & Gimelshein 2018), a
// second one the gradient. On chip: registers only; no spills (README.md has the counts).
// Numerics: f32 sums per thread, joined in a fixed order; the loss is put together in f64. The sum of logits is taken about the first one
// of the row, so that a common offset does not cost digits.
// Cost: reads N V twice (the second time from L2 for usual vocabularies), writes it once; 2 exponentials per element.
// Deterministic. Checked on: not yet.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

template <class T>
struct Work {
  View<const T> logits;
  View<const int32_t> targets;
  View<float> loss;
  View<T> dlogits;
  int64_t rows, n;
  hd_CrossEntropyParams p;
  unsigned long long* fault;
};

template <class T>
__global__ void __launch_bounds__(kThreads) cross_entropy_kernel(Work<T> w) {
  constexpr int W = kWidth<T>;
  const int64_t n = w.n, step = static_cast<int64_t>(blockDim.x) * W, mine = static_cast<int64_t>(threadIdx.x) * W;
  const bool smooth = w.p.label_smoothing > 0;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.y; first < w.rows;
       first += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int64_t row = first + threadIdx.y;
    const int32_t target = row < w.rows ? *w.targets.row(row) : 0;
    const bool ignored = row >= w.rows || target == w.p.ignore_index, bad = !ignored && (target < 0 || target >= n);
    const int64_t end = ignored || bad ? 0 : n;
    const T* x = w.logits.data + (row < w.rows ? w.logits.rows.at(row) : 0);
    const float origin = end > 0 ? to_f32(x[0]) : 0.0f, at_target = end > 0 ? to_f32(x[target]) : 0.0f;
    float v[W], top = -INFINITY, total = 0, sum = 0;
    for (int64_t at = mine; at < end; at += step) {
      load_pack(x, at, n, w.logits.vector, v);
      float higher = top;
#pragma unroll
      for (int i = 0; i < W; i++) higher = at + i < n ? Largest::join(higher, v[i]) : higher;
      if (higher == -INFINITY) continue;
      total *= expf(top - higher);
      top = higher;
#pragma unroll
      for (int i = 0; i < W; i++) {
        if (at + i >= n) continue;
        total += expf(v[i] - top);
        if (smooth) sum += v[i] - origin;
      }
    }
    const float all = team_join<Largest>(top);
    total = team_sum(top == -INFINITY ? 0.0f : total * expf(top - all));
    if (smooth) sum = team_sum(sum);  // the same for all threads
    if (row >= w.rows) continue;
    if (threadIdx.x == 0) {
      double loss = ignored ? 0.0 : static_cast<double>(NAN);
      if (bad) report_fault(w.fault, row, target);
      if (end > 0) {
        const double e = static_cast<double>(w.p.label_smoothing), m = static_cast<double>(all);
        loss = log(static_cast<double>(total)) - (1 - e) * (static_cast<double>(at_target) - m);
        if (smooth) loss -= e * (static_cast<double>(sum) / static_cast<double>(n) + static_cast<double>(origin) - m);
      }
      *w.loss.row(row) = static_cast<float>(loss);
    }
    if (w.dlogits.data == nullptr) continue;
    const float e = w.p.label_smoothing, uniform = e / static_cast<float>(n), factor = 1.0f / total;
    T* dx = w.dlogits.row(row);
    for (int64_t at = mine; at < n; at += step) {
      if (end > 0) load_pack(x, at, n, w.logits.vector, v);
#pragma unroll
      for (int i = 0; i < W; i++) {
        const float t = at + i == target ? 1.0f - e : 0.0f;
        v[i] = end > 0 ? (expf(v[i] - all) * factor - t - uniform) * w.p.grad_scale : 0.0f;
      }
      store_pack(dx, at, n, w.dlogits.vector, v);
    }
  }
}
}  // namespace

hd_status cross_entropy(const Call& call) {
  const hd_CrossEntropyParams& p = call.params<hd_CrossEntropyParams>();
  Check check(call);
  check.rank(0, 2).floats(0, 3).dtype(1, HD_I32).dtype(2, HD_F32).rows_of(1, 0).rows_of(2, 0).same_shape(3, 0);
  check.dense(0, 3).output(2).output(3).require(p.label_smoothing >= 0 && p.label_smoothing < 1, "label_smoothing must lie in [0, 1)");
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) {
    using T = decltype(type);
    const Work<T> w{View<const T>(call, 0),
                    View<const int32_t>(call, 1, 0),
                    View<float>(call, 2, 0),
                    View<T>(call, 3),
                    call.t[0]->shape[0],
                    call.t[0]->shape[1],
                    p,
                    call.context.faults + call.op};
    if (w.rows == 0) return HD_OK;
    const dim3 team = team_for(ceil_div(w.n, kWidth<T>));
    return launch(call, cross_entropy_kernel<T>, grid_for_teams(w.rows, team), team, 0, w);
  });
}
}  // namespace hd

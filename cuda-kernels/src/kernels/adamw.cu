// adamw: one step of AdamW (Loshchilov & Hutter 2019), as torch.optim.AdamW, in place:
// p *= 1 - lr wd; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr / correction1 * m / (sqrt(v) / sqrt(correction2) + eps).
// Shapes: param, grad, m, v, master all of one size, contiguous; factor f32 [1] scales the gradient first (clipping).
// Work: four elements per thread, 16-byte accesses to f32 and 8-byte ones to 16-bit tensors, all loads before the first use; one kernel per
// pair of dtypes, so that none of them waits at a branch. On chip: registers only; no spills (README.md has the counts).
// Numerics: f32; factors formed in f64 on the host. A 16-bit param is the rounding of master, which takes the step.
// Cost: f32: reads 16 and writes 12 bytes per element; 16-bit: reads 14 and writes 14: bandwidth-bound.
// Deterministic: elements are independent. Checked on: see README.md.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

template <class G, class P>
struct Work {
  const G* grad;
  const float *factor, *rates;  // may be null; rates: decay, step and root in place of those here
  P* param;                     // null when P is f32: it is exact then
  float *exact, *m, *v;
  int64_t n;
  float decay, beta1, rest1, beta2, rest2, step, root, eps;
};

constexpr int kFour = 4;

template <class T>
struct alignas(kFour * sizeof(T)) Four {
  T item[kFour];
};

template <class T>
__device__ Four<T> load_four(const T* p, int64_t i) {
  return *reinterpret_cast<const Four<T>*>(p + i);
}
template <class T>
__device__ void store_four(T* p, int64_t i, const Four<T>& x) {
  *reinterpret_cast<Four<T>*>(p + i) = x;
}

template <class G, class P>
__device__ void step_one(const Work<G, P>& w, float g, float& m, float& v, float& p) {
  m = w.beta1 * m + w.rest1 * g;
  v = w.beta2 * v + w.rest2 * g * g;
  p = p * w.decay - w.step * m / (sqrtf(v) * w.root + w.eps);
}

template <class G, class P>
__global__ void __launch_bounds__(kThreads, 5) adamw_kernel(Work<G, P> w, bool vector) {
  constexpr bool kNarrow = sizeof(P) == 2;
  if (w.rates != nullptr) w.decay = w.rates[0], w.step = w.rates[1], w.root = w.rates[2];
  for (int64_t at = first_item() * kFour; at < w.n; at += item_step() * kFour) {
    if (vector && at + kFour <= w.n) {
      const Four<G> g = load_four(w.grad, at);
      Four<float> m = load_four(w.m, at), v = load_four(w.v, at), p = load_four(w.exact, at);
      const float factor = w.factor == nullptr ? 1.0f : *w.factor;
      Four<P> narrow;
#pragma unroll
      for (int i = 0; i < kFour; i++) {
        step_one(w, to_f32(g.item[i]) * factor, m.item[i], v.item[i], p.item[i]);
        put(narrow.item[i], p.item[i]);
      }
      store_four(w.m, at, m);
      store_four(w.v, at, v);
      store_four(w.exact, at, p);
      if (kNarrow) store_four(w.param, at, narrow);
      continue;
    }
    const float factor = w.factor == nullptr ? 1.0f : *w.factor;
    for (int64_t i = at; i < least(at + kFour, w.n); i++) {
      float p = w.exact[i];
      step_one(w, to_f32(w.grad[i]) * factor, w.m[i], w.v[i], p);
      w.exact[i] = p;
      if (kNarrow) put(w.param[i], p);
    }
  }
}

template <class G, class P>
hd_status run(const Call& call, int64_t n) {
  const hd_AdamwParams& p = call.params<hd_AdamwParams>();
  const auto f64 = [](float x) { return static_cast<double>(x); };
  const auto f32 = [](double x) { return static_cast<float>(x); };
  const bool narrow = sizeof(P) == 2;
  bool vector = true;
  for (const int32_t i : {0, 3, 4, 5, 6}) vector = vector && aligned(call.data<void>(i));
  const Work<G, P> w{call.data<const G>(0),
                     call.data<const float>(1),
                     call.data<const float>(2),
                     narrow ? call.data<P>(3) : nullptr,
                     call.data<float>(narrow ? 6 : 3),
                     call.data<float>(4),
                     call.data<float>(5),
                     n,
                     f32(1.0 - f64(p.lr) * f64(p.weight_decay)),
                     p.beta1,
                     f32(1.0 - f64(p.beta1)),
                     p.beta2,
                     f32(1.0 - f64(p.beta2)),
                     f32(f64(p.lr) / f64(p.correction1)),
                     f32(1.0 / __builtin_sqrt(f64(p.correction2))),
                     p.eps};
  return launch(call, adamw_kernel<G, P>, grid_for(ceil_div(n, kFour)), kThreads, 0, w, vector);
}
}  // namespace

hd_status adamw(const Call& call) {
  const int64_t n = elements(*call.t[3]);
  Check check(call);
  check.floats(0).floats(3).dtype(1, HD_F32).dtype(2, HD_F32).dtype(4, HD_F32).dtype(5, HD_F32).dtype(6, HD_F32);
  check.count(1, 1, "one number").count(2, 3, "decay, step and root");
  for (const int32_t i : {0, 4, 5, 6}) check.count(i, n, "the size of param");
  check.contiguous(0, 2, 3, 4, 5, 6);
  check.require(call.has(6) == (call.t[3]->dtype != HD_F32), "master is needed with a 16-bit param, and only then");
  if (check.failed()) return check.status();
  if (n == 0) return HD_OK;
  return with_float(call.t[0]->dtype, [&](auto grad) {
    return with_float(call.t[3]->dtype, [&](auto param) { return run<decltype(grad), decltype(param)>(call, n); });
  });
}
}  // namespace hd

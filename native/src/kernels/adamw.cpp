// adamw: one step of AdamW (Loshchilov & Hutter 2019), as torch.optim.AdamW, in place:
// p *= 1 - lr wd; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr / correction1 * m / (sqrt(v) / sqrt(correction2) + eps).
// Shapes: param, grad, m, v, master all of one size, contiguous; factor f32 [1] scales the gradient first (clipping).
// Work: pieces of elements. Numerics: f32; factors formed in f64. A 16-bit param is the rounding of master, which takes the step.
// Cost: f32: reads 16 and writes 12 bytes per element; 16-bit: reads 14 (grad bf16), writes 14. Bandwidth-bound: one square root and one
// division per vector hide behind it.
// Deterministic: elements are independent.
#include "check.h"
#include "cpu/kernels.h"
#include "views.h"

namespace hd::HD_TIER {
namespace {

using Params = hd_AdamwParams;

struct Factors {
  float grad, decay, beta1, rest1, beta2, rest2, step, root, eps;
};

// rates: see ops.def; null where the parameters say all.
Factors factors_of(const Params& p, const float* factor, const float* rates) {
  const auto f64 = [](float x) { return static_cast<double>(x); };
  const auto f32 = [](double x) { return static_cast<float>(x); };
  return {factor == nullptr ? 1.0f : *factor,
          rates != nullptr ? rates[0] : f32(1.0 - f64(p.lr) * f64(p.weight_decay)),
          p.beta1,
          f32(1.0 - f64(p.beta1)),
          p.beta2,
          f32(1.0 - f64(p.beta2)),
          rates != nullptr ? rates[1] : f32(f64(p.lr) / f64(p.correction1)),
          rates != nullptr ? rates[2] : f32(1.0 / __builtin_sqrt(f64(p.correction2))),
          p.eps};
}

// param is T or float; when it is T (16 bits), master takes the step.
template <class G, class P>
hd_status run(const Call& call) {
  const Factors f = factors_of(call.params<Params>(), call.data<const float>(1), call.data<const float>(2));
  const G* grad = call.data<const G>(0);
  P* param = call.data<P>(3);
  float *m = call.data<float>(4), *v = call.data<float>(5);
  float* exact = sizeof(P) == 4 ? call.data<float>(3) : call.data<float>(6);
  parallel_pieces(call.context, 1, elements(*call.t[3]), [&](int64_t, int64_t, int64_t from, int64_t to) {
    vectors(from, to, [&](int64_t i, auto mask) {
      const vf g = get(grad + i, mask) * f.grad;
      const vf m1 = f.beta1 * get(m + i, mask) + f.rest1 * g;
      const vf v1 = f.beta2 * get(v + i, mask) + f.rest2 * g * g;
      put(m + i, m1, mask);
      put(v + i, v1, mask);
      const vf p1 = get(exact + i, mask) * f.decay - f.step * m1 / (sqrt(v1) * f.root + f.eps);
      put(exact + i, p1, mask);
      if constexpr (sizeof(P) == 2) put(param + i, p1, mask);
    });
  });
  return HD_OK;
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
  return with_float(call.t[0]->dtype, [&](auto grad) {
    return with_float(call.t[3]->dtype, [&](auto param) { return run<decltype(grad), decltype(param)>(call); });
  });
}
}  // namespace hd::HD_TIER

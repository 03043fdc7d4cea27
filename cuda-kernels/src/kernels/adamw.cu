// adamw: one step of AdamW (Loshchilov & Hutter 2019), as torch.optim.AdamW, in place:
// p *= 1 - lr wd; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2; p -= lr / correction1 * m / (sqrt(v) / sqrt(correction2) + eps).
// Shapes: param, grad, m, v, master all of one size, contiguous; factor f32 [1] scales the gradient first (clipping).
// Work: four elements per thread, 16-byte accesses to f32 and 8-byte ones to 16-bit tensors; grid-stride. The dtypes of param and grad are
// known at run time: one kernel serves all pairs. On chip: registers only; no spills (README.md has the counts).
// Numerics: f32; factors formed in f64 on the host. A 16-bit param is the rounding of master, which takes the step.
// Cost: f32: reads 16 and writes 12 bytes per element; 16-bit: reads 14 and writes 14: bandwidth-bound.
// Deterministic: elements are independent. Checked on: not yet.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

struct Work {
  const void* grad;
  const float* factor;  // may be null
  void* param;          // 16 bits wide, or null
  float *exact, *m, *v;
  int64_t n;
  int32_t grad_dtype, param_dtype;
  float decay, beta1, rest1, beta2, rest2, step, root, eps;
};

struct alignas(8) Four16 {
  uint16_t item[4];
};

__device__ void load_four(const void* p, int32_t dtype, int64_t i, float (&x)[4]) {
  if (dtype == HD_F32) {
    const float4 f = *reinterpret_cast<const float4*>(static_cast<const float*>(p) + i);
    x[0] = f.x, x[1] = f.y, x[2] = f.z, x[3] = f.w;
    return;
  }
  const Four16 bits = *reinterpret_cast<const Four16*>(static_cast<const uint16_t*>(p) + i);
#pragma unroll
  for (int k = 0; k < 4; k++)
    x[k] = dtype == HD_BF16 ? __bfloat162float(__ushort_as_bfloat16(bits.item[k])) : __half2float(__ushort_as_half(bits.item[k]));
}

__device__ void store_four(void* p, int32_t dtype, int64_t i, const float (&x)[4]) {
  if (dtype == HD_F32) {
    *reinterpret_cast<float4*>(static_cast<float*>(p) + i) = make_float4(x[0], x[1], x[2], x[3]);
    return;
  }
  Four16 bits;
#pragma unroll
  for (int k = 0; k < 4; k++)
    bits.item[k] = dtype == HD_BF16 ? __bfloat16_as_ushort(rounded<bf16>(x[k])) : __half_as_ushort(rounded<f16>(x[k]));
  *reinterpret_cast<Four16*>(static_cast<uint16_t*>(p) + i) = bits;
}

__device__ void step_one(const Work& w, float g, float& m, float& v, float& p) {
  m = w.beta1 * m + w.rest1 * g;
  v = w.beta2 * v + w.rest2 * g * g;
  p = p * w.decay - w.step * m / (sqrtf(v) * w.root + w.eps);
}

__global__ void __launch_bounds__(kThreads) adamw_kernel(Work w, bool vector) {
  const float factor = w.factor == nullptr ? 1.0f : *w.factor;
  for (int64_t at = first_item() * 4; at < w.n; at += item_step() * 4) {
    if (vector && at + 4 <= w.n) {
      float g[4], m[4], v[4], p[4];
      load_four(w.grad, w.grad_dtype, at, g);
      load_four(w.m, HD_F32, at, m);
      load_four(w.v, HD_F32, at, v);
      load_four(w.exact, HD_F32, at, p);
#pragma unroll
      for (int i = 0; i < 4; i++) step_one(w, g[i] * factor, m[i], v[i], p[i]);
      store_four(w.m, HD_F32, at, m);
      store_four(w.v, HD_F32, at, v);
      store_four(w.exact, HD_F32, at, p);
      if (w.param != nullptr) store_four(w.param, w.param_dtype, at, p);
      continue;
    }
    for (int64_t i = at; i < least(at + 4, w.n); i++) {
      float p = w.exact[i];
      step_one(w, load_float(w.grad, w.grad_dtype, i) * factor, w.m[i], w.v[i], p);
      w.exact[i] = p;
      if (w.param != nullptr) store_float(w.param, w.param_dtype, i, p);
    }
  }
}
}  // namespace

hd_status adamw(const Call& call) {
  const hd_AdamwParams& p = call.params<hd_AdamwParams>();
  const int64_t n = elements(*call.t[2]);
  Check check(call);
  check.floats(0).floats(2).dtype(1, HD_F32).dtype(3, HD_F32).dtype(4, HD_F32).dtype(5, HD_F32).count(1, 1, "one number");
  for (const int32_t i : {0, 3, 4, 5}) check.count(i, n, "the size of param");
  check.contiguous(0, 2, 3, 4, 5);
  check.require(call.has(5) == (call.t[2]->dtype != HD_F32), "master is needed with a 16-bit param, and only then");
  if (check.failed()) return check.status();
  if (n == 0) return HD_OK;
  const auto f64 = [](float x) { return static_cast<double>(x); };
  const auto f32 = [](double x) { return static_cast<float>(x); };
  const bool narrow = call.has(5);
  bool vector = true;
  for (const int32_t i : {0, 2, 3, 4, 5}) vector = vector && aligned(call.data<void>(i));
  const Work w{call.data<const void>(0),
               call.data<const float>(1),
               narrow ? call.data<void>(2) : nullptr,
               call.data<float>(narrow ? 5 : 2),
               call.data<float>(3),
               call.data<float>(4),
               n,
               call.t[0]->dtype,
               call.t[2]->dtype,
               f32(1.0 - f64(p.lr) * f64(p.weight_decay)),
               p.beta1,
               f32(1.0 - f64(p.beta1)),
               p.beta2,
               f32(1.0 - f64(p.beta2)),
               f32(f64(p.lr) / f64(p.correction1)),
               f32(1.0 / __builtin_sqrt(f64(p.correction2))),
               p.eps};
  return launch(call, adamw_kernel, grid_for(ceil_div(n, 4)), kThreads, 0, w, vector);
}
}  // namespace hd

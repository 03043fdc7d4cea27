// rotary: rotates pairs of the first 2R features of each head by position * inv_freq (Su et al. 2021); the others are copied.
// Shapes: x, y [B,H,T,D]; positions i32 [T] or [B,T]; inv_freq f32 [R].
// Work: a block per (b, t), which forms the R cosines and sines once and rotates all H heads with them. Aligned rows in the layout of
// halves move in packs of 16 bytes, a thread rotating pack i of a head with pack i + R; else an element pair per thread. On chip: 2 R f32
// in shared memory; no spills (README.md has the counts). Numerics: the angle is formed and reduced to a turn in f64; cosine and sine of
// the rest in f32, times amplitude; f32 products. Cost: bandwidth: reads and writes B H T D; R sines per (b, t). Deterministic: elements
// are independent. Checked on: see README.md.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

struct Shape {
  int64_t batches, heads, steps, features, pairs, position_b, position_t, freq;  // the last three are strides
  int64_t x[3], y[3];                                                            // strides of b, h, t
};

// The R cosines and sines of a position, times the amplitude.
__device__ void form_angles(float* cosine, float* sine, double position, const float* inv_freq, const Shape& s, const hd_RotaryParams& p) {
  for (int64_t k = threadIdx.x; k < s.pairs; k += blockDim.x) {
    const double half_turns = position * static_cast<double>(inv_freq[k * s.freq]) * 0.31830988618379067154;
    const auto rest = static_cast<float>(half_turns - 2.0 * rint(0.5 * half_turns));
    cosine[k] = cospif(rest) * p.amplitude;
    sine[k] = (p.inverse != 0 ? -sinpif(rest) : sinpif(rest)) * p.amplitude;
  }
}

// R and D are whole packs, rows are aligned, pairs are (i, i + R).
template <class T>
__global__ void __launch_bounds__(kThreads)
    rotary_packs(const T* x, T* y, const int32_t* positions, const float* inv_freq, Shape s, hd_RotaryParams p) {
  constexpr int W = kWidth<T>;
  float* const cosine = reinterpret_cast<float*>(dynamic_shared());
  float* const sine = cosine + s.pairs;
  const int half = static_cast<int>(s.pairs) / W;  // packs
  const int units = static_cast<int>(s.features) / W - half, all = units * static_cast<int>(s.heads);
  const auto pack = [](const T* row, int at) { return reinterpret_cast<const Bits<T>*>(row)[at]; };
  for (int64_t i = blockIdx.x; i < s.batches * s.steps; i += gridDim.x) {
    const int64_t b = i / s.steps, t = i - b * s.steps;
    form_angles(cosine, sine, static_cast<double>(positions[b * s.position_b + t * s.position_t]), inv_freq, s, p);
    __syncthreads();
    const T* from = x + b * s.x[0] + t * s.x[2];
    T* to = y + b * s.y[0] + t * s.y[2];
#pragma unroll 2
    for (int k = static_cast<int>(threadIdx.x); k < all; k += static_cast<int>(blockDim.x)) {
      const int head = k / units, unit = k - head * units;
      const T* in = from + head * s.x[1];
      Bits<T>* const out = reinterpret_cast<Bits<T>*>(to + head * s.y[1]);
      if (unit >= half) {  // only copied
        out[half + unit] = pack(in, half + unit);
        continue;
      }
      float u[W], v[W];
      const Bits<T> first = pack(in, unit), second = pack(in, unit + half);
      unpack(first, u);
      unpack(second, v);
#pragma unroll
      for (int e = 0; e < W; e++) {
        const float c = cosine[unit * W + e], sn = sine[unit * W + e], rotated = u[e] * c - v[e] * sn;
        v[e] = v[e] * c + u[e] * sn;
        u[e] = rotated;
      }
      out[unit] = packed<T>(u);
      out[unit + half] = packed<T>(v);
    }
    __syncthreads();
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    rotary_kernel(const T* x, T* y, const int32_t* positions, const float* inv_freq, Shape s, hd_RotaryParams p) {
  float* const cosine = reinterpret_cast<float*>(dynamic_shared());
  float* const sine = cosine + s.pairs;
  const int64_t units = s.features - s.pairs;  // pairs, then the features that are only copied
  for (int64_t i = blockIdx.x; i < s.batches * s.steps; i += gridDim.x) {
    const int64_t b = i / s.steps, t = i % s.steps;
    form_angles(cosine, sine, static_cast<double>(positions[b * s.position_b + t * s.position_t]), inv_freq, s, p);
    __syncthreads();
    const T* from = x + b * s.x[0] + t * s.x[2];
    T* to = y + b * s.y[0] + t * s.y[2];
    for (int64_t k = threadIdx.x; k < s.heads * units; k += blockDim.x) {
      const int64_t head = k / units, unit = k - head * units;
      const T* in = from + head * s.x[1];
      T* out = to + head * s.y[1];
      if (unit >= s.pairs) {
        out[s.pairs + unit] = in[s.pairs + unit];
        continue;
      }
      const int64_t first = p.interleaved != 0 ? 2 * unit : unit, second = p.interleaved != 0 ? 2 * unit + 1 : unit + s.pairs;
      const float u = to_f32(in[first]), v = to_f32(in[second]), c = cosine[unit], sn = sine[unit];
      put(out[first], u * c - v * sn);
      put(out[second], v * c + u * sn);
    }
    __syncthreads();
  }
}

bool positions_fit(const hd_tensor& positions, const hd_tensor& x) {
  if (positions.rank == 1) return positions.shape[0] == x.shape[2];
  return positions.rank == 2 && positions.shape[0] == x.shape[0] && positions.shape[1] == x.shape[2];
}
}  // namespace

hd_status rotary(const Call& call) {
  Check check(call);
  check.rank(0, 4).floats(0, 3).same_shape(3, 0).dtype(1, HD_I32).rank(2, 1).dtype(2, HD_F32).dense(0, 3).output(3);
  check.require(check.failed() || positions_fit(*call.t[1], *call.t[0]), "positions must be [T] or [B, T]");
  check.require(check.failed() || 2 * call.t[2]->shape[0] <= call.t[0]->shape[3],
                "inv_freq has more than half as many elements as a head has features");
  if (check.failed()) return check.status();
  const hd_tensor &x = *call.t[0], &y = *call.t[3], &positions = *call.t[1];
  if (elements(x) == 0) return HD_OK;
  const bool per_batch = positions.rank == 2;
  const Shape s{x.shape[0],
                x.shape[1],
                x.shape[2],
                x.shape[3],
                call.t[2]->shape[0],
                per_batch ? positions.stride[0] : 0,
                positions.stride[per_batch ? 1 : 0],
                call.t[2]->stride[0],
                {x.stride[0], x.stride[1], x.stride[2]},
                {y.stride[0], y.stride[1], y.stride[2]}};
  const dim3 grid(static_cast<unsigned>(least(s.batches * s.steps, 1 << 20)));
  return with_float(x.dtype, [&](auto type) {
    using T = decltype(type);
    bool packs = call.params<hd_RotaryParams>().interleaved == 0 && x.data % 16 == 0 && y.data % 16 == 0;
    packs = packs && s.pairs % kWidth<T> == 0 && s.features % kWidth<T> == 0;
    for (int d = 0; d < 3; d++) packs = packs && s.x[d] % kWidth<T> == 0 && s.y[d] % kWidth<T> == 0;
    return launch(call, packs ? rotary_packs<T> : rotary_kernel<T>, grid, kThreads, 8 * s.pairs, call.data<const T>(0), call.data<T>(3),
                  call.data<const int32_t>(1), call.data<const float>(2), s, call.params<hd_RotaryParams>());
  });
}
}  // namespace hd

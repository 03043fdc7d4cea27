// rotary: rotates pairs of the first 2R features of each head by position * inv_freq (Su et al. 2021); the others are copied.
// Shapes: x, y [B,H,T,D]; positions i32 [T] or [B,T]; inv_freq f32 [R].
// Work: a block per b and up to eight steps, which forms their R cosines and sines once and rotates all H heads with them. Aligned rows in
// the layout of halves move in packs of 16 bytes, a thread rotating pack i of a head with pack i + R, heads and steps in the order in which
// they lie in memory (runs of some KB; a step at a time has runs of one head where heads are outermost); else an element pair per thread
// and a step per block. On chip: 16 R f32 in shared memory; no spills (README.md has the counts). Numerics: the angle is formed and reduced
// to a turn in f64; cosine and sine of the rest in f32, times amplitude; f32 products. Cost: bandwidth: reads and writes B H T D; R sines
// per (b, t). Deterministic: elements are independent. Checked on: see README.md.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

struct Shape {
  int64_t batches, heads, steps, features, pairs, position_b, position_t, freq;  // the last three are strides
  int64_t x[3], y[3];                                                            // strides of b, h, t
};

// The cosine and sine of position * frequency, times the amplitude.
__device__ void form_angle(float& cosine, float& sine, int32_t position, float frequency, const hd_RotaryParams& p) {
  const double half_turns = static_cast<double>(position) * static_cast<double>(frequency) * 0.31830988618379067154;
  const auto rest = static_cast<float>(half_turns - 2.0 * rint(0.5 * half_turns));
  cosine = cospif(rest) * p.amplitude;
  sine = (p.inverse != 0 ? -sinpif(rest) : sinpif(rest)) * p.amplitude;
}

constexpr int kSteps = 8;    // of a block
constexpr int kPairs = 128;  // the most pairs of such a block: 8 KB of cosines and sines; more go a step at a time

// R and D are whole packs, rows are aligned, pairs are (i, i + R). A thread has two units of two packs under way.
template <class T>
__global__ void __launch_bounds__(kThreads, 4)
    rotary_packs(const T* x, T* y, const int32_t* positions, const float* inv_freq, Shape s, hd_RotaryParams p, int steps) {
  constexpr int W = kWidth<T>, U = 2;
  float* const cosine = reinterpret_cast<float*>(dynamic_shared());  // [steps, R]
  float* const sine = cosine + steps * s.pairs;
  const int pairs = static_cast<int>(s.pairs), half = pairs / W, heads = static_cast<int>(s.heads);  // half: packs
  const int units = static_cast<int>(s.features) / W - half;
  const bool steps_inside = s.x[2] < s.x[1];  // steps lie closer together than heads
  const int64_t chunks = ceil_div(s.steps, steps);
  for (int64_t i = blockIdx.x; i < s.batches * chunks; i += gridDim.x) {
    const int64_t b = i / chunks, first = (i - b * chunks) * steps;
    const int here = static_cast<int>(least(steps, s.steps - first)), all = here * heads * units;
    for (int k = static_cast<int>(threadIdx.x); k < here * pairs; k += static_cast<int>(blockDim.x)) {
      const int t = k / pairs;
      form_angle(cosine[k], sine[k], positions[b * s.position_b + (first + t) * s.position_t], inv_freq[(k - t * pairs) * s.freq], p);
    }
    __syncthreads();
    for (int k = static_cast<int>(threadIdx.x); k < all; k += U * static_cast<int>(blockDim.x)) {
      Bits<T> low[U], high[U];
      T* to[U];
      int unit[U], angle[U];
#pragma unroll
      for (int u = 0; u < U; u++) {
        const int at = k + u * static_cast<int>(blockDim.x), row = at / units;
        const int head = steps_inside ? row / here : row % heads, t = steps_inside ? row - head * here : row / heads;
        if (at >= all) continue;
        unit[u] = at - row * units;
        angle[u] = t * pairs + unit[u] * W;
        const T* from = x + b * s.x[0] + head * s.x[1] + (first + t) * s.x[2];
        to[u] = y + b * s.y[0] + head * s.y[1] + (first + t) * s.y[2];
        high[u] = whole_pack(from, unit[u] + half);
        if (unit[u] < half) low[u] = whole_pack(from, unit[u]);
      }
#pragma unroll
      for (int u = 0; u < U; u++) {
        if (k + u * static_cast<int>(blockDim.x) >= all) continue;
        if (unit[u] >= half) {  // only copied
          store_whole(to[u], unit[u] + half, high[u]);
          continue;
        }
        float a[W], c[W];
        unpack(low[u], a);
        unpack(high[u], c);
#pragma unroll
        for (int e = 0; e < W; e += 4) {
          const float4 cosines = *reinterpret_cast<const float4*>(cosine + angle[u] + e);
          const float4 sines = *reinterpret_cast<const float4*>(sine + angle[u] + e);
          const float co[4] = {cosines.x, cosines.y, cosines.z, cosines.w}, sn[4] = {sines.x, sines.y, sines.z, sines.w};
#pragma unroll
          for (int i = 0; i < 4; i++) {
            const float rotated = a[e + i] * co[i] - c[e + i] * sn[i];
            c[e + i] = c[e + i] * co[i] + a[e + i] * sn[i];
            a[e + i] = rotated;
          }
        }
        store_whole(to[u], unit[u], packed<T>(a));
        store_whole(to[u], unit[u] + half, packed<T>(c));
      }
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
    const int32_t position = positions[b * s.position_b + t * s.position_t];
    for (int64_t k = threadIdx.x; k < s.pairs; k += blockDim.x) form_angle(cosine[k], sine[k], position, inv_freq[k * s.freq], p);
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
  return with_float(x.dtype, [&](auto type) {
    using T = decltype(type);
    bool packs = call.params<hd_RotaryParams>().interleaved == 0 && x.data % 16 == 0 && y.data % 16 == 0;
    packs = packs && s.pairs % kWidth<T> == 0 && s.features % kWidth<T> == 0;
    for (int d = 0; d < 3; d++) packs = packs && s.x[d] % kWidth<T> == 0 && s.y[d] % kWidth<T> == 0;
    const int steps = s.pairs <= kPairs ? kSteps : 1;
    const T* const from = call.data<const T>(0);
    T* const to = call.data<T>(3);
    const auto positions_at = call.data<const int32_t>(1);
    const auto frequencies = call.data<const float>(2);
    const auto params = call.params<hd_RotaryParams>();
    if (packs && s.heads * s.features * kSteps <= INT32_MAX)
      return launch(call, rotary_packs<T>, grid_of(s.batches * ceil_div(s.steps, steps)), kThreads, 8 * s.pairs * steps, from, to,
                    positions_at, frequencies, s, params, steps);
    return launch(call, rotary_kernel<T>, grid_of(s.batches * s.steps), kThreads, 8 * s.pairs, from, to, positions_at, frequencies, s,
                  params);
  });
}
}  // namespace hd

// binary, unary: element-wise work on tensors of any strides.
// Shapes: a, b, x have the shape of y; what broadcasts has stride 0.
// Work: dimensions are sorted by the strides of y and merged where all strides allow. If one dense dimension is left, or all tensors of a
// binary op are dense in rows of whole packs (a bias, broadcast over the rows), a thread takes 16 bytes at a time, of long rows in one
// column; else one element, with neighbours of a warp neighbours in y.
// On chip: registers only; no spills (README.md has the counts).
// Numerics: binary is rounded once: with factors of +-1 f32 arithmetic rounds f32 once, and is wide enough that the second rounding to 16
// bits does no harm (Figueroa 1995); other factors and f64 go through f64. max and min keep NaN. unary is f32 (f64 for f64). Cost:
// bandwidth: 3 N (binary), 2 N (unary). Deterministic: elements are independent. Checked on: see README.md.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

template <class A>
__device__ A combine(int32_t kind, A a, A b) {
  switch (kind) {
    case 0:
      return a + b;
    case 1:
      return a - b;
    case 2:
      return a * b;
    case 3:
      return a / b;
    case 4:
      return a > b || a != a ? a : b;
    default:
      return a < b || a != a ? a : b;
  }
}

struct BinaryWork {
  hd_BinaryParams p;
  bool wide;  // in f64
};

template <class T>
__device__ T combined(const BinaryWork& w, T a, T b) {
  if (sizeof(T) == 8 || w.wide) {
    return rounded<T>(combine(w.p.kind, to_f64(a) * static_cast<double>(w.p.alpha), to_f64(b) * static_cast<double>(w.p.beta)));
  }
  return rounded<T>(combine(w.p.kind, to_f32(a) * w.p.alpha, to_f32(b) * w.p.beta));
}

template <class T>
__global__ void __launch_bounds__(kThreads) binary_kernel(const T* a, const T* b, T* y, NestWalk<3> n, BinaryWork w) {
  for (int64_t i = first_item(); i < n.count; i += item_step()) {
    int64_t at[3];
    n.at(i, at);
    y[at[0]] = combined(w, a[at[1]], b[at[2]]);
  }
}

constexpr int kBatch = 2;  // packs of each tensor that a thread has under way

// One switch for a pack: the kind is the same for all threads.
template <class A, int W>
__device__ void combine_all(int32_t kind, A (&a)[W], const A (&b)[W]) {
  const auto each = [&](auto f) {
#pragma unroll
    for (int i = 0; i < W; i++) a[i] = f(a[i], b[i]);
  };
  switch (kind) {
    case 0:
      each([](A u, A v) { return combine(0, u, v); });
      break;
    case 1:
      each([](A u, A v) { return combine(1, u, v); });
      break;
    case 2:
      each([](A u, A v) { return combine(2, u, v); });
      break;
    case 3:
      each([](A u, A v) { return combine(3, u, v); });
      break;
    case 4:
      each([](A u, A v) { return combine(4, u, v); });
      break;
    default:
      each([](A u, A v) { return combine(5, u, v); });
  }
}

template <class T>
__device__ Bits<T> combined_pack(const BinaryWork& w, const Bits<T>& a, const Bits<T>& b) {
  constexpr int W = kWidth<T>;
  Bits<T> out;
  if (sizeof(T) == 8 || w.wide) {
#pragma unroll
    for (int i = 0; i < W; i++) out.item[i] = combined(w, a.item[i], b.item[i]);
    return out;
  }
  if constexpr (sizeof(T) < 8) {
    float u[W], v[W];
    unpack(a, u);
    unpack(b, v);
#pragma unroll
    for (int i = 0; i < W; i++) u[i] *= w.p.alpha, v[i] *= w.p.beta;
    combine_all(w.p.kind, u, v);
    out = packed<T>(u);
  }
  return out;
}

template <class T>
__global__ void __launch_bounds__(kThreads) binary_dense(const T* a, const T* b, T* y, int64_t n, BinaryWork w) {
  constexpr int W = kWidth<T>;
  const int64_t packs = n / W;
  const auto pack = [](const T* p, int64_t at) { return reinterpret_cast<const Bits<T>*>(p)[at]; };
  for (int64_t tile = blockIdx.x; tile * kThreads * kBatch < packs; tile += gridDim.x) {
    const int64_t first = tile * kThreads * kBatch + threadIdx.x;
    Bits<T> u[kBatch], v[kBatch];
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      const int64_t at = least(first + k * kThreads, packs - 1);  // past the end the last pack, which is then not stored
      u[k] = pack(a, at);
      v[k] = pack(b, at);
    }
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      if (first + k * kThreads < packs) reinterpret_cast<Bits<T>*>(y)[first + k * kThreads] = combined_pack(w, u[k], v[k]);
    }
  }
  const int64_t i = packs * W + threadIdx.x;  // the last elements, less than a pack
  if (blockIdx.x == 0 && i < n) y[i] = combined(w, a[i], b[i]);
}

// Rows of whole packs, one of them broadcast over the others, for instance a bias. The nest counts packs.
template <class T>
__global__ void __launch_bounds__(kThreads) binary_packs(const T* a, const T* b, T* y, NestWalk<3> n, BinaryWork w) {
  const auto packs = [](const T* p) { return reinterpret_cast<const Bits<T>*>(p); };
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * kThreads * kBatch + threadIdx.x; first < n.count;
       first += static_cast<int64_t>(gridDim.x) * kThreads * kBatch) {
    Bits<T> u[kBatch], v[kBatch];
    int64_t to[kBatch];
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      int64_t at[3];
      n.at(least(first + k * kThreads, n.count - 1), at);  // past the end the last pack, which is then not stored
      to[k] = at[0];
      u[k] = packs(a)[at[1]];
      v[k] = packs(b)[at[2]];
    }
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      if (first + k * kThreads < n.count) reinterpret_cast<Bits<T>*>(y)[to[k]] = combined_pack(w, u[k], v[k]);
    }
  }
}

constexpr int kRowsEach = 16;  // of a block

// The same for two dimensions, the inner one of a block's packs and more: a thread keeps its column, so no index is taken apart.
template <class T>
__global__ void __launch_bounds__(kThreads) binary_rows(const T* a, const T* b, T* y, Nest<3> n, BinaryWork w) {
  const int64_t column = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (column >= n.shape[1]) return;
  const auto from_a = reinterpret_cast<const Bits<T>*>(a) + column, from_b = reinterpret_cast<const Bits<T>*>(b) + column;
  const auto to = reinterpret_cast<Bits<T>*>(y) + column;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kRowsEach, end = least(n.shape[0], first + kRowsEach);
  for (int64_t row = first; row < end; row += kBatch) {
    Bits<T> u[kBatch], v[kBatch];
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      const int64_t at = least(row + k, end - 1);
      u[k] = from_a[at * n.stride[1][0]];
      v[k] = from_b[at * n.stride[2][0]];
    }
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      if (row + k < end) to[(row + k) * n.stride[0][0]] = combined_pack(w, u[k], v[k]);
    }
  }
}

// One switch for a pack: the kind is the same for all threads.
template <class A, int W>
__device__ void apply(int32_t kind, A (&x)[W]) {
  const auto each = [&](auto f) {
#pragma unroll
    for (int i = 0; i < W; i++) x[i] = f(x[i]);
  };
  switch (kind) {
    case 1:
      each([](A v) { return exp(v); });
      break;
    case 2:
      each([](A v) { return log(v); });
      break;
    case 3:
      each([](A v) { return sqrt(v); });
      break;
    case 4:
      each([](A v) { return A{1} / v; });
      break;
    case 5:
      each([](A v) { return v * v; });
      break;
    case 6:
      each([](A v) { return fabs(v); });
      break;
    case 7:
      each([](A v) { return tanh(v); });
      break;
    case 8:
      each([](A v) { return A{1} / (A{1} + exp(-v)); });
      break;
    case 9:
      each([](A v) { return v < A{0} ? A{0} : v; });
      break;
    default:
      break;
  }
}

template <int W, class T>
__device__ void apply_pack(const hd_UnaryParams& p, T* x) {
  using A = std::conditional_t<sizeof(T) == 8, double, float>;
  A v[W];
#pragma unroll
  for (int i = 0; i < W; i++) {
    if constexpr (sizeof(T) == 8) {
      v[i] = x[i] * static_cast<double>(p.scale) + static_cast<double>(p.shift);
    } else {
      v[i] = to_f32(x[i]) * p.scale + p.shift;
    }
  }
  apply(p.kind, v);
#pragma unroll
  for (int i = 0; i < W; i++) put(x[i], v[i]);
}

template <class T>
__device__ T applied(const hd_UnaryParams& p, T x) {
  apply_pack<1>(p, &x);
  return x;
}

template <class T>
__global__ void __launch_bounds__(kThreads) unary_kernel(const T* x, T* y, NestWalk<2> n, hd_UnaryParams p) {
  for (int64_t i = first_item(); i < n.count; i += item_step()) {
    int64_t at[2];
    n.at(i, at);
    y[at[0]] = applied(p, x[at[1]]);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) unary_dense(const T* x, T* y, int64_t n, hd_UnaryParams p) {
  constexpr int W = kWidth<T>;
  const int64_t packs = n / W;
  for (int64_t tile = blockIdx.x; tile * kThreads * kBatch < packs; tile += gridDim.x) {
    const int64_t first = tile * kThreads * kBatch + threadIdx.x;
    Bits<T> u[kBatch];
#pragma unroll
    for (int k = 0; k < kBatch; k++) u[k] = reinterpret_cast<const Bits<T>*>(x)[least(first + k * kThreads, packs - 1)];
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      if (first + k * kThreads >= packs) continue;
      apply_pack<W>(p, u[k].item);
      reinterpret_cast<Bits<T>*>(y)[first + k * kThreads] = u[k];
    }
  }
  const int64_t i = packs * W + threadIdx.x;  // the last elements, less than a pack
  if (blockIdx.x == 0 && i < n) y[i] = applied(p, x[i]);
}
}  // namespace

hd_status binary(const Call& call) {
  const hd_BinaryParams& p = call.params<hd_BinaryParams>();
  Check check(call);
  check.require(call.t[2]->dtype <= HD_F64, "y must be a float tensor").alike(0, 2).alike(1, 2).same_shape(0, 2).same_shape(1, 2).output(2);
  check.require(p.kind >= 0 && p.kind <= 5, "kind must be 0 to 5 (add, sub, mul, div, max, min)");
  if (check.failed()) return check.status();
  const hd_tensor* const tensors[] = {call.t[2], call.t[0], call.t[1]};
  const Nest<3> n = nest(tensors, true);
  if (n.count == 0) return HD_OK;
  const auto unit = [](float x) { return x == 1.0f || x == -1.0f; };
  const BinaryWork w{p, !unit(p.alpha) || !unit(p.beta)};
  return with_any_float(call.t[2]->dtype, [&](auto type) {
    using T = decltype(type);
    const T *a = call.data<const T>(0), *b = call.data<const T>(1);
    T* y = call.data<T>(2);
    const bool vector = aligned(a) && aligned(b) && aligned(y);
    if (vector && n.dense()) {
      return launch(call, binary_dense<T>, grid_for(ceil_div(n.count, kBatch * kWidth<T>)), kThreads, 0, a, b, y, n.count, w);
    }
    Nest<3> packs = n;
    if (vector && in_packs(packs, kWidth<T>)) {
      const int64_t across = packs.rank == 2 ? ceil_div(packs.shape[1], kThreads) : 0, down = ceil_div(packs.shape[0], kRowsEach);
      if (across > 0 && across * kThreads <= packs.shape[1] + packs.shape[1] / 4 && down <= 65535) {
        const dim3 grid(static_cast<unsigned>(across), static_cast<unsigned>(down));
        return launch(call, binary_rows<T>, grid, kThreads, 0, a, b, y, packs, w);
      }
      return launch(call, binary_packs<T>, grid_for(ceil_div(packs.count, kBatch)), kThreads, 0, a, b, y, packs, w);
    }
    return launch(call, binary_kernel<T>, grid_for(n.count), kThreads, 0, a, b, y, n, w);
  });
}

hd_status unary(const Call& call) {
  const hd_UnaryParams& p = call.params<hd_UnaryParams>();
  Check check(call);
  check.require(call.t[1]->dtype <= HD_F64, "y must be a float tensor").alike(0, 1).same_shape(0, 1).output(1);
  check.require(p.kind >= 0 && p.kind <= 9, "kind must be 0 to 9 (see Unary in params.def)");
  if (check.failed()) return check.status();
  const hd_tensor* const tensors[] = {call.t[1], call.t[0]};
  const Nest<2> n = nest(tensors, true);
  if (n.count == 0) return HD_OK;
  return with_any_float(call.t[1]->dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = call.data<const T>(0);
    T* y = call.data<T>(1);
    if (n.dense() && aligned(x) && aligned(y))
      return launch(call, unary_dense<T>, grid_for(ceil_div(n.count, kBatch * kWidth<T>)), kThreads, 0, x, y, n.count, p);
    return launch(call, unary_kernel<T>, grid_for(n.count), kThreads, 0, x, y, n, p);
  });
}
}  // namespace hd

// bias_act_fwd, bias_act_bwd, glu_fwd, glu_bwd: y = f(x + bias) and y = f(g + bias_g) * (u + bias_u) (Shazeer 2020), with gradients.
// Shapes: x [N..,F] (glu: [N..,2F] = (g, u)); bias [F] or [2F]; y, dy [N..,F]; dbias like bias.
// Work: blocks of 256 threads over (packs of columns, rows): the bias of a pack is read once per thread; backward sums dbias on the way
// (column_sums.h), so dx and dbias cost one pass.
// On chip: packs in registers, a pack of f32 for each thread in shared memory for the column sums; no spills (README.md has the counts).
// Several rows of a thread are loaded before the first is used.
// Numerics: f32; for 16-bit tensors the sigmoid is formed with the units for exponentials and reciprocals, good to 2^-20. Cost: bandwidth:
// 2 N F forward, 3 N F backward (glu: 3 and 5). Deterministic: column sums are added in an order that depends on the shape alone. Checked
// on: see README.md.
#include "check.h"
#include "column_sums.h"

namespace hd {
namespace {

constexpr float kRootTwoOverPi = 0.7978845608028654f, kCubic = 0.044715f;

constexpr int kBatch = 2;  // rows of a thread under way

template <class T>
__device__ float sigmoid(float x) {
  if (sizeof(T) == 2) return __fdividef(1.0f, 1.0f + exp2_fast(-kLog2e * x));  // exp2 gives inf at most, and 1 / inf is 0
  return 1.0f / (1.0f + expf(-x));
}

// A function and its slope at x.
struct Identity {
  template <class T>
  __device__ static float2 at(float x) {
    return {x, 1.0f};
  }
};
struct Relu {
  template <class T>
  __device__ static float2 at(float x) {
    return {x < 0 ? 0.0f : x, x > 0 ? 1.0f : 0.0f};
  }
};
struct Gelu {
  template <class T>
  __device__ static float2 at(float x) {
    const float cdf = 0.5f * erfcf(-x * 0.70710678118654752f);
    return {x * cdf, cdf + x * 0.3989422804014327f * expf(-0.5f * x * x)};
  }
};
struct GeluTanh {
  template <class T>
  __device__ static float2 at(float x) {
    const float s = sigmoid<T>(2 * kRootTwoOverPi * (x + kCubic * x * x * x));  // 0.5 (1 + tanh(a)) = sigmoid(2 a)
    return {x * s, s + x * s * (1 - s) * 2 * kRootTwoOverPi * (1 + 3 * kCubic * x * x)};
  }
};
struct Silu {
  template <class T>
  __device__ static float2 at(float x) {
    const float s = sigmoid<T>(x);
    return {x * s, s + x * s * (1 - s)};
  }
};
struct Tanh {
  template <class T>
  __device__ static float2 at(float x) {
    const float t = tanhf(x);
    return {t, (1 - t) * (1 + t)};
  }
};
struct Sigmoid {
  template <class T>
  __device__ static float2 at(float x) {
    const float s = sigmoid<T>(x);
    return {s, s * (1 - s)};
  }
};

// f(Function) for a kind. Each function has kernels of its own: a switch in a kernel's loop would keep the elements of a pack from
// running side by side.
template <class L>
hd_status with_kind(int32_t kind, const L& f) {
  switch (kind) {
    case 1:
      return f(Relu{});
    case 2:
      return f(Gelu{});
    case 3:
      return f(GeluTanh{});
    case 4:
      return f(Silu{});
    case 5:
      return f(Tanh{});
    case 6:
      return f(Sigmoid{});
    default:
      return f(Identity{});
  }
}

// f(T{}, Function) of a call's dtype and kind.
template <class L>
hd_status with_function(const Call& call, const L& f) {
  return with_float(call.t[0]->dtype, [&](auto type) {
    return with_kind(call.params<hd_ActivationParams>().kind, [&](auto function) { return f(type, function); });
  });
}

// Rows at one stride: those along one dimension. Where the outer dimensions do not merge into one, there is a launch for each slice.
template <class T>
struct Lines {
  T* data;
  int64_t stride;
  bool vector;  // every row starts on 16 bytes

  __device__ T* row(int64_t r) const { return data + r * stride; }
};

template <class T>
struct Work {
  Lines<const T> dy, x;
  Lines<T> y;  // or dx
  const T* bias;
  bool bias_vector;
  int64_t features;  // of y
  ColumnGrid grid;
  float* partial;  // [chunks, features of x], or null
};

template <class T>
__device__ void load_bias(const Work<T>& w, int64_t at, int64_t end, float (&b)[kWidth<T>]) {
  if (w.bias != nullptr) {
    load_pack(w.bias, at, end, w.bias_vector, b);
  } else {
#pragma unroll
    for (int i = 0; i < kWidth<T>; i++) b[i] = 0;
  }
}

// The bits of a pack of up to kBatch rows from r on, one for each row of threads apart.
template <class T>
__device__ void load_rows(const Lines<const T>& x, int64_t r, int64_t end, int64_t offset, int64_t column, int64_t n, bool vector,
                          Bits<T> (&bits)[kBatch]) {
#pragma unroll
  for (int k = 0; k < kBatch; k++) {
    if (r + k * blockDim.y < end) bits[k] = load_bits(x.row(r + k * blockDim.y) + offset, column, n, vector);
  }
}

template <class T, class F>
__global__ void __launch_bounds__(kThreads, 3) bias_act_kernel(Work<T> w) {
  constexpr int W = kWidth<T>;
  const int64_t column = w.grid.template column<W>(), n = w.features, end = w.grid.end_row(), step = blockDim.y;
  float b[W], x[W];
  load_bias(w, column, n, b);
  for (int64_t r = w.grid.first_row(); r < end; r += step * kBatch) {
    Bits<T> xs[kBatch];
    load_rows(w.x, r, end, 0, column, n, w.x.vector, xs);
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      if (r + k * step >= end) continue;
      unpack(xs[k], x);
#pragma unroll
      for (int i = 0; i < W; i++) x[i] = F::template at<T>(x[i] + b[i]).x;
      store_pack(w.y.row(r + k * step), column, n, w.y.vector, x);
    }
  }
}

template <class T, class F>
__global__ void __launch_bounds__(kThreads, std::is_same_v<F, Gelu> ? 2 : 3) bias_act_gradient(Work<T> w) {
  constexpr int W = kWidth<T>;
  const int64_t column = w.grid.template column<W>(), n = w.features, end = w.grid.end_row(), step = blockDim.y;
  float b[W], x[W], dy[W], total[W] = {};
  load_bias(w, column, n, b);
  for (int64_t r = w.grid.first_row(); r < end; r += step * kBatch) {
    Bits<T> xs[kBatch], dys[kBatch];
    load_rows(w.x, r, end, 0, column, n, w.x.vector, xs);
    load_rows(w.dy, r, end, 0, column, n, w.dy.vector, dys);
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      if (r + k * step >= end) continue;
      unpack(xs[k], x);
      unpack(dys[k], dy);
#pragma unroll
      for (int i = 0; i < W; i++) {
        x[i] = dy[i] * F::template at<T>(x[i] + b[i]).y;
        total[i] += x[i];
      }
      store_pack(w.y.row(r + k * step), column, n, w.y.vector, x);
    }
  }
  if (w.partial != nullptr) store_column_sums(total, w.partial + blockIdx.y * n, column, n);
}

// The second half of a row starts at element `features`, which may not be aligned: vector for it is told apart.
template <class T>
__device__ void load_glu_bias(const Work<T>& w, int64_t column, bool half, float (&bg)[kWidth<T>], float (&bu)[kWidth<T>]) {
  load_bias(w, column, w.features, bg);
  if (w.bias != nullptr) {
    load_pack(w.bias + w.features, column, w.features, w.bias_vector && half, bu);
  } else {
    load_bias(w, column, w.features, bu);
  }
}

template <class T, class F>
__global__ void __launch_bounds__(kThreads) glu_kernel(Work<T> w) {
  constexpr int W = kWidth<T>;
  const int64_t column = w.grid.template column<W>(), n = w.features, end = w.grid.end_row(), step = blockDim.y;
  const bool half = n % W == 0;
  float bg[W], bu[W], g[W], u[W];
  load_glu_bias(w, column, half, bg, bu);
  for (int64_t r = w.grid.first_row(); r < end; r += step * kBatch) {
    Bits<T> gs[kBatch], us[kBatch];
    load_rows(w.x, r, end, 0, column, n, w.x.vector, gs);
    load_rows(w.x, r, end, n, column, n, w.x.vector && half, us);
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      if (r + k * step >= end) continue;
      unpack(gs[k], g);
      unpack(us[k], u);
#pragma unroll
      for (int i = 0; i < W; i++) g[i] = F::template at<T>(g[i] + bg[i]).x * (u[i] + bu[i]);
      store_pack(w.y.row(r + k * step), column, n, w.y.vector, g);
    }
  }
}

// Blocks per multiprocessor. The error function needs the registers of two; for Blackwell's targets ptxas would spill to fit the second.
// Without biases and their gradients there is room for a third.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
template <class F>
constexpr int kGluBlocks = 1;
#else
template <class F>
constexpr int kGluBlocks = std::is_same_v<F, Gelu> ? 1 : 2;
#endif

// kPlain: no bias, no gradient of one, as gated layers mostly come: 48 registers of sums and biases less, and so half as many loads again
// under way.
template <class T, class F, bool kPlain>
__global__ void __launch_bounds__(kThreads, kPlain && !std::is_same_v<F, Gelu> ? 3 : kGluBlocks<F>) glu_gradient(Work<T> w) {
  constexpr int W = kWidth<T>;
  const int64_t column = w.grid.template column<W>(), n = w.features, end = w.grid.end_row(), step = blockDim.y;
  const bool half = n % W == 0;
  float bg[W] = {}, bu[W] = {}, g[W], u[W], dy[W], total_g[W] = {}, total_u[W] = {};
  if (!kPlain) load_glu_bias(w, column, half, bg, bu);
  for (int64_t r = w.grid.first_row(); r < end; r += step * kBatch) {
    Bits<T> gs[kBatch], us[kBatch], dys[kBatch];
    load_rows(w.x, r, end, 0, column, n, w.x.vector, gs);
    load_rows(w.x, r, end, n, column, n, w.x.vector && half, us);
    load_rows(w.dy, r, end, 0, column, n, w.dy.vector, dys);
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      const int64_t row = r + k * step;
      if (row >= end) continue;
      unpack(gs[k], g);
      unpack(us[k], u);
      unpack(dys[k], dy);
#pragma unroll
      for (int i = 0; i < W; i++) {
        const float2 gate = F::template at<T>(kPlain ? g[i] : g[i] + bg[i]);
        g[i] = dy[i] * (kPlain ? u[i] : u[i] + bu[i]) * gate.y;
        u[i] = dy[i] * gate.x;
        if (kPlain) continue;
        total_g[i] += g[i];
        total_u[i] += u[i];
      }
      store_pack(w.y.row(row), column, n, w.y.vector, g);
      store_pack(w.y.row(row) + n, column, n, w.y.vector && half, u);
    }
  }
  if (!kPlain && w.partial != nullptr) {
    float* to = w.partial + blockIdx.y * 2 * n;
    store_column_sums(total_g, to, column, n);
    store_column_sums(total_u, to + n, column, n);
  }
}

// Tensors by index, -1 for those that the op does not have.
struct Slots {
  int32_t dy, x, bias, y, dbias;
};

// The outer dimensions of y, x and dy; the innermost one that is left after merging counts rows.
Nest<3> rows_of(const hd_tensor& y, const hd_tensor& x, const hd_tensor& dy) {
  hd_tensor outer[] = {y, x, dy};
  for (hd_tensor& t : outer) t.rank--;
  const hd_tensor* const tensors[] = {outer, outer + 1, outer + 2};
  return nest(tensors, false);
}

template <class T, class U>
Lines<T> lines(U* data, int64_t stride) {
  return {data, stride, aligned(data) && stride * static_cast<int64_t>(sizeof(T)) % 16 == 0};
}

template <class T>
hd_status run(const Call& call, void (*kernel)(Work<T>), const Slots& s) {
  const hd_ActivationParams& p = call.params<hd_ActivationParams>();
  const bool sums = s.dbias >= 0 && call.has(s.dbias);
  const int32_t dy_index = s.dy >= 0 ? s.dy : s.y;
  const int64_t features = last(*call.t[dy_index]), width = last(*call.t[s.x]);
  Nest<3> slices = rows_of(*call.t[s.y], *call.t[s.x], *call.t[dy_index]);
  if (features == 0 || (slices.count == 0 && !sums)) return HD_OK;
  int64_t rows = 1, stride[3] = {};
  if (slices.rank > 0) {
    const int inner = --slices.rank;
    rows = slices.shape[inner];
    for (int i = 0; i < 3; i++) stride[i] = slices.stride[i][inner];
    slices.count = rows == 0 ? 1 : slices.count / rows;
  }
  const T* const bias = call.data<const T>(s.bias);
  Work<T> w{{}, {}, {}, bias, aligned(bias), features, ColumnGrid(rows, features, kWidth<T>, sums), nullptr};
  float* partial = nullptr;
  if (sums) {
    partial = static_cast<float*>(workspace(call, slices.count * w.grid.chunks * width * 4));
    if (partial == nullptr) return HD_NO_MEMORY;
  }
  for (int64_t i = 0; i < slices.count; i++) {
    int64_t at[3];
    slices.at(i, at);
    w.y = lines<T>(call.data<T>(s.y) + at[0], stride[0]);
    w.x = lines<const T>(call.data<const T>(s.x) + at[1], stride[1]);
    w.dy = lines<const T>(call.data<const T>(dy_index) + at[2], stride[2]);
    if (sums) w.partial = partial + i * w.grid.chunks * width;
    const hd_status status = launch(call, kernel, w.grid.grid(kWidth<T>), w.grid.block(), 0, w);
    if (status != HD_OK) return status;
  }
  return sums ? finish_columns(call, partial, slices.count * w.grid.chunks, s.dbias, -1, width, p.accumulate != 0) : HD_OK;
}

bool is_double(const hd_tensor& x, const hd_tensor& y) {
  return x.rank == y.rank && x.rank > 0 && has_shape_of(x, y, x.rank - 1) && last(x) == 2 * last(y);
}

Check& check_kind(Check& check, const Call& call) {
  const int32_t kind = call.params<hd_ActivationParams>().kind;
  return check.require(kind >= 0 && kind <= 6, "kind must be 0 to 6 (identity, relu, gelu, gelu_tanh, silu, tanh, sigmoid)");
}
}  // namespace

hd_status bias_act_fwd(const Call& call) {
  Check check(call);
  check.floats(0, 1, 2).same_shape(2, 0).vector(1, last(*call.t[0]), "the last dimension of x").dense(0, 1, 2).output(2);
  if (check_kind(check, call).failed()) return check.status();
  return with_function(call, [&](auto t, auto f) {
    return run<decltype(t)>(call, bias_act_kernel<decltype(t), decltype(f)>, {-1, 0, 1, 2, -1});
  });
}

hd_status bias_act_bwd(const Call& call) {
  const int64_t features = last(*call.t[1]);
  Check check(call);
  check.floats(0, 1, 2, 3).f32_or_alike(4, 0).same_shape(0, 1).same_shape(3, 1);
  check.vector(2, features, "the last dimension of x").vector(4, features, "the last dimension of x").dense(0, 1, 2, 3, 4).output(3);
  if (check_kind(check, call).failed()) return check.status();
  return with_function(call, [&](auto t, auto f) {
    return run<decltype(t)>(call, bias_act_gradient<decltype(t), decltype(f)>, {0, 1, 2, 3, 4});
  });
}

hd_status glu_fwd(const Call& call) {
  Check check(call);
  check.floats(0, 1, 2).require(is_double(*call.t[0], *call.t[2]), "the last dimension of x must be twice that of y, the others alike");
  check.vector(1, last(*call.t[0]), "the last dimension of x").dense(0, 1, 2).output(2);
  if (check_kind(check, call).failed()) return check.status();
  return with_function(call, [&](auto t, auto f) {
    return run<decltype(t)>(call, glu_kernel<decltype(t), decltype(f)>, {-1, 0, 1, 2, -1});
  });
}

hd_status glu_bwd(const Call& call) {
  const int64_t features = last(*call.t[1]);
  Check check(call);
  check.floats(0, 1, 2, 3).f32_or_alike(4, 0).same_shape(3, 1);
  check.require(is_double(*call.t[1], *call.t[0]), "the last dimension of x must be twice that of dy, the others alike");
  check.vector(2, features, "the last dimension of x").vector(4, features, "the last dimension of x").dense(0, 1, 2, 3, 4).output(3);
  if (check_kind(check, call).failed()) return check.status();
  return with_function(call, [&](auto t, auto f) {
    const bool plain = !call.has(2) && !call.has(4);
    return run<decltype(t)>(call, plain ? glu_gradient<decltype(t), decltype(f), true> : glu_gradient<decltype(t), decltype(f), false>,
                            {0, 1, 2, 3, 4});
  });
}
}  // namespace hd

// linear_combination: y = base + sum_i w[i] (source[i] - base), or sum_i w[i] source[i]: checkpoint arithmetic (task vectors, Ilharco et
// al. 2023; model soups, Wortsman et al. 2022) in one pass over memory. Shapes: base, sources, y contiguous, of one size, of any float
// dtypes each; weights f64 [n], n >= 1, in host or device memory.
// Work: up to four sources of the dtype of y (or all of 16 bits, with base and y f32: tuned weights over a master): 16-byte packs, all
// loads of a thread's packs before the first use, weights and addresses as kernel arguments. Else four elements per thread, the next source
// loaded while one is added, the addresses a table in the workspace. On chip: registers only; no spills (README.md has the counts). The
// study has why f64 is affordable: cuda-kernels/study/memory/NOTES.md. Numerics: sums in f64; products and sums rounded separately, as on
// the CPU: the same bits; one rounding to the dtype of y. All weights 0: y is base, bit for bit when the dtypes agree, whatever the sources
// hold. Cost: reads (n + 1) and writes 1 N elements: bandwidth-bound. Deterministic: elements are independent. Checked on: see README.md.
#include <vector>

#include "sources.h"

namespace hd {
namespace {

constexpr int kInline = 4;  // sources whose addresses and weights travel as arguments

// ---- base and y of one dtype T, few sources of one dtype S ----

template <class T, class S>
struct Dense {
  const T* base;
  const S* source[kInline];
  double weight[kInline];
  const double* weights;  // in device memory: read instead of `weight`
  T* y;
  int64_t n;
};

// products and sums rounded separately, in the order of the sources
template <int N, bool kBase, class T, class S>
__device__ double combined(const double (&w)[N], T base, const S (&x)[N]) {
  const double b = kBase ? to_f64(base) : 0.0;
  double total = b;
#pragma unroll
  for (int k = 0; k < N; k++) {
    const double v = to_f64(x[k]), term = __dmul_rn(w[k], kBase ? __dadd_rn(v, -b) : v);
    total = k == 0 && !kBase ? term : __dadd_rn(total, term);
  }
  return total;
}

// The elements of a thread's step in a tensor of T beside one of S: a pack of the narrower dtype, so one or two packs.
template <class T, class S>
struct Step {
  static constexpr int kItems = kWidth<T> > kWidth<S> ? kWidth<T> : kWidth<S>;
  Bits<T> pack[kItems / kWidth<T>];

  __device__ void load(const T* from, int64_t step) {
#pragma unroll
    for (int i = 0; i < kItems / kWidth<T>; i++) pack[i] = reinterpret_cast<const Bits<T>*>(from + step * kItems)[i];
  }
  __device__ void store(T* to, int64_t step) const {
#pragma unroll
    for (int i = 0; i < kItems / kWidth<T>; i++) reinterpret_cast<Bits<T>*>(to + step * kItems)[i] = pack[i];
  }
  __device__ T& item(int i) { return pack[i / kWidth<T>].item[i % kWidth<T>]; }
};

template <class T, class S, int N, bool kBase>
__global__ void __launch_bounds__(kThreads) combine_dense(Dense<T, S> d) {
  constexpr int U = N == 1 && sizeof(T) == sizeof(S) ? 4 : 2, kItems = Step<T, S>::kItems;  // U: steps that a thread has in flight
  double w[N];
  bool zero = kBase;
#pragma unroll
  for (int k = 0; k < N; k++) {
    w[k] = d.weights == nullptr ? d.weight[k] : d.weights[k];
    zero = zero && w[k] == 0.0;
  }
  const int64_t steps = d.n / kItems;
  for (int64_t tile = blockIdx.x; tile * kThreads * U < steps; tile += gridDim.x) {
    const int64_t first = tile * kThreads * U + threadIdx.x;
    Step<T, S> base[U];
    Step<S, T> source[U][N];
#pragma unroll
    for (int u = 0; u < U; u++) {
      const int64_t step = least(first + u * kThreads, steps - 1);  // past the end the last one, which is then not stored
      if (kBase) base[u].load(d.base, step);
#pragma unroll
      for (int k = 0; k < N; k++) source[u][k].load(d.source[k], step);
    }
#pragma unroll
    for (int u = 0; u < U; u++) {
      Step<T, S> out{};
      if (kBase) out = base[u];
      if (!zero) {
#pragma unroll
        for (int i = 0; i < kItems; i++) {
          S x[N];
#pragma unroll
          for (int k = 0; k < N; k++) x[k] = source[u][k].item(i);
          put(out.item(i), combined<N, kBase>(w, out.item(i), x));  // sm_90 and newer: one instruction from f64 to bf16
        }
      }
      if (first + u * kThreads < steps) out.store(d.y, first + u * kThreads);
    }
  }
  const int64_t i = steps * kItems + threadIdx.x;  // the last elements, less than a step
  if (blockIdx.x != 0 || i >= d.n) return;
  S x[N];
#pragma unroll
  for (int k = 0; k < N; k++) x[k] = d.source[k][i];
  d.y[i] = zero ? d.base[i] : rounded<T>(combined<N, kBase>(w, kBase ? d.base[i] : T{}, x));
}

template <class T, class S>
auto dense_kernel(int count, bool based) -> void (*)(Dense<T, S>) {
  void (*const kernels[2][kInline])(Dense<T, S>) = {
      {combine_dense<T, S, 1, false>, combine_dense<T, S, 2, false>, combine_dense<T, S, 3, false>, combine_dense<T, S, 4, false>},
      {combine_dense<T, S, 1, true>, combine_dense<T, S, 2, true>, combine_dense<T, S, 3, true>, combine_dense<T, S, 4, true>}};
  return kernels[based][count - 1];
}

template <class T, class S>
hd_status run_dense(const Call& call, int32_t count, int64_t n) {
  Dense<T, S> d{call.data<const T>(0), {}, {}, nullptr, call.data<T>(call.n - 1), n};
  const auto weights = call.data<const double>(1);
  if (call.t[1]->device >= 0) d.weights = weights;
  for (int32_t k = 0; k < count; k++) {
    d.source[k] = call.data<const S>(k + 2);
    if (d.weights == nullptr) d.weight[k] = weights[k];
  }
  const int64_t tile = kThreads * (count == 1 && sizeof(T) == sizeof(S) ? 4 : 2);
  return launch(call, dense_kernel<T, S>(count, call.has(0)), grid_of(ceil_div(n / Step<T, S>::kItems, tile)), kThreads, 0, d);
}

// The dtype of all sources if base and y share one and all lie on 16 bytes; -1 for calls that combine_dense does not serve.
int32_t source_dtype(const Call& call, int32_t count) {
  const hd_tensor& y = *call.t[call.n - 1];
  const int32_t dtype = call.t[2]->dtype;
  bool dense = count <= kInline && y.data % 16 == 0 && (!call.has(0) || (call.t[0]->dtype == y.dtype && call.t[0]->data % 16 == 0));
  for (int32_t k = 0; k < count; k++) dense = dense && call.t[k + 2]->dtype == dtype && call.t[k + 2]->data % 16 == 0;
  return dense ? dtype : -1;
}

// ---- any dtypes, any number of sources ----

struct Source {
  const void* data;
  int64_t dtype;
};

constexpr int kFour = 4;  // elements of a thread

// vector: addresses allow 16-byte accesses to f32 and f64, 8-byte ones to 16-bit types. Elements past n read as 0.
__device__ void load_four(const Source& s, int64_t at, int64_t n, bool vector, double (&x)[kFour]) {
  if (vector && at + kFour <= n && s.dtype == HD_F32) {
    const float4 f = *reinterpret_cast<const float4*>(static_cast<const float*>(s.data) + at);
    x[0] = to_f64(f.x), x[1] = to_f64(f.y), x[2] = to_f64(f.z), x[3] = to_f64(f.w);
  } else if (vector && at + kFour <= n && s.dtype != HD_F64) {
    const ushort4 bits = *reinterpret_cast<const ushort4*>(static_cast<const uint16_t*>(s.data) + at);
    const unsigned short item[kFour] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (int i = 0; i < kFour; i++) x[i] = s.dtype == HD_BF16 ? to_f64(__ushort_as_bfloat16(item[i])) : to_f64(__ushort_as_half(item[i]));
  } else {
#pragma unroll
    for (int i = 0; i < kFour; i++) {
      x[i] = at + i >= n ? 0 : load_double(s.data, static_cast<int32_t>(s.dtype), at + i);
    }
  }
}

__device__ void copy_one(void* y, const void* x, int32_t dtype, int64_t i) {
  if (dtype == HD_F64) {
    static_cast<uint64_t*>(y)[i] = static_cast<const uint64_t*>(x)[i];
  } else if (dtype == HD_F32) {
    static_cast<uint32_t*>(y)[i] = static_cast<const uint32_t*>(x)[i];
  } else {
    static_cast<uint16_t*>(y)[i] = static_cast<const uint16_t*>(x)[i];
  }
}

__global__ void __launch_bounds__(kThreads, 4)
    combine_kernel(Source base, const double* weights, const Source* sources, int32_t count, void* y, int32_t to, int64_t n, bool vector) {
  bool zero = base.data != nullptr;
  for (int32_t k = 0; k < count; k++) zero = zero && weights[k] == 0.0;
  for (int64_t at = first_item() * kFour; at < n; at += item_step() * kFour) {
    if (zero && base.dtype == to) {
      for (int64_t i = at; i < least(at + kFour, n); i++) copy_one(y, base.data, to, i);
      continue;
    }
    double b[kFour] = {}, total[kFour], x[kFour];
    if (base.data != nullptr) load_four(base, at, n, vector, b);
#pragma unroll
    for (int i = 0; i < kFour; i++) total[i] = b[i];
    for (int32_t k = 0; k < count && !zero; k++) {
      load_four(sources[k], at, n, vector, x);
#pragma unroll
      for (int i = 0; i < kFour; i++) {
        const double term = __dmul_rn(weights[k], base.data == nullptr ? x[i] : __dadd_rn(x[i], -b[i]));
        total[i] = k == 0 && base.data == nullptr ? term : __dadd_rn(total[i], term);
      }
    }
#pragma unroll
    for (int i = 0; i < kFour; i++) {
      if (at + i < n) store_double(y, to, at + i, total[i]);
    }
  }
}

hd_status run_any(const Call& call, int32_t count, int64_t n) {
  const int32_t y = call.n - 1;
  if (call.context.recordings.open)
    return fail(HD_UNSUPPORTED, "recording: sources of several types or strides come by a table from the host");
  const int64_t bytes = count * static_cast<int64_t>(sizeof(Source) + sizeof(double));
  auto table = static_cast<Source*>(workspace(call, bytes));
  if (table == nullptr) return HD_NO_MEMORY;
  bool vector = !call.has(0) || aligned(call.data<void>(0));
  std::vector<Source> sources;
  for (int32_t i = 0; i < count; i++) {
    sources.push_back({call.data<const void>(i + 2), call.t[i + 2]->dtype});
    vector = vector && aligned(sources.back().data);
  }
  // From pageable memory the bytes are taken before the call returns.
  auto weights = reinterpret_cast<double*>(table + count);
  cudaError_t error = cudaMemcpyAsync(table, sources.data(), sizeof(Source) * sources.size(), cudaMemcpyDefault, call.context.stream);
  if (error == cudaSuccess)
    error = cudaMemcpyAsync(weights, call.data<const void>(1), sizeof(double) * sources.size(), cudaMemcpyDefault, call.context.stream);
  if (error != cudaSuccess) return cuda_fail(error, "copying the table of sources");
  const Source base{call.data<const void>(0), call.has(0) ? call.t[0]->dtype : HD_F32};
  return launch(call, combine_kernel, grid_for(ceil_div(n, kFour)), kThreads, 0, base, weights, table, count, call.data<void>(y),
                call.t[y]->dtype, n, vector);
}
}  // namespace

hd_status linear_combination(const Call& call) {
  const int32_t y = call.n - 1, count = call.n - 3;
  const int64_t n = elements(*call.t[y]);
  Check check(call);
  check.dtype(1, HD_F64).vector(1, count, "one per source").contiguous(1);
  for (int32_t i = 0; i < call.n; i++) {
    if (i == 1 || !call.has(i)) continue;
    check.count(i, n, "the size of y").contiguous(i).require(call.t[i]->dtype <= HD_F64, "base, sources and y must be floats");
    check.require(call.t[i]->data != call.t[y]->data || dtype_bytes(call.t[i]->dtype) == dtype_bytes(call.t[y]->dtype) || n == 0,
                  "y may only lie over an input whose elements have the size of its own");
  }
  if (check.failed()) return check.status();
  if (n == 0) return HD_OK;
  const int32_t from = source_dtype(call, count), to = call.t[y]->dtype;
  if (to == HD_F32 && from == HD_BF16) return run_dense<float, bf16>(call, count, n);
  if (to == HD_F32 && from == HD_F16) return run_dense<float, f16>(call, count, n);
  if (from != to || to == HD_F64) return run_any(call, count, n);
  return with_float(to, [&](auto type) { return run_dense<decltype(type), decltype(type)>(call, count, n); });
}
}  // namespace hd

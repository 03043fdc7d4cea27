// reduce, sum_squares, clip_factor: sum, mean or max over any dimensions, and the two steps of clipping by the global norm.
// Shapes: x any, y of the same rank with 1 where x is reduced; squares [N]; norm, factor [1].
// Work: dimensions are split into kept and reduced ones, sorted by stride and merged. If x is densest along a reduced dimension a team of
// threads shares an output (rows), with 16-byte accesses where one dense dimension is left; else a thread owns an output and neighbours
// in a warp are neighbours in x (columns), or a pack of outputs where they are dense and rows aligned. With few outputs the reduced index
// space is cut into chunks, joined in order by a second kernel. On chip: registers only; no spills (README.md has the counts). Numerics:
// all sums in f64, rounded once (a dense pack, or eight rows of one, are summed in f32 first, but for f64). max keeps NaN. The mean of
// nothing is NaN, the max of nothing -inf. Cost: reads x once: bandwidth-bound. Deterministic: teams and chunks depend on the shape alone.
// Checked on: see README.md.
#include "check.h"
#include "rows.h"

namespace hd {
namespace {

constexpr int kBatch = 4;  // packs that a thread has under way

struct Dims {
  int32_t rank = 0;
  int64_t count = 1;
  int64_t shape[HD_MAX_RANK] = {};
  int64_t x[HD_MAX_RANK] = {}, y[HD_MAX_RANK] = {};  // strides

  void add(int64_t size, int64_t x_stride, int64_t y_stride) {
    count *= size;
    if (size == 1) return;
    int at = rank++;
    const auto length = [](int64_t s) { return s < 0 ? -s : s; };
    for (; at > 0 && length(x[at - 1]) < length(x_stride); at--) set(at, shape[at - 1], x[at - 1], y[at - 1]);
    set(at, size, x_stride, y_stride);
  }
  void merge() {
    int to = 0;
    for (int d = 1; d < rank; d++) {
      if (x[to] == x[d] * shape[d] && y[to] == y[d] * shape[d]) {
        set(to, shape[to] * shape[d], x[d], y[d]);
      } else {
        set(++to, shape[d], x[d], y[d]);
      }
    }
    rank = rank == 0 ? 0 : to + 1;
  }
  int64_t finest() const { return rank == 0 ? INT64_MAX : x[rank - 1] < 0 ? -x[rank - 1] : x[rank - 1]; }
  __device__ int64_t at(int64_t index, const int64_t (&stride)[HD_MAX_RANK]) const {
    if (rank == 1) return index * stride[0];
    int64_t offset = 0;
#pragma unroll
    for (int d = HD_MAX_RANK - 1; d >= 0; d--) {
      if (d >= rank) continue;
      const int64_t rest = (index | shape[d]) >> 32 == 0
                               ? static_cast<int64_t>(static_cast<uint32_t>(index) / static_cast<uint32_t>(shape[d]))
                               : index / shape[d];
      offset += (index - rest * shape[d]) * stride[d];
      index = rest;
    }
    return offset;
  }

 private:
  void set(int d, int64_t size, int64_t x_stride, int64_t y_stride) {
    shape[d] = size;
    x[d] = x_stride;
    y[d] = y_stride;
  }
};

struct Plan {
  Dims kept, reduced;
  int64_t chunks;
  bool max, accumulate, vector;
  double factor;
  void* y;
  int32_t dtype;    // of y
  double* partial;  // [chunks, outputs] when chunks > 1
};

__device__ double joined(const Plan& p, double a, double b) { return p.max ? Largest::join(a, b) : a + b; }
__device__ double start_of(const Plan& p) { return p.max ? -static_cast<double>(INFINITY) : 0.0; }

__device__ void emit(const Plan& p, int64_t output, double value) {
  const int64_t at = p.kept.at(output, p.kept.y);
  value *= p.factor;
  switch (p.dtype) {
    case HD_F64:
      static_cast<double*>(p.y)[at] = p.accumulate ? static_cast<double*>(p.y)[at] + value : value;
      break;
    case HD_F32:
      put(static_cast<float*>(p.y)[at], p.accumulate ? to_f64(static_cast<float*>(p.y)[at]) + value : value);
      break;
    case HD_BF16:
      put(static_cast<bf16*>(p.y)[at], p.accumulate ? to_f64(static_cast<bf16*>(p.y)[at]) + value : value);
      break;
    default:
      put(static_cast<f16*>(p.y)[at], p.accumulate ? to_f64(static_cast<f16*>(p.y)[at]) + value : value);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 4) reduce_rows(const T* x, Plan p) {
  constexpr int W = kWidth<T>;
  const int64_t items = p.kept.count * p.chunks, n = p.reduced.count;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.y; first < items;
       first += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int64_t item = first + threadIdx.y, output = item < items ? item / p.chunks : 0, chunk = item - output * p.chunks;
    // chunks start at whole packs
    const int64_t packs = ceil_div(n, W), from = packs * chunk / p.chunks * W,
                  to = item < items ? least(n, packs * (chunk + 1) / p.chunks * W) : 0;
    const T* row = x + p.kept.at(output, p.kept.x);
    double total = start_of(p);
    if (sizeof(T) < 8 && p.vector) {
      float v[W] = {};
      const auto add = [&](int64_t end) {  // v: a pack, of which `end` elements count
        float part = v[0];
#pragma unroll
        for (int i = 1; i < W; i++) {
          if (i < end) part = p.max ? Largest::join(part, v[i]) : part + v[i];
        }
        total = joined(p, total, static_cast<double>(part));
      };
      const int64_t whole = to > from ? (to - from) / W : 0;
      for (int64_t k = threadIdx.x; k < whole; k += static_cast<int64_t>(blockDim.x) * kBatch) {
        Bits<T> bits[kBatch];
#pragma unroll
        for (int u = 0; u < kBatch; u++) {
          if (k + u * blockDim.x < whole) bits[u] = reinterpret_cast<const Bits<T>*>(row + from)[k + u * blockDim.x];
        }
#pragma unroll
        for (int u = 0; u < kBatch; u++) {
          if (k + u * blockDim.x >= whole) continue;
          unpack(bits[u], v);
          add(W);
        }
      }
      if (threadIdx.x == 0 && from + whole * W < to) {  // the last elements, less than a pack
        load_pack(row, from + whole * W, to, false, v);
        add(to - from - whole * W);
      }
    } else {
      for (int64_t at = from + threadIdx.x; at < to; at += blockDim.x) total = joined(p, total, to_f64(row[p.reduced.at(at, p.reduced.x)]));
    }
    total = p.max ? team_join<Largest>(total) : team_sum(total);  // p.max is the same for all threads
    if (item >= items || threadIdx.x != 0) continue;
    if (p.chunks == 1) {
      emit(p, output, total);
    } else {
      p.partial[chunk * p.kept.count + output] = total;
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) reduce_columns(const T* x, Plan p) {
  const int64_t outputs = p.kept.count, n = p.reduced.count;
  for (int64_t item = first_item(); item < outputs * p.chunks; item += item_step()) {
    const int64_t chunk = item / outputs, output = item - chunk * outputs;
    const T* column = x + p.kept.at(output, p.kept.x);
    double total = start_of(p);
    for (int64_t at = n * chunk / p.chunks; at < n * (chunk + 1) / p.chunks; at++)
      total = joined(p, total, to_f64(column[p.reduced.at(at, p.reduced.x)]));
    if (p.chunks == 1) {
      emit(p, output, total);
    } else {
      p.partial[item] = total;
    }
  }
}

// A thread per pack of outputs and chunk: outputs dense in x, reduced rows at one stride. Eight rows are summed in f32 before they join.
template <class T>
__global__ void __launch_bounds__(kThreads) reduce_packs(const T* x, Plan p) {
  constexpr int W = kWidth<T>, kRows = 8;
  const int64_t packs = p.kept.count / W, n = p.reduced.count, stride = p.reduced.rank == 0 ? 0 : p.reduced.x[0];
  for (int64_t item = first_item(); item < packs * p.chunks; item += item_step()) {
    const int64_t chunk = item / packs, output = (item - chunk * packs) * W, to = n * (chunk + 1) / p.chunks;
    double total[W];
#pragma unroll
    for (int i = 0; i < W; i++) total[i] = start_of(p);
    for (int64_t at = n * chunk / p.chunks; at < to; at += kRows) {
      Bits<T> bits[kRows];
      float part[W], v[W];
#pragma unroll
      for (int r = 0; r < kRows; r++) {
        if (at + r < to) bits[r] = *reinterpret_cast<const Bits<T>*>(x + (at + r) * stride + output);
      }
      unpack(bits[0], part);
#pragma unroll
      for (int r = 1; r < kRows; r++) {
        if (at + r >= to) continue;
        unpack(bits[r], v);
#pragma unroll
        for (int i = 0; i < W; i++) part[i] = p.max ? Largest::join(part[i], v[i]) : part[i] + v[i];
      }
#pragma unroll
      for (int i = 0; i < W; i++) total[i] = joined(p, total[i], static_cast<double>(part[i]));
    }
#pragma unroll
    for (int i = 0; i < W; i++) {
      if (p.chunks == 1) {
        emit(p, output + i, total[i]);
      } else {
        p.partial[chunk * p.kept.count + output + i] = total[i];
      }
    }
  }
}

constexpr int kFinishRows = 32;

// A block has 32 outputs; each of its 32 rows of threads joins every 32nd chunk, and they join in order.
__global__ void __launch_bounds__(32 * kFinishRows) finish_reduce(Plan p) {
  __shared__ double parts[kFinishRows][33];
  const int64_t output = static_cast<int64_t>(blockIdx.x) * 32 + threadIdx.x, outputs = p.kept.count;
  double total = start_of(p);
#pragma unroll 4
  for (int64_t c = threadIdx.y; c < p.chunks; c += kFinishRows)
    total = joined(p, total, p.partial[c * outputs + (output < outputs ? output : 0)]);
  parts[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y != 0 || output >= outputs) return;
  for (int r = 1; r < kFinishRows; r++) total = joined(p, total, parts[r][threadIdx.x]);
  emit(p, output, total);
}

constexpr int64_t kSquaresBlocks = 1024;

template <class T>
__global__ void __launch_bounds__(kThreads) squares_kernel(const T* x, NestWalk<1> n, bool vector, double* partial) {
  constexpr int W = kWidth<T>;
  double total = 0;
  if (sizeof(T) < 8 && vector) {
    float v[W];
    for (int64_t at = first_item() * W; at < n.count; at += item_step() * W) {
      load_pack(x, at, n.count, true, v);
#pragma unroll
      for (int i = 0; i < W; i++) total = fma(static_cast<double>(v[i]), static_cast<double>(v[i]), total);
    }
  } else {
    for (int64_t i = first_item(); i < n.count; i += item_step()) {
      int64_t at[1];
      n.at(i, at);
      const double v = to_f64(x[at[0]]);
      total = fma(v, v, total);
    }
  }
  total = team_sum(total);
  if (threadIdx.x == 0) partial[blockIdx.x] = total;
}

__global__ void __launch_bounds__(kThreads) finish_squares(const double* partial, int64_t n, float* y) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) total += partial[i];
  total = team_sum(total);
  if (threadIdx.x == 0) *y = static_cast<float>(total);
}

__global__ void __launch_bounds__(kThreads)
    clip_kernel(const float* squares, int64_t stride, int64_t n, double bound, float* norm, float* factor) {
  double total = 0;
  for (int64_t i = threadIdx.x; i < n; i += blockDim.x) total += static_cast<double>(squares[i * stride]);
  total = team_sum(total);
  if (threadIdx.x != 0) return;
  const double length = sqrt(total), ratio = bound / (length + 1e-6);
  *norm = static_cast<float>(length);
  *factor = bound <= 0 || ratio > 1 ? 1.0f : static_cast<float>(ratio);
}

bool reduces(const hd_tensor& x, const hd_tensor& y) {
  if (x.rank != y.rank) return false;
  for (int32_t d = 0; d < x.rank; d++) {
    if (y.shape[d] != x.shape[d] && y.shape[d] != 1) return false;
  }
  return true;
}

template <class T>
hd_status run(const Call& call) {
  const hd_ReduceParams& params = call.params<hd_ReduceParams>();
  const hd_tensor &x = *call.t[0], &y = *call.t[1];
  Plan p{};
  for (int32_t d = 0; d < x.rank; d++) {
    const bool keeps = x.shape[d] == y.shape[d];
    (keeps ? p.kept : p.reduced).add(x.shape[d], x.stride[d], keeps ? y.stride[d] : 0);
  }
  p.kept.merge();
  p.reduced.merge();
  if (p.kept.count == 0) return HD_OK;
  const int64_t outputs = p.kept.count, n = p.reduced.count;
  const bool rows = p.reduced.finest() < p.kept.finest() || p.kept.rank == 0;
  p.max = params.kind == 2;
  p.accumulate = params.accumulate != 0;
  p.factor = params.kind == 1 ? 1.0 / static_cast<double>(n) : 1.0;
  p.y = call.data<void>(1);
  p.dtype = y.dtype;
  p.vector = p.reduced.rank == 1 && p.reduced.x[0] == 1 && x.data % 16 == 0;
  for (int d = 0; d < p.kept.rank; d++) p.vector = p.vector && p.kept.x[d] * static_cast<int64_t>(sizeof(T)) % 16 == 0;
  const bool packs = !rows && sizeof(T) < 8 && p.kept.rank == 1 && p.kept.x[0] == 1 && p.reduced.rank <= 1 && x.data % 16 == 0 &&
                     outputs % kWidth<T> == 0 && (p.reduced.rank == 0 || p.reduced.x[0] * static_cast<int64_t>(sizeof(T)) % 16 == 0);
  p.chunks = most(1, rows ? least(ceil_div(1024, outputs), n / 4096) : least(ceil_div(65536, outputs), n / 64));
  if (packs) p.chunks = most(1, least(ceil_div(135168 * kWidth<T>, outputs), n / 32));  // as many threads as fill 132 processors by half
  if (p.chunks > 1) {
    p.partial = static_cast<double*>(workspace(call, p.chunks * outputs * 8));
    if (p.partial == nullptr) return HD_NO_MEMORY;
  }
  const T* data = call.data<const T>(0);
  hd_status status = HD_OK;
  if (rows) {
    // With rows enough to fill the GPU, teams are small, so that a thread has its batches and few threads have to join.
    const int64_t each = outputs >= 8192 ? 2 * kBatch : 1;
    const dim3 team = team_for(ceil_div(ceil_div(n, p.vector ? kWidth<T> : 1), p.chunks * each));
    status = launch(call, reduce_rows<T>, grid_for_teams(outputs * p.chunks, team), team, 0, data, p);
  } else if (packs) {
    if constexpr (sizeof(T) < 8) status = launch(call, reduce_packs<T>, grid_for(outputs / kWidth<T> * p.chunks), kThreads, 0, data, p);
  } else {
    status = launch(call, reduce_columns<T>, grid_for(outputs * p.chunks), kThreads, 0, data, p);
  }
  if (status != HD_OK || p.chunks == 1) return status;
  return launch(call, finish_reduce, dim3(static_cast<unsigned>(ceil_div(outputs, 32))), dim3(32, kFinishRows), 0, p);
}
}  // namespace

hd_status reduce(const Call& call) {
  const hd_ReduceParams& p = call.params<hd_ReduceParams>();
  const hd_tensor &x = *call.t[0], &y = *call.t[1];
  Check check(call);
  check.require(x.dtype <= HD_F64 && y.dtype <= HD_F64, "x and y must be floats").f32_or_alike(1, 0).output(1);
  check.require(reduces(x, y), "y must have the rank of x, and in each dimension the size of x or 1");
  check.require(p.kind >= 0 && p.kind <= 2, "kind must be 0 (sum), 1 (mean) or 2 (max)");
  check.require(p.kind != 2 || p.accumulate == 0, "max cannot accumulate");
  if (check.failed()) return check.status();
  return with_any_float(x.dtype, [&](auto type) { return run<decltype(type)>(call); });
}

hd_status sum_squares(const Call& call) {
  Check check(call);
  check.require(call.t[0]->dtype <= HD_F64, "x must be a float tensor").dtype(1, HD_F32).count(1, 1, "one number");
  if (check.failed()) return check.status();
  const hd_tensor* const tensors[] = {call.t[0]};
  const Nest<1> n = nest(tensors, true);
  const int64_t blocks = most(1, least(kSquaresBlocks, ceil_div(n.count, kThreads * 8)));
  auto partial = static_cast<double*>(workspace(call, blocks * 8));
  if (partial == nullptr) return HD_NO_MEMORY;
  const hd_status status = with_any_float(call.t[0]->dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = call.data<const T>(0);
    return launch(call, squares_kernel<T>, dim3(static_cast<unsigned>(blocks)), kThreads, 0, x, n, n.dense() && aligned(x), partial);
  });
  return status != HD_OK ? status : launch(call, finish_squares, 1, kThreads, 0, partial, blocks, call.data<float>(1));
}

hd_status clip_factor(const Call& call) {
  Check check(call);
  check.rank(0, 1).dtype(0, HD_F32).dtype(1, HD_F32).dtype(2, HD_F32).count(1, 1, "one number").count(2, 1, "one number");
  if (check.failed()) return check.status();
  return launch(call, clip_kernel, 1, kThreads, 0, call.data<const float>(0), call.t[0]->stride[0], call.t[0]->shape[0],
                static_cast<double>(call.params<hd_ClipParams>().max_norm), call.data<float>(1), call.data<float>(2));
}
}  // namespace hd

// copy: y = x, converted to the dtype of y.
// Shapes: x, y alike, any strides; x may broadcast. Any of the seven dtypes to any other.
// Work: one dtype and dense: the copy engine. One dtype and dense in runs of 16 bytes (heads and steps exchanged): 16 bytes per thread. One
// dtype and transposed, x dense where y is not: tiles of 32 x 32 through shared memory, so that both sides are read and written in runs.
// Two float dtypes and dense: eight elements per thread.
// Else an element per thread, neighbours of a warp neighbours in y; the dtypes are known at run time, the switch is the same for all
// threads, so one kernel serves all 49 pairs.
// On chip: registers, and a tile in shared memory; no spills (README.md has the counts).
// Numerics: one dtype: the bits. Floats go through f64 and integers through i64, both exact, then one rounding to nearest even; floats to
// integers truncate (what does not fit saturates; NaN gives 0).
// Cost: bandwidth: reads and writes N. Deterministic: elements are independent.
// Checked on: see README.md.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

template <class X>
__device__ void store_any(void* y, int32_t dtype, int64_t i, X x) {
  switch (dtype) {
    case HD_F32:
      static_cast<float*>(y)[i] = static_cast<float>(x);
      break;
    case HD_F64:
      static_cast<double*>(y)[i] = static_cast<double>(x);
      break;
    case HD_I32:
      static_cast<int32_t*>(y)[i] = static_cast<int32_t>(x);
      break;
    case HD_I64:
      static_cast<int64_t*>(y)[i] = static_cast<int64_t>(x);
      break;
    case HD_U8:
      static_cast<uint8_t*>(y)[i] = static_cast<uint8_t>(static_cast<int64_t>(x));
      break;
    case HD_BF16:
      if constexpr (sizeof(X) == 8 && X(0.5) == 0) {
        static_cast<bf16*>(y)[i] = __ll2bfloat16_rn(x);
      } else {
        put(static_cast<bf16*>(y)[i], x);
      }
      break;
    default:
      if constexpr (sizeof(X) == 8 && X(0.5) == 0) {
        static_cast<f16*>(y)[i] = __ll2half_rn(x);
      } else {
        put(static_cast<f16*>(y)[i], x);
      }
  }
}

__global__ void __launch_bounds__(kThreads) convert_kernel(const void* x, int32_t from, void* y, int32_t to, Nest<2> n) {
  for (int64_t k = first_item(); k < n.count; k += item_step()) {
    int64_t at[2];
    n.at(k, at);
    const int64_t i = at[1], o = at[0];
    switch (from) {
      case HD_F32:
      case HD_BF16:
      case HD_F16:
        store_any(y, to, o, static_cast<double>(load_float(x, from, i)));
        break;
      case HD_F64:
        store_any(y, to, o, static_cast<const double*>(x)[i]);
        break;
      case HD_I32:
        store_any(y, to, o, static_cast<long long>(static_cast<const int32_t*>(x)[i]));
        break;
      case HD_I64:
        store_any(y, to, o, static_cast<long long>(static_cast<const int64_t*>(x)[i]));
        break;
      default:
        store_any(y, to, o, static_cast<long long>(static_cast<const uint8_t*>(x)[i]));
    }
  }
}

constexpr int kConverted = 8;  // elements of a thread: 16 bytes of a 16-bit type

// Dense floats of different widths: rounded once, as to_f32 is exact.
template <class T>
__device__ void copy_packs(T* to, const T* from) {
  constexpr int W = kWidth<T>;
#pragma unroll
  for (int i = 0; i < kConverted; i += W) *reinterpret_cast<Bits<T>*>(to + i) = *reinterpret_cast<const Bits<T>*>(from + i);
}

template <class From, class To>
__global__ void __launch_bounds__(kThreads) convert_dense(const From* x, To* y, int64_t n) {
  for (int64_t at = first_item() * kConverted; at < n; at += item_step() * kConverted) {
    alignas(16) From in[kConverted];
    alignas(16) To out[kConverted];
    if (at + kConverted <= n) {
      copy_packs(in, x + at);
#pragma unroll
      for (int i = 0; i < kConverted; i++) put(out[i], to_f32(in[i]));
      copy_packs(y + at, out);
    } else {
      for (int64_t i = at; i < n; i++) put(y[i], to_f32(x[i]));
    }
  }
}

template <class From>
hd_status convert_floats(const Call& call, int64_t n) {
  return with_float(call.t[1]->dtype, [&](auto type) {
    using To = decltype(type);
    return launch(call, convert_dense<From, To>, grid_for(ceil_div(n, kConverted)), kThreads, 0, call.data<const From>(0), call.data<To>(1),
                  n);
  });
}

// The same dtype: bits, so that NaNs keep their payload.
// Four elements per thread under way.
template <class Item>
__global__ void __launch_bounds__(kThreads) move_kernel(const void* x, void* y, Nest<2> n) {
  constexpr int U = 4;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * kThreads * U + threadIdx.x; first < n.count;
       first += static_cast<int64_t>(gridDim.x) * kThreads * U) {
    Item item[U];
    int64_t to[U];
#pragma unroll
    for (int u = 0; u < U; u++) {
      int64_t at[2];
      n.at(least(first + u * kThreads, n.count - 1), at);  // past the end the last one again
      to[u] = at[0];
      item[u] = static_cast<const Item*>(x)[at[1]];
    }
#pragma unroll
    for (int u = 0; u < U; u++) {
      if (first + u * kThreads < n.count) static_cast<Item*>(y)[to[u]] = item[u];
    }
  }
}

// One element everywhere, for instance a gradient set to zero: y dense and on 16 bytes.
template <class Item>
__global__ void __launch_bounds__(kThreads) fill_kernel(const void* x, void* y, int64_t n) {
  constexpr int W = kWidth<Item>;
  const Item value = *static_cast<const Item*>(x);
  Bits<Item> bits;
#pragma unroll
  for (int i = 0; i < W; i++) bits.item[i] = value;
  for (int64_t pack = first_item(); pack < n / W; pack += item_step()) static_cast<Bits<Item>*>(y)[pack] = bits;
  const int64_t last = n / W * W + first_item();
  if (last < n) static_cast<Item*>(y)[last] = value;
}

// A transposition: y is dense along its last dimension (columns), x along another one (rows); the others are outer.
struct Planes {
  int64_t rows, columns;
  int64_t x_column, y_row;  // strides; those of x's rows and y's columns are 1
  Nest<2> outer;
};

constexpr int kTile = 32;

template <class Item>
__global__ void __launch_bounds__(kThreads) transpose_kernel(const void* x, void* y, Planes p) {
  __shared__ Item tile[kTile][kTile + 1];
  const int64_t row_tiles = ceil_div(p.rows, kTile), column_tiles = ceil_div(p.columns, kTile);
  const int lane = static_cast<int>(threadIdx.x % kTile), line = static_cast<int>(threadIdx.x / kTile);
  for (int64_t i = blockIdx.x; i < p.outer.count * row_tiles * column_tiles; i += gridDim.x) {
    const int64_t plane = i / (row_tiles * column_tiles), rest = i - plane * row_tiles * column_tiles;
    const int64_t column = rest / row_tiles * kTile, row = (rest - rest / row_tiles * row_tiles) * kTile;
    int64_t at[2];
    p.outer.at(plane, at);
    const Item* from = static_cast<const Item*>(x) + at[1];
    Item* to = static_cast<Item*>(y) + at[0];
#pragma unroll
    for (int k = 0; k < kTile; k += kThreads / kTile) {
      if (row + lane < p.rows && column + line + k < p.columns) tile[line + k][lane] = from[(column + line + k) * p.x_column + row + lane];
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kTile; k += kThreads / kTile) {
      if (row + line + k < p.rows && column + lane < p.columns) to[(row + line + k) * p.y_row + column + lane] = tile[lane][line + k];
    }
    __syncthreads();
  }
}

// Whether the nest of (y, x) is a transposition worth tiles: y dense along the last dimension, x along one of the others.
bool is_transposition(const Nest<2>& n, Planes& p) {
  const int last_dim = n.rank - 1;
  if (n.rank < 2 || n.stride[0][last_dim] != 1 || n.stride[1][last_dim] == 1) return false;
  int along = -1;
  for (int d = 0; d < last_dim; d++) along = n.stride[1][d] == 1 ? d : along;
  if (along < 0 || n.shape[along] < 8 || n.shape[last_dim] < 8) return false;
  p = {n.shape[along], n.shape[last_dim], n.stride[1][last_dim], n.stride[0][along], {}};
  for (int d = 0; d < last_dim; d++) {
    if (d == along) continue;
    p.outer.count *= n.shape[d];
    p.outer.shape[p.outer.rank] = n.shape[d];
    for (int i = 0; i < 2; i++) p.outer.stride[i][p.outer.rank] = n.stride[i][d];
    p.outer.rank++;
  }
  return true;
}

}  // namespace

hd_status copy(const Call& call) {
  Check check(call);
  check.same_shape(0, 1).output(1);
  if (check.failed()) return check.status();
  const hd_tensor* const tensors[] = {call.t[1], call.t[0]};
  const Nest<2> n = nest(tensors, true);
  if (n.count == 0) return HD_OK;
  const void* x = call.data<const void>(0);
  void* y = call.data<void>(1);
  const int32_t from = call.t[0]->dtype, to = call.t[1]->dtype;
  if (from != to && n.dense() && from <= HD_F16 && to <= HD_F16 && aligned(x) && aligned(y))
    return with_float(from, [&](auto type) { return convert_floats<decltype(type)>(call, n.count); });
  if (from != to) return launch(call, convert_kernel, grid_for(n.count), kThreads, 0, x, from, y, to, n);
  const int64_t bytes = dtype_bytes(to);
  if (n.dense()) {
    const auto error = cudaMemcpyAsync(y, x, static_cast<size_t>(n.count * bytes), cudaMemcpyDeviceToDevice, call.context.stream);
    return error == cudaSuccess ? HD_OK : cuda_fail(error, "copying");
  }
  const auto of_bytes = [&](auto one, auto two, auto four, auto eight) {
    return bytes == 8 ? eight : bytes == 4 ? four : bytes == 2 ? two : one;
  };
  Planes planes;
  if (is_transposition(n, planes)) {
    const int64_t tiles = planes.outer.count * ceil_div(planes.rows, kTile) * ceil_div(planes.columns, kTile);
    const auto kernel =
        of_bytes(transpose_kernel<uint8_t>, transpose_kernel<uint16_t>, transpose_kernel<uint32_t>, transpose_kernel<uint64_t>);
    return launch(call, kernel, grid_of(tiles), kThreads, 0, x, y, planes);
  }
  if (n.rank == 1 && n.stride[0][0] == 1 && n.stride[1][0] == 0 && aligned(y)) {
    const auto kernel = of_bytes(fill_kernel<uint8_t>, fill_kernel<uint16_t>, fill_kernel<uint32_t>, fill_kernel<uint64_t>);
    return launch(call, kernel, dim3(static_cast<unsigned>(least(4096, ceil_div(n.count * bytes, 16 * kThreads)))), kThreads, 0, x, y,
                  n.count);
  }
  Nest<2> units = n;
  const bool packs = aligned(x) && aligned(y) && in_packs(units, 16 / bytes);
  const auto kernel =
      packs ? move_kernel<uint4> : of_bytes(move_kernel<uint8_t>, move_kernel<uint16_t>, move_kernel<uint32_t>, move_kernel<uint64_t>);
  return launch(call, kernel, grid_of(ceil_div(units.count, 4 * kThreads)), kThreads, 0, x, y, units);
}
}  // namespace hd

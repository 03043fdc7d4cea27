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

__global__ void __launch_bounds__(kThreads) convert_kernel(const void* x, int32_t from, void* y, int32_t to, NestWalk<2> n) {
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
__global__ void __launch_bounds__(kThreads) move_kernel(const void* x, void* y, NestWalk<2> n) {
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
  NestWalk<2> outer;
};

// Tiles in the order that keeps runs long on both sides while a GPU's worth of blocks is under way: kStrip columns of tiles at a time.
constexpr int kTile = 32, kStrip = 16;

struct TileOrder {
  int64_t down, across;  // tiles of a plane

  __device__ void at(int64_t i, int64_t& plane, int64_t& row, int64_t& column) const {
    plane = i / (down * across);
    i -= plane * down * across;
    const int64_t strip = i / (down * kStrip), first = strip * kStrip, wide = least(kStrip, across - first);
    i -= first * down;
    row = i / wide;
    column = first + i - row * wide;
  }
};

// A square of packs, W of W elements: from one pack for each column to one for each row. Packs are words, so that accesses stay whole.
template <class Item>
__device__ void transpose_packs(const uint4 (&in)[kWidth<Item>], uint4 (&out)[kWidth<Item>]) {
  constexpr int W = kWidth<Item>;
  uint32_t from[W][4], to[W][4];
#pragma unroll
  for (int c = 0; c < W; c++) from[c][0] = in[c].x, from[c][1] = in[c].y, from[c][2] = in[c].z, from[c][3] = in[c].w;
  if constexpr (sizeof(Item) == 2) {  // two elements to a word: one byte permutation apiece
#pragma unroll
    for (int r = 0; r < W; r += 2) {
#pragma unroll
      for (int c = 0; c < W; c += 2) {
        const uint32_t left = from[c][r / 2], right = from[c + 1][r / 2];
        to[r][c / 2] = (left & 0xffffu) | right << 16;
        to[r + 1][c / 2] = left >> 16 | (right & 0xffff0000u);
      }
    }
  } else {
    constexpr int kWords = static_cast<int>(sizeof(Item) / 4);
#pragma unroll
    for (int r = 0; r < W; r++) {
#pragma unroll
      for (int i = 0; i < 4; i++) to[r][i] = from[i / kWords][r * kWords + i % kWords];
    }
  }
#pragma unroll
  for (int r = 0; r < W; r++) out[r] = make_uint4(to[r][0], to[r][1], to[r][2], to[r][3]);
}

constexpr int kSquares = 16;  // squares of packs along an edge of a block's tile: runs of 256 bytes on both sides

// Rows and columns of whole, aligned packs. A thread has one square in registers, so nothing waits for a barrier; a warp reads eight runs
// of 64 bytes and writes four of 128 at a time, whole sectors all of them.
template <class Item>
__global__ void __launch_bounds__(kSquares* kSquares, 4) transpose_squares(const void* x, void* y, Planes p, TileOrder order) {
  constexpr int W = kWidth<Item>, kSide = 8;  // squares of a warp along y's columns; four along its rows
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  int64_t plane, row, column, at[2];
  order.at(blockIdx.x, plane, row, column);
  p.outer.at(plane, at);
  row = (row * kSquares + warp / 2 * 4 + lane / kSide) * W;
  column = (column * kSquares + warp % 2 * kSide + lane % kSide) * W;
  if (row >= p.rows || column >= p.columns) return;
  const Item* from = static_cast<const Item*>(x) + at[1] + column * p.x_column + row;
  Item* to = static_cast<Item*>(y) + at[0] + row * p.y_row + column;
  uint4 in[W], out[W];
#pragma unroll
  for (int c = 0; c < W; c++) in[c] = *reinterpret_cast<const uint4*>(from + c * p.x_column);
  transpose_packs<Item>(in, out);
#pragma unroll
  for (int r = 0; r < W; r++) store_words(to + r * p.y_row, out[r]);
}

template <class Item>
__global__ void __launch_bounds__(kThreads) transpose_kernel(const void* x, void* y, Planes p, TileOrder order) {
  __shared__ Item tile[kTile][kTile + 1];
  const int lane = static_cast<int>(threadIdx.x % kTile), line = static_cast<int>(threadIdx.x / kTile);
  for (int64_t i = blockIdx.x; i < p.outer.count * order.down * order.across; i += gridDim.x) {
    int64_t plane, row, column, at[2];
    order.at(i, plane, row, column);
    row *= kTile;
    column *= kTile;
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

// The dimension of y along which x is dense while y is so along its last one: a transposition worth tiles; -1 for other nests.
int transposed_dimension(const Nest<2>& n) {
  const int last_dim = n.rank - 1;
  if (n.rank < 2 || n.stride[0][last_dim] != 1 || n.stride[1][last_dim] == 1) return -1;
  int along = -1;
  for (int d = 0; d < last_dim; d++) along = n.stride[1][d] == 1 ? d : along;
  return along < 0 || n.shape[along] < 8 || n.shape[last_dim] < 8 ? -1 : along;
}

template <class Item>
hd_status transpose(const Call& call, const void* x, void* y, const Nest<2>& n, int along) {
  constexpr int W = kWidth<Item>;
  const int last_dim = n.rank - 1;
  Nest<2> outer;
  bool packs = W <= 8 && aligned(x) && aligned(y);
  for (int d = 0; d <= last_dim; d++) {
    const bool inner = d == along || d == last_dim;
    for (int i = 0; i < 2; i++) packs = packs && (n.stride[i][d] % W == 0 || (inner && n.stride[i][d] == 1));
    packs = packs && (!inner || n.shape[d] % W == 0);
    if (inner) continue;
    outer.count *= n.shape[d];
    outer.shape[outer.rank] = n.shape[d];
    for (int i = 0; i < 2; i++) outer.stride[i][outer.rank] = n.stride[i][d];
    outer.rank++;
  }
  const Planes planes{n.shape[along], n.shape[last_dim], n.stride[1][last_dim], n.stride[0][along], outer};
  const int64_t edge = packs ? kSquares * W : kTile;
  const TileOrder order{ceil_div(planes.rows, edge), ceil_div(planes.columns, edge)};
  const int64_t tiles = outer.count * order.down * order.across;
  if constexpr (W <= 8) {  // more would not fit into registers
    if (packs && tiles <= INT32_MAX)
      return launch(call, transpose_squares<Item>, dim3(static_cast<unsigned>(tiles)), kSquares * kSquares, 0, x, y, planes, order);
  }
  const TileOrder small{ceil_div(planes.rows, kTile), ceil_div(planes.columns, kTile)};
  return launch(call, transpose_kernel<Item>, grid_of(outer.count * small.down * small.across), kThreads, 0, x, y, planes, small);
}

// Rows of packs whose order differs in x and y (heads and steps exchanged): the nest walked in tiles of about 64 runs along the two
// dimensions that change places, so that runs of both sides are long while a block works. Any order does for a copy.
Nest<2> in_tiles(const Nest<2>& n) {
  int along = -1;  // the dimension in which runs of x lie closest together
  for (int d = 0; d + 2 < n.rank; d++) {
    if (n.stride[1][d] < n.stride[1][n.rank - 2] && (along < 0 || n.stride[1][d] < n.stride[1][along])) along = d;
  }
  constexpr int64_t kRuns = 8;
  if (along < 0 || n.rank + 2 > HD_MAX_RANK || n.shape[along] % kRuns != 0 || n.shape[n.rank - 2] % kRuns != 0) return n;
  Nest<2> t;
  t.count = n.count;
  const auto add = [&](int d, int64_t shape, int64_t step) {
    t.shape[t.rank] = shape;
    for (int i = 0; i < 2; i++) t.stride[i][t.rank] = n.stride[i][d] * step;
    t.rank++;
  };
  for (int d = 0; d < n.rank - 1; d++)
    add(d, d == along || d == n.rank - 2 ? n.shape[d] / kRuns : n.shape[d], d == along || d == n.rank - 2 ? kRuns : 1);
  add(along, kRuns, 1);
  add(n.rank - 2, kRuns, 1);
  add(n.rank - 1, n.shape[n.rank - 1], 1);
  return t;
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
  if (const int along = transposed_dimension(n); along >= 0) {
    const auto run = of_bytes(transpose<uint8_t>, transpose<uint16_t>, transpose<uint32_t>, transpose<uint64_t>);
    return run(call, x, y, n, along);
  }
  if (n.rank == 1 && n.stride[0][0] == 1 && n.stride[1][0] == 0 && aligned(y)) {
    const auto kernel = of_bytes(fill_kernel<uint8_t>, fill_kernel<uint16_t>, fill_kernel<uint32_t>, fill_kernel<uint64_t>);
    return launch(call, kernel, dim3(static_cast<unsigned>(least(4096, ceil_div(n.count * bytes, 16 * kThreads)))), kThreads, 0, x, y,
                  n.count);
  }
  Nest<2> units = n;
  const bool packs = aligned(x) && aligned(y) && in_packs(units, 16 / bytes);
  if (packs) units = in_tiles(units);
  const auto kernel =
      packs ? move_kernel<uint4> : of_bytes(move_kernel<uint8_t>, move_kernel<uint16_t>, move_kernel<uint32_t>, move_kernel<uint64_t>);
  return launch(call, kernel, grid_of(ceil_div(units.count, 4 * kThreads)), kThreads, 0, x, y, units);
}
}  // namespace hd

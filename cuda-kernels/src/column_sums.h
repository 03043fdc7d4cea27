// Sums over rows, per column: the gradients of biases and norm weights. A block of 256 threads owns up to 256 packs of neighbouring columns
// (as many as fit: memory is fastest in long runs) and one chunk of the rows; if the columns are few its rows of threads join in shared
// memory, and the chunks' sums are added in order by a second kernel. Chunks depend on the shape alone, so the result does not depend on
// the GPU.
#pragma once
#include "device.h"

namespace hd {

struct ColumnGrid {
  int64_t rows, columns;  // columns counts elements
  int64_t each, chunks;   // rows of a chunk, the last may have fewer; chunks
  int32_t wide, tall;     // threads of a block along columns and rows

  // width: columns of a thread. sums: partial sums are wanted, so chunks should be few: 792 blocks, which fill Hopper's 132 processors
  // whole times with two, three or six to each (a third round of blocks that is half empty costs a sixth of the time); else there are as
  // many as fill a GPU a few times. Either way a thread has several rows, or what it does before the first would be most of its work.
  ColumnGrid(int64_t row_count, int64_t column_count, int width, bool sums) : rows(row_count), columns(column_count), wide(32) {
    while (wide < kThreads && wide * width < column_count) wide *= 2;
    tall = kThreads / wide;
    const int64_t wanted = most(1, (sums ? 792 : 4096) / most(1, ceil_div(column_count, wide * width)));
    each = most((sums ? 8 : 2) * tall, ceil_div(ceil_div(row_count, wanted), tall) * tall);
    chunks = most(1, ceil_div(row_count, each));
  }
  dim3 block() const { return dim3(static_cast<unsigned>(wide), static_cast<unsigned>(tall)); }
  dim3 grid(int width) const { return dim3(static_cast<unsigned>(ceil_div(columns, wide * width)), static_cast<unsigned>(chunks)); }
  template <int W>
  __device__ int64_t column() const {
    return (static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x) * W;
  }
  __device__ int64_t first_row() const { return blockIdx.y * each + threadIdx.y; }
  __device__ int64_t end_row() const { return least(rows, (blockIdx.y + 1) * each); }
};

// Joins the block's sums and stores those of its columns at to[0..n). All threads of the block must call it.
template <int W>
__device__ void store_column_sums(const float (&x)[W], float* to, int64_t column, int64_t n) {
  __shared__ float parts[kThreads * W];
  const unsigned line = blockDim.x * W;
#pragma unroll
  for (int i = 0; i < W; i++) parts[threadIdx.y * line + i * blockDim.x + threadIdx.x] = x[i];
  __syncthreads();
  if (threadIdx.y == 0) {
#pragma unroll
    for (int i = 0; i < W; i++) {
      float total = 0;
      for (unsigned r = 0; r < blockDim.y; r++) total += parts[r * line + i * blockDim.x + threadIdx.x];
      if (column + i < n) to[column + i] = total;
    }
  }
  __syncthreads();
}

// The sums of up to two outputs that lie side by side in the partial sums: out[f] = sum over chunks of partial[chunk * stride + f], or
// added to it. out is f32 or 16 bits wide, or null.
struct ColumnOutputs {
  void* data[2];
  int32_t dtype[2];
  int64_t n;
  bool accumulate;
};

constexpr int kFinishRows = 32;

// A block has 32 columns of one output; each of its 32 rows of threads sums every 32nd chunk, and they join in order.
static __global__ void __launch_bounds__(32 * kFinishRows)
    finish_column_sums(const float* partial, int64_t chunks, int64_t stride, ColumnOutputs out) {
  __shared__ float parts[kFinishRows][33];
  const bool second = blockIdx.y == 1;
  void* const to = second ? out.data[1] : out.data[0];
  const int32_t dtype = second ? out.dtype[1] : out.dtype[0];
  const int64_t f = static_cast<int64_t>(blockIdx.x) * 32 + threadIdx.x;
  const float* column = partial + (second ? out.n : 0) + (f < out.n ? f : 0);
  float total = 0;
#pragma unroll 8
  for (int64_t c = threadIdx.y; c < chunks; c += kFinishRows) total += column[c * stride];
  parts[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y != 0 || f >= out.n || to == nullptr) return;
  total = 0;
#pragma unroll
  for (int r = 0; r < kFinishRows; r++) total += parts[r][threadIdx.x];
  store_float(to, dtype, f, out.accumulate ? load_float(to, dtype, f) + total : total);
}

// first, second: tensors by index; second -1 for an op with one output.
inline hd_status finish_columns(const Call& call, const float* partial, int64_t chunks, int32_t first, int32_t second, int64_t n,
                                bool accumulate) {
  ColumnOutputs out{{}, {}, n, accumulate};
  const int32_t index[2] = {first, second};
  for (int i = 0; i < 2; i++) {
    if (index[i] < 0 || !call.has(index[i])) continue;
    out.data[i] = call.data<void>(index[i]);
    out.dtype[i] = call.t[index[i]]->dtype;
  }
  const unsigned outputs = second < 0 ? 1 : 2;
  return launch(call, finish_column_sums, dim3(static_cast<unsigned>(ceil_div(n, 32)), outputs), dim3(32, kFinishRows), 0, partial, chunks,
                outputs * n, out);
}
}  // namespace hd

// Sums over rows, per column: the gradients of biases and norm weights. A block of 32 x 8 threads owns 32 packs of columns and one
// chunk of the rows; its 8 rows of threads join in shared memory, and the chunks' sums are added in order by a second kernel. Chunks
// depend on the shape alone, so the result does not depend on the GPU.
#pragma once
#include "device.h"

namespace hd {

constexpr int kColumnRows = 8;
inline const dim3 kColumnBlock(32, kColumnRows);

struct ColumnGrid {
  int64_t rows, columns;  // columns counts elements
  int64_t chunks;         // of rows

  // sums: partial sums are wanted, so chunks should be few; else there are as many as fill the GPU.
  ColumnGrid(int64_t row_count, int64_t column_count, bool sums)
      : rows(row_count),
        columns(column_count),
        chunks(most(1, sums ? least(256, ceil_div(row_count, 8 * kColumnRows)) : least(32768, ceil_div(row_count, kColumnRows)))) {}
  template <class T>
  dim3 grid() const {
    return dim3(static_cast<unsigned>(ceil_div(columns, 32 * kWidth<T>)), static_cast<unsigned>(chunks));
  }
  __device__ int64_t first_row() const { return rows * blockIdx.y / chunks + threadIdx.y; }
  __device__ int64_t end_row() const { return rows * (blockIdx.y + 1) / chunks; }
};

// Joins the block's sums and stores those of its columns at to[0..n). All threads of the block must call it.
template <int W>
__device__ void store_column_sums(const float (&x)[W], float* to, int64_t column, int64_t n) {
  __shared__ float parts[kColumnRows][32 * W + 1];
#pragma unroll
  for (int i = 0; i < W; i++) parts[threadIdx.y][i * 32 + threadIdx.x] = x[i];
  __syncthreads();
  if (threadIdx.y == 0) {
#pragma unroll
    for (int i = 0; i < W; i++) {
      float total = 0;
#pragma unroll
      for (int r = 0; r < kColumnRows; r++) total += parts[r][i * 32 + threadIdx.x];
      if (column + i < n) to[column + i] = total;
    }
  }
  __syncthreads();
}

// out[f] = sum over chunks of partial[chunk * stride + f], or added to it. out is f32 or 16 bits wide.
static __global__ void __launch_bounds__(kThreads)
    finish_column_sums(const float* partial, int64_t chunks, int64_t stride, int64_t n, void* out, int32_t dtype, bool accumulate) {
  for (int64_t f = first_item(); f < n; f += item_step()) {
    float total = 0;
    for (int64_t c = 0; c < chunks; c++) total += partial[c * stride + f];
    store_float(out, dtype, f, accumulate ? load_float(out, dtype, f) + total : total);
  }
}

inline hd_status finish_columns(const Call& call, const float* partial, int64_t chunks, int64_t stride, const hd_tensor& out,
                                bool accumulate) {
  const int64_t n = out.shape[0];
  return launch(call, finish_column_sums, grid_for(n), kThreads, 0, partial, chunks, stride, n, reinterpret_cast<void*>(out.data),
                out.dtype, accumulate);
}
}  // namespace hd

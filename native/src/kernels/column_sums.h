// Sums over rows (dweight, dbias) that do not depend on the thread count: rows are cut into chunks by the shape alone, each chunk
// sums into its own f32 row, and the chunks are then added in order.
#pragma once
#include "views.h"

namespace hd::HD_TIER {

// At most 64 chunks bound the memory, at least 32 rows each keep the second step cheap.
inline int64_t row_chunks(int64_t rows) { return least(64, most(1, rows / 32)); }
inline int64_t chunk_begin(int64_t rows, int64_t chunks, int64_t chunk) { return rows * chunk / chunks; }

struct ColumnSums {
  float* data;  // [chunks, columns]
  int64_t chunks, columns;

  float* chunk(int64_t c) const { return data == nullptr ? nullptr : data + c * columns; }
};

template <class T>
void finish_as(const CpuContext& context, const ColumnSums& sums, T* out, bool accumulate) {
  parallel_pieces(context, 1, sums.columns, [&](int64_t, int64_t, int64_t from, int64_t to) {
    vectors(from, to, [&](int64_t i, auto mask) {
      vf total{};
      for (int64_t c = 0; c < sums.chunks; c++) total += get(sums.chunk(c) + i, mask);
      if (accumulate) total += get(out + i, mask);
      put(out + i, total, mask);
    });
  });
}

// Writes (or adds) the sums into tensor i of the call, which is f32 or of type T; does nothing if it is absent.
template <class T>
void finish(const Call& call, int32_t i, const ColumnSums& sums, bool accumulate) {
  if (!call.has(i)) return;
  if (call.t[i]->dtype == HD_F32) {
    finish_as(call.context, sums, call.data<float>(i), accumulate);
  } else {
    finish_as(call.context, sums, call.data<T>(i), accumulate);
  }
}
}  // namespace hd::HD_TIER

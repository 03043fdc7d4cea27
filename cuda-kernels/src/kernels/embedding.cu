// embedding_fwd: y[n] = table[ids[n]]; embedding_bwd: dtable[ids[n]] += dy[n] in the order of n.
// Shapes: table, dtable [V, F]; ids i32 [N..]; y, dy [N.., F]. An id out of range is noted (report_fault) and skipped (forward: 0).
// Work: forward copies rows, 16 bytes per thread where rows are aligned. Backward notes the first and last position of every id (integer
// minima and maxima, so the order of the atomics does not matter); then a warp per first position and 32 packs of columns walks the ids
// from the first position to the last, 32 at a time, and adds the rows that match. An id that comes once costs no walk.
// On chip: a pack of sums per thread; no spills (README.md has the counts).
// Numerics: forward exact. Backward sums a row in f32 and rounds once, also when dtable is 16 bits wide.
// Cost: forward 2 N F. Backward N F + V F (unless it accumulates) + 8 V bytes of workspace; an id that fills much of the batch (padding) is
// summed by one warp per 32 packs, which then takes the time of the whole op.
// Deterministic. Checked on: not yet.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

// item: uint4 where rows are aligned, else the element.
template <class Item>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const char* table, View<const int32_t> ids, View<char> y, int64_t rows, int64_t vocabulary, int64_t items,
                  int64_t table_stride, int64_t element, unsigned long long* fault) {
  for (int64_t i = first_item(); i < rows * items; i += item_step()) {
    const int64_t row = i / items, at = i - row * items;
    const int32_t id = *ids.row(row);
    const bool good = id >= 0 && id < vocabulary;
    if (!good && at == 0) report_fault(fault, row, id);
    Item* to = reinterpret_cast<Item*>(y.data + y.rows.at(row) * element) + at;
    *to = good ? reinterpret_cast<const Item*>(table + id * table_stride * element)[at] : Item{};
  }
}

__global__ void __launch_bounds__(kThreads) find_positions(View<const int32_t> ids, int64_t rows, int64_t vocabulary, int32_t* first,
                                                           int32_t* last_position, unsigned long long* fault) {
  for (int64_t i = first_item(); i < rows; i += item_step()) {
    const int32_t id = *ids.row(i);
    if (id < 0 || id >= vocabulary) {
      report_fault(fault, i, id);
      continue;
    }
    atomicMin(first + id, static_cast<int32_t>(i));
    atomicMax(last_position + id, static_cast<int32_t>(i));
  }
}

struct Table {
  void* data;
  int64_t stride, vocabulary, features;
  int32_t dtype;
  bool accumulate;
};

template <class T>
__global__ void __launch_bounds__(kThreads, 4) scatter_kernel(View<const T> dy, View<const int32_t> ids, int64_t rows, Table table,
                                                              const int32_t* first, const int32_t* last_position) {
  constexpr int W = kWidth<T>;
  const int64_t n = table.features, column = (static_cast<int64_t>(blockIdx.y) * 32 + threadIdx.x) * W;
  for (int64_t start = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; start < rows;
       start += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int32_t id = *ids.row(start);
    if (id < 0 || id >= table.vocabulary || first[id] != start) continue;  // the same for the warp
    const int64_t end = last_position[id] + int64_t{1};
    float total[W], v[W];
#pragma unroll
    for (int i = 0; i < W; i++)
      total[i] = table.accumulate && column + i < n ? load_float(table.data, table.dtype, id * table.stride + column + i) : 0.0f;
    for (int64_t from = start; from < end; from += 32) {
      const int64_t mine = from + threadIdx.x;
      unsigned matches = __ballot_sync(0xffffffffu, mine < end && *ids.row(mine < end ? mine : start) == id);
      for (; matches != 0; matches &= matches - 1) {
        load_pack(dy.row(from + __ffs(static_cast<int>(matches)) - 1), column, n, dy.vector, v);
#pragma unroll
        for (int i = 0; i < W; i++) total[i] += v[i];
      }
    }
#pragma unroll
    for (int i = 0; i < W; i++) {
      if (column + i < n) store_float(table.data, table.dtype, id * table.stride + column + i, total[i]);
    }
  }
}

__global__ void __launch_bounds__(kThreads) clear_table(Table table) {
  for (int64_t i = first_item(); i < table.vocabulary * table.features; i += item_step()) {
    const int64_t row = i / table.features;
    store_float(table.data, table.dtype, row * table.stride + (i - row * table.features), 0.0f);
  }
}

template <class T>
hd_status backward(const Call& call) {
  const hd_tensor& d = *call.t[2];
  const View<const T> dy(call, 0);
  const View<const int32_t> ids(call, 1, 0);
  const Table table{
      reinterpret_cast<void*>(d.data), d.stride[0], d.shape[0], d.shape[1], d.dtype, call.params<hd_EmbeddingParams>().accumulate != 0};
  const int64_t rows = ids.rows.count;
  if (table.vocabulary == 0 || table.features == 0) return HD_OK;
  hd_status status = HD_OK;
  if (!table.accumulate) status = launch(call, clear_table, grid_for(table.vocabulary * table.features), kThreads, 0, table);
  if (rows == 0 || status != HD_OK) return status;
  if (rows > 0x7f000000) return fail(HD_UNSUPPORTED, "more than 2^31 ids in one call");
  auto first = static_cast<int32_t*>(workspace(call, table.vocabulary * 8));
  if (first == nullptr) return HD_NO_MEMORY;
  int32_t* last_position = first + table.vocabulary;
  const auto bytes = static_cast<size_t>(table.vocabulary) * 4;
  cudaError_t error = cudaMemsetAsync(first, 0x7f, bytes, call.context.stream);
  if (error == cudaSuccess) error = cudaMemsetAsync(last_position, 0xff, bytes, call.context.stream);
  if (error != cudaSuccess) return cuda_fail(error, "clearing the workspace");
  status = launch(call, find_positions, grid_for(rows), kThreads, 0, ids, rows, table.vocabulary, first, last_position,
                  call.context.faults + call.op);
  if (status != HD_OK) return status;
  const dim3 grid(static_cast<unsigned>(least(ceil_div(rows, 8), 1 << 20)),
                  static_cast<unsigned>(ceil_div(table.features, 32 * kWidth<T>)));
  return launch(call, scatter_kernel<T>, grid, dim3(32, 8), 0, dy, ids, rows, table, first, last_position);
}
}  // namespace

hd_status embedding_fwd(const Call& call) {
  Check check(call);
  check.rank(0, 2).floats(0, 2).dtype(1, HD_I32).rows_of(1, 2).dense(0, 2).output(2);
  check.require(check.failed() || last(*call.t[2]) == last(*call.t[0]), "the last dimensions of y and table differ");
  if (check.failed()) return check.status();
  const hd_tensor& table = *call.t[0];
  const int64_t element = dtype_bytes(table.dtype), row = table.shape[1] * element;
  const View<const int32_t> ids(call, 1, 0);
  const View<char> y(call, 2);
  const int64_t rows = ids.rows.count;
  if (rows == 0 || row == 0) return HD_OK;
  bool vector = row % 16 == 0 && (table.data | call.t[2]->data) % 16 == 0 && table.stride[0] * element % 16 == 0;
  for (int d = 0; d < y.rows.rank; d++) vector = vector && y.rows.stride[d] * element % 16 == 0;
  const int64_t items = vector ? row / 16 : table.shape[1];
  auto kernel = vector ? gather_kernel<uint4> : element == 4 ? gather_kernel<uint32_t> : gather_kernel<uint16_t>;
  return launch(call, kernel, grid_for(rows * items), kThreads, 0, call.data<const char>(0), ids, y, rows, table.shape[0], items,
                table.stride[0], element, call.context.faults + call.op);
}

hd_status embedding_bwd(const Call& call) {
  Check check(call);
  check.rank(2, 2).floats(0).f32_or_alike(2, 0).dtype(1, HD_I32).rows_of(1, 0).dense(0, 2).output(2);
  check.require(check.failed() || last(*call.t[2]) == last(*call.t[0]), "the last dimensions of dy and dtable differ");
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) { return backward<decltype(type)>(call); });
}
}  // namespace hd

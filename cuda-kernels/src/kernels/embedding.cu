// embedding_fwd: y[n] = table[ids[n]]; embedding_bwd: dtable[ids[n]] += dy[n] in the order of n.
// Shapes: table, dtable [V, F]; ids i32 [N..]; y, dy [N.., F]. An id out of range is noted (report_fault) and skipped (forward: 0).
// Work: forward a team of up to a warp per row and four packs per thread, 16 bytes each where rows are aligned. Backward lists the
// positions of every id (count, place, fill: integer atomics, whose order does not matter as every list is sorted before it is used) and
// then has a warp per row of the table and 512 columns: it sorts the row's list and sums dy in that order, or writes zeros. Lists of more
// than 128 positions (padding) are sorted by a block, summed in pieces of 128 by a warp each, and the pieces joined in order.
// On chip: four packs of sums per thread; lists in shared memory; no spills (README.md has the counts).
// Numerics: forward exact. Backward sums a row in f32 and rounds once, also when dtable is 16 bits wide.
// Cost: forward 2 N F. Backward N F + V F, 8 V + 4 N bytes of workspace, and 4 F for every 64 ids for the pieces: bandwidth-bound.
// Deterministic. Checked on: see README.md.
#include "check.h"
#include "rows.h"

namespace hd {
namespace {

constexpr int kPacks = 4;  // of a thread, forward

// item: uint4 where rows are aligned, else the element. blockIdx.y: piece of the row.
template <class Item>
__global__ void __launch_bounds__(kThreads)
    gather_kernel(const char* table, View<const int32_t> ids, View<char> y, int64_t rows, int64_t vocabulary, int64_t items,
                  int64_t table_stride, int64_t element, unsigned long long* fault) {
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kPacks * blockDim.x + threadIdx.x;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; row < rows;
       row += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int32_t id = *ids.row(row);
    const bool good = id >= 0 && id < vocabulary;
    if (!good && first == 0) report_fault(fault, row, id);
    const Item* from = reinterpret_cast<const Item*>(table + (good ? id : 0) * table_stride * element);
    Item* to = reinterpret_cast<Item*>(y.data + y.rows.at(row) * element);
    Item v[kPacks];
#pragma unroll
    for (int u = 0; u < kPacks; u++) v[u] = good && first + u * blockDim.x < items ? from[first + u * blockDim.x] : Item{};
#pragma unroll
    for (int u = 0; u < kPacks; u++) {
      if (first + u * blockDim.x < items) to[first + u * blockDim.x] = v[u];
    }
  }
}

// ---- backward: the lists ----

constexpr int kShort = 128;          // positions of a list that one warp sorts and sums
constexpr int kSortInShared = 8192;  // positions of a list that a block sorts in shared memory
constexpr int kScan = 1024;          // ids of a block of place_lists

struct Lists {
  int32_t* count;     // [V], and the first to be cleared
  int32_t* used;      // [3]: places in `list`, long lists, pieces
  int32_t* end;       // [V]: where an id's list ends, once it is filled
  int32_t* list;      // [N]
  int32_t* long_id;   // [N / kShort]
  int32_t* long_at;   // [N / kShort]: its first piece
  int32_t* piece_of;  // [2 N / kShort]: the long list of a piece
  float* partial;     // [2 N / kShort, F]
};

__global__ void __launch_bounds__(kThreads)
    count_ids(View<const int32_t> ids, int64_t rows, int64_t vocabulary, Lists lists, unsigned long long* fault) {
  for (int64_t i = first_item(); i < rows; i += item_step()) {
    const int32_t id = *ids.row(i);
    if (id < 0 || id >= vocabulary) {
      report_fault(fault, i, id);
    } else {
      atomicAdd(lists.count + id, 1);
    }
  }
}

// Gives every list its place: a sum over the ids before it in its block, and one atomic per block for the block's place.
__global__ void __launch_bounds__(kScan) place_lists(Lists lists, int64_t vocabulary) {
  __shared__ int32_t sums[32], block_start;
  const int64_t id = static_cast<int64_t>(blockIdx.x) * kScan + threadIdx.x;
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int32_t count = id < vocabulary ? lists.count[id] : 0;
  int32_t before = count;  // up to and with this id, in the warp
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const int32_t other = __shfl_sync(0xffffffffu, before, lane >= step ? lane - step : lane);
    if (lane >= step) before += other;
  }
  if (lane == 31) sums[warp] = before;
  __syncthreads();
  if (threadIdx.x == 0) {
    int32_t total = 0;
    for (int i = 0; i < 32; i++) {
      const int32_t mine = sums[i];
      sums[i] = total;
      total += mine;
    }
    block_start = atomicAdd(lists.used, total);
  }
  __syncthreads();
  if (id >= vocabulary) return;
  lists.end[id] = block_start + sums[warp] + before - count;  // its start; fill_lists moves it to its end
  if (count <= kShort) return;
  const int32_t pieces = (count + kShort - 1) / kShort, slot = atomicAdd(lists.used + 1, 1), piece = atomicAdd(lists.used + 2, pieces);
  lists.long_id[slot] = static_cast<int32_t>(id);
  lists.long_at[slot] = piece;
  for (int32_t k = 0; k < pieces; k++) lists.piece_of[piece + k] = slot;
}

__global__ void __launch_bounds__(kThreads) fill_lists(View<const int32_t> ids, int64_t rows, int64_t vocabulary, Lists lists) {
  for (int64_t i = first_item(); i < rows; i += item_step()) {
    const int32_t id = *ids.row(i);
    if (id >= 0 && id < vocabulary) lists.list[atomicAdd(lists.end + id, 1)] = static_cast<int32_t>(i);
  }
}

// Bitonic, with comparisons that all point the same way: what lies past the end counts as infinite and stays there.
__device__ void sort_by_block(int32_t* list, int32_t count) {
  for (int32_t size = 2; size / 2 < count; size *= 2) {
    for (int32_t step = size - 1; step > 0; step = step == size - 1 ? size / 4 : step / 2) {
      for (int32_t i = static_cast<int32_t>(threadIdx.x); i < count; i += static_cast<int32_t>(blockDim.x)) {
        const int32_t other = i ^ step;
        if (other <= i || other >= count || list[i] <= list[other]) continue;
        const int32_t swapped = list[i];
        list[i] = list[other];
        list[other] = swapped;
      }
      __syncthreads();
    }
  }
}

__global__ void __launch_bounds__(1024) sort_long_lists(Lists lists) {
  __shared__ int32_t stage[kSortInShared];
  for (int32_t slot = static_cast<int32_t>(blockIdx.x); slot < lists.used[1]; slot += static_cast<int32_t>(gridDim.x)) {
    const int32_t id = lists.long_id[slot], count = lists.count[id];
    int32_t* const list = lists.list + lists.end[id] - count;
    if (count > kSortInShared) {
      sort_by_block(list, count);
      continue;
    }
    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < count; i += static_cast<int32_t>(blockDim.x)) stage[i] = list[i];
    __syncthreads();
    sort_by_block(stage, count);
    for (int32_t i = static_cast<int32_t>(threadIdx.x); i < count; i += static_cast<int32_t>(blockDim.x)) list[i] = stage[i];
    __syncthreads();
  }
}

// ---- backward: the sums ----

template <class T>
constexpr int kSums = 16 / kWidth<T>;  // packs of a lane

struct Table {
  void* data;
  int64_t stride, vocabulary, features;
  int32_t dtype;
  bool accumulate, vector;
};

// kPlain: rows of whole, aligned packs at one stride, in dy and in the table. The general form costs twice the registers.
template <bool kPlain, class A>
__device__ void add_to_row(A* row, const Table& table, int64_t column, const float* total) {
  constexpr int W = kWidth<A>;
  const int64_t n = table.features;
  float now[W] = {};
  if (kPlain) {
    if (column >= n) return;
    if (table.accumulate) unpack(*reinterpret_cast<const Bits<A>*>(row + column), now);
  } else if (table.accumulate) {
    load_pack(row, column, n, false, now);
  }
#pragma unroll
  for (int i = 0; i < W; i++) now[i] += total[i];
  if (kPlain) {
    *reinterpret_cast<Bits<A>*>(row + column) = packed<A>(now);
  } else {
    store_pack(row, column, n, false, now);
  }
}

template <bool kPlain, class T>
__device__ void store_sums(const Table& table, int64_t id, int64_t column, const float (&total)[kWidth<T>]) {
  if (table.dtype == HD_F32) {
#pragma unroll
    for (int part = 0; part < kWidth<T>; part += 4)
      add_to_row<kPlain>(static_cast<float*>(table.data) + id * table.stride, table, column + part, total + part);
  } else {
    add_to_row<kPlain>(static_cast<T*>(table.data) + id * table.stride, table, column, total);
  }
}

// total = the sum of the rows of dy at the positions of the list, in its order: the columns of a lane, kSums packs 32 apart.
template <bool kPlain, class T>
__device__ void sum_rows(const View<const T>& dy, const int32_t* list, int32_t count, int64_t column, int64_t n,
                         float (&total)[kSums<T>][kWidth<T>]) {
  constexpr int W = kWidth<T>;
#pragma unroll
  for (int u = 0; u < kSums<T>; u++) {
#pragma unroll
    for (int i = 0; i < W; i++) total[u][i] = 0;
  }
  const int packs = static_cast<int>((n - column + W - 1) / W);  // from the lane's first on
  for (int32_t k = 0; k < count; k++) {
    float v[W];
    if constexpr (kPlain) {
      const T* row = dy.data + list[k] * dy.rows.stride[0] + column;
      Bits<T> bits[kSums<T>];
#pragma unroll
      for (int u = 0; u < kSums<T>; u++) bits[u] = pack_at(row, u * 32, packs);
#pragma unroll
      for (int u = 0; u < kSums<T>; u++) {
        unpack(bits[u], v);
#pragma unroll
        for (int i = 0; i < W; i++) total[u][i] += v[i];
      }
    } else {
      const T* row = dy.row(list[k]);
#pragma unroll
      for (int u = 0; u < kSums<T>; u++) {
        load_pack(row, column + u * 32 * W, n, false, v);
#pragma unroll
        for (int i = 0; i < W; i++) total[u][i] += v[i];
      }
    }
  }
}

// A warp per row of the table, then a warp per piece of a long list; blockIdx.y: 32 kSums packs of columns.
template <class T, bool kPlain>
__global__ void __launch_bounds__(kThreads, kPlain && sizeof(T) == 2 ? 3 : 2) sum_lists(View<const T> dy, Table table, Lists lists) {
  constexpr int W = kWidth<T>;
  __shared__ int32_t unsorted[kThreads / 32][kShort], sorted[kThreads / 32][kShort];
  const int warp = static_cast<int>(threadIdx.y), lane = static_cast<int>(threadIdx.x);
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * 32 * kSums<T> + lane) * W, n = table.features;
  float total[kSums<T>][W];
  for (int64_t id = static_cast<int64_t>(blockIdx.x) * blockDim.y + warp; id < table.vocabulary;
       id += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int32_t count = lists.count[id];
    if (count > kShort || (count == 0 && table.accumulate)) continue;  // the same for the warp
    const int32_t* list = lists.list + lists.end[id] - count;
    if (count > 1) {
      for (int32_t i = lane; i < count; i += 32) unsorted[warp][i] = list[i];
      __syncwarp();
      for (int32_t i = lane; i < count; i += 32) {
        const int32_t mine = unsorted[warp][i];
        int32_t smaller = 0;
        for (int32_t k = 0; k < count; k++) smaller += unsorted[warp][k] < mine;
        sorted[warp][smaller] = mine;
      }
      __syncwarp();
      list = sorted[warp];
    }
    sum_rows<kPlain>(dy, list, count, column, n, total);
#pragma unroll
    for (int u = 0; u < kSums<T>; u++) store_sums<kPlain, T>(table, id, column + u * 32 * W, total[u]);
    __syncwarp();
  }
  for (int32_t piece = static_cast<int32_t>(blockIdx.x * blockDim.y) + warp; piece < lists.used[2];
       piece += static_cast<int32_t>(gridDim.x * blockDim.y)) {
    const int32_t slot = lists.piece_of[piece], id = lists.long_id[slot], count = lists.count[id];
    const int32_t from = (piece - lists.long_at[slot]) * kShort;
    sum_rows<kPlain>(dy, lists.list + lists.end[id] - count + from, static_cast<int32_t>(least(kShort, count - from)), column, n, total);
#pragma unroll
    for (int u = 0; u < kSums<T>; u++) {
#pragma unroll
      for (int i = 0; i < W; i++) {
        if (column + u * 32 * W + i < n) lists.partial[piece * n + column + u * 32 * W + i] = total[u][i];
      }
    }
  }
}

// A block per long list: joins its pieces in order.
template <class T>
__global__ void __launch_bounds__(kThreads) join_pieces(Table table, Lists lists) {
  for (int32_t slot = static_cast<int32_t>(blockIdx.x); slot < lists.used[1]; slot += static_cast<int32_t>(gridDim.x)) {
    const int32_t id = lists.long_id[slot], first = lists.long_at[slot], pieces = (lists.count[id] + kShort - 1) / kShort;
    for (int64_t f = static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x; f < table.features;
         f += static_cast<int64_t>(gridDim.y) * blockDim.x) {
      float total = 0;
#pragma unroll 8
      for (int32_t k = 0; k < pieces; k++) total += lists.partial[(first + k) * table.features + f];
      const int64_t at = id * table.stride + f;
      store_float(table.data, table.dtype, at, table.accumulate ? load_float(table.data, table.dtype, at) + total : total);
    }
  }
}

// The workspace, cut up; null lists.count after fail().
Lists lists_for(const Call& call, int64_t rows, int64_t vocabulary, int64_t features) {
  const int64_t longs = rows / kShort + 1;
  const int64_t integers = (2 * vocabulary + 4 + rows + 4 * longs + 3) / 4 * 4;  // so that the sums start on 16 bytes
  auto at = static_cast<int32_t*>(workspace(call, integers * 4 + 2 * longs * features * 4));
  Lists l{};
  if (at == nullptr) return l;
  l.count = at;
  l.used = l.count + vocabulary;
  l.end = l.used + 4;
  l.list = l.end + vocabulary;
  l.long_id = l.list + rows;
  l.long_at = l.long_id + longs;
  l.piece_of = l.long_at + longs;
  l.partial = reinterpret_cast<float*>(at + integers);
  return l;
}

template <class T>
hd_status backward(const Call& call) {
  const hd_tensor& d = *call.t[2];
  const View<const T> dy(call, 0);
  const View<const int32_t> ids(call, 1, 0);
  const bool vector = d.data % 16 == 0 && d.stride[0] * dtype_bytes(d.dtype) % 16 == 0;
  const Table table{reinterpret_cast<void*>(d.data),
                    d.stride[0],
                    d.shape[0],
                    d.shape[1],
                    d.dtype,
                    call.params<hd_EmbeddingParams>().accumulate != 0,
                    vector};
  const int64_t rows = ids.rows.count;
  if (table.vocabulary == 0 || table.features == 0) return HD_OK;
  if (rows > 1 << 30) return fail(HD_UNSUPPORTED, "more than 2^30 ids in one call");
  const Lists lists = lists_for(call, rows, table.vocabulary, table.features);
  if (lists.count == nullptr) return HD_NO_MEMORY;
  const cudaError_t error = cudaMemsetAsync(lists.count, 0, static_cast<size_t>(table.vocabulary + 4) * 4, call.context.stream);
  if (error != cudaSuccess) return cuda_fail(error, "clearing the workspace");
  const auto segments = static_cast<unsigned>(ceil_div(table.features, 32 * kSums<T> * kWidth<T>));
  const auto longs = static_cast<unsigned>(least(256, rows / kShort));
  hd_status status =
      launch(call, count_ids, grid_for(rows), kThreads, 0, ids, rows, table.vocabulary, lists, call.context.faults + call.op);
  if (status == HD_OK) status = launch(call, place_lists, grid_of(ceil_div(table.vocabulary, kScan)), kScan, 0, lists, table.vocabulary);
  if (status == HD_OK) status = launch(call, fill_lists, grid_for(rows), kThreads, 0, ids, rows, table.vocabulary, lists);
  if (status == HD_OK && longs > 0) status = launch(call, sort_long_lists, longs, 1024, 0, lists);
  const dim3 grid(static_cast<unsigned>(least(ceil_div(table.vocabulary, 8), 1 << 20)), segments);
  const bool plain = is_flat(dy) && table.vector && table.features % kWidth<T> == 0;
  if (status == HD_OK) status = launch(call, plain ? sum_lists<T, true> : sum_lists<T, false>, grid, dim3(32, 8), 0, dy, table, lists);
  if (status == HD_OK && longs > 0) {
    const auto blocks = static_cast<unsigned>(least(64, ceil_div(table.features, kThreads)));
    status = launch(call, join_pieces<T>, dim3(longs, blocks), kThreads, 0, table, lists);
  }
  return status;
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
  const dim3 team = row_team(least(items, 32), 1);
  const dim3 grid(grid_for_teams(rows, team).x, static_cast<unsigned>(ceil_div(items, kPacks * team.x)));
  return launch(call, kernel, grid, team, 0, call.data<const char>(0), ids, y, rows, table.shape[0], items, table.stride[0], element,
                call.context.faults + call.op);
}

hd_status embedding_bwd(const Call& call) {
  Check check(call);
  check.rank(2, 2).floats(0).f32_or_alike(2, 0).dtype(1, HD_I32).rows_of(1, 0).dense(0, 2).output(2);
  check.require(check.failed() || last(*call.t[2]) == last(*call.t[0]), "the last dimensions of dy and dtable differ");
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) { return backward<decltype(type)>(call); });
}
}  // namespace hd

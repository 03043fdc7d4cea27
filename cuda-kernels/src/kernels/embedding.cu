// embedding_fwd: y[n] = table[ids[n]]; embedding_bwd: dtable[ids[n]] += dy[n] in the order of n.
// Shapes: table, dtable [V, F]; ids i32 [N..]; y, dy [N.., F]. An id out of range is noted (report_fault) and skipped (forward: 0).
// Work: forward a team of up to a warp per row and four packs per thread, 16 bytes each where rows are aligned. Backward lists the
// positions of every id (count, place, fill: integer atomics, one for the lanes of a warp that have the same id; their order does not
// matter, as every list is sorted before it is used). A warp then has eight rows of the table and 512 columns: it sorts their lists of up
// to 32 positions and sums dy along all of them as one run, two rows of dy under way whatever list they are in, or writes zeros; where the
// eight have more than 64 positions, each list is a warp's own work, as one long run would be the last to end. Longer lists (frequent
// words, padding) are sorted by a block as bits of a map, which takes no comparisons, and summed in pieces of 64 by a warp each; the last
// of 32 pieces to come joins them in order, and so on up. On chip: packs of sums per thread; positions and the map in shared memory; no
// spills (README.md has the counts). Numerics: forward exact. Backward sums a row in f32 and rounds once, also when dtable is 16 bits wide.
// Cost: forward 2 N F. Backward N F + V F, 8 V + 12 N bytes of workspace, and 4 F for every 64 ids of a long list for the pieces:
// bandwidth-bound. Deterministic. Checked on: see README.md.
#include "check.h"
#include "rows.h"
#include "scan.h"

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

constexpr int kShort = 32;    // positions of a list that one warp sorts
constexpr int kPiece = 64;    // positions of a longer list that one warp sums
constexpr int kJoin = 32;     // pieces that are joined at a time
constexpr int kGroup = 8;     // rows of the table of a warp
constexpr int kCrowded = 64;  // most positions of their short lists
constexpr int kWords = 8192;  // of the map of positions: 2^18 at a time

struct Lists {
  int32_t* count;     // [V], and the first to be cleared
  int32_t* used;      // [4], cleared: places in `list`, long lists, pieces, short lists of crowded groups
  int32_t* joined;    // [pieces, segments], cleared: what has come of the pieces that are joined at a time
  int32_t* start;     // [V]: where an id's list begins
  int32_t* rank;      // [N]: a position's place in its id's list
  int32_t* list;      // [N]
  int32_t* sorted;    // [N]: the long lists, at the places that they have in `list`
  int32_t* long_id;   // [longs]
  int32_t* long_at;   // [longs]: its first piece
  int32_t* piece_of;  // [pieces]: the long list of a piece
  int32_t* crowded;   // ids whose short lists are in a crowded group
  float* partial;     // [pieces, F]
};

// The positions of the short lists among those of kGroup neighbouring lanes, each of which has a list of `count`.
__device__ int32_t short_positions(int32_t count) {
  int32_t sum = count <= kShort ? count : 0;
#pragma unroll
  for (int step = kGroup / 2; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
  return sum;
}

// An atomic for the lanes of a warp that have the same id: frequent ids would wait for each other.
__global__ void __launch_bounds__(kThreads)
    count_ids(View<const int32_t> ids, int64_t rows, int64_t vocabulary, Lists lists, unsigned long long* fault) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  for (int64_t i = first_item(); i - lane < rows; i += item_step()) {  // all lanes of a warp alike
    const int32_t id = i < rows ? *ids.row(i) : -1;
    const bool good = id >= 0 && id < vocabulary;
    if (i < rows && !good) report_fault(fault, i, id);
    const uint32_t alike = __match_any_sync(0xffffffffu, good ? id : -1);
    const int first = __ffs(static_cast<int>(alike)) - 1;
    int32_t before = 0;
    if (good && lane == first) before = atomicAdd(lists.count + id, __popc(alike));
    before = __shfl_sync(0xffffffffu, before, first);
    if (good) lists.rank[i] = before + __popc(alike & ((1u << lane) - 1));
  }
}

// Gives every list its place: a sum over the ids before it in its block, and one atomic per block for the block's place.
__global__ void __launch_bounds__(kScan) place_lists(Lists lists, int64_t vocabulary) {
  __shared__ int32_t block_start;
  const int64_t id = static_cast<int64_t>(blockIdx.x) * kScan + threadIdx.x;
  const int32_t count = id < vocabulary ? lists.count[id] : 0;
  int32_t total;
  const int32_t before = sum_before(count, total);
  if (threadIdx.x == 0) block_start = atomicAdd(lists.used, total);
  __syncthreads();
  const int32_t beside = short_positions(count);
  if (id >= vocabulary) return;
  lists.start[id] = block_start + before;
  if (count <= kShort) {
    if (count > 0 && beside > kCrowded) lists.crowded[atomicAdd(lists.used + 3, 1)] = static_cast<int32_t>(id);
    return;
  }
  const int32_t pieces = (count + kPiece - 1) / kPiece, slot = atomicAdd(lists.used + 1, 1), piece = atomicAdd(lists.used + 2, pieces);
  lists.long_id[slot] = static_cast<int32_t>(id);
  lists.long_at[slot] = piece;
  for (int32_t k = 0; k < pieces; k++) lists.piece_of[piece + k] = slot;
}

__global__ void __launch_bounds__(kThreads) fill_lists(View<const int32_t> ids, int64_t rows, int64_t vocabulary, Lists lists) {
  for (int64_t i = first_item(); i < rows; i += item_step()) {
    const int32_t id = *ids.row(i);
    if (id >= 0 && id < vocabulary) lists.list[lists.start[id] + lists.rank[i]] = static_cast<int32_t>(i);
  }
}

// A block per long list: its positions become bits of a map, whose bits in order are the sorted list.
__global__ void __launch_bounds__(kScan) sort_long_lists(Lists lists, int64_t rows) {
  __shared__ uint32_t map[kWords];
  for (int32_t slot = static_cast<int32_t>(blockIdx.x); slot < lists.used[1]; slot += static_cast<int32_t>(gridDim.x)) {
    const int32_t id = lists.long_id[slot], count = lists.count[id], start = lists.start[id];
    int32_t* to = lists.sorted + start;
    for (int64_t window = 0; window < rows; window += kWords * 32) {
      const int32_t words = static_cast<int32_t>(least(kWords, ceil_div(rows - window, 32)));
      const int32_t each = (words + kScan - 1) / kScan, first = static_cast<int32_t>(threadIdx.x) * each;  // words of a thread
      for (int32_t k = static_cast<int32_t>(threadIdx.x); k < words; k += kScan) map[k] = 0;
      __syncthreads();
      for (int32_t k = static_cast<int32_t>(threadIdx.x); k < count; k += kScan) {
        const int64_t at = lists.list[start + k] - window;
        if (at >= 0 && at < kWords * 32) atomicOr(map + at / 32, 1u << (at % 32));
      }
      __syncthreads();
      int32_t bits = 0, total;
      for (int32_t k = first; k < first + each && k < words; k++) bits += __popc(map[k]);
      int32_t place = sum_before(bits, total);
      for (int32_t k = first; k < first + each && k < words; k++) {
        for (uint32_t rest = map[k]; rest != 0; rest &= rest - 1)
          to[place++] = static_cast<int32_t>(window) + k * 32 + __ffs(static_cast<int>(rest)) - 1;
      }
      to += total;
      __syncthreads();
    }
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
    if (table.accumulate) unpack(whole_pack(row + column, 0), now);
  } else if (table.accumulate) {
    load_pack(row, column, n, false, now);
  }
#pragma unroll
  for (int i = 0; i < W; i++) now[i] += total[i];
  if (kPlain) {
    store_whole(row + column, 0, packed<A>(now));
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

constexpr int kLast = INT32_MIN;  // the bit that marks a list's last position
constexpr int kRunMost = kGroup * kShort;

// Sums rows of dy along a run of positions, the columns of a lane, kSums packs 32 apart; end(total) after each that is marked.
template <bool kPlain, class T, class F>
__device__ void sum_run(const View<const T>& dy, const int32_t* run, int32_t count, int64_t column, int64_t n, const F& end) {
  constexpr int W = kWidth<T>, S = kSums<T>, U = kPlain && S == 2 ? 2 : 1;  // U: rows under way, four packs in all
  float total[S][W] = {};
  const int packs = static_cast<int>((n - column + W - 1) / W);  // from the lane's first on
  for (int32_t k = 0; k < count; k += U) {
    Bits<T> bits[U][S];
    int32_t position[U];
#pragma unroll
    for (int r = 0; r < U; r++) {
      position[r] = run[k + r < count ? k + r : k];
      const int64_t row = position[r] & ~kLast;
#pragma unroll
      for (int u = 0; u < S; u++) {
        if constexpr (kPlain) {
          bits[r][u] = pack_at(dy.data + row * dy.rows.stride[0] + column, u * 32, packs);
        } else {
          bits[r][u] = load_bits(dy.row(row), column + u * 32 * W, n, false);
        }
      }
    }
#pragma unroll
    for (int r = 0; r < U; r++) {
      if (k + r >= count) continue;
#pragma unroll
      for (int u = 0; u < S; u++) {
        float v[W];
        unpack(bits[r][u], v);
#pragma unroll
        for (int i = 0; i < W; i++) total[u][i] += v[i];
      }
      if (position[r] >= 0) continue;
      end(total);
#pragma unroll
      for (int u = 0; u < S; u++) {
#pragma unroll
        for (int i = 0; i < W; i++) total[u][i] = 0;
      }
    }
  }
}

// The short lists of kGroup ids from `first` on, sorted, one after another in `run`; of a crowded group none. has: a bit for each id that
// has one there. Returns the length of the run. zeros: a bit for each id without positions.
__device__ int32_t gather_run(const Lists& lists, int64_t first, int64_t vocabulary, int32_t* run, uint32_t& has, uint32_t& zeros) {
  const int lane = static_cast<int>(threadIdx.x % 32);
  const bool mine = lane < kGroup && first + lane < vocabulary;
  const int32_t count = mine ? lists.count[first + lane] : 0, start = mine ? lists.start[first + lane] : 0;
  const bool crowded = short_positions(count) > kCrowded;  // of no meaning past lane kGroup, where count is 0
  has = __ballot_sync(0xffffffffu, count > 0 && count <= kShort && !crowded);
  zeros = __ballot_sync(0xffffffffu, mine && count == 0);
  int32_t position[kGroup];
#pragma unroll
  for (int g = 0; g < kGroup; g++) {
    const int32_t c = __shfl_sync(0xffffffffu, count, g), from = __shfl_sync(0xffffffffu, start, g);
    position[g] = (has >> g & 1) != 0 && lane < c ? lists.list[from + lane] : 0;
  }
  int32_t length = 0;
#pragma unroll
  for (int g = 0; g < kGroup; g++) {
    const int32_t c = (has >> g & 1) != 0 ? __shfl_sync(0xffffffffu, count, g) : 0;  // the same branch for the warp
    int32_t smaller = 0;
    for (int32_t k = 0; c > 1 && k < c; k++) smaller += __shfl_sync(0xffffffffu, position[g], k) < position[g];
    if (lane < c) run[length + smaller] = position[g] | (smaller == c - 1 ? kLast : 0);
    length += c;
  }
  __syncwarp();
  return length;
}

// Where the sums of the pieces lie, as a table of f32.
__device__ Table partial_table(const Table& table, const Lists& lists) {
  Table to = table;
  to.data = lists.partial, to.stride = table.features, to.dtype = HD_F32, to.accumulate = false;
  return to;
}

// Whether the warp, which has written its part, is the last of `members` to come to the counter; it then sees what the others wrote.
__device__ bool is_last(int32_t* counter, int32_t members) {
  __syncwarp();
  int last = 0;
  if (threadIdx.x % 32 == 0) {
    __threadfence();
    last = atomicAdd(counter, 1) == members - 1 ? 1 : 0;
    __threadfence();
  }
  return __shfl_sync(0xffffffffu, last, 0) != 0;
}

// After a warp has stored piece `piece` of a list of several: where it is the last of kJoin to come, it adds them up in order in the first
// one's place; then of as many of those, and at the top in the table. Who adds depends on who comes last, the order does not.
template <bool kPlain, class T>
__device__ void join_pieces(const Table& table, const Lists& lists, int32_t slot, int32_t piece, int32_t pieces, int64_t segment,
                            int64_t segments, int64_t column) {
  constexpr int W = kWidth<T>, S = kSums<T>;
  const int64_t n = table.features, at = lists.long_at[slot];
  int32_t level = 0;
  for (int32_t stride = 1; stride < pieces; stride *= kJoin, level++) {
    const int32_t first = piece / (stride * kJoin) * (stride * kJoin);
    const auto members = static_cast<int32_t>(least(kJoin, ceil_div(pieces - first, stride)));
    if (members > 1) {  // spans more pieces than there are levels: no two groups share a counter
      if (!is_last(lists.joined + (at + first + level) * segments + segment, members)) return;
      float total[S][W] = {};
#pragma unroll 2
      for (int32_t k = 0; k < members; k++) {
        const float* from = lists.partial + (at + first + k * stride) * n;
#pragma unroll
        for (int u = 0; u < S; u++) {
#pragma unroll
          for (int i = 0; i < W; i += 4) {
            const int64_t f = column + u * 32 * W + i;
            float four[4] = {};
            if constexpr (kPlain) {
              if (f < n) {
                const float4 whole = __ldcg(reinterpret_cast<const float4*>(from + f));
                four[0] = whole.x, four[1] = whole.y, four[2] = whole.z, four[3] = whole.w;
              }
            } else {
#pragma unroll
              for (int j = 0; j < 4; j++) four[j] = f + j < n ? __ldcg(from + f + j) : 0.0f;
            }
#pragma unroll
            for (int j = 0; j < 4; j++) total[u][i + j] += four[j];
          }
        }
      }
      const bool top = stride * kJoin >= pieces;
      const Table to = top ? table : partial_table(table, lists);
#pragma unroll
      for (int u = 0; u < S; u++) store_sums<kPlain, T>(to, top ? lists.long_id[slot] : at + first, column + u * 32 * W, total[u]);
    }
    piece = first;
  }
}

// Blocks of a processor that registers are dealt for.
template <class T, bool kPlain>
constexpr int sum_blocks() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1200
  return 2;  // the compiler would spill there with three
#else
  return kPlain && sizeof(T) == 2 ? 3 : 2;
#endif
}

// A warp per piece of a long list, per short list of a crowded group, and then per kGroup rows of the table, each for 32 kSums packs of
// columns; the warps of a block share a row's segments, so that it is read in runs.
template <class T, bool kPlain>
__global__ void __launch_bounds__(kThreads, sum_blocks<T, kPlain>())
    sum_lists(View<const T> dy, Table table, Lists lists, int32_t segments) {
  constexpr int W = kWidth<T>, S = kSums<T>;
  __shared__ int32_t runs[kThreads / 32][kRunMost];
  const int lane = static_cast<int>(threadIdx.x);
  int32_t* const run = runs[threadIdx.y];
  const int64_t n = table.features, groups = ceil_div(table.vocabulary, kGroup), pieces = lists.used[2], crowded = lists.used[3];
  for (int64_t job = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y; job < (pieces + crowded + groups) * segments;
       job += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int64_t unit = job / segments, segment = job - unit * segments, column = (segment * 32 * S + lane) * W;
    Table to = table;
    int64_t first;
    uint32_t has = 1, zeros = 0;
    int32_t length, slot = 0, piece = 0, parts = 1;
    if (unit < pieces) {
      slot = lists.piece_of[unit];
      const int32_t id = lists.long_id[slot], count = lists.count[id];
      piece = static_cast<int32_t>(unit - lists.long_at[slot]), parts = (count + kPiece - 1) / kPiece;
      const int32_t* sorted = lists.sorted + lists.start[id] + piece * kPiece;
      length = static_cast<int32_t>(least(kPiece, count - piece * kPiece));
      for (int32_t k = lane; k < length; k += 32) run[k] = sorted[k] | (k == length - 1 ? kLast : 0);
      __syncwarp();
      first = id;
      if (parts > 1) first = unit, to = partial_table(table, lists);
    } else if (unit < pieces + crowded) {
      first = lists.crowded[unit - pieces];
      length = gather_run(lists, first, first + 1, run, has, zeros);
    } else {
      first = (unit - pieces - crowded) * kGroup;
      length = gather_run(lists, first, table.vocabulary, run, has, zeros);
      const float nothing[W] = {};
      for (; zeros != 0 && !table.accumulate; zeros &= zeros - 1) {
#pragma unroll
        for (int u = 0; u < S; u++) store_sums<kPlain, T>(table, first + __ffs(static_cast<int>(zeros)) - 1, column + u * 32 * W, nothing);
      }
    }
    sum_run<kPlain>(dy, run, length, column, n, [&](const float(&total)[S][W]) {
#pragma unroll
      for (int u = 0; u < S; u++) store_sums<kPlain, T>(to, first + __ffs(static_cast<int>(has)) - 1, column + u * 32 * W, total[u]);
      has &= has - 1;
    });
    if (parts > 1) join_pieces<kPlain, T>(table, lists, slot, piece, parts, segment, segments, column);
    __syncwarp();
  }
}

// The workspace, cut up; null lists.count after fail(). cleared: how many integers from lists.count on must be 0.
Lists lists_for(const Call& call, int64_t rows, int64_t vocabulary, int64_t features, int64_t segments, int64_t& cleared) {
  const int64_t longs = rows / (kShort + 1), pieces = longs + rows / kPiece;  // at most
  const int64_t crowded = least(vocabulary, rows / (kCrowded + 1) * kGroup);
  cleared = vocabulary + 4 + pieces * segments;
  const int64_t integers =
      (cleared + vocabulary + 3 * rows + 2 * longs + pieces + crowded + 3) / 4 * 4;  // so that the sums start on 16 bytes
  auto at = static_cast<int32_t*>(workspace(call, integers * 4 + pieces * features * 4));
  Lists l{};
  if (at == nullptr) return l;
  l.count = at;
  l.used = l.count + vocabulary;
  l.joined = l.used + 4;
  l.start = l.joined + pieces * segments;
  l.rank = l.start + vocabulary;
  l.list = l.rank + rows;
  l.sorted = l.list + rows;
  l.long_id = l.sorted + rows;
  l.long_at = l.long_id + longs;
  l.piece_of = l.long_at + longs;
  l.crowded = l.piece_of + pieces;
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
  const auto segments = static_cast<int32_t>(ceil_div(table.features, 32 * kSums<T> * kWidth<T>));
  int64_t cleared = 0;
  const Lists lists = lists_for(call, rows, table.vocabulary, table.features, segments, cleared);
  if (lists.count == nullptr) return HD_NO_MEMORY;
  const cudaError_t error = cudaMemsetAsync(lists.count, 0, static_cast<size_t>(cleared) * 4, call.context.stream);
  if (error != cudaSuccess) return cuda_fail(error, "clearing the workspace");
  const auto longs = static_cast<unsigned>(least(256, rows / (kShort + 1)));
  hd_status status =
      launch(call, count_ids, grid_for(rows), kThreads, 0, ids, rows, table.vocabulary, lists, call.context.faults + call.op);
  if (status == HD_OK) status = launch(call, place_lists, grid_of(ceil_div(table.vocabulary, kScan)), kScan, 0, lists, table.vocabulary);
  if (status == HD_OK) status = launch(call, fill_lists, grid_for(rows), kThreads, 0, ids, rows, table.vocabulary, lists);
  if (status == HD_OK && longs > 0) status = launch(call, sort_long_lists, longs, kScan, 0, lists, rows);
  const dim3 grid = grid_of(ceil_div(ceil_div(table.vocabulary, kGroup) * segments, 8));
  const bool plain = is_flat(dy) && table.vector && table.features % kWidth<T> == 0;
  if (status == HD_OK)
    status = launch(call, plain ? sum_lists<T, true> : sum_lists<T, false>, grid, dim3(32, 8), 0, dy, table, lists, segments);
  return status;
}
}  // namespace

hd_status embedding_fwd(const Call& call) {
  Check check(call);
  if (call.t[0]->dtype != HD_I32) check.floats(0);
  check.rank(0, 2).alike(2, 0).dtype(1, HD_I32).rows_of(1, 2).dense(0, 2).output(2);
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

// block_lists: the block lists of attention for masks in which a query sees one run of keys (see ops.def), where the documents lie.
// Shapes: bounds [G,4]; documents [L,S]; row_ptr [L,G,NQ+1], col_ptr [L,G,NK+1]; row_blocks, col_blocks [E,2]; masks [M,64].
// Work: three launches. A warp per 64 keys notes as bits where documents begin; a block per 64 queries finds the documents around them,
// tells for every key block that they see whether it is FULL or PARTIAL (the latest start and the earliest end of the 64 runs tell FULL
// ones at once), numbers the PARTIAL ones and counts, and the last of these blocks forms the prefix sums; then a block per 64 queries
// writes its list and masks, and beside those a warp per key block its list, 512 queries' blocks at a time. On chip: 64 runs per block in
// shared memory; no spills (README.md has the counts). Numerics: integers. Cost: launches; 4 bytes of workspace for every pair of blocks of
// which one sees the other are written once and read twice. Deterministic: places come from prefix sums. Checked on: see README.md.
#include "check.h"
#include "scan.h"

namespace hd {
namespace {

constexpr int kBlock = 64;

struct Run {
  int32_t first, end;
};

struct Work {
  int64_t queries, keys, entries, mask_count;  // the last two: room
  int32_t layouts, groups, query_blocks, key_blocks;
  const int64_t* bounds;
  const int32_t* documents;  // or null
  uint64_t* starts;          // [L,NK]: which of the 64 keys begin a document
  Run* run;                  // [layouts, NQ, 64]: what each query sees
  int2* range;               // [layouts, NQ]: the first key block of a block of queries, and the end
  int2* found;               // [layouts, NQ]: entries and PARTIAL ones; then the first entry and the first mask
  int32_t* state;            // [layouts, NQ, NK], within the range: -1 hidden, 0 FULL, else 1, 2, ... for the PARTIAL ones of the row
  int32_t* columns;          // [layouts, NK]: entries
  unsigned* arrived;         // blocks that have counted
  int32_t *row_ptr, *row_blocks, *col_ptr, *col_blocks;
  uint64_t* masks;
  unsigned long long* fault;
};

// A warp has 64 keys, a lane two. The counts of what follows begin here, too.
__global__ void __launch_bounds__(kThreads) find_starts(Work w, int32_t batches) {
  const int64_t step = item_step(), me = first_item(), lane = me % 32;
  const int64_t columns = static_cast<int64_t>(w.layouts) * w.key_blocks;
  for (int64_t i = me; i < columns; i += step) w.columns[i] = 0;
  if (me == 0) *w.arrived = 0;
  if (w.documents == nullptr) return;
  for (int64_t k = me / 32; k < static_cast<int64_t>(batches) * w.key_blocks; k += step / 32) {  // all lanes of a warp alike
    const int32_t* const ids = w.documents + k / w.key_blocks * w.keys;
    const int64_t first = k % w.key_blocks * kBlock + lane;
    const auto begins = [&](int64_t key) { return key < w.keys && (key == 0 || ids[key] != ids[key - 1]); };
    const uint64_t low = __ballot_sync(0xffffffffu, begins(first)), high = __ballot_sync(0xffffffffu, begins(first + 32));
    if (lane == 0) w.starts[k] = low | high << 32;
  }
}

// Where the documents of a block's 64 queries, at the keys from q0 on, begin and end.
struct Documents {
  uint32_t window[2];     // bits: which of the 64 keys begin one
  int32_t before, after;  // the last start up to q0; the first one past the 64 keys
};

__device__ void find_documents(const Work& w, const uint64_t* starts, int64_t q0, Documents& found) {
  const int me = static_cast<int>(threadIdx.x);
  if (me == 0) found.before = 0, found.after = static_cast<int32_t>(w.keys);
  if (me < kBlock) {
    const int64_t q = q0 + me;
    const bool begins = q >= 0 && q < w.keys && (starts[q / kBlock] >> (q % kBlock) & 1) != 0;
    const uint32_t bits = __ballot_sync(0xffffffffu, begins);
    if (me % 32 == 0) found.window[me / 32] = bits;
  }
  __syncthreads();
  int32_t before = 0, after = static_cast<int32_t>(w.keys);
  for (int64_t j = me; j < w.key_blocks; j += kThreads) {
    const uint64_t word = starts[j];
    const int64_t at = j * kBlock, past = q0 + kBlock - at;  // keys of the word that are not past the queries'
    const uint64_t lower = q0 < at ? 0 : word & ~uint64_t{0} >> (kBlock - 1 - least(kBlock - 1, q0 - at));
    const uint64_t upper = past >= kBlock ? 0 : past <= 0 ? word : word & ~uint64_t{0} << past;
    if (lower != 0) before = static_cast<int32_t>(at) + kBlock - 1 - __clzll(static_cast<long long>(lower));
    if (upper != 0) after = static_cast<int32_t>(least(after, at + __ffsll(static_cast<long long>(upper)) - 1));
  }
  if (before > 0) atomicMax(&found.before, before);
  if (after < w.keys) atomicMin(&found.after, after);
  __syncthreads();
}

// The run that query `row` of a block of queries sees; an empty one where there is no such query.
__device__ Run seen(const Work& w, int64_t layout, int64_t block, int row, const Documents& documents) {
  const int64_t t = block * kBlock + row, q0 = block * kBlock + w.keys - w.queries, q = q0 + row;
  if (t >= w.queries || q < 0) return {0, 0};
  const int64_t* const b = w.bounds + layout % w.groups * 4;
  int64_t first = 0, end = w.keys;
  if (w.documents != nullptr) {
    const uint64_t window = documents.window[0] | static_cast<uint64_t>(documents.window[1]) << 32;
    const uint64_t lower = window & ~uint64_t{0} >> (kBlock - 1 - row), upper = row == kBlock - 1 ? 0 : window & ~uint64_t{0} << (row + 1);
    first = lower == 0 ? documents.before : q0 + kBlock - 1 - __clzll(static_cast<long long>(lower));
    end = upper == 0 ? documents.after : q0 + __ffsll(static_cast<long long>(upper)) - 1;
  }
  if (b[0] >= 0) first = most(first, q - b[0]);
  if (b[1] >= 0) end = least(end, q + b[1] + 1);
  if (b[2] > 0) {
    first = most(first, (q / b[2] - b[3]) * b[2]);
    end = least(end, (q / b[2] + 1) * b[2]);
  }
  return {static_cast<int32_t>(first), static_cast<int32_t>(most(first, end))};
}

// What bounds the runs of a block of queries.
struct Bounds {
  int32_t latest, earliest;  // the latest start of all, the earliest end
  int32_t from, to;          // key blocks from the first to the end of the last that any query sees
};

// Of the runs of 32 queries, a lane has one of which `real` says whether there is such a query. All lanes of the warp must call it.
__device__ Bounds bounds_of(const Run& run, bool real) {
  constexpr unsigned kAll = 0xffffffffu;
  const bool any = run.first < run.end;
  return {-__reduce_min_sync(kAll, real ? -run.first : 0), __reduce_min_sync(kAll, real ? run.end : INT32_MAX),
          __reduce_min_sync(kAll, any ? run.first / kBlock : INT32_MAX), -__reduce_min_sync(kAll, any ? -((run.end - 1) / kBlock + 1) : 0)};
}

// -1 hidden, 0 FULL, 1 PARTIAL.
__device__ int32_t state_of(const Run (&runs)[kBlock], const Bounds& all, int32_t key, int32_t keys) {
  const int32_t end = static_cast<int32_t>(least(keys, key + kBlock));
  if (all.latest <= key && all.earliest >= end) return 0;
  bool any = false;
#pragma unroll 8
  for (int r = 0; r < kBlock; r++) any = any || (runs[r].first < end && runs[r].end > key && runs[r].first < runs[r].end);
  return any ? 1 : -1;
}

// One block: from the numbers of entries to where each list begins. A thread has neighbouring lists.
__device__ void place_blocks(const Work& w) {
  const int me = static_cast<int>(threadIdx.x);
  const int32_t rows = w.layouts * w.query_blocks, columns = w.layouts * w.key_blocks;
  const int32_t each = (rows + kThreads - 1) / kThreads, every = (columns + kThreads - 1) / kThreads;
  const auto row_end = static_cast<int32_t>(least(rows, (me + int64_t{1}) * each)),
             column_end = static_cast<int32_t>(least(columns, (me + int64_t{1}) * every));
  if (me < kBlock) w.masks[me] = ~uint64_t{0};
  uint64_t mine = 0, all;  // entries below, PARTIAL ones above
  int32_t own = 0, total;
#pragma unroll 1
  for (int32_t k = me * each; k < row_end; k++) {
    const int2 found = __ldcg(w.found + k);
    mine += static_cast<uint64_t>(found.x) | static_cast<uint64_t>(found.y) << 32;
  }
#pragma unroll 2
  for (int32_t k = me * every; k < column_end; k++) own += __ldcg(w.columns + k);
  const uint64_t before = sum_before(mine, all);
  int32_t entry = static_cast<int32_t>(before), mask = static_cast<int32_t>(before >> 32) + 1, place = sum_before(own, total);
#pragma unroll 1
  for (int32_t k = me * each; k < row_end; k++) {
    const int2 found = __ldcg(w.found + k);
    const int32_t layout = k / w.query_blocks;
    w.found[k] = make_int2(entry, mask);
    w.row_ptr[k + layout] = entry;  // lists of NQ + 1 places
    entry += found.x;
    mask += found.y;
    if (k - layout * w.query_blocks == w.query_blocks - 1) w.row_ptr[k + layout + 1] = entry;
  }
#pragma unroll 1
  for (int32_t k = me * every; k < column_end; k++) {
    const int32_t layout = k / w.key_blocks;
    w.col_ptr[k + layout] = place;
    place += __ldcg(w.columns + k);
    if (k - layout * w.key_blocks == w.key_blocks - 1) w.col_ptr[k + layout + 1] = place;
  }
  const int64_t entries = static_cast<int64_t>(all & 0xffffffffu), masks = static_cast<int64_t>(all >> 32) + 1;
  if (me == 0 && (entries > w.entries || masks > w.mask_count))
    report_fault(w.fault, 0, static_cast<int32_t>(entries > w.entries ? entries : masks));
}

// Which of a block's threads show something: the place among them, counted over the block, and how many there are.
struct Place {
  int32_t shown, partial, all_shown, all_partial;
};

// All threads of the block must call it, and meet at a barrier between two calls.
__device__ Place place_of(int32_t state) {
  constexpr int kWarps = kThreads / 32;
  __shared__ int32_t shown_of[kWarps], partial_of[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const uint32_t shown = __ballot_sync(0xffffffffu, state >= 0), partial = __ballot_sync(0xffffffffu, state > 0), lower = (1u << lane) - 1;
  if (lane == 0) shown_of[warp] = __popc(shown), partial_of[warp] = __popc(partial);
  __syncthreads();
  Place place{__popc(shown & lower), __popc(partial & lower), 0, 0};
#pragma unroll
  for (int k = 0; k < kWarps; k++) {
    if (k < warp) place.shown += shown_of[k], place.partial += partial_of[k];
    place.all_shown += shown_of[k], place.all_partial += partial_of[k];
  }
  return place;
}

__global__ void __launch_bounds__(kThreads) find_blocks(Work w) {
  __shared__ Run runs[kBlock];
  __shared__ Bounds halves[2];
  __shared__ Documents documents;
  __shared__ bool last;
  const int me = static_cast<int>(threadIdx.x), keys = static_cast<int>(w.keys);
  const int64_t block = blockIdx.x, layout = blockIdx.y, list = layout * w.query_blocks + block;
  const int rows = static_cast<int>(least(kBlock, w.queries - block * kBlock));
  if (w.documents != nullptr)
    find_documents(w, w.starts + layout / w.groups * w.key_blocks, block * kBlock + w.keys - w.queries, documents);
  if (me < kBlock) {
    const Run run = seen(w, layout, block, me, documents);
    runs[me] = run;
    w.run[list * kBlock + me] = run;
    const Bounds half = bounds_of(run, me < rows);
    if (me % 32 == 0) halves[me / 32] = half;
  }
  __syncthreads();
  const Bounds all{max(halves[0].latest, halves[1].latest), min(halves[0].earliest, halves[1].earliest),
                   min(halves[0].from, halves[1].from), max(halves[0].to, halves[1].to)};
  int32_t* const state = w.state + list * w.key_blocks;
  int32_t shown = 0, partial = 0;
  for (int32_t from = all.from; from < all.to; from += kThreads) {
    const int32_t j = from + me, s = j < all.to ? state_of(runs, all, j * kBlock, keys) : -1;
    const Place place = place_of(s);
    if (j < all.to) state[j] = s > 0 ? partial + place.partial + 1 : s;
    if (s >= 0) atomicAdd(w.columns + layout * w.key_blocks + j, 1);
    shown += place.all_shown;
    partial += place.all_partial;
    __syncthreads();
  }
  if (me == 0) {
    w.range[list] = make_int2(all.from, all.to);
    w.found[list] = make_int2(shown, partial);
  }
  __threadfence();
  __syncthreads();
  if (me == 0) last = atomicAdd(w.arrived, 1u) == gridDim.x * gridDim.y - 1;
  __syncthreads();
  if (!last) return;
  __threadfence();
  place_blocks(w);
}

__device__ uint64_t word_of(const Run& r, int32_t key) {
  const int32_t from = static_cast<int32_t>(least(kBlock, most(0, r.first - key))),
                to = static_cast<int32_t>(least(kBlock, most(0, r.end - key)));
  return from >= to ? 0 : ~uint64_t{0} >> (kBlock - (to - from)) << from;
}

__device__ void list_row(const Work& w, int64_t list) {
  constexpr int kWarps = kThreads / 32;
  __shared__ Run runs[kBlock];
  __shared__ int32_t masked[kThreads];
  const int me = static_cast<int>(threadIdx.x), lane = me % 32, warp = me / 32;
  if (me < kBlock) runs[me] = w.run[list * kBlock + me];
  const int2 range = w.range[list], found = w.found[list];
  int32_t entry = found.x, mask = found.y;
  const int32_t* const state = w.state + list * w.key_blocks;
  for (int32_t from = range.x; from < range.y; from += kThreads) {
    const int32_t j = from + me, s = j < range.y ? state[j] : -1;
    const Place place = place_of(s);
    if (s > 0) masked[place.partial] = j;
    if (s >= 0 && entry + place.shown < w.entries) {
      w.row_blocks[2 * (entry + place.shown)] = j;
      w.row_blocks[2 * (entry + place.shown) + 1] = s > 0 ? mask + place.partial : 0;
    }
    __syncthreads();
    for (int k = warp; k < place.all_partial && mask + k < w.mask_count; k += kWarps) {
      uint64_t* const words = w.masks + static_cast<int64_t>(mask + k) * kBlock;
      words[lane] = word_of(runs[lane], masked[k] * kBlock);
      words[lane + 32] = word_of(runs[lane + 32], masked[k] * kBlock);
    }
    __syncthreads();
    entry += place.all_shown;
    mask += place.all_partial;
  }
}

// A warp per column j; a lane has every 32nd row, kAhead of them at a time.
__device__ void list_column(const Work& w, int64_t layout, int32_t j) {
  constexpr int kAhead = 8;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int2 *const range = w.range + layout * w.query_blocks, *const found = w.found + layout * w.query_blocks;
  const int32_t* const state = w.state + layout * w.query_blocks * w.key_blocks + j;
  int32_t at = w.col_ptr[layout * (w.key_blocks + 1) + j];
  for (int32_t from = 0; from < w.query_blocks; from += 32 * kAhead) {
    int32_t s[kAhead];
#pragma unroll
    for (int u = 0; u < kAhead; u++) {
      const int32_t row = from + 32 * u + lane;
      const int2 reach = row < w.query_blocks ? range[row] : make_int2(0, 0);
      s[u] = j >= reach.x && j < reach.y ? state[row * w.key_blocks] : -1;
    }
#pragma unroll
    for (int u = 0; u < kAhead; u++) {
      const int32_t row = from + 32 * u + lane;
      const uint32_t shown = __ballot_sync(0xffffffffu, s[u] >= 0);
      const int64_t place = at + __popc(shown & ((1u << lane) - 1));
      if (s[u] >= 0 && place < w.entries) {
        w.col_blocks[2 * place] = row;
        w.col_blocks[2 * place + 1] = s[u] > 0 ? found[row].y + s[u] - 1 : 0;
      }
      at += __popc(shown);
    }
  }
}

constexpr int kColumns = kThreads / 32;  // of a block

// The first blocks have rows, the others columns.
__global__ void __launch_bounds__(kThreads, 4) write_lists(Work w) {
  const int64_t layout = blockIdx.y;
  const auto block = static_cast<int32_t>(blockIdx.x);
  if (block < w.query_blocks) {
    list_row(w, layout * w.query_blocks + block);
    return;
  }
  const int32_t j = (block - w.query_blocks) * kColumns + static_cast<int32_t>(threadIdx.x) / 32;
  if (j < w.key_blocks) list_column(w, layout, j);
}

// The workspace, cut up after w's sizes are set; false after fail().
bool cut_workspace(const Call& call, Work& w, int64_t batches) {
  const int64_t rows = static_cast<int64_t>(w.layouts) * w.query_blocks, columns = static_cast<int64_t>(w.layouts) * w.key_blocks;
  const int64_t words = w.documents == nullptr ? 0 : batches * w.key_blocks;
  w.starts = static_cast<uint64_t*>(workspace(call, (words + rows * (kBlock + 2)) * 8 + (rows * w.key_blocks + columns + 1) * 4));
  if (w.starts == nullptr) return false;
  w.run = reinterpret_cast<Run*>(w.starts + words);
  w.range = reinterpret_cast<int2*>(w.run + rows * kBlock);
  w.found = w.range + rows;
  w.state = reinterpret_cast<int32_t*>(w.found + rows);
  w.columns = w.state + rows * w.key_blocks;
  w.arrived = reinterpret_cast<unsigned*>(w.columns + columns);
  return true;
}

hd_status run(const Call& call, Work& w, int64_t batches) {
  if (!cut_workspace(call, w, batches)) return HD_NO_MEMORY;
  const auto layouts = static_cast<unsigned>(w.layouts), rows = static_cast<unsigned>(w.query_blocks);
  const auto columns = static_cast<unsigned>(ceil_div(w.key_blocks, kColumns));
  hd_status status = launch(call, find_starts, grid_for(32 * batches * w.key_blocks), kThreads, 0, w, static_cast<int32_t>(batches));
  if (status == HD_OK) status = launch(call, find_blocks, dim3(rows, layouts), kThreads, 0, w);
  if (status == HD_OK) status = launch(call, write_lists, dim3(rows + columns, layouts), kThreads, 0, w);
  return status;
}
}  // namespace

hd_status block_lists(const Call& call) {
  const hd_BlockListsParams& p = call.params<hd_BlockListsParams>();
  Check check(call);
  check.dtype(0, HD_I64).rank(0, 2).dtype(1, HD_I32).rank(1, 2).dtype(2, HD_I32).rank(2, 3).dtype(3, HD_I32).rank(3, 2);
  check.dtype(4, HD_I32).rank(4, 3).dtype(5, HD_I32).rank(5, 2).dtype(6, HD_I64).rank(6, 2).contiguous(0, 1, 2, 3, 4, 5, 6);
  check.require(p.queries >= 0 && p.keys >= 0 && p.queries <= INT32_MAX - kBlock && p.keys <= INT32_MAX - kBlock,
                "queries and keys must lie in [0, 2^31 - 64)");
  if (check.failed()) return check.status();
  const int64_t G = call.t[0]->shape[0], L = call.has(1) ? call.t[1]->shape[0] : 1;
  const int64_t NQ = ceil_div(p.queries, kBlock), NK = ceil_div(p.keys, kBlock);
  check.count(0, 4 * G, "four per group").count(1, L * p.keys, "keys of each row").count(2, L * G * (NQ + 1), "L G (NQ + 1)");
  check.count(4, L * G * (NK + 1), "L G (NK + 1)").same_shape(5, 3).require(elements(*call.t[6]) % kBlock == 0, "masks must be [M,64]");
  check.count(3, 2 * call.t[3]->shape[0], "[E,2]").require(call.t[6]->shape[0] > 0, "masks needs room for the FULL one");
  if (check.failed()) return check.status();
  if (L * G > 65535 || L * G * NQ * NK > INT32_MAX) return fail(HD_UNSUPPORTED, "block lists over more than 2^31 pairs of blocks");
  Work w{};
  w.queries = p.queries, w.keys = p.keys, w.entries = call.t[3]->shape[0], w.mask_count = call.t[6]->shape[0];
  w.layouts = static_cast<int32_t>(L * G), w.groups = static_cast<int32_t>(G);
  w.query_blocks = static_cast<int32_t>(NQ), w.key_blocks = static_cast<int32_t>(NK);
  w.bounds = call.data<const int64_t>(0), w.documents = call.data<const int32_t>(1);
  w.row_ptr = call.data<int32_t>(2), w.row_blocks = call.data<int32_t>(3);
  w.col_ptr = call.data<int32_t>(4), w.col_blocks = call.data<int32_t>(5);
  w.masks = call.data<uint64_t>(6), w.fault = call.context.faults + call.op;
  if (L * G == 0) return HD_OK;
  if (NQ > 0 && NK > 0) return run(call, w, L);
  const auto stream = call.context.stream;  // nothing is seen: empty lists, and the FULL mask
  cudaError_t error = cudaMemsetAsync(w.row_ptr, 0, static_cast<size_t>(L * G * (NQ + 1) * 4), stream);
  if (error == cudaSuccess) error = cudaMemsetAsync(w.col_ptr, 0, static_cast<size_t>(L * G * (NK + 1) * 4), stream);
  if (error == cudaSuccess) error = cudaMemsetAsync(w.masks, 0xff, kBlock * 8, stream);
  return error == cudaSuccess ? HD_OK : cuda_fail(error, "writing empty lists");
}
}  // namespace hd

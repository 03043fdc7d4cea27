// block_lists: the block lists of attention for masks in which a query sees one run of keys (see ops.def), where the documents lie.
// Shapes: bounds [G,4]; documents [L,S]; row_ptr [L,G,NQ+1], col_ptr [L,G,NK+1]; row_blocks, col_blocks [E,2]; masks [M,64].
// Work: four launches. A warp per 64 keys notes as bits where documents begin; a block per 64 queries finds the documents around them,
// tells for every key block whether it is hidden, FULL or PARTIAL (the latest start and the earliest end of the 64 runs tell FULL ones at
// once) and counts, and the last of these blocks forms the prefix sums; a block per 64 queries writes its list and masks, a block per 32
// key blocks theirs. On chip: 64 runs per block in shared memory; no spills (README.md has the counts). Numerics: integers. Cost: launches;
// 4 NQ NK bytes of workspace per list are written and read twice. Deterministic: places come from prefix sums. Checked on: see README.md.
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
  int32_t* state;            // [layouts, NQ, NK]: -1 hidden, 0 FULL, else the mask (1 as long as it has no number)
  int32_t* found;            // [layouts NQ, 2]: entries and PARTIAL ones; then the first entry and the first mask
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

__device__ int32_t state_of(const Run (&runs)[kBlock], int rows, int32_t key, int32_t keys) {
  const int32_t end = static_cast<int32_t>(least(keys, key + kBlock));
  bool full = true, any = false;
  for (int r = 0; r < rows; r++) {
    full = full && runs[r].first <= key && runs[r].end >= end;
    any = any || (runs[r].first < end && runs[r].end > key && runs[r].first < runs[r].end);
  }
  return full ? 0 : any ? 1 : -1;
}

// One block: from the numbers of entries to where each list begins.
__device__ void place_blocks(const Work& w) {
  const int me = static_cast<int>(threadIdx.x);
  int32_t entries = 0, partial = 1, total;
  if (me < kBlock) w.masks[me] = ~uint64_t{0};
  const int64_t rows = static_cast<int64_t>(w.layouts) * w.query_blocks, columns = static_cast<int64_t>(w.layouts) * w.key_blocks;
  for (int64_t from = 0; from < rows; from += kThreads) {
    const int64_t k = from + me, layout = k / w.query_blocks;
    const int32_t mine = k < rows ? w.found[2 * k] : 0, own = k < rows ? w.found[2 * k + 1] : 0;
    const int32_t at = entries + sum_before(mine, total);
    entries += total;
    const int32_t mask = partial + sum_before(own, total);
    partial += total;
    if (k >= rows) continue;
    w.found[2 * k] = at;
    w.found[2 * k + 1] = mask;
    w.row_ptr[k + layout] = at;  // lists of NQ + 1 places
    if ((k + 1) % w.query_blocks == 0) w.row_ptr[k + layout + 1] = at + mine;
  }
  for (int64_t from = 0, at = 0; from < columns; from += kThreads, at += total) {
    const int64_t k = from + me, layout = k / w.key_blocks;
    const int32_t mine = k < columns ? w.columns[k] : 0, place = static_cast<int32_t>(at) + sum_before(mine, total);
    if (k >= columns) continue;
    w.col_ptr[k + layout] = place;
    if ((k + 1) % w.key_blocks == 0) w.col_ptr[k + layout + 1] = place + mine;
  }
  if (me == 0 && (entries > w.entries || partial > w.mask_count)) report_fault(w.fault, 0, entries > w.entries ? entries : partial);
}

__global__ void __launch_bounds__(kThreads) find_blocks(Work w) {
  __shared__ Run runs[kBlock];
  __shared__ int32_t limits[2], found[2];  // of the key blocks that a query sees
  __shared__ Documents documents;
  __shared__ bool last;
  const int me = static_cast<int>(threadIdx.x), keys = static_cast<int>(w.keys);
  const int64_t block = blockIdx.x, layout = blockIdx.y;
  const int rows = static_cast<int>(least(kBlock, w.queries - block * kBlock));
  if (me < 2) limits[me] = me == 0 ? INT32_MAX : 0, found[me] = 0;
  if (w.documents != nullptr)
    find_documents(w, w.starts + layout / w.groups * w.key_blocks, block * kBlock + w.keys - w.queries, documents);
  __syncthreads();
  if (me < kBlock) {
    runs[me] = seen(w, layout, block, me, documents);
    w.run[(layout * w.query_blocks + block) * kBlock + me] = runs[me];
    if (runs[me].first < runs[me].end) {
      atomicMin(limits, runs[me].first / kBlock);
      atomicMax(limits + 1, (runs[me].end + kBlock - 1) / kBlock);
    }
  }
  __syncthreads();
  int32_t* const state = w.state + (layout * w.query_blocks + block) * w.key_blocks;
  for (int j = me; j < w.key_blocks; j += kThreads) {
    const int32_t s = j < limits[0] || j >= limits[1] ? -1 : state_of(runs, rows, j * kBlock, keys);
    state[j] = s;
    if (s < 0) continue;
    atomicAdd(found, 1);
    atomicAdd(w.columns + layout * w.key_blocks + j, 1);
    if (s > 0) atomicAdd(found + 1, 1);
  }
  __syncthreads();
  if (me < 2) w.found[(layout * w.query_blocks + block) * 2 + me] = found[me];
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

__global__ void __launch_bounds__(kThreads) list_rows(Work w) {
  constexpr int kWarps = kThreads / 32;
  __shared__ Run runs[kBlock];
  __shared__ int32_t shown_of[kWarps], partial_of[kWarps], masked[kThreads];
  const int me = static_cast<int>(threadIdx.x), lane = me % 32, warp = me / 32;
  const int64_t block = blockIdx.x, layout = blockIdx.y, list = layout * w.query_blocks + block;
  if (me < kBlock) runs[me] = w.run[list * kBlock + me];
  int32_t entry = w.found[2 * list], mask = w.found[2 * list + 1];
  int32_t* const state = w.state + list * w.key_blocks;
  for (int from = 0; from < w.key_blocks; from += kThreads) {
    const int j = from + me;
    const int32_t s = j < w.key_blocks ? state[j] : -1;
    const uint32_t shown = __ballot_sync(0xffffffffu, s >= 0), partial = __ballot_sync(0xffffffffu, s > 0), lower = (1u << lane) - 1;
    if (lane == 0) shown_of[warp] = __popc(shown), partial_of[warp] = __popc(partial);
    __syncthreads();
    int32_t at = __popc(shown & lower), own = __popc(partial & lower), all_shown = 0, all_partial = 0;
    for (int k = 0; k < kWarps; k++) {
      if (k < warp) at += shown_of[k], own += partial_of[k];
      all_shown += shown_of[k], all_partial += partial_of[k];
    }
    if (s > 0) state[j] = mask + own, masked[own] = j;
    if (s >= 0 && entry + at < w.entries) {
      w.row_blocks[2 * (entry + at)] = j;
      w.row_blocks[2 * (entry + at) + 1] = s > 0 ? mask + own : 0;
    }
    __syncthreads();
    for (int k = warp; k < all_partial && mask + k < w.mask_count; k += kWarps) {
      uint64_t* const words = w.masks + static_cast<int64_t>(mask + k) * kBlock;
      words[lane] = word_of(runs[lane], masked[k] * kBlock);
      words[lane + 32] = word_of(runs[lane + 32], masked[k] * kBlock);
    }
    __syncthreads();
    entry += all_shown;
    mask += all_partial;
  }
}

constexpr int kColumns = 32;

// A thread has a column and a 32nd of its rows.
__global__ void __launch_bounds__(kColumns * 32) list_columns(Work w) {
  __shared__ int32_t shown_of[32][kColumns];
  const int64_t layout = blockIdx.y;
  const int j = static_cast<int>(blockIdx.x * kColumns + threadIdx.x), part = static_cast<int>(threadIdx.y);
  const int each = (w.query_blocks + 31) / 32, from = part * each, to = static_cast<int>(least(w.query_blocks, from + each));
  const int32_t* const state = w.state + layout * w.query_blocks * w.key_blocks + j;
  int32_t shown = 0;
#pragma unroll 8
  for (int i = from; i < to; i++) shown += j < w.key_blocks && state[static_cast<int64_t>(i) * w.key_blocks] >= 0;
  shown_of[part][threadIdx.x] = shown;
  __syncthreads();
  if (j >= w.key_blocks) return;
  int32_t at = w.col_ptr[layout * (w.key_blocks + 1) + j];
  for (int k = 0; k < part; k++) at += shown_of[k][threadIdx.x];
#pragma unroll 8
  for (int i = from; i < to; i++) {
    const int32_t s = state[static_cast<int64_t>(i) * w.key_blocks];
    if (s < 0 || at >= w.entries) continue;
    w.col_blocks[2 * at] = i;
    w.col_blocks[2 * at++ + 1] = s;
  }
}

// The workspace, cut up after w's sizes are set; false after fail().
bool cut_workspace(const Call& call, Work& w, int64_t batches) {
  const int64_t rows = static_cast<int64_t>(w.layouts) * w.query_blocks, columns = static_cast<int64_t>(w.layouts) * w.key_blocks;
  const int64_t words = w.documents == nullptr ? 0 : batches * w.key_blocks;
  w.starts = static_cast<uint64_t*>(workspace(call, (words + rows * kBlock) * 8 + (rows * w.key_blocks + 2 * rows + columns + 1) * 4));
  if (w.starts == nullptr) return false;
  w.run = reinterpret_cast<Run*>(w.starts + words);
  w.state = reinterpret_cast<int32_t*>(w.run + rows * kBlock);
  w.found = w.state + rows * w.key_blocks;
  w.columns = w.found + 2 * rows;
  w.arrived = reinterpret_cast<unsigned*>(w.columns + columns);
  return true;
}

hd_status run(const Call& call, Work& w, int64_t batches) {
  if (!cut_workspace(call, w, batches)) return HD_NO_MEMORY;
  const auto layouts = static_cast<unsigned>(w.layouts);
  const dim3 rows(static_cast<unsigned>(w.query_blocks), layouts), tiles(static_cast<unsigned>(ceil_div(w.key_blocks, kColumns)), layouts);
  hd_status status = launch(call, find_starts, grid_for(32 * batches * w.key_blocks), kThreads, 0, w, static_cast<int32_t>(batches));
  if (status == HD_OK) status = launch(call, find_blocks, rows, kThreads, 0, w);
  if (status == HD_OK) status = launch(call, list_rows, rows, kThreads, 0, w);
  if (status == HD_OK) status = launch(call, list_columns, tiles, dim3(kColumns, 32), 0, w);
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

// attention_bwd for bf16 and f16 on tensor cores, sm_80 and later (Dao 2023, FlashAttention-2, algorithm 2, in two passes).
// With P = exp(score - lse) and delta = rowsum(do * o): dv = P~^T do, dP = do v^T, dS = P (dP~ - delta) d(score)/d(qk), dq = dS k, dk =
// dS^T q, where ~ is the dropout mask with its factor. Shapes: q, o, do, dq [B,H,T,D]; k, v, dk, dv [B,K,S,D]; lse f32 [B,H,T]; row and
// column lists as in ops.def. Work: two kernels, after the statistics of attention_bwd.cu. query_gradient: a block of 4 warps per (64
// queries, head, batch) walks its row list; a warp owns 16 queries. key_gradient: a block per (64 keys, key head, batch) walks the column
// lists of the H/K heads that share it, so no two blocks write to one place; a warp owns 16 keys and forms the transposes, k q^T and v
// do^T, so that in both kernels P and dS go from accumulator to operand within registers. D = 256: blocks of 32 rows, and two warps share
// 16 rows, each with half of the features of the results (the scores are then formed twice). On chip: the block's own two tiles (D = 64: in
// registers too), and a pair per entry of the list, filled by cp.async: the one needed first in two slots (D = 256: in one), the other
// reloaded as soon as it has been used; D 64: 41, 128: 81, 256: 97 KiB of shared memory, B H T float2 of workspace. Registers in README.md;
// no spills. Numerics: products in bf16/f16 with f32 sums; P and dS are rounded to the dtype; exponentials base 2 by ex2.approx. Cost: 14 D
// FLOP per visible pair (scores are formed twice), whole blocks counted. Deterministic: no atomics; sums in list order, heads in order.
// Checked on: see README.md.
#include "mma_attention.h"

namespace hd {
namespace {

struct BackwardTiles {
  int rows;    // queries (query_gradient) or keys (key_gradient) of a block
  int parts;   // warps that share 16 rows, each with D / parts features of the results
  int slots;   // of the first tile of a pair
  bool keep;   // the block's own tiles in registers; else they are read from shared memory for every entry
  int blocks;  // per multiprocessor, for the register budget
};
// Rejected: 64 rows at D = 256 (512 sums per row of dk and dv: 256 registers), a second slot there (129 KiB; sm_86, 89 and 120 have 99).
constexpr BackwardTiles backward_tiles(int d) {
  if (d == 64) return {64, 1, 2, true, 2};
  if (d == 128) return {64, 1, 2, false, 2};
  return {32, 2, 1, false, 1};
}
// Columns whose scores a warp holds at a time. key_gradient has twice the sums: beside 128 of them 64 columns spilled 96 bytes, and 32
// still 12 bytes at D = 256 on sm_90a.
constexpr int kQuerySpan = 64;
constexpr int key_span(int d) { return d <= 128 ? 32 : 16; }
constexpr int kBackwardThreads = 128;
constexpr int kStatisticsBytes = kTile * 8;

template <int D>
constexpr int64_t backward_bytes() {
  constexpr BackwardTiles z = backward_tiles(D);
  return 2 * kTileBytes<D>(z.rows) + (z.slots + 1) * kTileBytes<D>() + z.slots * kStatisticsBytes;
}

// ---- the walk over the lists of one or more heads ----

struct Entry {
  int32_t head = -1;  // -1: past the last one
  int32_t block, mask;
};

struct Walk {
  const Lists& lists;
  int32_t batch, row, all;  // all: entries of a row when there is no layout
  int32_t head, heads;      // of the next entry; end of the heads
  int32_t next, end;        // its place, the end of its list

  __device__ Walk(const Lists& l, int32_t b, int32_t first, int32_t count, int64_t i, int64_t blocks)
      : lists(l), batch(b), row(static_cast<int32_t>(i)), all(static_cast<int32_t>(blocks)), head(first), heads(first + count) {
    open();
  }
  __device__ void open() {
    const Range r = entries(lists, batch, head, row, all);
    next = static_cast<int32_t>(r.begin);
    end = static_cast<int32_t>(r.end);
  }
  __device__ Entry take() {
    while (next == end) {
      if (++head >= heads) {
        head = heads;
        return {-1, 0, 0};
      }
      open();
    }
    const int32_t e = next++;
    if (lists.ptr == nullptr) return {head, e, 0};
    return {head, lists.blocks[2 * e], lists.blocks[2 * e + 1]};
  }
};

// ---- scores to weights and gradients ----

// Statistics of the rows (or queries) of the four elements of an accumulator.
struct Statistics {
  float2 of[4];
};

// The lane's rows are queries g and g + 8, its columns keys.
struct ByQuery {
  float2 own[2];  // statistics of the rows
  RowMask<1, 8> mask;

  __device__ bool hides() const { return mask.any; }
  __device__ Statistics statistics(int) const { return {{own[0], own[0], own[1], own[1]}}; }
  __device__ bool sees(int n, int i) const { return (mask.seen[0][i / 2][n / 4] >> (n % 4 * 8 + i % 2) & 1) != 0; }
  // Query minus key of element i of accumulator n, less that of the lane's first.
  __device__ static float distance(int n, int i) { return static_cast<float>(i / 2 * 8 - 8 * n - i % 2); }
  __device__ static void words(const Problem& p, int64_t query, int64_t key, int n, uint32_t head, uint32_t (&word)[4]) {
    row_words(p, query, key + 8 * n, head, word);
  }
};

// The lane's rows are keys g and g + 8, its columns queries.
struct ByKey {
  Shared table;  // statistics of the 64 queries
  ColumnMask mask;

  __device__ bool hides() const { return mask.seen != ~0u; }
  __device__ Statistics statistics(int n) const {
    union {
      uint4 words;
      float2 of[2];
    } u;
    u.words = load_shared_16(table + static_cast<uint32_t>((8 * n + lane_id() % 4 * 2) * 8));
    return {{u.of[0], u.of[1], u.of[0], u.of[1]}};
  }
  __device__ bool sees(int n, int i) const { return (mask.seen >> (4 * n + i) & 1) != 0; }
  __device__ static float distance(int n, int i) { return static_cast<float>(8 * n + i % 2 - i / 2 * 8); }
  __device__ static void words(const Problem& p, int64_t query, int64_t key, int n, uint32_t head, uint32_t (&word)[4]) {
    column_words(p, query + 8 * n, key, head, word);
  }
};

// In: s = q k^T, g = do v^T, of accumulators n0.. of the block. Out: s = the weights with dropout, g = dS / scale; the scale is left to the
// end. query, key: of the lane's first element of the block.
template <class Side, int N>
__device__ void weigh(const Problem& p, const Scoring& scoring, const Side& side, int n0, int64_t query, int64_t key, uint32_t head,
                      Fragments<1, N>& s, Fragments<1, N>& g) {
  if (scoring.plain && p.threshold == 0) {
    if (side.hides()) {
#pragma unroll
      for (int n = 0; n < N; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) s[0][n][i] = side.sees(n0 + n, i) ? s[0][n][i] : -INFINITY;
      }
    }
    const float factor = scoring.factor();
#pragma unroll
    for (int n = 0; n < N; n++) {
      const Statistics own = side.statistics(n0 + n);
#pragma unroll
      for (int i = 0; i < 4; i++) {
        s[0][n][i] = exp2_fast(fmaf(s[0][n][i], factor, -own.of[i].x));
        g[0][n][i] = s[0][n][i] * (g[0][n][i] - own.of[i].y);
      }
    }
    return;
  }
  const auto first = static_cast<float>(query + p.keys - p.queries - key);
#pragma unroll
  for (int n = 0; n < N; n++) {
    const Statistics own = side.statistics(n0 + n);
    uint32_t word[4] = {~0u, ~0u, ~0u, ~0u};
    if (p.threshold != 0) Side::words(p, query, key, n0 + n, head, word);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float gradient;
      const float x = scoring.score(s[0][n][i], first + Side::distance(n0 + n, i), &gradient),
                  keep = word[i] >= p.threshold ? p.keep_factor : 0.0f;
      const float weight = !side.hides() || side.sees(n0 + n, i) ? exp2_fast(x - own.of[i].x) : 0.0f;
      g[0][n][i] = weight * fmaf(g[0][n][i], keep, -own.of[i].y) * gradient;
      s[0][n][i] = weight * keep;
    }
  }
}

// ---- the loop ----

// Where a block's tiles lie: two of its own; the first tiles of the entries' pairs, `slots` of them; the second; statistics.
template <int D>
struct Layout {
  static constexpr BackwardTiles z = backward_tiles(D);
  Shared own[2], first, second, statistics;

  __device__ Layout() {
    own[0] = shared_address(dynamic_shared());
    own[1] = own[0] + kTileBytes<D>(z.rows);
    first = own[1] + kTileBytes<D>(z.rows);
    second = first + z.slots * kTileBytes<D>();
    statistics = second + kTileBytes<D>();
  }
};

// Where a warp works: rows row.. of the block's own tiles, features column.. of the results.
template <int D>
struct Place {
  static constexpr BackwardTiles z = backward_tiles(D);
  static constexpr int kColumns = D / z.parts / 8;  // accumulators of the results of 16 rows
  int row, column;

  __device__ Place() {
    const int warp = static_cast<int>(threadIdx.x) / 32;
    row = warp % (z.rows / 16) * 16;
    column = warp / (z.rows / 16) * kColumns * 8;
  }
};

// Both kernels: for every entry, s = x0 y0^T and g = x1 y1^T with the block's own tiles x and the entry's pair y, 8 N columns at a time;
// then weights and gradients; then products of s with y1 (if the pass has a use for them) and of g with y0. y0 of the next entry is on its
// way meanwhile, if it has a slot; y1 follows when all warps have used the one before it.
template <class T, int D, int N, class Pass>
__device__ void walk_pairs(Walk& walk, Pass& pass, const Layout<D>& layout, const Place<D>& place, const Lanes& lanes) {
  constexpr bool kAhead = backward_tiles(D).slots == 2, kKeep = backward_tiles(D).keep;
  const uint32_t rows = static_cast<uint32_t>(place.row * kPitchBytes<D>), columns = static_cast<uint32_t>(place.column * 2);
  Entry now = walk.take(), next = walk.take();
  uint32_t slot = 0;
  if (now.head >= 0) {
    if (kAhead) pass.fetch_first(now, 0);
    commit_copies();
    pass.fetch_second(now);
  }
  commit_copies();
  [[maybe_unused]] bool kept = false;
  [[maybe_unused]] uint32_t own[2][kKeep ? D / 16 : 1][1][4];
  while (now.head >= 0) {
    const Entry after = walk.take();  // an entry ahead, so that no copy waits for its address
    const Shared first = layout.first + slot * kTileBytes<D>();
    if (kAhead) {
      wait_copies<1>();
      __syncthreads();
      if (next.head >= 0) pass.fetch_first(next, slot ^ 1);
      commit_copies();
    } else {
      __syncthreads();
      pass.fetch_first(now, 0);
      commit_copies();
      wait_copies<0>();
      __syncthreads();
    }
    pass.prepare(now, slot);
    if constexpr (kKeep) {
      if (!kept) {
#pragma unroll
        for (int k = 0; k < D / 16; k++) {
          load_rows<D, 1>(layout.own[0] + rows, lanes, k, own[0][k]);
          load_rows<D, 1>(layout.own[1] + rows, lanes, k, own[1][k]);
        }
        kept = true;
      }
    }
    const auto multiply = [&](int x, Shared tile, Fragments<1, N>& product) {
      if constexpr (kKeep) {
        clear<1, N>(product);
#pragma unroll
        for (int k = 0; k < D / 16; k++) multiply_rows<T, D, 1, N>(own[x][k], tile, lanes, k, product);
      } else {
        multiply_tiles<T, D, 1, N>(layout.own[x] + rows, tile, lanes, product);
      }
    };
    uint32_t ds[kTile / 16][1][4];  // rounded, as operands
#pragma unroll
    for (int n = 0; n < 8; n += N) {
      const auto skip = static_cast<uint32_t>(n * 8 * kPitchBytes<D>);
      Fragments<1, N> s, g;
      multiply(0, first + skip, s);
      if (kAhead && n == 0) {
        wait_copies<1>();
        __syncthreads();
      }
      multiply(1, layout.second + skip, g);
      pass.weigh(now, n, s, g);
      pass.use_second(s, layout.second + skip + columns, lanes);
#pragma unroll
      for (int k = 0; k < N / 2; k++) as_operand<T, 1, N>(g, k, ds[n / 2 + k]);
    }
    __syncthreads();
    if (next.head >= 0) pass.fetch_second(next);
    commit_copies();
#pragma unroll
    for (int k = 0; k < kTile / 16; k++)
      accumulate_step<T, 1, Place<D>::kColumns>(ds[k], first + columns + static_cast<uint32_t>(k * 16 * kPitchBytes<D>), lanes,
                                                pass.by_first);
    if (kAhead) slot ^= 1;
    now = next;
    next = after;
  }
  wait_copies<0>();
  __syncthreads();  // from here on the tiles are scratch
}

// Rows of a tile of kRows rows; fetch_tile with the arguments that are the same everywhere here.
template <class T, int D, int kRows>
__device__ void fetch(Shared tile, const Heads<const T>& heads, int64_t b, int64_t h, int64_t row, int64_t rows, int64_t n) {
  fetch_tile<T, D, kRows, kBackwardThreads>(tile, source(heads, b, h, row, rows), heads.packs, static_cast<int>(n));
}

// ---- dq ----

template <class T, int D>
struct QueryPass {
  static constexpr int kColumns = Place<D>::kColumns;
  const BackwardWork<T>& w;
  const Layout<D>& layout;
  const Scoring scoring;
  const int32_t b, kv_head;
  const int32_t query;  // of the lane's first row
  ByQuery side{};
  Fragments<1, kColumns> by_first;  // dq / scale

  __device__ QueryPass(const BackwardWork<T>& work, const Layout<D>& tiles, int32_t batch, int32_t head, int64_t first_query)
      : w(work),
        layout(tiles),
        scoring(work.p, head),
        b(batch),
        kv_head(head / (static_cast<int32_t>(work.p.heads) / static_cast<int32_t>(work.p.kv_heads))),
        query(static_cast<int32_t>(first_query) + lane_id() / 4) {
    side.own[0] = *w.statistics_of(b, head, query);
    side.own[1] = *w.statistics_of(b, head, query + 8);
    clear<1, kColumns>(by_first);
  }
  __device__ void fetch_first(const Entry& e, uint32_t slot) const {
    fetch<T, D, kTile>(layout.first + slot * kTileBytes<D>(), w.k, b, kv_head, int64_t{e.block} * kTile, w.p.keys, w.p.features);
  }
  __device__ void fetch_second(const Entry& e) const {
    fetch<T, D, kTile>(layout.second, w.v, b, kv_head, int64_t{e.block} * kTile, w.p.keys, w.p.features);
  }
  __device__ void prepare(const Entry& e, uint32_t) {
    const int64_t* words = e.mask == 0 ? nullptr : w.rows.masks + int64_t{e.mask} * kTile;
    side.mask = RowMask<1, 8>(words, query % kTile, 0, w.p.keys - int64_t{e.block} * kTile);
  }
  template <int N>
  __device__ void weigh(const Entry& e, int n0, Fragments<1, N>& s, Fragments<1, N>& g) const {
    hd::weigh<ByQuery, N>(w.p, scoring, side, n0, query, int64_t{e.block} * kTile + lane_id() % 4 * 2,
                          static_cast<uint32_t>(b * w.p.heads + e.head), s, g);
  }
  template <int N>
  __device__ void use_second(const Fragments<1, N>&, Shared, const Lanes&) {}
};

template <class T, int D>
__global__ void __launch_bounds__(kBackwardThreads, backward_tiles(D).blocks) query_gradient_mma(BackwardWork<T> w) {
  constexpr BackwardTiles z = backward_tiles(D);
  const Problem& p = w.p;
  // the last rows first: under a causal mask they have the longest lists
  const int64_t part = gridDim.x - 1 - blockIdx.x, query0 = part * z.rows, block = query0 / kTile;
  const int32_t h = static_cast<int32_t>(blockIdx.y), b = static_cast<int32_t>(blockIdx.z);
  if (query0 >= p.queries) return;
  const Layout<D> layout;
  const Place<D> place;
  const Lanes lanes(kPitchBytes<D>);
  fetch<T, D, z.rows>(layout.own[0], w.q, b, h, query0, p.queries, p.features);
  fetch<T, D, z.rows>(layout.own[1], w.d_o, b, h, query0, p.queries, p.features);
  QueryPass<T, D> pass(w, layout, b, h, query0 + place.row);
  Walk walk(w.rows, b, h, 1, block, p.key_blocks);
  walk_pairs<T, D, kQuerySpan / 8>(walk, pass, layout, place, lanes);
  const float scale[2] = {p.scale, p.scale};
  stage<T, D, Place<D>::kColumns>(pass.by_first[0], scale, layout.own[0] + static_cast<uint32_t>(place.row * kPitchBytes<D>), place.column);
  __syncthreads();
  write_tile<T, D, z.rows, kBackwardThreads>(layout.own[0], w.dq.at(b, h, query0), w.dq.row, w.dq.vector, p.queries - query0, p.features);
}

// ---- dk, dv ----

template <class T, int D>
struct KeyPass {
  static constexpr int kColumns = Place<D>::kColumns;
  const BackwardWork<T>& w;
  const Layout<D>& layout;
  const int32_t b;
  ByKey side{};
  Fragments<1, kColumns> by_first, dv;  // dk / scale

  __device__ KeyPass(const BackwardWork<T>& work, const Layout<D>& tiles, int32_t batch) : w(work), layout(tiles), b(batch) {
    clear<1, kColumns>(by_first);
    clear<1, kColumns>(dv);
  }
  // The lane's first row; formed anew each time, as registers are scarce.
  __device__ int32_t key() const {
    constexpr int kRows = backward_tiles(D).rows;
    const int thread = thread_again();
    return static_cast<int32_t>(blockIdx.x) * kRows + thread / 32 % (kRows / 16) * 16 + thread % 32 / 4;
  }
  __device__ Shared table(uint32_t slot) const { return layout.statistics + slot * kStatisticsBytes; }
  __device__ void fetch_first(const Entry& e, uint32_t slot) const {
    const int64_t query = int64_t{e.block} * kTile;
    fetch<T, D, kTile>(layout.first + slot * kTileBytes<D>(), w.q, b, e.head, query, w.p.queries, w.p.features);
    const int thread = static_cast<int>(threadIdx.x);
    if (thread < kStatisticsBytes / 16)
      copy_async(table(slot) + static_cast<uint32_t>(thread * 16), w.statistics_of(b, e.head, query + thread * 2), true);
  }
  __device__ void fetch_second(const Entry& e) const {
    fetch<T, D, kTile>(layout.second, w.d_o, b, e.head, int64_t{e.block} * kTile, w.p.queries, w.p.features);
  }
  __device__ void prepare(const Entry& e, uint32_t slot) {
    const int64_t* words = e.mask == 0 ? nullptr : w.columns.masks + int64_t{e.mask} * kTile;
    side = {table(slot), ColumnMask(words, key() % kTile)};
  }
  template <int N>
  __device__ void weigh(const Entry& e, int n0, Fragments<1, N>& s, Fragments<1, N>& g) const {
    const Scoring scoring(w.p, e.head);
    hd::weigh<ByKey, N>(w.p, scoring, side, n0, int64_t{e.block} * kTile + lane_id() % 4 * 2, key(),
                        static_cast<uint32_t>(b * w.p.heads + e.head), s, g);
  }
  template <int N>
  __device__ void use_second(const Fragments<1, N>& s, Shared tile, const Lanes& lanes) {
    accumulate<T, D, 1, N, kColumns>(s, tile, lanes, dv);
  }
};

template <class T, int D>
__global__ void __launch_bounds__(kBackwardThreads, backward_tiles(D).blocks) key_gradient_mma(BackwardWork<T> w) {
  constexpr BackwardTiles z = backward_tiles(D);
  const Problem& p = w.p;
  // the first columns first: under a causal mask they have the longest lists
  const int64_t key0 = static_cast<int64_t>(blockIdx.x) * z.rows, block = key0 / kTile;
  const int32_t kv_head = static_cast<int32_t>(blockIdx.y), b = static_cast<int32_t>(blockIdx.z),
                group = static_cast<int32_t>(p.heads) / static_cast<int32_t>(p.kv_heads);
  if (key0 >= p.keys) return;
  const Layout<D> layout;
  const Place<D> place;
  const Lanes lanes(kPitchBytes<D>);
  fetch<T, D, z.rows>(layout.own[0], w.k, b, kv_head, key0, p.keys, p.features);
  fetch<T, D, z.rows>(layout.own[1], w.v, b, kv_head, key0, p.keys, p.features);
  KeyPass<T, D> pass(w, layout, b);
  Walk walk(w.columns, b, kv_head * group, group, block, p.query_blocks);
  walk_pairs<T, D, key_span(D) / 8>(walk, pass, layout, place, lanes);
  const float scale[2] = {p.scale, p.scale}, one[2] = {1, 1};
  const auto rows = static_cast<uint32_t>(place.row * kPitchBytes<D>);
  stage<T, D, Place<D>::kColumns>(pass.by_first[0], scale, layout.own[0] + rows, place.column);
  stage<T, D, Place<D>::kColumns>(pass.dv[0], one, layout.own[1] + rows, place.column);
  __syncthreads();
  write_tile<T, D, z.rows, kBackwardThreads>(layout.own[0], w.dk.at(b, kv_head, key0), w.dk.row, w.dk.vector, p.keys - key0, p.features);
  write_tile<T, D, z.rows, kBackwardThreads>(layout.own[1], w.dv.at(b, kv_head, key0), w.dv.row, w.dv.vector, p.keys - key0, p.features);
}

template <class T>
hd_status backward(const Call& call, const Problem& p, float2* statistics) {
  return with_head_size(p.features, [&](auto size) {
    constexpr int D = decltype(size)::value;
    constexpr int kBlocks = kTile / backward_tiles(D).rows;
    const BackwardWork<T> w = backward_work<T>(call, p, statistics);
    const auto heads = static_cast<unsigned>(p.heads), kv_heads = static_cast<unsigned>(p.kv_heads),
               batches = static_cast<unsigned>(p.batches);
    hd_status status = HD_OK;
    if (p.batches * p.heads * p.queries > 0) {
      const dim3 grid(static_cast<unsigned>(p.query_blocks * kBlocks), heads, batches);
      status = launch(call, query_gradient_mma<T, D>, grid, kBackwardThreads, backward_bytes<D>(), w);
    }
    if (status != HD_OK || p.batches * p.kv_heads * p.keys == 0) return status;
    const dim3 grid(static_cast<unsigned>(p.key_blocks * kBlocks), kv_heads, batches);
    return launch(call, key_gradient_mma<T, D>, grid, kBackwardThreads, backward_bytes<D>(), w);
  });
}
}  // namespace

hd_status attention_backward_mma(const Call& call, const Problem& p, float2* statistics) {
  return call.t[0]->dtype == HD_BF16 ? backward<bf16>(call, p, statistics) : backward<f16>(call, p, statistics);
}
}  // namespace hd

// attention_fwd for bf16 and f16 on tensor cores, sm_80 and later: o = softmax(scale q k^T, softcap, ALiBi, mask) v over a block layout
// (Dao 2023, FlashAttention-2; block lists as in FlexAttention, Dong et al. 2024; online softmax, Milakov & Gimelshein 2018). Shapes: q, o
// [B,H,T,D]; k, v [B,K,S,D]; lse f32 [B,H,T]; layout as in ops.def. Work: a block of 4 warps per (64 queries, head, batch) walks the key
// blocks of its row list. A warp owns 16 M queries and 64 / KW keys of each block: M = 2, KW = 2 where the sums fit, since a fragment of k
// or v then serves two mma instead of one, which halves the reads of shared memory; the two halves of the keys are joined at the end.
// FULL blocks read no mask. On chip: a ring of tiles in shared memory, filled by cp.async while others are in use: k, v, k, ... (D 64: 40,
// 128: 64, 256: 96 KiB with q); p goes from accumulator to operand within registers. Registers in README.md; no spills. Numerics: products
// in bf16/f16 with f32 sums; p is rounded to the dtype of v, its total is not; exponentials base 2 by ex2.approx (2 ulp), scale * log2(e)
// folded into the one FMA before it. Cost: 4 D FLOP per visible (query, key) pair, whole blocks counted; reads k and v once per query block
// and head. Deterministic: no atomics; keys are summed in list order. Checked on: see README.md; prediction in study/attention/NOTES.md.
#include "mma_attention.h"

namespace hd {
namespace {

struct ForwardTiles {
  int row_atoms;  // 16-row pieces per warp
  int key_warps;  // warps that share the keys of a block
  int slots;      // tiles of k and v in flight or in use
  int blocks;     // per multiprocessor, for the register budget
  bool keep_q;    // q in registers; else it is read from shared memory for every block
};

// M = 1, KW = 1 needs 128 bytes of shared memory per clock at the rate of the tensor cores of sm_80, which is all there is. Rejected: M =
// 2, KW = 1 (two warps of 32 rows): 128 sums and 64 scores leave no room at D = 128. D = 256 holds 128 sums with M = 1 already, and more
// than two slots do not fit 99 KiB.
constexpr ForwardTiles forward_tiles(int d) {
  if (d == 64) return {2, 2, 4, 2, true};
  if (d == 128) return {2, 2, 3, 2, false};
  return {1, 1, 2, 1, false};
}
constexpr int kForwardThreads = 128;

template <int D>
constexpr int64_t forward_bytes() {
  return (1 + forward_tiles(D).slots) * kTileBytes<D>();
}

// The tiles k, v, k, v, ... of the entries of a list, in a ring; tile number n lies in slot n % kSlots.
template <class T, int D>
struct Ring {
  static constexpr int kSlots = forward_tiles(D).slots;
  const ForwardWork<T>& w;
  Heads<const T> k, v;               // from the batch and head on
  int32_t next, end;                 // entry to fetch, end of the list
  int32_t block = 0, following = 0;  // of entries next and next + 1
  bool values = false;               // whether the tile to fetch next is v
  Shared first, to;

  __device__ Ring(const ForwardWork<T>& work, int64_t b, int64_t head, Range range, Shared start)
      : w(work),
        k(work.k),
        v(work.v),
        next(static_cast<int32_t>(range.begin)),
        end(static_cast<int32_t>(range.end)),
        first(start),
        to(start) {
    k.data = w.k.at(b, head, 0);
    v.data = w.v.at(b, head, 0);
    if (next < end) block = static_cast<int32_t>(block_of(w.lists, next));
    if (next + 1 < end)
      following = static_cast<int32_t>(block_of(w.lists, next + 1));  // read an entry ahead, so that no copy waits for its address
  }
  // Fetches the next tile; there may be none left. One group of copies either way.
  __device__ void fetch() {
    if (next < end) {
      const Heads<const T>& heads = values ? v : k;
      const int64_t row = static_cast<int64_t>(block) * kTile;
      const Source<T> from{heads.data + row * heads.row, heads.row, w.p.keys - row};
      fetch_tile<T, D, kTile, kForwardThreads>(to, from, heads.packs, static_cast<int>(w.p.features));
      if (values) {
        next++;
        block = following;
        if (next + 1 < end) following = static_cast<int32_t>(block_of(w.lists, next + 1));
      }
      values = !values;
      to = advance(to);
    }
    commit_copies();
  }
  __device__ Shared advance(Shared slot) const { return slot == first + (kSlots - 1) * kTileBytes<D>() ? first : slot + kTileBytes<D>(); }
  // Waits for the oldest tile and starts the copy of one more, into the slot of the tile before it, which all have left.
  __device__ void step() {
    wait_copies<kSlots - 2>();
    __syncthreads();
    fetch();
  }
};

// Weights of dropped keys become 0; the factor of the others is left to the end.
template <int M, int N>
__device__ void drop(const Problem& p, int64_t query, int64_t key, uint32_t head, Fragments<M, N>& s) {
#pragma unroll
  for (int m = 0; m < M; m++) {
#pragma unroll
    for (int n = 0; n < N; n++) {
      uint32_t word[4];
      row_words(p, query + 16 * m, key + 8 * n, head, word);
#pragma unroll
      for (int i = 0; i < 4; i++) s[m][n][i] = word[i] >= p.threshold ? s[m][n][i] : 0.0f;
    }
  }
}

// Softcap and ALiBi. query: S - T + the query of row g; key: of column c.
template <int M, int N>
__device__ void score(const Scoring& scoring, int64_t query, int64_t key, Fragments<M, N>& s) {
  const auto first = static_cast<float>(query - key);  // differences below 2^24 are exact
#pragma unroll
  for (int m = 0; m < M; m++) {
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++)
        s[m][n][i] = scoring.score(s[m][n][i], first + static_cast<float>(16 * m + i / 2 * 8 - 8 * n - i % 2), nullptr);
    }
  }
}

// Words per lane that Softmax::leave writes.
constexpr int left_words(int m, int columns) { return m * (4 + columns * 4); }

// State of a warp: rows g + 8 half of its M pieces. top: the largest score yet, in units of log 2; total: this lane's part of the sum of
// the weights; o: their products with v, both relative to 2^top.
template <int M, int N, int kColumns>
struct Softmax {
  float top[M][2], total[M][2];
  Fragments<M, kColumns> o;

  __device__ Softmax() {
    clear<M, kColumns>(o);
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        top[m][half] = -INFINITY;
        total[m][half] = 0;
      }
    }
  }

  // s becomes weights relative to the new top. A row's shift is one rounded number for all its weights and for its lse, so folding the
  // factor into the FMA costs no accuracy, however large the scores are.
  __device__ void weigh(Fragments<M, N>& s, float factor) {
    float shrink[M][2];
    bool grows = false;
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        float largest = -INFINITY;
#pragma unroll
        for (int n = 0; n < N; n++) largest = fmaxf(largest, fmaxf(s[m][n][2 * half], s[m][n][2 * half + 1]));
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 1));
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, 2));
        const float higher = fmaxf(top[m][half], largest * factor), shift = higher == -INFINITY ? 0.0f : higher;
        shrink[m][half] = exp2_fast(top[m][half] - shift);
        grows = grows || higher != top[m][half];
        top[m][half] = higher;
        float part = 0;
#pragma unroll
        for (int n = 0; n < N; n++) {
#pragma unroll
          for (int i = 2 * half; i < 2 * half + 2; i++) {
            s[m][n][i] = exp2_fast(fmaf(s[m][n][i], factor, -shift));
            part += s[m][n][i];
          }
        }
        total[m][half] = fmaf(total[m][half], shrink[m][half], part);
      }
    }
    if (__ballot_sync(0xffffffffu, grows) == 0) return;
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
      for (int n = 0; n < kColumns; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) o[m][n][i] *= shrink[m][i / 2];
      }
    }
  }

  // Sums over the lanes of a row.
  __device__ void finish() {
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        total[m][half] += __shfl_xor_sync(0xffffffffu, total[m][half], 1);
        total[m][half] += __shfl_xor_sync(0xffffffffu, total[m][half], 2);
      }
    }
  }

  // Word i of lane l lies at start + 128 i + 4 l.
  __device__ void leave(Shared start) const {
    Shared at = start + static_cast<uint32_t>(lane_id() * 4);
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        store_shared(at + static_cast<uint32_t>((m * 4 + half * 2) * 128), top[m][half]);
        store_shared(at + static_cast<uint32_t>((m * 4 + half * 2 + 1) * 128), total[m][half]);
      }
#pragma unroll
      for (int n = 0; n < kColumns; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) store_shared(at + static_cast<uint32_t>((M * 4 + (m * kColumns + n) * 4 + i) * 128), o[m][n][i]);
      }
    }
  }

  // Joins what another warp left of the same rows.
  __device__ void join(Shared start) {
    Shared at = start + static_cast<uint32_t>(lane_id() * 4);
#pragma unroll
    for (int m = 0; m < M; m++) {
      float own[2], other[2];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const float its_top = load_shared_float(at + static_cast<uint32_t>((m * 4 + half * 2) * 128)),
                    its_total = load_shared_float(at + static_cast<uint32_t>((m * 4 + half * 2 + 1) * 128)),
                    higher = fmaxf(top[m][half], its_top), shift = higher == -INFINITY ? 0.0f : higher;
        own[half] = exp2_fast(top[m][half] - shift);
        other[half] = exp2_fast(its_top - shift);
        total[m][half] = total[m][half] * own[half] + its_total * other[half];
        top[m][half] = higher;
      }
#pragma unroll
      for (int n = 0; n < kColumns; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const float its = load_shared_float(at + static_cast<uint32_t>((M * 4 + (m * kColumns + n) * 4 + i) * 128));
          o[m][n][i] = o[m][n][i] * own[i / 2] + its * other[i / 2];
        }
      }
    }
  }
};

template <class T, int D>
__global__ void __launch_bounds__(kForwardThreads, forward_tiles(D).blocks) forward_mma(ForwardWork<T> w) {
  constexpr ForwardTiles z = forward_tiles(D);
  constexpr int M = z.row_atoms, N = kTile / 8 / z.key_warps, kColumns = D / 8, kRowWarps = 4 / M;
  static_assert(kRowWarps * z.key_warps * 32 == kForwardThreads);
  const Problem& p = w.p;
  // the last rows first: under a causal mask they have the longest lists
  const int64_t block = gridDim.x - 1 - blockIdx.x, h = blockIdx.y, b = blockIdx.z, query0 = block * kTile;
  const int kv_head = static_cast<int>(h) / (static_cast<int>(p.heads) / static_cast<int>(p.kv_heads));
  const int warp = static_cast<int>(threadIdx.x) / 32, row_warp = warp % kRowWarps, key_warp = warp / kRowWarps;
  const int row0 = row_warp * M * 16, column0 = key_warp * N * 8;
  const Shared q_tile = shared_address(dynamic_shared()), q_rows = q_tile + static_cast<uint32_t>(row0 * kPitchBytes<D>);
  const uint32_t key_rows = static_cast<uint32_t>(column0 * kPitchBytes<D>);
  const Lanes lanes(kPitchBytes<D>);
  const Scoring scoring(p, h);
  const float factor = scoring.factor();
  const int64_t query_of_lane = query0 + row0 + lane_id() / 4;

  fetch_tile<T, D, kTile, kForwardThreads>(q_tile, source(w.q, b, h, query0, p.queries), w.q.packs, static_cast<int>(p.features));
  const Range range = entries(w.lists, b, h, block, p.key_blocks);
  Ring<T, D> ring(w, b, kv_head, range, q_tile + kTileBytes<D>());
#pragma unroll
  for (int i = 0; i < z.slots - 1; i++) ring.fetch();  // q is of the first group

  Softmax<M, N, kColumns> softmax;
  [[maybe_unused]] uint32_t q[z.keep_q ? D / 16 : 1][M][4];
  Shared slot = ring.first;
  for (int64_t e = range.begin; e < range.end; e++) {
    const int64_t key0 = block_of(w.lists, e) * kTile;
    const RowMask<M, N> mask(mask_of(w.lists, e), row0 + lane_id() / 4, column0, p.keys - key0);
    ring.step();
    Fragments<M, N> s;
    if constexpr (z.keep_q) {
      if (e == range.begin) {
#pragma unroll
        for (int k = 0; k < D / 16; k++) load_rows<D, M>(q_rows, lanes, k, q[k]);
      }
      clear<M, N>(s);
#pragma unroll
      for (int k = 0; k < D / 16; k++) multiply_rows<T, D, M, N>(q[k], slot + key_rows, lanes, k, s);
    } else {
      multiply_tiles<T, D, M, N>(q_rows, slot + key_rows, lanes, s);
    }
    slot = ring.advance(slot);
    const int64_t key_of_lane = key0 + column0 + lane_id() % 4 * 2;
    if (!scoring.plain) score<M, N>(scoring, query_of_lane + p.keys - p.queries, key_of_lane, s);
    mask.hide(s);
    softmax.weigh(s, factor);
    if (p.threshold != 0) drop<M, N>(p, query_of_lane, key_of_lane, static_cast<uint32_t>(b * p.heads + h), s);
    ring.step();
    accumulate<T, D, M, N, kColumns>(s, slot + key_rows, lanes, softmax.o);
    slot = ring.advance(slot);
  }

  softmax.finish();
  wait_copies<0>();
  __syncthreads();  // from here on the tiles are scratch
  if constexpr (z.key_warps == 2) {
    const Shared left = q_tile + static_cast<uint32_t>(row_warp * left_words(M, kColumns) * 128);
    static_assert(kRowWarps * left_words(M, kColumns) * 128 <= forward_bytes<D>());
    if (key_warp == 1) softmax.leave(left);
    __syncthreads();
    if (key_warp == 0) softmax.join(left);
    __syncthreads();
  }
  if (key_warp == 0) {
#pragma unroll
    for (int m = 0; m < M; m++) {
      float scale[2];
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const float total = softmax.total[m][half];
        scale[half] = total == 0 ? 0.0f : (p.threshold != 0 ? p.keep_factor : 1.0f) / total;
        const int64_t query = query_of_lane + 16 * m + 8 * half;
        if (w.lse != nullptr && lane_id() % 4 == 0 && query < p.queries) {
          w.lse[b * w.lse_stride[0] + h * w.lse_stride[1] + query * w.lse_stride[2]] =
              total == 0 ? -INFINITY : (softmax.top[m][half] + log2f(total)) * kLn2;
        }
      }
      stage<T, D, kColumns>(softmax.o[m], scale, q_rows + static_cast<uint32_t>(m * 16 * kPitchBytes<D>), 0);
    }
  }
  __syncthreads();
  write_tile<T, D, kTile, kForwardThreads>(q_tile, w.o.at(b, h, query0), w.o.row, w.o.vector, p.queries - query0, p.features);
}

template <class T>
hd_status forward(const Call& call, const Problem& p) {
  return with_head_size(p.features, [&](auto size) {
    constexpr int D = decltype(size)::value;
    const dim3 grid(static_cast<unsigned>(p.query_blocks), static_cast<unsigned>(p.heads), static_cast<unsigned>(p.batches));
    return launch(call, forward_mma<T, D>, grid, kForwardThreads, forward_bytes<D>(), forward_work<T>(call, p));
  });
}
}  // namespace

hd_status attention_forward_mma(const Call& call, const Problem& p) {
  return call.t[0]->dtype == HD_BF16 ? forward<bf16>(call, p) : forward<f16>(call, p);
}
}  // namespace hd

// attention_bwd: gradients of attention_fwd, from o and lse, without T x S memory (Dao et al. 2022, algorithm 4). The checks and the
// statistics for all dtypes, and the kernels for f32; bf16 and f16: attention_bwd_mma.cu.
// With P = exp(score - lse) and delta = rowsum(do * o): dv = P~^T do, dP = do v^T, dS = P (dP~ - delta) d(score)/d(qk), dq = dS k, dk =
// dS^T q, where ~ is the dropout mask with its factor. Shapes: q, o, do, dq [B,H,T,D]; k, v, dk, dv [B,K,S,D]; lse f32 [B,H,T]; row and
// column lists as in ops.def. Work: three kernels. delta: a warp per query. dq: a block of 256 threads per (64 queries, head, batch) walks
// its row list. dk, dv: a block per (64 keys, key head, batch) walks the column lists of the H/K heads that share it, so no two blocks
// write to one place. On chip: three tiles, one of them loaded in turn with k, v, k (or q, do, q), and one 64 x 64 tile of scores: 3 * 64 *
// (D + pad) + 17 KiB of shared memory (D 64: 68, 128: 116, 256: 212 KiB); B H T float2 of workspace. Registers in README.md; no spills.
// Numerics: products and sums in f32 FMA, not TF32; exponentials base 2. Cost: 14 D FLOP per visible pair (scores are formed twice), whole
// blocks counted. Deterministic: no atomics; sums in list order, heads in order. Checked on: see README.md.
#include "attention.h"
#include "hopper_attention.h"

namespace hd {
namespace {

// A team of threads (x) per query, as many as the row has packs, up to a warp.
template <class T>
__global__ void __launch_bounds__(kThreads) delta_kernel(BackwardWork<T> w) {
  constexpr int W = kWidth<T>;
  const Problem& p = w.p;
  const int64_t t = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y, h = blockIdx.y, b = blockIdx.z;
  float x[W], y[W], total = 0, lse = INFINITY;  // queries that do not exist: their weights are 0
  if (t < p.queries) {
    const T *o = w.o.at(b, h, t), *d_o = w.d_o.at(b, h, t);
    for (int64_t at = static_cast<int64_t>(threadIdx.x) * W; at < p.features; at += static_cast<int64_t>(blockDim.x) * W) {
      load_pack(o, at, p.features, w.o.vector, x);
      load_pack(d_o, at, p.features, w.d_o.vector, y);
#pragma unroll
      for (int i = 0; i < W; i++) total = fmaf(x[i], y[i], total);
    }
    lse = w.lse[b * w.lse_stride[0] + h * w.lse_stride[1] + t * w.lse_stride[2]];
  }
  for (int step = static_cast<int>(blockDim.x) / 2; step > 0; step /= 2) total += __shfl_xor_sync(0xffffffffu, total, step);
  // -inf: no key is seen, all weights are exp(-inf), whatever is subtracted
  if (threadIdx.x == 0) {
    *w.statistics_of(b, h, t) = make_float2(lse == -INFINITY ? 0.0f : lse * kLog2e, total);
  }
}

// In: s = q k^T, g = do v^T. Out: s = the weights with dropout, g = dS.
// statistics: of the rows of the tile.
__device__ void weights_and_gradients(const Problem& p, const float2* statistics, float slope, const int64_t* mask, int64_t b, int64_t h,
                                      int64_t query0, int64_t key0, float (&s)[4][4], float (&g)[4][4]) {
  float slope_of[4][4];
  finish_scores(p, slope, mask, query0, key0, s, slope_of);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const float2 own = statistics[row_of(i)];
    uint32_t word[4] = {~0u, ~0u, ~0u, ~0u};
    if (p.threshold != 0) dropout_words(p, query0 + row_of(i), key0, static_cast<uint32_t>(b * p.heads + h), word);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const float weight = exp2f(s[i][j] - own.x), keep = word[j] >= p.threshold ? p.keep_factor : 0.0f;
      g[i][j] = weight * (g[i][j] * keep - own.y) * slope_of[i][j];
      s[i][j] = weight * keep;
    }
  }
}

template <class T, int D>
__global__ void __launch_bounds__(kThreads) query_gradient(BackwardWork<T> w) {
  T* const q_tile = reinterpret_cast<T*>(dynamic_shared());
  T* const do_tile = q_tile + kTile * kPitch<T, D>;
  T* const kv_tile = do_tile + kTile * kPitch<T, D>;
  float* const ds = reinterpret_cast<float*>(kv_tile + kTile * kPitch<T, D>);
  const Problem& p = w.p;
  const int64_t block = blockIdx.x, h = blockIdx.y, b = blockIdx.z, query0 = block * kTile, kv_head = h / (p.heads / p.kv_heads);
  const float slope = p.slopes == nullptr ? 0.0f : p.slopes[h];
  const int n = static_cast<int>(ceil_div(p.features, 4) * 4);
  load_tile<T, D>(q_tile, w.q.at(b, h, query0), w.q.row, w.q.vector, p.queries - query0, p.features);
  load_tile<T, D>(do_tile, w.d_o.at(b, h, query0), w.d_o.row, w.d_o.vector, p.queries - query0, p.features);
  Sums<D> dq;
  clear<D>(dq);
  const Range range = entries(w.rows, b, h, block, p.key_blocks);
  for (int64_t e = range.begin; e < range.end; e++) {
    const int64_t key0 = block_of(w.rows, e) * kTile, left = p.keys - key0;
    const T* k = w.k.at(b, kv_head, key0);
    float s[4][4], g[4][4];
    load_tile<T, D>(kv_tile, k, w.k.row, w.k.vector, left, p.features);
    __syncthreads();
    multiply_nt<T, D>(q_tile, kv_tile, n, s);
    __syncthreads();
    load_tile<T, D>(kv_tile, w.v.at(b, kv_head, key0), w.v.row, w.v.vector, left, p.features);
    __syncthreads();
    multiply_nt<T, D>(do_tile, kv_tile, n, g);
    __syncthreads();
    load_tile<T, D>(kv_tile, k, w.k.row, w.k.vector, left, p.features);
    weights_and_gradients(p, w.statistics_of(b, h, query0), slope, mask_of(w.rows, e), b, h, query0, key0, s, g);
    store_scores(ds, g);
    __syncthreads();
    multiply_nn<T, D>(ds, kv_tile, dq);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int64_t query = query0 + row_of(i);
    if (query < p.queries) store_sums<T, D>(dq, i, 1.0f, w.dq.at(b, h, query), w.dq.vector, p.features);
  }
}

// Blocks of a processor that registers are dealt for; 0: the compiler's choice, which spills on sm_80.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
constexpr int kKeyBlocks = 1;
#else
constexpr int kKeyBlocks = 0;
#endif

template <class T, int D>
__global__ void __launch_bounds__(kThreads, kKeyBlocks) key_gradient(BackwardWork<T> w) {
  T* const k_tile = reinterpret_cast<T*>(dynamic_shared());
  T* const v_tile = k_tile + kTile * kPitch<T, D>;
  T* const tile = v_tile + kTile * kPitch<T, D>;
  float* const weights = reinterpret_cast<float*>(tile + kTile * kPitch<T, D>);
  const Problem& p = w.p;
  const int64_t block = blockIdx.x, kv_head = blockIdx.y, b = blockIdx.z, key0 = block * kTile, group = p.heads / p.kv_heads;
  const int n = static_cast<int>(ceil_div(p.features, 4) * 4);
  load_tile<T, D>(k_tile, w.k.at(b, kv_head, key0), w.k.row, w.k.vector, p.keys - key0, p.features);
  load_tile<T, D>(v_tile, w.v.at(b, kv_head, key0), w.v.row, w.v.vector, p.keys - key0, p.features);
  Sums<D> dk, dv;
  clear<D>(dk);
  clear<D>(dv);
  for (int64_t h = kv_head * group; h < (kv_head + 1) * group; h++) {
    const float slope = p.slopes == nullptr ? 0.0f : p.slopes[h];
    const Range range = entries(w.columns, b, h, block, p.query_blocks);
    for (int64_t e = range.begin; e < range.end; e++) {
      const int64_t query0 = block_of(w.columns, e) * kTile, left = p.queries - query0;
      const T* q = w.q.at(b, h, query0);
      float s[4][4], g[4][4];
      load_tile<T, D>(tile, q, w.q.row, w.q.vector, left, p.features);
      __syncthreads();
      multiply_nt<T, D>(tile, k_tile, n, s);
      __syncthreads();
      load_tile<T, D>(tile, w.d_o.at(b, h, query0), w.d_o.row, w.d_o.vector, left, p.features);
      __syncthreads();
      multiply_nt<T, D>(tile, v_tile, n, g);
      weights_and_gradients(p, w.statistics_of(b, h, query0), slope, mask_of(w.columns, e), b, h, query0, key0, s, g);
      store_scores(weights, s);
      __syncthreads();
      multiply_tn<T, D>(weights, tile, dv);
      __syncthreads();
      load_tile<T, D>(tile, q, w.q.row, w.q.vector, left, p.features);
      store_scores(weights, g);
      __syncthreads();
      multiply_tn<T, D>(weights, tile, dk);
      __syncthreads();
    }
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int64_t key = key0 + row_of(i);
    if (key >= p.keys) continue;
    store_sums<T, D>(dk, i, 1.0f, w.dk.at(b, kv_head, key), w.dk.vector, p.features);
    store_sums<T, D>(dv, i, 1.0f, w.dv.at(b, kv_head, key), w.dv.vector, p.features);
  }
}
}  // namespace

hd_status attention_bwd(const Call& call) {
  const hd_tensor &q = *call.t[0], &k = *call.t[1];
  Check check(call);
  check_attention(check, call, 10);
  for (const int32_t i : {3, 5, 14}) check.alike(i, 0).same_shape(i, 0).dense(i);
  for (const int32_t i : {15, 16}) check.alike(i, 1).same_shape(i, 1).dense(i);
  check.dtype(4, HD_F32).rows_of(4, 0).output(14).output(15).output(16);
  check.require(call.has(6) == call.has(8), "row and column lists come together");
  if (!check.failed()) check_lists(check, call, 6, ceil_div(q.shape[2], kTile), "row_ptr must be [1 or B, G, ceil(T / 64) + 1]");
  if (!check.failed()) check_lists(check, call, 8, ceil_div(k.shape[2], kTile), "col_ptr must be [1 or B, G, ceil(S / 64) + 1]");
  if (check.failed()) return check.status();
  const Problem p = problem_of(call, 12);
  if (const hd_status status = check_sizes(p); status != HD_OK) return status;
  const int64_t rows = p.batches * p.heads * p.query_blocks * kTile;
  if (rows == 0 && p.batches * p.kv_heads * p.keys == 0) return HD_OK;
  const int64_t bytes = most(1, rows) * static_cast<int64_t>(sizeof(float2));
  int64_t more = hopper_one_pass_bytes(call, p);  // not a must
  void* memory = workspace(call, bytes + more);
  if (memory == nullptr && more > 0) memory = workspace(call, bytes + (more = 0));
  if (memory == nullptr) return HD_NO_MEMORY;
  auto* const statistics = static_cast<float2*>(memory);
  if (rows > 0) {
    const hd_status done = with_float(q.dtype, [&](auto type) {
      using T = decltype(type);
      unsigned team = 4;  // kThreads / team divides the 64 queries of a block
      while (team < 32 && team * kWidth<T> < p.features) team *= 2;
      const unsigned queries = kThreads / team;
      const dim3 grid(static_cast<unsigned>(p.query_blocks) * (kTile / queries), static_cast<unsigned>(p.heads),
                      static_cast<unsigned>(p.batches));
      return launch(call, delta_kernel<T>, grid, dim3(team, queries), 0, backward_work<T>(call, p, statistics));
    });
    if (done != HD_OK) return done;
  }
  hd_status status = HD_OK;
  const Lists row_lists = lists_of(call, 6, 10, 11), column_lists = lists_of(call, 8, 10, 11);
  if (more > 0 && hopper_attention_bwd_one_pass(call, p, row_lists, column_lists, statistics, statistics + rows, status)) return status;
  if (hopper_attention_bwd(call, p, row_lists, column_lists, statistics, status)) return status;
  if (q.dtype != HD_F32) return attention_backward_mma(call, p, statistics);
  return with_head_size(p.features, [&](auto size) {
    constexpr int D = decltype(size)::value;
    const BackwardWork<float> w = backward_work<float>(call, p, statistics);
    const auto heads = static_cast<unsigned>(p.heads), kv_heads = static_cast<unsigned>(p.kv_heads),
               batches = static_cast<unsigned>(p.batches);
    if (rows > 0) {
      const dim3 grid(static_cast<unsigned>(p.query_blocks), heads, batches);
      status = launch(call, query_gradient<float, D>, grid, kThreads, shared_bytes<float, D>(3), w);
    }
    if (status != HD_OK || p.batches * p.kv_heads * p.keys == 0) return status;
    const dim3 grid(static_cast<unsigned>(p.key_blocks), kv_heads, batches);
    return launch(call, key_gradient<float, D>, grid, kThreads, shared_bytes<float, D>(3), w);
  });
}
}  // namespace hd

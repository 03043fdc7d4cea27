// attention_fwd: o = softmax(scale q k^T, softcap, ALiBi, mask) v over a block layout, without T x S memory (Dao et al. 2022; block lists
// as in FlexAttention, Dong et al. 2024; online softmax, Milakov & Gimelshein 2018). The checks for all dtypes, and the kernel for f32;
// bf16 and f16: attention_fwd_mma.cu. Shapes: q, o [B,H,T,D]; k, v [B,K,S,D]; lse f32 [B,H,T]; layout as in ops.def. Work: a block of 256
// threads per (64 queries, head, batch) walks the key blocks of its row list; a thread owns 4 x 4 scores and 4 rows x D/16 columns of o.
// FULL blocks read no mask. On chip: q, and k then v in one more tile; scores: 2 * 64 * (D + pad) + 17 KiB of shared memory (D 64: 51,
// 128: 83, 256: 147 KiB). Registers in README.md; no spills. Numerics: products and sums in f32 FMA, not TF32; exponentials base 2. Cost:
// 4 D FLOP per visible (query, key) pair, whole blocks counted; reads k and v once per query block and head. Deterministic: no atomics;
// keys are summed in list order. Checked on: see README.md.
#include "attention.h"
#include "hopper_attention.h"
#include "one_query.h"

namespace hd {
namespace {

// Blocks per multiprocessor: two where 128 registers are enough. Said outright: left alone, ptxas spills at D = 256 to fit a second one.
template <class T, int D>
constexpr int kBlocks = D == 64 || (D == 128 && sizeof(T) == 2) ? 2 : 1;

template <class T, int D>
__global__ void __launch_bounds__(kThreads, kBlocks<T, D>) forward_kernel(ForwardWork<T> w) {
  T* const q_tile = reinterpret_cast<T*>(dynamic_shared());
  T* const kv_tile = q_tile + kTile * kPitch<T, D>;
  float* const weights = reinterpret_cast<float*>(kv_tile + kTile * kPitch<T, D>);
  const Problem& p = w.p;
  const int64_t block = blockIdx.x, h = blockIdx.y, b = blockIdx.z, query0 = block * kTile, kv_head = h / (p.heads / p.kv_heads);
  const float slope = p.slopes == nullptr ? 0.0f : p.slopes[h];
  const int n = static_cast<int>(ceil_div(p.features, 4) * 4);
  load_tile<T, D>(q_tile, w.q.at(b, h, query0), w.q.row, w.q.vector, p.queries - query0, p.features);

  Sums<D> sums;
  clear<D>(sums);
  float top[4], total[4];
#pragma unroll
  for (int i = 0; i < 4; i++) {
    top[i] = -INFINITY;
    total[i] = 0;
  }
  const Range range = entries(w.lists, b, h, block, p.key_blocks);
  for (int64_t e = range.begin; e < range.end; e++) {
    const int64_t key0 = block_of(w.lists, e) * kTile;
    load_tile<T, D>(kv_tile, w.k.at(b, kv_head, key0), w.k.row, w.k.vector, p.keys - key0, p.features);
    __syncthreads();
    float s[4][4];
    multiply_nt<T, D>(q_tile, kv_tile, n, s);
    __syncthreads();
    load_tile<T, D>(kv_tile, w.v.at(b, kv_head, key0), w.v.row, w.v.vector, p.keys - key0, p.features);
    finish_scores(p, slope, mask_of(w.lists, e), query0, key0, s, nullptr);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      float higher = fmaxf(fmaxf(s[i][0], s[i][1]), fmaxf(s[i][2], s[i][3]));
#pragma unroll
      for (int step = 8; step > 0; step /= 2) higher = fmaxf(higher, __shfl_xor_sync(0xffffffffu, higher, step));
      higher = fmaxf(higher, top[i]);
      const float shift = higher == -INFINITY ? 0.0f : higher, shrink = exp2f(top[i] - shift);
      top[i] = higher;
      float part = 0;
#pragma unroll
      for (int j = 0; j < 4; j++) {
        s[i][j] = exp2f(s[i][j] - shift);
        part += s[i][j];
      }
#pragma unroll
      for (int step = 8; step > 0; step /= 2) part += __shfl_xor_sync(0xffffffffu, part, step);
      total[i] = total[i] * shrink + part;
#pragma unroll
      for (int c = 0; c < D / 64; c++) {
#pragma unroll
        for (int d = 0; d < 4; d++) sums[i][c][d] *= shrink;
      }
      if (p.threshold != 0) {  // the weights lose keys, their total does not
        uint32_t word[4];
        dropout_words(p, query0 + row_of(i), key0, static_cast<uint32_t>(b * p.heads + h), word);
#pragma unroll
        for (int j = 0; j < 4; j++) s[i][j] = word[j] >= p.threshold ? s[i][j] * p.keep_factor : 0.0f;
      }
    }
    store_scores(weights, s);
    __syncthreads();
    multiply_nn<T, D>(weights, kv_tile, sums);
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int64_t query = query0 + row_of(i);
    if (query >= p.queries) continue;
    store_sums<T, D>(sums, i, total[i] == 0 ? 0.0f : 1.0f / total[i], w.o.at(b, h, query), w.o.vector, p.features);
    if (w.lse != nullptr && column_of(0) == 0) {
      w.lse[b * w.lse_stride[0] + h * w.lse_stride[1] + query * w.lse_stride[2]] =
          total[i] == 0 ? -INFINITY : (top[i] + log2f(total[i])) * kLn2;
    }
  }
}

// Every key seen by one query: its keys are shared out to blocks (attention_step.cu).
template <class T>
hd_status one_query(const Call& call, const Problem& p) {
  QueryWork<T> w{};
  w.q = Heads<const T>(call, 0), w.keys = Heads<T>(call, 1), w.values = Heads<T>(call, 2), w.o = Heads<T>(call, 9);
  w.slopes = p.slopes, w.scale = p.scale, w.softcap = p.softcap;
  w.batches = p.batches, w.heads = p.heads, w.kv_heads = p.kv_heads, w.slots = p.keys, w.features = p.features;
  w.lse = call.data<float>(10);
  for (int d = 0; d < 2 && call.has(10); d++) w.lse_stride[d] = call.t[10]->stride[d];
  return attend_one_query(call, w);
}
}  // namespace

hd_status attention_fwd(const Call& call) {
  const hd_tensor& q = *call.t[0];
  Check check(call);
  check_attention(check, call, 5);
  check.alike(9, 0).same_shape(9, 0).dense(9).output(9).dtype(10, HD_F32).rows_of(10, 0).output(10);
  if (!check.failed()) check_lists(check, call, 3, ceil_div(q.shape[2], kTile), "row_ptr must be [1 or B, G, ceil(T / 64) + 1]");
  if (check.failed()) return check.status();
  const Problem p = problem_of(call, 7);
  if (const hd_status status = check_sizes(p); status != HD_OK) return status;
  if (p.batches * p.heads * p.queries == 0) return HD_OK;
  if (p.queries == 1 && !call.has(3) && p.threshold == 0)
    return with_float(q.dtype, [&](auto type) { return one_query<decltype(type)>(call, p); });
  hd_status status = HD_OK;
  if (hopper_attention_fwd(call, p, lists_of(call, 3, 5, 6), status)) return status;
  if (q.dtype != HD_F32) return attention_forward_mma(call, p);
  return with_head_size(p.features, [&](auto size) {
    constexpr int D = decltype(size)::value;
    const dim3 grid(static_cast<unsigned>(p.query_blocks), static_cast<unsigned>(p.heads), static_cast<unsigned>(p.batches));
    return launch(call, forward_kernel<float, D>, grid, kThreads, shared_bytes<float, D>(2), forward_work<float>(call, p));
  });
}
}  // namespace hd

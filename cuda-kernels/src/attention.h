// What attention_fwd and attention_bwd share: the description of a call, the walk over its block layout, and products of 64-row tiles in
// shared memory by 256 threads, thread (ty, tx) = (id / 16, id % 16).
#pragma once
#include "check.h"
#include "device.h"

namespace hd {

// Rows of a tile, fixed by the 64x64 blocks of ops.def. 256 threads own 4x4 scores each; 128 threads with 8x4 scores need 32 more
// registers for operands, which leaves no room for the 128 sums of dk and dv at D = 256.
constexpr int kTile = 64;
constexpr int kScorePitch = kTile + 4;  // f32; 4 more, so that rows start in different banks and stay 16-byte aligned
constexpr float kLn2 = 0.6931471805599453f;

// Elements from one row of a tile to the next: 16 bytes of padding, against bank conflicts.
template <class T, int D>
constexpr int kPitch = D + kWidth<T>;

template <class T, int D>
constexpr int64_t shared_bytes(int tiles) {
  return static_cast<int64_t>(tiles) * kTile * kPitch<T, D> * static_cast<int64_t>(sizeof(T)) + kTile * kScorePitch * 4;
}

// [B, heads, rows, D] with any strides but a last one of 1.
template <class T>
struct Heads {
  T* data = nullptr;
  int64_t batch = 0, head = 0, row = 0;  // strides
  bool vector = false;                   // every row starts on 16 bytes
  bool packs = false;                    // and is a whole number of packs of 16 bytes

  Heads() = default;
  Heads(const Call& call, int32_t i) {
    const hd_tensor& t = *call.t[i];
    data = call.data<T>(i);
    batch = t.stride[0];
    head = t.stride[1];
    row = t.stride[2];
    vector = t.data % 16 == 0;
    for (int d = 0; d < 3; d++) vector = vector && (t.shape[d] == 1 || t.stride[d] * static_cast<int64_t>(sizeof(T)) % 16 == 0);
    packs = vector && t.shape[3] % kWidth<T> == 0;
  }
  __device__ T* at(int64_t b, int64_t h, int64_t r) const { return data + b * batch + h * head + r * row; }
};

struct Lists {
  const int32_t* ptr = nullptr;  // [L, G, blocks + 1]; null: every block, unmasked
  const int32_t* blocks = nullptr;
  const int64_t* masks = nullptr;
  const int32_t* head_group = nullptr;
  int64_t per_batch = 0, per_group = 0;  // strides of ptr
};

struct Range {
  int64_t begin, end;
};

// Entries of block row (or column) i for head h; without a layout, entry e is block e.
__device__ inline Range entries(const Lists& l, int64_t b, int64_t h, int64_t i, int64_t all) {
  if (l.ptr == nullptr) return {0, all};
  const int32_t* p = l.ptr + b * l.per_batch + (l.head_group == nullptr ? 0 : l.head_group[h]) * l.per_group + i;
  return {p[0], p[1]};
}
__device__ inline int64_t block_of(const Lists& l, int64_t e) { return l.ptr == nullptr ? e : l.blocks[2 * e]; }
// The mask of the entry's block, or null for a FULL one.
__device__ inline const int64_t* mask_of(const Lists& l, int64_t e) {
  const int64_t id = l.ptr == nullptr ? 0 : l.blocks[2 * e + 1];
  return id == 0 ? nullptr : l.masks + id * kTile;
}

struct Problem {
  int64_t batches, heads, kv_heads, queries, keys, features, query_blocks, key_blocks;
  const float* slopes;
  float scale, softcap, keep_factor;  // keep_factor: 1 / (1 - p)
  uint32_t threshold, offset;         // threshold 0: no dropout
  uint64_t seed;
  const int64_t* added;  // to the offset; may be null
};

// Where the dropout of this call draws. The load is an instruction that stays where it is: kept over the loop it would cost a register of
// kernels that have none to spare.
__device__ inline uint32_t offset_of(const Problem& p) {
  uint32_t added = 0;
  if (p.added != nullptr) {
#ifndef HD_EMULATE
    asm volatile("ld.global.u32 %0, [%1];" : "=r"(added) : "l"(__cvta_generic_to_global(p.added)));
#else
    added = static_cast<uint32_t>(*p.added);
#endif
  }
  return p.offset + added;
}

__device__ inline int row_of(int i) { return static_cast<int>(threadIdx.x) / 16 * 4 + i; }
__device__ inline int column_of(int j) { return static_cast<int>(threadIdx.x) % 16 + 16 * j; }

// ---- tiles ----

// Rows past `rows` and columns past n are 0.
template <class T, int D>
__device__ void load_tile(T* tile, const T* from, int64_t stride, bool vector, int64_t rows, int64_t n) {
  constexpr int W = kWidth<T>, kPacks = D / W;
  for (int i = static_cast<int>(threadIdx.x); i < kTile * kPacks; i += kThreads) {
    const int row = i / kPacks, column = i % kPacks * W;
    Bits<T> bits;
    if (row < rows && vector && column + W <= n) {
      bits = *reinterpret_cast<const Bits<T>*>(from + row * stride + column);
    } else {
#pragma unroll
      for (int k = 0; k < W; k++) bits.item[k] = row < rows && column + k < n ? from[row * stride + column + k] : rounded<T>(0.0f);
    }
    *reinterpret_cast<Bits<T>*>(tile + row * kPitch<T, D> + column) = bits;
  }
}

template <class T>
struct alignas(4 * sizeof(T)) Four {
  T item[4];
};
template <class T>
__device__ void load_four(const T* p, float (&x)[4]) {
  const Four<T> bits = *reinterpret_cast<const Four<T>*>(p);
#pragma unroll
  for (int i = 0; i < 4; i++) x[i] = to_f32(bits.item[i]);
}

// s[i][j] = a[row_of(i)] . b[column_of(j)]
template <class T, int D>
__device__ void multiply_nt(const T* a, const T* b, int n, float (&s)[4][4]) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) s[i][j] = 0;
  }
#pragma unroll 1
  for (int d = 0; d < n; d += 4) {
    float x[4][4], y[4];
#pragma unroll
    for (int i = 0; i < 4; i++) load_four(a + row_of(i) * kPitch<T, D> + d, x[i]);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      load_four(b + column_of(j) * kPitch<T, D> + d, y);
#pragma unroll
      for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int k = 0; k < 4; k++) s[i][j] = fmaf(x[i][k], y[k], s[i][j]);
      }
    }
  }
}

// Sums of a thread: rows row_of(i), columns 4 tx + 64 c + k.
template <int D>
using Sums = float[4][D / 64][4];

// sums[i] += sum over k of w[row_of(i)][k] * tile[k]
template <class T, int D>
__device__ void multiply_nn(const float* w, const T* tile, Sums<D>& sums) {
#pragma unroll 1
  for (int k = 0; k < kTile; k += 4) {
    float x[4][4], y[4];
#pragma unroll
    for (int i = 0; i < 4; i++) load_four(w + row_of(i) * kScorePitch + k, x[i]);
#pragma unroll
    for (int m = 0; m < 4; m++) {
#pragma unroll
      for (int c = 0; c < D / 64; c++) {
        load_four(tile + (k + m) * kPitch<T, D> + column_of(0) * 4 + 64 * c, y);
#pragma unroll
        for (int i = 0; i < 4; i++) {
#pragma unroll
          for (int d = 0; d < 4; d++) sums[i][c][d] = fmaf(x[i][m], y[d], sums[i][c][d]);
        }
      }
    }
  }
}

// sums[i] += sum over q of w[q][row_of(i)] * tile[q]
template <class T, int D>
__device__ void multiply_tn(const float* w, const T* tile, Sums<D>& sums) {
#pragma unroll 2
  for (int q = 0; q < kTile; q++) {
    float x[4], y[4];
    load_four(w + q * kScorePitch + row_of(0), x);
#pragma unroll
    for (int c = 0; c < D / 64; c++) {
      load_four(tile + q * kPitch<T, D> + column_of(0) * 4 + 64 * c, y);
#pragma unroll
      for (int i = 0; i < 4; i++) {
#pragma unroll
        for (int d = 0; d < 4; d++) sums[i][c][d] = fmaf(x[i], y[d], sums[i][c][d]);
      }
    }
  }
}

template <int D>
__device__ void clear(Sums<D>& sums) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int c = 0; c < D / 64; c++) {
#pragma unroll
      for (int d = 0; d < 4; d++) sums[i][c][d] = 0;
    }
  }
}

// Row row_of(i) of the sums, times factor, to the row at `to`.
template <class T, int D>
__device__ void store_sums(const Sums<D>& sums, int i, float factor, T* to, bool vector, int64_t n) {
#pragma unroll
  for (int c = 0; c < D / 64; c++) {
    const int at = column_of(0) * 4 + 64 * c;
    if (vector && at + 4 <= n) {
      Four<T> bits;
#pragma unroll
      for (int d = 0; d < 4; d++) put(bits.item[d], sums[i][c][d] * factor);
      *reinterpret_cast<Four<T>*>(to + at) = bits;
    } else {
#pragma unroll
      for (int d = 0; d < 4; d++) {
        if (at + d < n) put(to[at + d], sums[i][c][d] * factor);
      }
    }
  }
}

__device__ inline void store_scores(float* w, const float (&s)[4][4]) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
#pragma unroll
    for (int j = 0; j < 4; j++) w[row_of(i) * kScorePitch + column_of(j)] = s[i][j];
  }
}

// ---- scores ----

// q k^T becomes a score in units of log 2; hidden keys become -inf. slope_of: d(score)/d(q k^T), for the backward pass.
__device__ inline void finish_scores(const Problem& p, float slope, const int64_t* mask, int64_t query0, int64_t key0, float (&s)[4][4],
                                     float (*slope_of)[4]) {
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int64_t query = query0 + row_of(i);
    const uint64_t bits = mask == nullptr ? ~uint64_t{0} : static_cast<uint64_t>(mask[row_of(i)]);
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int64_t key = key0 + column_of(j);
      float x = s[i][j] * p.scale, d = p.scale;
      if (p.softcap > 0) {
        const float t = tanhf(x / p.softcap);
        x = p.softcap * t;
        d *= 1 - t * t;
      }
      if (slope != 0) {
        const int64_t distance = query + p.keys - p.queries - key;
        x -= slope * static_cast<float>(distance < 0 ? -distance : distance);
      }
      const bool seen = key < p.keys && query < p.queries && (bits >> column_of(j) & 1) != 0;
      s[i][j] = seen ? x * kLog2e : -INFINITY;
      if (slope_of != nullptr) slope_of[i][j] = d;
    }
  }
}

// Words that decide on the keys column_of(0..3) of row row_of(i). A block of four words belongs to four neighbouring lanes; each of them
// forms the block of one j, and they exchange words.
__device__ inline void dropout_words(const Problem& p, int64_t query, int64_t key0, uint32_t head, uint32_t (&word)[4]) {
  const int lane = static_cast<int>(threadIdx.x) % 32, own = lane % 4;
  const int64_t key = key0 + (column_of(own) & ~3);
  const uint4 r = philox(make_uint4(static_cast<uint32_t>(key / 4), static_cast<uint32_t>(query), head, offset_of(p)), p.seed);
#pragma unroll
  for (int j = 0; j < 4; j++) {
    const int source = (lane & ~3) + j;
    const uint32_t x = __shfl_sync(0xffffffffu, r.x, source), y = __shfl_sync(0xffffffffu, r.y, source),
                   z = __shfl_sync(0xffffffffu, r.z, source), w = __shfl_sync(0xffffffffu, r.w, source);
    word[j] = own == 0 ? x : own == 1 ? y : own == 2 ? z : w;
  }
}

// ---- calls ----

// What a forward kernel is given.
template <class T>
struct ForwardWork {
  Problem p;
  Lists lists;
  Heads<const T> q, k, v;
  Heads<T> o;
  float* lse;  // may be null
  int64_t lse_stride[3];
};

// First tensor of a group of optional ones: ptr, blocks.
inline Lists lists_of(const Call& call, int32_t ptr, int32_t masks, int32_t head_group) {
  Lists l;
  if (!call.has(ptr)) return l;
  const hd_tensor& t = *call.t[ptr];
  l.ptr = call.data<const int32_t>(ptr);
  l.blocks = call.data<const int32_t>(ptr + 1);
  l.masks = call.data<const int64_t>(masks);
  l.head_group = call.data<const int32_t>(head_group);
  l.per_batch = t.shape[0] == 1 ? 0 : t.shape[1] * t.shape[2];
  l.per_group = t.shape[2];
  return l;
}

inline void check_lists(Check& check, const Call& call, int32_t ptr, int64_t blocks, const char* what) {
  check.rank(ptr, 3).rank(ptr + 1, 2).dtype(ptr, HD_I32).dtype(ptr + 1, HD_I32).contiguous(ptr, ptr + 1);
  if (check.failed() || !call.has(ptr)) return;
  const hd_tensor& t = *call.t[ptr];
  check.require(call.has(ptr + 1) && call.t[ptr + 1]->shape[1] == 2, "a layout needs its block list [E, 2]");
  check.require((t.shape[0] == 1 || t.shape[0] == call.t[0]->shape[0]) && t.shape[1] > 0 && t.shape[2] == blocks + 1, what);
}

inline Problem problem_of(const Call& call, int32_t slopes) {
  const hd_AttentionParams& a = call.params<hd_AttentionParams>();
  const hd_tensor &q = *call.t[0], &k = *call.t[1];
  return {q.shape[0],
          q.shape[1],
          k.shape[1],
          q.shape[2],
          k.shape[2],
          q.shape[3],
          ceil_div(q.shape[2], kTile),
          ceil_div(k.shape[2], kTile),
          call.data<const float>(slopes),
          a.scale,
          a.softcap,
          static_cast<float>(1.0 / (1.0 - static_cast<double>(a.dropout))),
          philox_threshold(a.dropout),
          static_cast<uint32_t>(a.offset),
          static_cast<uint64_t>(a.seed),
          call.data<const int64_t>(slopes + 1)};
}

// q, k, v and what both ops say about heads and masks.
inline void check_attention(Check& check, const Call& call, int32_t masks) {
  const hd_AttentionParams& a = call.params<hd_AttentionParams>();
  check.floats(0, 1, 2).rank(0, 4).rank(1, 4).rank(2, 4).same_shape(2, 1).dense(0, 1, 2);
  check.dtype(masks, HD_I64).rank(masks, 2).contiguous(masks, masks + 1, masks + 2).dtype(masks + 1, HD_I32).dtype(masks + 2, HD_F32);
  check.dtype(masks + 3, HD_I64).count(masks + 3, 1, "one number");
  if (check.failed()) return;
  const hd_tensor &q = *call.t[0], &k = *call.t[1];
  check.require(q.shape[0] == k.shape[0] && q.shape[3] == k.shape[3], "q and k must have the same batch and head size");
  check.require(k.shape[1] > 0 ? q.shape[1] % k.shape[1] == 0 : q.shape[1] == 0, "the heads of q must be a multiple of those of k and v");
  check.vector(masks + 1, q.shape[1], "the heads of q").vector(masks + 2, q.shape[1], "the heads of q");
  check.require(!call.has(masks) || call.t[masks]->shape[1] == kTile, "masks must be [M, 64]");
  check.require(a.dropout >= 0 && a.dropout < 1, "dropout must lie in [0, 1)");
}

inline hd_status check_sizes(const Problem& p) {
  if (p.features > 256) return fail(HD_UNSUPPORTED, "head size %lld; the CUDA kernel goes up to 256", static_cast<long long>(p.features));
  if (p.heads > 65535 || p.batches > 65535) return fail(HD_UNSUPPORTED, "more than 65535 heads or batches");
  return HD_OK;
}

// What a backward kernel is given.
template <class T>
struct BackwardWork {
  Problem p;
  Lists rows, columns;
  Heads<const T> q, k, v, o, d_o;
  Heads<T> dq, dk, dv;
  const float* lse;
  int64_t lse_stride[3];
  float2* statistics;  // [B, H, ceil(T / 64) * 64] of (lse in units of log 2, rowsum(do * o)); (+inf, 0) past T

  __device__ float2* statistics_of(int64_t b, int64_t h, int64_t query) const {
    return statistics + (b * p.heads + h) * p.query_blocks * kTile + query;
  }
};

template <class T>
ForwardWork<T> forward_work(const Call& call, const Problem& p) {
  ForwardWork<T> w{p,
                   lists_of(call, 3, 5, 6),
                   Heads<const T>(call, 0),
                   Heads<const T>(call, 1),
                   Heads<const T>(call, 2),
                   Heads<T>(call, 9),
                   call.data<float>(10),
                   {}};
  for (int d = 0; d < 3 && call.has(10); d++) w.lse_stride[d] = call.t[10]->stride[d];
  return w;
}

template <class T>
BackwardWork<T> backward_work(const Call& call, const Problem& p, float2* statistics) {
  BackwardWork<T> w{p,
                    lists_of(call, 6, 10, 11),
                    lists_of(call, 8, 10, 11),
                    Heads<const T>(call, 0),
                    Heads<const T>(call, 1),
                    Heads<const T>(call, 2),
                    Heads<const T>(call, 3),
                    Heads<const T>(call, 5),
                    Heads<T>(call, 14),
                    Heads<T>(call, 15),
                    Heads<T>(call, 16),
                    call.data<const float>(4),
                    {},
                    statistics};
  for (int d = 0; d < 3; d++) w.lse_stride[d] = call.t[4]->stride[d];
  return w;
}

// f(integral_constant<int, D>): the smallest compiled head size that holds n.
template <class F>
hd_status with_head_size(int64_t n, const F& f) {
  if (n <= 64) return f(std::integral_constant<int, 64>{});
  if (n <= 128) return f(std::integral_constant<int, 128>{});
  return f(std::integral_constant<int, 256>{});
}

// The 16-bit dtypes on tensor cores, after the checks and for at least one query (attention_fwd_mma.cu).
hd_status attention_forward_mma(const Call& call, const Problem& p);
// The same for the gradients, once the statistics are there; for at least one query or key (attention_bwd_mma.cu).
hd_status attention_backward_mma(const Call& call, const Problem& p, float2* statistics);
}  // namespace hd

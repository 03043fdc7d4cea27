// Pieces of the tensor-core attention kernels (attention_fwd_mma.cu, attention_bwd_mma.cu) for bf16 and f16: tiles in shared memory,
// products of a warp, masks, scores and dropout in the layout of mma.sync accumulators.
//
// A tile is kTile (or fewer) rows of D elements without padding. Chunk c (16 bytes) of row r lies at place c ^ (r & 7), so the eight rows
// that one step of ldmatrix reads, eight neighbours in one column of chunks, lie in different banks.
//
// An accumulator of 16 rows x 8 columns is a float[4] (see mma.h): [0], [1] are row g = lane / 4, columns c = 2 (lane % 4) and c + 1;
// [2], [3] the same of row g + 8. A warp's scores are float[M][N][4]: 16 M rows, 8 N columns.
#pragma once
#include "attention.h"
#include "mma.h"

namespace hd {

template <int D>
constexpr int kPitchBytes = D * 2;
// Bytes of `rows` rows.
template <int D>
constexpr int kTileBytes(int rows = kTile) {
  return rows * kPitchBytes<D>;
}

// ---- tiles ----

// What a lane adds to the start of a tile to name its row of a 16 x 16 piece for ldmatrix: matrices 0..3 are rows 0-7 and 8-15 of columns
// 0-7, then of columns 8-15. at[j] is for columns 16 j; columns 64 further lie 128 bytes further, as chunks are swapped within 128 bytes.
struct Lanes {
  uint32_t at[4];

  __device__ explicit Lanes(int pitch) {
    const int lane = lane_id();
#pragma unroll
    for (int j = 0; j < 4; j++) at[j] = static_cast<uint32_t>((lane & 15) * pitch + (((2 * j + (lane >> 4)) ^ (lane & 7)) << 4));
  }
  // The 16 columns 16 k of the rows that start at `tile`.
  __device__ Shared piece(Shared tile, int k) const { return tile + at[k % 4] + static_cast<uint32_t>(k / 4 * 128); }
};

// Rows of a head in global memory, to be copied to tiles.
template <class T>
struct Source {
  const T* data = nullptr;
  int64_t stride = 0, rows = 0;  // elements from row to row; rows from `data` on that exist
};
template <class T>
__device__ Source<T> source(const Heads<const T>& heads, int64_t b, int64_t h, int64_t first, int64_t rows) {
  return {heads.at(b, h, first), heads.row, rows - first};
}

// Rows past the source's and columns past n are 0. fast: rows are aligned to 16 bytes and n is a multiple of 8; then the tile arrives with
// the copies of this thread's open group, else it is there after the next barrier.
template <class T, int D, int kRows, int kCount>
__device__ void fetch_tile(Shared tile, const Source<T>& from, bool fast, int n) {
  constexpr int kChunks = D / 8, kStep = kCount / kChunks;  // 16-byte chunks of a row, rows per round
  static_assert(kCount % kChunks == 0 && kRows % kStep == 0);
  const int thread = thread_again(), chunk = thread % kChunks, first = thread / kChunks;
  const auto place = [&](int row) { return tile + static_cast<uint32_t>(row * kPitchBytes<D> + ((chunk ^ (row & 7)) << 4)); };
  const T* p = from.data + first * from.stride + chunk * 8;
  if (fast) {
#pragma unroll
    for (int i = 0; i < kRows / kStep; i++, p += kStep * from.stride) {
      const int row = first + i * kStep;
      copy_async(place(row), p, row < from.rows && chunk * 8 < n);
    }
    return;
  }
#pragma unroll 1
  for (int row = first; row < kRows; row += kStep, p += kStep * from.stride) {
    union {
      Bits<T> bits;
      uint4 words;
    } u;
    u.words = make_uint4(0, 0, 0, 0);
    for (int k = 0; k < 8; k++) {
      if (row < from.rows && chunk * 8 + k < n) u.bits.item[k] = p[k];
    }
    store_shared(place(row), u.words);
  }
}

// ---- products of a warp ----

template <int M, int N>
using Fragments = float[M][N][4];

template <int M, int N>
__device__ void clear(Fragments<M, N>& x) {
#pragma unroll
  for (int m = 0; m < M; m++) {
#pragma unroll
    for (int n = 0; n < N; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) x[m][n][i] = 0;
    }
  }
}

// s += a b^T over the 16 features 16 k: fragments of 16 M rows, and 8 N rows of a tile.
template <class T, int D, int M, int N>
__device__ void multiply_rows(const uint32_t (&a)[M][4], Shared b, const Lanes& lanes, int k, Fragments<M, N>& s) {
#pragma unroll
  for (int n = 0; n < N; n += 2) {
    uint32_t r[4];
    load_matrices(lanes.piece(b + static_cast<uint32_t>(n * 8 * kPitchBytes<D>), k), r);
#pragma unroll
    for (int m = 0; m < M; m++) {
      multiply_add<T>(s[m][n], a[m], r[0], r[2]);
      multiply_add<T>(s[m][n + 1], a[m], r[1], r[3]);
    }
  }
}

// Fragments of 16 M rows of a tile, features 16 k.
template <int D, int M>
__device__ void load_rows(Shared tile, const Lanes& lanes, int k, uint32_t (&a)[M][4]) {
#pragma unroll
  for (int m = 0; m < M; m++) load_matrices(lanes.piece(tile + static_cast<uint32_t>(m * 16 * kPitchBytes<D>), k), a[m]);
}

// s = a b^T, a in shared memory.
template <class T, int D, int M, int N>
__device__ void multiply_tiles(Shared a, Shared b, const Lanes& lanes, Fragments<M, N>& s) {
  clear<M, N>(s);
#pragma unroll
  for (int k = 0; k < D / 16; k++) {
    uint32_t rows[M][4];
    load_rows<D, M>(a, lanes, k, rows);
    multiply_rows<T, D, M, N>(rows, b, lanes, k, s);
  }
}

// Accumulators of 16 columns are the A operand of a product over those columns, once rounded to T.
template <class T, int M, int N>
__device__ void as_operand(const Fragments<M, N>& s, int k, uint32_t (&a)[M][4]) {
#pragma unroll
  for (int m = 0; m < M; m++) {
#pragma unroll
    for (int i = 0; i < 4; i++) a[m][i] = packed<T>(s[m][2 * k + i / 2][i % 2 * 2], s[m][2 * k + i / 2][i % 2 * 2 + 1]);
  }
}

// sums += a b: a fragment of weights for 16 rows, and 8 kColumns columns of those rows, from `rows` in a tile on.
template <class T, int M, int kColumns>
__device__ void accumulate_step(const uint32_t (&a)[M][4], Shared rows, const Lanes& lanes, Fragments<M, kColumns>& sums) {
#pragma unroll
  for (int c = 0; c < kColumns; c += 2) {
    uint32_t r[4];
    load_transposed(lanes.piece(rows, c / 2), r);
#pragma unroll
    for (int m = 0; m < M; m++) {
      multiply_add<T>(sums[m][c], a[m], r[0], r[1]);
      multiply_add<T>(sums[m][c + 1], a[m], r[2], r[3]);
    }
  }
}

// sums += w tile: weights of 8 N rows of a tile, 8 kColumns columns of it from `tile` on.
template <class T, int D, int M, int N, int kColumns>
__device__ void accumulate(const Fragments<M, N>& w, Shared tile, const Lanes& lanes, Fragments<M, kColumns>& sums) {
#pragma unroll
  for (int k = 0; k < N / 2; k++) {
    uint32_t a[M][4];
    as_operand<T, M, N>(w, k, a);
    accumulate_step<T, M, kColumns>(a, tile + static_cast<uint32_t>(k * 16 * kPitchBytes<D>), lanes, sums);
  }
}

// ---- results ----

// 16 x 8 kColumns sums times factor[row half] to a tile, rounded to T, from row 0 of `tile` on.
template <class T, int D, int kColumns>
__device__ void stage(const float (&sums)[kColumns][4], const float (&factor)[2], Shared tile, int first_column) {
  const int g = lane_id() / 4, c = lane_id() % 4;
#pragma unroll
  for (int n = 0; n < kColumns; n++) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = g + 8 * half, chunk = first_column / 8 + n;
      store_shared(tile + static_cast<uint32_t>(row * kPitchBytes<D> + ((chunk ^ (row & 7)) << 4) + c * 4),
                   packed<T>(sums[n][2 * half] * factor[half], sums[n][2 * half + 1] * factor[half]));
    }
  }
}

// A staged tile to its rows in global memory, by all kCount threads.
template <class T, int D, int kRows, int kCount>
__device__ void write_tile(Shared tile, T* to, int64_t stride, bool vector, int64_t rows, int64_t n) {
  constexpr int kChunks = D / 8;
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kChunks; i += kCount) {
    const int row = i / kChunks, chunk = i % kChunks;
    if (row >= rows || chunk * 8 >= n) continue;
    union {
      uint4 words;
      Bits<T> bits;
    } u;
    u.words = load_shared_16(tile + static_cast<uint32_t>(row * kPitchBytes<D> + ((chunk ^ (row & 7)) << 4)));
    T* const p = to + row * stride + chunk * 8;
    if (vector && chunk * 8 + 8 <= n) {
      *reinterpret_cast<uint4*>(p) = u.words;
    } else {
#pragma unroll
      for (int k = 0; k < 8; k++) {
        if (chunk * 8 + k < n) p[k] = u.bits.item[k];
      }
    }
  }
}

// ---- scores ----

// What stands between q k^T and the exponent: with `plain` nothing but a factor, else softcap and ALiBi are in the way.
struct Scoring {
  float scale, softcap, slope, per_softcap;
  bool plain;

  __device__ Scoring(const Problem& p, int64_t h) : scale(p.scale), softcap(p.softcap), slope(p.slopes == nullptr ? 0.0f : p.slopes[h]) {
    per_softcap = softcap > 0 ? reciprocal_fast(softcap) : 0.0f;
    plain = softcap <= 0 && slope == 0 && scale > 0;  // scale > 0: the largest product is the largest score
  }
  // Of what scores() leaves behind, to units of log 2.
  __device__ float factor() const { return plain ? scale * kLog2e : 1.0f; }

  // q k^T to a score in units of log 2; distance: query + S - T - key. gradient: d(score)/d(q k^T) / scale, the score in natural units.
  __device__ float score(float x, float distance, float* gradient) const {
    float d = 1;
    x *= scale;
    if (softcap > 0) {
      const float t = tanh_fast(x * per_softcap);
      x = softcap * t;
      d *= 1 - t * t;
    }
    if (gradient != nullptr) *gradient = d;
    return (x - slope * fabsf(distance)) * kLog2e;
  }
};

// The mask of the lane's rows: bit 8 n + i of seen[m][half][j] says whether column 32 j + 8 n + c + i of row 16 m + g + 8 half is seen.
template <int M, int N>
struct RowMask {
  uint32_t seen[M][2][N / 4];
  bool any = false;  // whether something is hidden, perhaps

  RowMask() = default;
  // row: the lane's first, in a 64x64 block of `keys` keys; column0: the warp's first. mask: null, or 64 words of 64 bits.
  __device__ RowMask(const int64_t* mask, int row, int column0, int64_t keys) {
    any = mask != nullptr || keys < kTile;
    if (!any) return;
    const uint64_t real = keys < kTile ? (uint64_t{1} << keys) - 1 : ~uint64_t{0};
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const uint64_t word = real & (mask == nullptr ? ~uint64_t{0} : static_cast<uint64_t>(mask[row + 16 * m + 8 * half]));
#pragma unroll
        for (int j = 0; j < N / 4; j++) seen[m][half][j] = static_cast<uint32_t>(word >> (column0 + 32 * j)) >> lane_id() % 4 * 2;
      }
    }
  }
  __device__ void hide(Fragments<M, N>& s) const {
    if (!any) return;
#pragma unroll
    for (int m = 0; m < M; m++) {
#pragma unroll
      for (int n = 0; n < N; n++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          if ((seen[m][i / 2][n / 4] >> (n % 4 * 8 + i % 2) & 1) == 0) s[m][n][i] = -INFINITY;
        }
      }
    }
  }
};

// The same for a warp whose 16 rows are keys and whose 64 columns are queries: bit 4 n + i is for element i of accumulator n.
struct ColumnMask {
  uint32_t seen = ~0u;

  ColumnMask() = default;
  // key: the lane's first, in the block. Queries past T need no bit: their lse is +inf.
  __device__ ColumnMask(const int64_t* mask, int key) {
    if (mask == nullptr) return;
    seen = 0;
#pragma unroll
    for (int n = 0; n < 8; n++) {
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const uint64_t word = static_cast<uint64_t>(mask[8 * n + lane_id() % 4 * 2 + i]) >> key;
        seen |= static_cast<uint32_t>((word & 1) | (word >> 8 & 1) << 2) << (4 * n + i);
      }
    }
  }
};

// ---- dropout ----

// Words that decide on the four scores of accumulator s[m][n] (rows: queries): a Philox block is four keys of one query and belongs to two
// neighbouring lanes; the even one forms the block of row g, the odd one that of row g + 8, and they exchange halves. key: the lane pair's
// first; query: row g.
__device__ inline void row_words(const Problem& p, int64_t query, int64_t key, uint32_t head, uint32_t (&word)[4]) {
  const bool odd = lane_id() % 2 != 0;
  const uint4 r =
      philox(make_uint4(static_cast<uint32_t>(key / 4), static_cast<uint32_t>(query + (odd ? 8 : 0)), head, offset_of(p)), p.seed);
  const uint32_t low = __shfl_xor_sync(0xffffffffu, odd ? r.x : r.z, 1), high = __shfl_xor_sync(0xffffffffu, odd ? r.y : r.w, 1);
  word[0] = odd ? low : r.x;
  word[1] = odd ? high : r.y;
  word[2] = odd ? r.z : low;
  word[3] = odd ? r.w : high;
}

// The same where rows are keys: the lane's elements belong to four blocks (keys g.. and g + 8.., queries c and c + 1), of each of which it
// needs one word; so do three other lanes, whose g differs in the last two bits. Each of the four forms one block, and they exchange words
// as a 4 x 4 matrix is transposed. query: of column c; key: of row g.
__device__ inline void column_words(const Problem& p, int64_t query, int64_t key, uint32_t head, uint32_t (&word)[4]) {
  const int own = lane_id() / 4 % 4;  // the block to form, and the word to keep of each
  const bool high = own >= 2, odd = own % 2 != 0;
  const uint4 r = philox(
      make_uint4(static_cast<uint32_t>((key + (high ? 8 : 0)) / 4), static_cast<uint32_t>(query + (odd ? 1 : 0)), head, offset_of(p)),
      p.seed);
  const uint32_t x = __shfl_xor_sync(0xffffffffu, high ? r.x : r.z, 8), y = __shfl_xor_sync(0xffffffffu, high ? r.y : r.w, 8);
  // words `own` & 2 and the next one of blocks own % 2 (a) and own % 2 + 2 (b)
  const uint32_t a0 = high ? x : r.x, a1 = high ? y : r.y, b0 = high ? r.z : x, b1 = high ? r.w : y;
  const uint32_t a = __shfl_xor_sync(0xffffffffu, odd ? a0 : a1, 4), b = __shfl_xor_sync(0xffffffffu, odd ? b0 : b1, 4);
  word[0] = odd ? a : a0;
  word[1] = odd ? a1 : a;
  word[2] = odd ? b : b0;
  word[3] = odd ? b1 : b;
}
}  // namespace hd

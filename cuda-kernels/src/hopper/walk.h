// What Hopper's attention kernels share: how work is dealt to persistent blocks, the union of block lists that their producers walk, and
// tensor maps. A block has one producer warpgroup, whose first thread drives the copy engine, and W consumer warpgroups; each consumer owns
// 64 rows of the output, one row (or column) of the block layout, and all of them share the tiles that the producer brings.
#pragma once
#include "attention.h"
#include "hopper/instructions.h"

namespace hd::hopper {

constexpr int kGroupThreads = 128;  // threads of a warpgroup
constexpr int32_t kNone = -1;       // "mask" of a block that a consumer does not see
constexpr int32_t kEnd = 0x7fffffff;

// Work is `pairs` (batch, head of k) times `chunks` of W units. Rounds of one item per block of the grid alternate their direction, so that
// blocks that got long items first get short ones later. Items of neighbouring number share keys in the L2: pairs are taken in sections.
struct Deal {
  int32_t pairs, chunks, section;
  bool descending;  // chunks: last first (causal rows grow) or first first (causal columns shrink)

  __device__ int64_t total() const { return static_cast<int64_t>(pairs) * chunks; }
  // The item of this block in a round, or -1.
  __device__ int64_t item(int64_t round) const {
    const int64_t grid = gridDim.x, at = round % 2 == 0 ? blockIdx.x : grid - 1 - blockIdx.x, i = round * grid + at;
    return i < total() ? i : -1;
  }
  __device__ bool more(int64_t round) const { return round * gridDim.x < total(); }
  __device__ void place(int64_t item, int32_t& pair, int32_t& chunk) const {
    const int64_t whole = static_cast<int64_t>(section) * chunks;
    const auto s = static_cast<int32_t>(item / whole);
    const auto rest = static_cast<int32_t>(item - s * whole);
    const int32_t inside = s * section + section <= pairs ? section : pairs - s * section;
    chunk = rest / inside;
    pair = s * section + (rest - chunk * inside);
    if (descending) chunk = chunks - 1 - chunk;
  }
};

// Pairs whose keys and values (or queries and their gradients) fit half of the L2 together.
inline int32_t section_of(int64_t pairs, int64_t bytes_per_pair) {
  return static_cast<int32_t>(least(most(1, (24 << 20) / most(1, bytes_per_pair)), pairs));
}

// A row (or column) list that is being read; the next entry is already on its way.
struct Cursor {
  const int2* list;  // null: every block, FULL
  int32_t at, end, block, mask;
  int2 ahead;

  __device__ int2 entry(int32_t i) const { return i >= end ? make_int2(kEnd, kNone) : list == nullptr ? make_int2(i, 0) : __ldg(list + i); }
  __device__ void open(const Lists& l, int64_t b, int64_t h, int64_t i, int64_t all) {
    const Range range = entries(l, b, h, i, all);
    list = l.ptr == nullptr ? nullptr : reinterpret_cast<const int2*>(l.blocks);
    at = static_cast<int32_t>(range.begin);
    end = static_cast<int32_t>(range.end);
    const int2 first = entry(at);
    block = first.x;
    mask = first.y;
    ahead = entry(at + 1);
  }
  __device__ void close() { block = kEnd; ahead = make_int2(kEnd, kNone); at = end = 0; }
  __device__ void next() {
    at++;
    block = ahead.x;
    mask = ahead.y;
    ahead = entry(at + 1);
  }
};

// The smallest block that a list still has; masks[w]: how consumer w sees it.
template <int W>
__device__ int32_t take(Cursor (&lists)[W], int32_t (&masks)[W]) {
  int32_t block = kEnd;
#pragma unroll
  for (int w = 0; w < W; w++) block = min(block, lists[w].block);
#pragma unroll
  for (int w = 0; w < W; w++) {
    const bool seen = block != kEnd && lists[w].block == block;
    masks[w] = seen ? lists[w].mask : kNone;
    if (seen) lists[w].next();
  }
  return block;
}
template <int W>
__device__ bool finished(const Cursor (&lists)[W]) {
  bool all = true;
#pragma unroll
  for (int w = 0; w < W; w++) all = all && lists[w].block == kEnd;
  return all;
}

// 64 rows of one head: the work of a consumer. index counts the units of a pair, heads fastest.
struct Unit {
  int32_t block, head;
  bool inside;
};
__device__ inline Unit unit_of(int32_t group, int32_t units, int32_t kv_head, int32_t index) {
  const int32_t block = index / group;
  return {block, kv_head * group + (index - block * group), index < units};
}

// The place in a ring of stages; parity of the phase that a consumer waits for.
struct Stage {
  int32_t index = 0;
  uint32_t parity = 0;
  template <int Stages>
  __device__ void advance() {
    if (++index == Stages) {
      index = 0;
      parity ^= 1;
    }
  }
};

// ---- host ----

// A map of [B, heads, rows, D] in boxes of 64 x 64 elements. False: the copy engine cannot read this view.
inline bool make_map(CUtensorMap* map, const hd_tensor& t) {
  static const auto encode = [] {
    void* f = nullptr;
    cudaDriverEntryPointQueryResult found;
    if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &f, 12000, cudaEnableDefault, &found) != cudaSuccess) cudaGetLastError();
    return reinterpret_cast<CUresult (*)(CUtensorMap*, CUtensorMapDataType, cuuint32_t, void*, const cuuint64_t*, const cuuint64_t*,
                                         const cuuint32_t*, const cuuint32_t*, CUtensorMapInterleave, CUtensorMapSwizzle,
                                         CUtensorMapL2promotion, CUtensorMapFloatOOBfill)>(f);
  }();
  if (encode == nullptr || t.data % 16 != 0) return false;
  cuuint64_t size[4], stride[3];
  for (int d = 0; d < 4; d++) {
    if (t.shape[d] <= 0 || t.shape[d] > 0xffffffffll) return false;
    size[3 - d] = static_cast<cuuint64_t>(t.shape[d]);
  }
  for (int d = 0; d < 3; d++) {
    // a dimension of one element has no stride of its own
    const int64_t n = t.shape[d] == 1 ? 16 : t.stride[d] * 2;
    if (n <= 0 || n % 16 != 0 || n >= int64_t{1} << 40) return false;
    stride[2 - d] = static_cast<cuuint64_t>(n);
  }
  const cuuint32_t box[4] = {64, 64, 1, 1}, step[4] = {1, 1, 1, 1};
  return encode(map, t.dtype == HD_BF16 ? CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 : CU_TENSOR_MAP_DATA_TYPE_FLOAT16, 4,
                reinterpret_cast<void*>(t.data), size, stride, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}
}  // namespace hd::hopper

// What Hopper's attention kernels share: how work is dealt to persistent blocks, the union of block lists that their producers walk, and
// tensor maps. A block has one producer warpgroup, whose first warp walks the lists and drives the copy engine, and W consumer warpgroups;
// each consumer owns 64 rows of the output, one row (or column) of the block layout, and all of them share the tiles that the producer
// brings.
#pragma once
#include "attention.h"
#include "hopper/tiles.h"

namespace hd::hopper {

constexpr int32_t kNone = -1;  // "mask" of a block that a consumer does not see
constexpr int32_t kEnd = 0x7fffffff;

// Work is `pairs` (batch, head of k) times `chunks` of W units. Blocks of the grid draw items from one counter, long ones first, so that no
// block is left with a long one; which block computes an item changes no bit of the result. Pairs are taken in sections, so that items in
// work at a time share keys in the L2.
struct Deal {
  int32_t pairs, chunks, section;
  bool descending;    // chunks: last first (causal rows grow) or first first (causal columns shrink)
  uint32_t* tickets;  // [2], zero between launches: items drawn, blocks done

  __device__ int32_t total() const { return pairs * chunks; }
  __device__ int32_t draw() const { return static_cast<int32_t>(gridDim.x + atomicAdd(&tickets[0], 1)); }
  // Called once by each block after its last draw; the last one leaves the counters as they were.
  __device__ void leave() const {
    if (atomicAdd(&tickets[1], 1) + 1 < gridDim.x) return;
    tickets[0] = 0;
    tickets[1] = 0;
  }
  __device__ void place(int32_t item, int32_t& pair, int32_t& chunk) const {
    const int32_t s = item / (section * chunks), rest = item - s * section * chunks;
    const int32_t inside = min(section, pairs - s * section);
    chunk = rest / inside;
    pair = s * section + (rest - chunk * inside);
    if (descending) chunk = chunks - 1 - chunk;
  }
};

// Pairs whose keys and values (or queries and their gradients) fit half of the L2 together.
inline int32_t section_of(int64_t pairs, int64_t bytes_per_pair) {
  return static_cast<int32_t>(least(most(1, (24 << 20) / most(1, bytes_per_pair)), pairs));
}

// The producer warp's walk over the union of its consumers' lists: lane w reads the list of consumer w, the next entry already on its way.
struct Walk {
  int32_t at, end, block, mask;
  int2 ahead;
  int32_t coming;  // the smallest block that a list still has, or kEnd

  __device__ void fetch(const Lists& l) {
    ahead = make_int2(at + 1, 0);  // without lists: every block, FULL
    if (l.ptr != nullptr && at + 1 < end) ahead = __ldg(reinterpret_cast<const int2*>(l.blocks) + at + 1);
    if (at + 1 >= end) ahead.x = kEnd;
  }
  __device__ void next(const Lists& l) {
    at++;
    block = ahead.x;
    mask = ahead.y;
    fetch(l);
  }
  // All lanes call it; lanes that are not inside have no list.
  __device__ void open(const Lists& l, bool inside, int64_t b, int64_t h, int64_t i, int64_t all) {
    const Range range = inside ? entries(l, b, h, i, all) : Range{0, 0};
    at = static_cast<int32_t>(range.begin) - 1;
    end = static_cast<int32_t>(range.end);
    fetch(l);
    next(l);
    coming = __reduce_min_sync(0xffffffffu, block);
  }
  // The next block of the union, or kEnd; seen: how this lane's consumer sees it.
  __device__ int32_t take(const Lists& l, int32_t& seen) {
    const int32_t taken = coming;
    seen = kNone;
    if (taken == kEnd) return kEnd;
    if (block == taken) {
      seen = mask;
      next(l);
    }
    coming = __reduce_min_sync(0xffffffffu, block);
    return taken;
  }
};

// A warp's walk over its lanes' lists from the last entry to the first, together: all that have the same block are there at a time.
struct Descent {
  int32_t at, first, block, mask;  // of this lane
  int32_t coming;                  // the largest block that a list still has, or -1

  __device__ void next(const Lists& l) {
    block = --at;  // without lists: every block, FULL
    mask = 0;
    if (at < first) {
      block = -1;
    } else if (l.ptr != nullptr) {
      const int2 entry = __ldg(reinterpret_cast<const int2*>(l.blocks) + at);
      block = entry.x;
      mask = entry.y;
    }
  }
  // All lanes call it; lanes that are not inside have no list.
  __device__ void open(const Lists& l, bool inside, int64_t b, int64_t h, int64_t i, int64_t all) {
    const Range range = inside ? entries(l, b, h, i, all) : Range{0, 0};
    at = static_cast<int32_t>(range.end);
    first = static_cast<int32_t>(range.begin);
    next(l);
    coming = -__reduce_min_sync(0xffffffffu, -block);
  }
  // Past the block that is coming.
  __device__ void take(const Lists& l) {
    if (block == coming) next(l);
    coming = -__reduce_min_sync(0xffffffffu, -block);
  }
};

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

// The warpgroup of this thread, in a register that all of the warp share.
__device__ inline int warpgroup() { return __shfl_sync(0xffffffffu, static_cast<int>(threadIdx.x) / kGroupThreads, 0); }

// The block's shared memory. Its start is aligned as the swizzle of the copy engine asks for.
template <class M>
__device__ M& shared_memory() {
#ifndef HD_EMULATE
  extern __shared__ __align__(1024) char hd_tiles[];
  return *reinterpret_cast<M*>(hd_tiles);
#else
  return *reinterpret_cast<M*>(emulated_shared());
#endif
}

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

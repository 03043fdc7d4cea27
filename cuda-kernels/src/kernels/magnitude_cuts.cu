// magnitude_cuts: for each source the elements at given ranks in the order of |source - base|, equal ones in the order of the elements: the
// selection of TIES (Yadav et al. 2023) and Breadcrumbs (Davari & Belilovsky 2023).
// Shapes: base, sources contiguous, of one size N, of any float dtypes; ranks i64 [n, C]; cuts f64 [n, C, 2].
// Work: a search from the highest bits down over keys of 63 bits of magnitude and 39 of the element's number. A level counts one digit in
// shared memory, and the last block to finish picks the bucket that has the rank. The first digit has the exponent and three bits more; its
// bucket, a few hundredths of all elements, goes to a list that the other levels read; where it is too large (many equal ones), they read
// the tensors. Sources one after the other, the cuts of a source as blockIdx.y. On chip: 16384 counters in shared memory; zeros, which may
// be most of all, are counted in registers. Numerics: exact. Cost: two passes over source and base, and about ten short kernels for each
// source; 16 bytes for N / 8 elements per cut. Deterministic: counts do not depend on the order of additions, nor does the list's order
// matter. Checked on: see README.md.
#include "sources.h"

namespace hd {
namespace {

constexpr int kLevels = 8, kMagnitudeLevels = 5;
constexpr int kMostBuckets = 1 << 14;
constexpr int kBlock = 512;  // threads
constexpr int64_t kSmall = 4096, kMostListed = int64_t{1} << 25;

// The digit of a level: where it begins, in the magnitude or, after that, in the number.
struct Digit {
  int shift, bits;
};
__host__ __device__ constexpr Digit digit_of(int level) {
  constexpr Digit all[kLevels] = {{49, 14}, {36, 13}, {24, 12}, {12, 12}, {0, 12}, {26, 13}, {13, 13}, {0, 13}};
  return all[level];
}

struct Item {
  int64_t bits, element;
};

// The search for one cut.
struct State {
  int64_t rank;               // among the elements inside
  int64_t inside;             // elements that have the prefix
  int64_t bits, element;      // the prefix
  unsigned long long listed;  // elements on the list
  uint32_t arrived;           // blocks of a level
  int32_t done, has_list;
  uint32_t unused;
};

struct Search {
  Sources s;
  int32_t source;
  State* states;                // [C]
  unsigned long long* buckets;  // [C, kMostBuckets], zero between levels
  Item* lists;                  // [C, capacity]
  int64_t capacity;
  double* cuts;  // [C, 2]
};

__device__ bool has_prefix(const State& st, int level, int64_t bits, int64_t element) {
  if (level == 0) return true;
  if (level < kMagnitudeLevels) return bits >> digit_of(level - 1).shift == st.bits >> digit_of(level - 1).shift;
  if (bits != st.bits) return false;
  return level == kMagnitudeLevels || element >> digit_of(level - 1).shift == st.element >> digit_of(level - 1).shift;
}

__device__ int64_t magnitude(double d) { return __double_as_longlong(d) & 0x7fffffffffffffffLL; }

// f(i, bits, element, exists) for the block's share of the elements, i < kMostWide for a thread; after each round: g(). All threads come
// equally often, with elements that exist or not.
template <class F, class G>
__device__ void each_magnitude(const Search& q, const F& f, const G& g) {
  const Sources& s = q.s;
  const int width = s.dense ? pack_width(s.base_dtype) : 1;
  const int64_t packs = ceil_div(s.n, width), rounds = ceil_div(packs, item_step());
  for (int64_t round = 0; round < rounds; round++) {
    const int64_t pack = round * item_step() + first_item(), at = pack * width;
    double x[kMostWide], b[kMostWide] = {};
    const bool whole = s.dense && at + width <= s.n;
    if (whole) {
      const uint4 raw = load_raw(s.data[q.source], pack);
      if (s.based()) widen(load_raw(s.base, pack), s.base_dtype, b);
      widen(raw, s.base_dtype, x);
    }
#pragma unroll
    for (int i = 0; i < kMostWide; i++) {
      if (i >= width) continue;
      double d = 0;
      if (whole) {
        d = s.based() ? __dadd_rn(x[i], -b[i]) : x[i];
      } else if (at + i < s.n) {
        d = load_difference(s, q.source, at + i);
      }
      f(i, magnitude(d), at + i, at + i < s.n);
    }
    g();
  }
}

__global__ void start_search(const __grid_constant__ Search q, const int64_t* ranks, int32_t each, unsigned long long* fault) {
  const int32_t c = static_cast<int32_t>(threadIdx.x);
  if (c >= each) return;
  const int64_t rank = ranks[c], n = q.s.n;
  State st{rank, n, 0, 0, 0, 0, 0, 0, 0};
  if (rank < 0 || rank > n) report_fault(fault, q.source * each + c, static_cast<int32_t>(rank));
  if (rank <= 0 || rank >= n) {
    st.done = 1;
    const bool all = rank > 0;
    q.cuts[2 * c] = all ? __longlong_as_double(0x7ff0000000000000LL) : 0.0;
    q.cuts[2 * c + 1] = all ? static_cast<double>(n) : 0.0;
  }
  q.states[c] = st;
}

// The bucket that has the rank becomes part of the prefix. By one block; clears the counts.
__device__ void pick(const Search& q, int level) {
  __shared__ int64_t sums[kBlock];
  State& st = q.states[blockIdx.y];
  unsigned long long* const buckets = q.buckets + static_cast<int64_t>(blockIdx.y) * kMostBuckets;
  const Digit digit = digit_of(level);
  const int each = (1 << digit.bits) / kBlock, first = static_cast<int>(threadIdx.x) * each;
  int64_t mine = 0;
  for (int i = 0; i < each; i++) mine += static_cast<int64_t>(buckets[first + i]);
  sums[threadIdx.x] = mine;
  __syncthreads();
  int64_t before = 0;
  for (unsigned i = 0; i < threadIdx.x; i++) before += sums[i];
  const int64_t rank = st.rank;
  __syncthreads();
  if (before <= rank && rank < before + mine) {
    int bucket = first;
    for (; before + static_cast<int64_t>(buckets[bucket]) <= rank; bucket++) before += static_cast<int64_t>(buckets[bucket]);
    st.rank = rank - before;
    st.inside = static_cast<int64_t>(buckets[bucket]);
    (level < kMagnitudeLevels ? st.bits : st.element) |= static_cast<int64_t>(bucket) << digit.shift;
    st.arrived = 0;
    const bool zero = level == kMagnitudeLevels - 1 && st.bits == 0;
    if (zero || level == kLevels - 1) {
      st.done = 1;
      q.cuts[2 * blockIdx.y] = __longlong_as_double(st.bits);
      q.cuts[2 * blockIdx.y + 1] = zero ? 0.0 : static_cast<double>(st.element);
    }
  }
  for (int i = 0; i < each; i++) buckets[first + i] = 0;
}

__global__ void __launch_bounds__(kBlock) count_level(const __grid_constant__ Search q, int level) {
  __shared__ bool last;
  State& st = q.states[blockIdx.y];
  if (st.done != 0) return;
  auto counts = reinterpret_cast<uint32_t*>(dynamic_shared());
  const Digit digit = digit_of(level);
  const int buckets = 1 << digit.bits;
  for (int i = static_cast<int>(threadIdx.x); i < buckets; i += kBlock) counts[i] = 0;
  __syncthreads();
  const State prefix = st;
  uint32_t zeros = 0;
  const auto count = [&](int64_t bits, int64_t element) {
    if (!has_prefix(prefix, level, bits, element)) return;
    const int64_t key = (level < kMagnitudeLevels ? bits : element) >> digit.shift & (buckets - 1);
    if (key == 0) {
      zeros++;
    } else {
      atomicAdd(counts + key, 1u);
    }
  };
  if (prefix.has_list != 0) {
    const Item* list = q.lists + blockIdx.y * q.capacity;
    for (int64_t i = first_item(); i < static_cast<int64_t>(prefix.listed); i += item_step()) count(list[i].bits, list[i].element);
  } else {
    each_magnitude(
        q,
        [&](int, int64_t bits, int64_t element, bool exists) {
          if (exists) count(bits, element);
        },
        [] {});
  }
  if (zeros != 0) atomicAdd(counts, zeros);
  __syncthreads();
  unsigned long long* const total = q.buckets + static_cast<int64_t>(blockIdx.y) * kMostBuckets;
  for (int i = static_cast<int>(threadIdx.x); i < buckets; i += kBlock) {
    if (counts[i] != 0) atomicAdd(total + i, static_cast<unsigned long long>(counts[i]));
  }
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(&st.arrived, 1u) == gridDim.x - 1;
  __syncthreads();
  if (!last) return;
  __threadfence();
  pick(q, level);
}

// Lists the elements that have the prefix of `level`, if they are few enough and not listed yet.
__global__ void __launch_bounds__(kBlock) list_level(const __grid_constant__ Search q, int level) {
  __shared__ unsigned here;
  __shared__ unsigned long long start;
  State& st = q.states[blockIdx.y];
  if (st.done != 0 || st.has_list != 0 || st.inside > q.capacity) return;
  const State prefix = st;
  Item* const list = q.lists + blockIdx.y * q.capacity;
  if (threadIdx.x == 0) here = 0;
  __syncthreads();
  int64_t mine[kMostWide] = {}, first = 0;
  unsigned wanted = 0;  // bits: which of them
  each_magnitude(
      q,
      [&](int i, int64_t bits, int64_t element, bool exists) {
        mine[i] = bits;
        if (i == 0) first = element;
        if (exists && has_prefix(prefix, level, bits, element)) wanted |= 1u << i;
      },
      [&] {
        unsigned slot = 0;
        if (wanted != 0) slot = atomicAdd(&here, static_cast<unsigned>(__popc(wanted)));
        __syncthreads();
        if (threadIdx.x == 0) {
          start = here == 0 ? 0 : atomicAdd(&st.listed, static_cast<unsigned long long>(here));
          here = 0;
        }
        __syncthreads();
        Item* to = list + start + slot;
#pragma unroll
        for (int i = 0; i < kMostWide; i++) {
          if ((wanted >> i & 1) != 0) *to++ = {mine[i], first + i};
        }
        wanted = 0;
      });
}

__global__ void close_lists(const __grid_constant__ Search q, int32_t each) {
  const int32_t c = static_cast<int32_t>(threadIdx.x);
  if (c < each && q.states[c].done == 0 && static_cast<int64_t>(q.states[c].listed) == q.states[c].inside) q.states[c].has_list = 1;
}

hd_status search(const Call& call, const Search& q, const int64_t* ranks, int32_t each) {
  const auto cuts = static_cast<unsigned>(each);
  const int width = q.s.dense ? pack_width(q.s.base_dtype) : 1;
  const auto blocks = static_cast<unsigned>(least(most(1, ceil_div(q.s.n, int64_t{kBlock} * width)), int64_t{3} * call.context.processors));
  hd_status status = launch(call, start_search, 1, 32, 0, q, ranks, each, call.context.faults + call.op);
  for (int level = 0; level < kLevels && status == HD_OK; level++) {
    if (level == 1 || level == 2) {
      status = launch(call, list_level, dim3(blocks, cuts), kBlock, 0, q, level);
      if (status == HD_OK) status = launch(call, close_lists, 1, 32, 0, q, each);
    }
    const int64_t shared = int64_t{4} << digit_of(level).bits;
    if (status == HD_OK) status = launch(call, count_level, dim3(blocks, cuts), kBlock, shared, q, level);
  }
  return status;
}
}  // namespace

hd_status magnitude_cuts(const Call& call) {
  const int32_t count = call.n - 3, cuts = call.n - 1;
  Check check(call);
  check.require(count >= 1 && call.has(2), "there must be a source");
  check.dtype(1, HD_I64).rank(1, 2).contiguous(1).dtype(cuts, HD_F64).rank(cuts, 3).contiguous(cuts);
  if (check.failed()) return check.status();
  const int64_t n = elements(*call.t[2]), each = call.t[1]->shape[1];
  check_sources(check, call, 2, count, n);
  check.require(call.t[1]->shape[0] == count, "ranks must have one row per source");
  check.require(call.t[cuts]->shape[0] == count && call.t[cuts]->shape[1] == each && call.t[cuts]->shape[2] == 2,
                "cuts must have the shape of ranks and two numbers for each");
  check.require(each <= 32, "there can be 32 cuts of a source at most");
  check.require(n < int64_t{1} << 39, "a source can have 2^39 elements at most");
  if (check.failed()) return check.status();
  if (each == 0) return HD_OK;
  const int64_t capacity = least(most(n / 8, kSmall), kMostListed), counts = each * kMostBuckets;
  const int64_t bytes = each * (static_cast<int64_t>(sizeof(State)) + capacity * static_cast<int64_t>(sizeof(Item))) + 8 * counts;
  const auto memory = static_cast<char*>(workspace(call, bytes));
  if (memory == nullptr) return HD_NO_MEMORY;
  Search q{sources_of(call, 2, count, n), 0, nullptr, reinterpret_cast<unsigned long long*>(memory), nullptr, capacity, nullptr};
  q.lists = reinterpret_cast<Item*>(memory + 8 * counts);
  q.states = reinterpret_cast<State*>(q.lists + each * capacity);
  const cudaError_t error = cudaMemsetAsync(q.buckets, 0, static_cast<size_t>(8 * counts), call.context.stream);
  if (error != cudaSuccess) return cuda_fail(error, "clearing the counts");
  hd_status status = HD_OK;
  for (int32_t s = 0; s < count && status == HD_OK; s++) {
    q.source = s;
    q.cuts = call.data<double>(cuts) + 2 * each * s;
    status = search(call, q, call.data<const int64_t>(1) + each * s, static_cast<int32_t>(each));
  }
  return status;
}
}  // namespace hd

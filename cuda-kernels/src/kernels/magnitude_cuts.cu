// magnitude_cuts: for each source the elements at given ranks in the order of |source - base|, equal ones in the order of the elements: the
// selection of TIES (Yadav et al. 2023) and Breadcrumbs (Davari & Belilovsky 2023).
// Shapes: base, sources contiguous, of one size N, of any float dtypes; ranks i64 [n, C]; cuts f64 [n, C, 2].
// Work: a block per cut sorts out a sample of 16384 elements: between which two magnitudes the rank lies almost certainly, and one
// magnitude, the pivot, near it (selection by sampling: Floyd & Rivest 1975). One pass over the tensors counts what lies below, lists the
// few elements between, and counts those that equal the pivot, in 16-bit weights often percents of all, for each segment of 2048. If the
// pivot's equals have the rank, their segment is looked at once more. Else levels of 13 bits narrow magnitudes, then numbers, down over the
// list: a level counts in shared memory, and the last block to finish picks the bucket that has the rank; 512 elements or fewer are ranked
// at once. If the sample was wrong, or N is small, the levels read the tensors. Up to four sources are searched side by side; the pass
// reads two of them at a time. On chip: 8192 counters in shared memory, in the sample's block 4096 beside its 64 KB; zeros, which may be
// most of all, are counted in registers. Numerics: exact. Cost: one pass over base and sources; of short kernels ten, of which some six
// have nothing left to do. Workspace: 16 bytes for N / 24 elements per cut. Deterministic: what is found does not depend on the sample, nor
// on the order of the list or of additions. Checked on: see README.md.
#include "scan.h"
#include "sources.h"

namespace hd {
namespace {

constexpr int kBits = 13, kBuckets = 1 << kBits, kLevels = 8;  // of a level: 63 bits of magnitude take five, 39 of the number three
constexpr int kBlock = 512;                                    // threads
constexpr int kFew = kBlock;                                   // elements that are ranked at once
constexpr int kTogether = 4;                                   // sources
constexpr int64_t kMost = 0x7fffffffffffffffLL;

// ---- the sample ----
constexpr int kSample = 1 << 14;
constexpr int kKeyBits = 24, kKeyShift = 63 - kKeyBits;  // of the magnitude: exponent and 13 bits more
constexpr int kDigit = kKeyBits / 2, kDigits = 1 << kDigit;
constexpr double kMargin = 5;  // standard deviations

// ---- the pass ----
constexpr int kPass = 256;    // threads
constexpr int kResident = 3;  // blocks of a processor: 36 KB asked for at a time
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr int kBound = 2, kSampled = 2;  // blocks that registers are for, packs of a sample under way: with more they spill there
#else
constexpr int kBound = kResident, kSampled = 4;
#endif
constexpr int64_t kSegment = 2048;  // elements of a warp
constexpr int64_t kSegments = 128;  // of a part, whose equals are counted together, too
constexpr int kChunk = 64;          // places on the list that a warp takes at a time

struct Item {
  int64_t bits, element;  // element -1: nothing
};

// The search for one cut. Magnitudes are the bits of |d|.
struct State {
  int64_t rank;    // among the elements inside
  int64_t inside;  // elements with a magnitude in [low, high], and, if that is one, a number in [first, last]
  int64_t low, high, first, last;
  int64_t pivot;
  unsigned long long below, between, less, equal;  // of the pass: below low; in [low, high]; of these less than the pivot, and equal to it
  unsigned long long listed;                       // places given away
  uint32_t arrived, gathered;
  int32_t done, bracketed, has_list;
};

struct Search {
  Sources s;
  int32_t first, count, each;  // sources of this launch, and cuts of each
  int64_t capacity, segments, parts;
  State* states;                // [count, C]
  unsigned long long* buckets;  // [count, C, kBuckets], zero between levels
  unsigned* equal;              // [count, C, segments]
  unsigned* equal_parts;        // [count, C, parts], zero at first
  Item* lists;                  // [count, C, capacity]
  Item* few;                    // [count, C, kFew]
  double* cuts;                 // [count, C, 2]
};

__device__ int64_t magnitude(double d) { return __double_as_longlong(d) & kMost; }
__device__ int bits_of(int64_t range) { return range == 0 ? 0 : 64 - __clzll(range); }

__device__ void finish(const Search& q, int at, int64_t bits, int64_t element) {
  q.states[at].done = 1;
  q.cuts[2 * at] = __longlong_as_double(bits);
  q.cuts[2 * at + 1] = bits == 0 ? 0.0 : static_cast<double>(element);
}

// The place of each counter of a sample's digit: neighbours of a thread lie in other banks.
__device__ int spread(int digit) { return digit + (digit >> 5); }
constexpr int64_t kSampleShared = 4 * (kSample + kDigits + (kDigits >> 5));  // counters, then keys

// The digit, of those counted, that has the rank, and the rank among its equals. All threads of the block must call it.
__device__ int digit_at(const uint32_t* counts, int32_t& rank) {
  constexpr int kOwn = kDigits / kBlock;
  __shared__ int32_t digit, left;
  const int first = static_cast<int>(threadIdx.x) * kOwn;
  int32_t mine = 0, total;
  for (int i = 0; i < kOwn; i++) mine += static_cast<int32_t>(counts[spread(first + i)]);
  int32_t before = sum_before(mine, total);
  if (before <= rank && rank < before + mine) {
    int at = first;
    for (; before + static_cast<int32_t>(counts[spread(at)]) <= rank; at++) before += static_cast<int32_t>(counts[spread(at)]);
    digit = at;
    left = rank - before;
  }
  __syncthreads();
  const int found = digit;
  rank = left;
  __syncthreads();
  return found;
}

__device__ void clear(uint32_t* counts) {
  for (int i = static_cast<int>(threadIdx.x); i < kDigits + (kDigits >> 5); i += kBlock) counts[i] = 0;
  __syncthreads();
}

// Number `index` of the packs of a sample: one at random from each of `wanted` equal stretches of all.
__device__ int64_t sampled(int64_t index, int64_t wanted, int64_t packs) {
  const int64_t from = index * packs / wanted, length = (index + 1) * packs / wanted - from;
  const uint32_t random = ((static_cast<uint32_t>(index) + 1) * 0x9E3779B1u) ^ (static_cast<uint32_t>(index) * 0x85EBCA77u) >> 7;
  return from + static_cast<int64_t>(static_cast<uint64_t>(random * 0xC2B2AE3Du) * static_cast<uint64_t>(length) >> 32);
}

// T: of base and sources, if they are dense; void else.
template <class T>
__global__ void __launch_bounds__(kBlock) start_search(const __grid_constant__ Search q, const int64_t* ranks, unsigned long long* fault) {
  constexpr int W = [] {
    if constexpr (std::is_void_v<T>)
      return 1;
    else
      return kWidth<T>;
  }();
  __shared__ unsigned long long pivot;
  const int me = static_cast<int>(threadIdx.x), at = static_cast<int>(blockIdx.y * gridDim.x + blockIdx.x);
  const Sources& s = q.s;
  const int source = q.first + static_cast<int>(blockIdx.y);
  const int64_t rank = ranks[at], n = s.n;
  State st{};
  st.rank = rank, st.inside = n, st.high = kMost, st.last = n - 1;
  if (me == 0) {
    q.states[at] = st;
    if (rank < 0 || rank > n) report_fault(fault, q.first * q.each + at, static_cast<int32_t>(rank));
    if (rank <= 0) finish(q, at, 0, 0);
    if (rank >= n && rank > 0) finish(q, at, 0x7ff0000000000000LL, n);
  }
  if (rank <= 0 || rank >= n || q.capacity == 0) return;
  const auto counts = reinterpret_cast<uint32_t*>(dynamic_shared()), key = counts + spread(kDigits);
#pragma unroll kSampled
  for (int i = me; i < kSample / W; i += kBlock) {
    const int64_t pack = sampled(i, kSample / W, n / W);
    if constexpr (std::is_void_v<T>) {
      key[i] = static_cast<uint32_t>(magnitude(load_difference(s, source, pack)) >> kKeyShift);
    } else {
      const Bits<T> x = whole_pack(static_cast<const T*>(s.data[source]), pack);
      Bits<T> b{};
      if (s.based()) b = whole_pack(static_cast<const T*>(s.base), pack);
#pragma unroll
      for (int e = 0; e < W; e++) {
        const double d = __dadd_rn(to_f64(x.item[e]), -to_f64(b.item[e]));
        key[e * (kSample / W) + i] = static_cast<uint32_t>(magnitude(d) >> kKeyShift);
      }
    }
  }
  const auto count = [&](uint32_t digit, uint32_t& zeros) {
    if (digit == 0) {
      zeros++;
    } else {
      atomicAdd(counts + spread(static_cast<int>(digit)), 1u);
    }
  };
  const auto close = [&](uint32_t zeros) {
    if (zeros != 0) atomicAdd(counts, zeros);
    __syncthreads();
  };
  clear(counts);
  uint32_t zeros = 0;
  for (int i = me; i < kSample; i += kBlock) count(key[i] >> kDigit, zeros);
  close(zeros);
  const double share = static_cast<double>(rank) / static_cast<double>(n);
  const double middle = share * kSample, margin = kMargin * sqrt(kSample * share * (1 - share)) + kMargin;
  int32_t left[3];
  int upper[3];
#pragma unroll
  for (int k = 0; k < 3; k++) {
    left[k] = static_cast<int32_t>(fmin(fmax(middle + (k - 1) * margin, 0.0), kSample - 1.0));
    upper[k] = digit_at(counts, left[k]);
  }
  uint32_t found[3];
#pragma unroll
  for (int k = 0; k < 3; k++) {
    if (k == 0 || upper[k] != upper[k - 1]) {
      clear(counts);
      zeros = 0;
      for (int i = me; i < kSample; i += kBlock) {
        if (static_cast<int>(key[i] >> kDigit) == upper[k]) count(key[i] & (kDigits - 1), zeros);
      }
      close(zeros);
    }
    found[k] = static_cast<uint32_t>(upper[k]) << kDigit | static_cast<uint32_t>(digit_at(counts, left[k]));
  }
  if (me == 0) pivot = ~0ull;
  __syncthreads();
  for (int i = me; i < kSample; i += kBlock) {
    if (key[i] != found[1]) continue;
    const int64_t pack = sampled(i % (kSample / W), kSample / W, n / W);
    atomicMin(&pivot, static_cast<unsigned long long>(pack * W + i / (kSample / W)));
  }
  __syncthreads();
  if (me != 0) return;
  st.pivot = magnitude(load_difference(s, source, static_cast<int64_t>(pivot)));
  if (middle - margin > 0) st.low = static_cast<int64_t>(found[0]) << kKeyShift;
  if (middle + margin < kSample - 1) st.high = ((static_cast<int64_t>(found[2]) + 1) << kKeyShift) - 1;
  st.bracketed = 1;
  q.states[at] = st;
}

// A warp's share of the elements of one source, as the pass sees them. `at`: the number of the cut.
struct Sieve {
  uint32_t low = ~0u, width = 0;  // upper words of the magnitudes between: none
  int64_t pivot = 0, slot = 0;
  int left = 0;                                         // places of the warp's chunk, from slot on
  uint32_t below = 0, between = 0, less = 0, here = 0;  // here: those of the segment that equal the pivot

  __device__ bool open(const State& st) {
    if (st.done != 0 || st.bracketed == 0) return false;
    low = static_cast<uint32_t>(st.low >> 32);
    width = static_cast<uint32_t>(st.high >> 32) - low;
    pivot = st.pivot;
    return true;
  }
  // All lanes of the warp must call these.
  __device__ void take(const Search& q, int at, double d, int64_t element, bool exists) {
    const uint32_t word = static_cast<uint32_t>(__double_as_longlong(d) >> 32) & 0x7fffffffu;
    const bool in = exists && word - low <= width;
    below += exists && word < low;
    if (__any_sync(0xffffffffu, in)) keep(q, at, in, magnitude(d), element);
  }
  __device__ void keep(const Search& q, int at, bool in, int64_t bits, int64_t element) {
    const int lane = static_cast<int>(threadIdx.x % 32);
    const bool same = in && bits == pivot;
    between += in;
    less += in && bits < pivot;
    here += same;
    const unsigned others = __ballot_sync(0xffffffffu, in && !same);
    if (others == 0) return;
    const int count = __popc(others);
    if (count > left) {
      drop(q, at);
      unsigned long long fresh = 0;
      if (lane == 0) fresh = atomicAdd(&q.states[at].listed, static_cast<unsigned long long>(kChunk));
      slot = static_cast<int64_t>(__shfl_sync(0xffffffffu, fresh, 0));
      left = kChunk;
    }
    if (in && !same && slot < q.capacity) q.lists[at * q.capacity + slot + __popc(others & ((1u << lane) - 1))] = {bits, element};
    slot += count;
    left -= count;
  }
  __device__ void drop(const Search& q, int at) const {
    for (int i = static_cast<int>(threadIdx.x % 32); i < left && slot < q.capacity; i += 32)
      q.lists[at * q.capacity + slot + i].element = -1;
  }
  __device__ void close_segment(const Search& q, int at, int64_t segment, unsigned long long* equal) {
    uint32_t sum = here;
    for (int step = 16; step > 0; step /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, step);
    here = 0;
    if (threadIdx.x % 32 != 0) return;
    q.equal[at * q.segments + segment] = sum;
    if (sum == 0) return;
    atomicAdd(equal, static_cast<unsigned long long>(sum));
    atomicAdd(q.equal_parts + at * q.parts + segment / kSegments, sum);
  }
};

// Of n numbers the one that has the rank, if they follow each other, and the rank within it. By one block.
__device__ int64_t number_at(const unsigned* counts, int64_t n, int64_t& rank) {
  __shared__ int64_t found, left;
  const int64_t own = ceil_div(n, kPass), first = least(n, own * threadIdx.x), end = least(n, first + own);
  int64_t mine = 0, total;
  for (int64_t i = first; i < end; i++) mine += counts[i];
  int64_t before = sum_before(mine, total);
  if (before <= rank && rank < before + mine) {
    int64_t i = first;
    for (; before + counts[i] <= rank; i++) before += counts[i];
    found = i;
    left = rank - before;
  }
  __syncthreads();
  const int64_t at = found;
  rank = left;
  __syncthreads();
  return at;
}

// The element at the rank of those that equal the pivot. By one block.
__device__ void find_equal(const Search& q, int source, int at, int64_t pivot, int64_t rank) {
  const int64_t part = number_at(q.equal_parts + at * q.parts, q.parts, rank), from = part * kSegments;
  const int64_t segment = from + number_at(q.equal + at * q.segments + from, least(kSegments, q.segments - from), rank);
  constexpr int kOwn = static_cast<int>(kSegment) / kPass;
  const int64_t first = segment * kSegment + static_cast<int64_t>(threadIdx.x) * kOwn;
  unsigned equal = 0;
  int64_t total;
#pragma unroll
  for (int i = 0; i < kOwn; i++) {
    if (first + i < q.s.n && magnitude(load_difference(q.s, source, first + i)) == pivot) equal |= 1u << i;
  }
  int64_t left = rank - sum_before(static_cast<int64_t>(__popc(equal)), total);
  if (left < 0 || left >= __popc(equal)) return;
  for (; left > 0; left--) equal &= equal - 1;
  finish(q, at, pivot, first + __ffs(static_cast<int>(equal)) - 1);
}

// After the pass: where the search goes on. By one block. What other blocks have counted is read past the first-level cache, which may hold
// the state as it was.
__device__ void settle(const Search& q, int source, int at) {
  State& kept = q.states[at];
  const State st = kept;
  const auto count = [](const unsigned long long& number) { return static_cast<int64_t>(__ldcg(&number)); };
  const int64_t rank = st.rank - count(kept.below), between = count(kept.between), less = count(kept.less), equal = count(kept.equal);
  const bool missed = rank < 0 || rank >= between || count(kept.listed) > q.capacity;
  __syncthreads();
  if (st.done != 0 || st.bracketed == 0) return;
  if (missed) {  // all elements, then
    if (threadIdx.x == 0) kept.low = 0, kept.high = kMost;
  } else if (rank >= less && rank < less + equal) {
    if (st.pivot != 0) {
      find_equal(q, source, at, st.pivot, rank - less);
    } else if (threadIdx.x == 0) {
      finish(q, at, 0, 0);
    }
  } else if (threadIdx.x == 0) {
    const bool lower = rank < less;
    kept.has_list = 1;
    (lower ? kept.high : kept.low) = st.pivot + (lower ? -1 : 1);
    kept.rank = lower ? rank : rank - less - equal;
    kept.inside = lower ? less : between - less - equal;
  }
}

// Counts and lists for R sources from number `offset` of the launch on, a cut as blockIdx.y: a segment of 2048 elements for each warp in
// turn.
template <class T, int R>
__global__ void __launch_bounds__(kPass, kBound) sieve_elements(const __grid_constant__ Search q, int32_t offset) {
  __shared__ unsigned long long sums[R][4];
  __shared__ bool last;
  const int cut = static_cast<int>(blockIdx.y), lane = static_cast<int>(threadIdx.x % 32), source = q.first + offset;
  const Sources& s = q.s;
  Sieve sieve[R];
  bool any = false;
#pragma unroll
  for (int k = 0; k < R; k++) {
    any = sieve[k].open(q.states[(offset + k) * q.each + cut]) || any;
  }
  if (!any) return;
  if (threadIdx.x < 4 * R) sums[threadIdx.x / 4][threadIdx.x % 4] = 0;
  __syncthreads();
  const int64_t step = item_step() / 32, me = first_item() / 32;
  int64_t whole = 0;  // segments that are read in packs
  if constexpr (!std::is_void_v<T>) {
    constexpr int W = kWidth<T>, kSteps = static_cast<int>(kSegment) / (32 * W);
    whole = s.n / kSegment;
    struct Packs {
      Bits<T> base, x[R];
    } now{}, next{};
    const auto load = [&](Packs& to, int64_t segment, int t) {
      const int64_t pack = (segment * kSteps + t) * 32 + lane;
      if (s.based()) to.base = whole_pack(static_cast<const T*>(s.base), pack);
#pragma unroll
      for (int k = 0; k < R; k++) to.x[k] = whole_pack(static_cast<const T*>(s.data[source + k]), pack);
    };
    if (me < whole) load(now, me, 0);
    for (int64_t segment = me; segment < whole; segment += step) {
#pragma unroll 1
      for (int t = 0; t < kSteps; t++) {
        if (t + 1 < kSteps) {
          load(next, segment, t + 1);
        } else if (segment + step < whole) {
          load(next, segment + step, 0);
        }
        const int64_t element = (segment * kSteps + t) * 32 * W + lane * W;
#pragma unroll
        for (int i = 0; i < W; i++) {
          const double base = to_f64(now.base.item[i]);
#pragma unroll
          for (int k = 0; k < R; k++)
            sieve[k].take(q, (offset + k) * q.each + cut, __dadd_rn(to_f64(now.x[k].item[i]), -base), element + i, true);
        }
        now = next;
      }
#pragma unroll
      for (int k = 0; k < R; k++) sieve[k].close_segment(q, (offset + k) * q.each + cut, segment, &sums[k][3]);
    }
  }
  for (int64_t segment = whole + me; segment < q.segments; segment += step) {
    const int64_t end = least(s.n, (segment + 1) * kSegment);
    for (int64_t first = segment * kSegment; first < end; first += 32) {
      const int64_t element = first + lane;
#pragma unroll
      for (int k = 0; k < R; k++)
        sieve[k].take(q, (offset + k) * q.each + cut, element < end ? load_difference(s, source + k, element) : 0.0, element,
                      element < end);
    }
#pragma unroll
    for (int k = 0; k < R; k++) sieve[k].close_segment(q, (offset + k) * q.each + cut, segment, &sums[k][3]);
  }
#pragma unroll
  for (int k = 0; k < R; k++) {
    sieve[k].drop(q, (offset + k) * q.each + cut);
    const uint32_t own[3] = {sieve[k].below, sieve[k].between, sieve[k].less};
#pragma unroll
    for (int c = 0; c < 3; c++) atomicAdd(&sums[k][c], static_cast<unsigned long long>(own[c]));
  }
  __syncthreads();
  if (threadIdx.x < 4 * R) {
    State& st = q.states[(offset + static_cast<int>(threadIdx.x / 4)) * q.each + cut];
    const unsigned c = threadIdx.x % 4;
    atomicAdd(c == 0 ? &st.below : c == 1 ? &st.between : c == 2 ? &st.less : &st.equal, sums[threadIdx.x / 4][c]);
  }
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(&q.states[offset * q.each + cut].arrived, 1u) == gridDim.x - 1;
  __syncthreads();
  if (!last) return;
  __threadfence();
  for (int k = 0; k < R; k++) settle(q, source + k, (offset + k) * q.each + cut);
  if (threadIdx.x == 0) q.states[offset * q.each + cut].arrived = 0;
}

// The bucket that has the rank becomes what is searched. By one block; clears the counts.
__device__ void pick(const Search& q, int at, bool by_number, int shift) {
  constexpr int kOwn = kBuckets / kBlock;
  State& st = q.states[at];
  unsigned long long* const buckets = q.buckets + static_cast<int64_t>(at) * kBuckets;
  const int first = static_cast<int>(threadIdx.x) * kOwn;
  int64_t own[kOwn], mine = 0, total;
#pragma unroll
  for (int i = 0; i < kOwn; i++) mine += own[i] = static_cast<int64_t>(buckets[first + i]);
  const int64_t rank = st.rank;
  int64_t before = sum_before(mine, total);
#pragma unroll
  for (int i = 0; i < kOwn; i++) {
    buckets[first + i] = 0;
    if (before <= rank && rank < before + own[i]) {
      int64_t &from = by_number ? st.first : st.low, &to = by_number ? st.last : st.high;
      from += static_cast<int64_t>(first + i) << shift;
      to = least(to, from + ((int64_t{1} << shift) - 1));
      st.rank = rank - before;
      st.inside = own[i];
      st.arrived = 0;
      if (st.low == st.high && (st.low == 0 || st.first == st.last)) finish(q, at, st.low, st.first);
    }
    before += own[i];
  }
}

// Of the few elements gathered the one at the rank. By one block.
__device__ void rank_few(const Search& q, int at) {
  const State& st = q.states[at];
  const Item* const few = q.few + static_cast<int64_t>(at) * kFew;
  const int count = static_cast<int>(st.inside), me = static_cast<int>(threadIdx.x);
  if (me >= count) return;
  const Item mine = few[me];
  int64_t smaller = 0;
  for (int i = 0; i < count; i++) smaller += few[i].bits < mine.bits || (few[i].bits == mine.bits && few[i].element < mine.element);
  if (smaller == st.rank) finish(q, at, mine.bits, mine.element);
}

__global__ void __launch_bounds__(kBlock, 1) narrow(const __grid_constant__ Search q) {
  __shared__ uint32_t counts[kBuckets];
  __shared__ bool last;
  const int at = static_cast<int>(blockIdx.z * gridDim.y + blockIdx.y);
  State& kept = q.states[at];
  if (kept.done != 0) return;
  const State st = kept;
  const bool gathers = st.inside <= kFew, by_number = st.low == st.high;
  const int64_t from = by_number ? st.first : st.low, range = (by_number ? st.last : st.high) - from;
  const int shift = static_cast<int>(most(0, bits_of(range) - kBits));
  for (int i = static_cast<int>(threadIdx.x); i < kBuckets && !gathers; i += kBlock) counts[i] = 0;
  __syncthreads();
  uint32_t zeros = 0;
  const auto take = [&](int64_t bits, int64_t element) {
    if (bits < st.low || bits > st.high || element < st.first || element > st.last) return;
    if (gathers) {
      q.few[static_cast<int64_t>(at) * kFew + atomicAdd(&kept.gathered, 1u)] = {bits, element};
      return;
    }
    const int64_t bucket = ((by_number ? element : bits) - from) >> shift;
    if (bucket == 0) {
      zeros++;
    } else {
      atomicAdd(counts + bucket, 1u);
    }
  };
  if (st.has_list != 0) {
    const Item* const list = q.lists + at * q.capacity;
#pragma unroll 2
    for (int64_t i = first_item(); i < static_cast<int64_t>(st.listed); i += item_step()) {
      const Item item = list[i];
      take(item.bits, item.element);
    }
  } else {
    const int source = q.first + static_cast<int>(blockIdx.z);
    for (int64_t i = first_item(); i < q.s.n; i += item_step()) take(magnitude(load_difference(q.s, source, i)), i);
  }
  if (zeros != 0) atomicAdd(counts, zeros);
  __syncthreads();
  unsigned long long* const total = q.buckets + static_cast<int64_t>(at) * kBuckets;
  for (int i = static_cast<int>(threadIdx.x); i < kBuckets && !gathers; i += kBlock) {
    if (counts[i] != 0) atomicAdd(total + i, static_cast<unsigned long long>(counts[i]));
  }
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) last = atomicAdd(&kept.arrived, 1u) == gridDim.x - 1;
  __syncthreads();
  if (!last) return;
  __threadfence();
  if (gathers) {
    rank_few(q, at);
  } else {
    pick(q, at, by_number, shift);
  }
}

unsigned blocks_of(const Call& call, int64_t work, int64_t each) {
  return static_cast<unsigned>(least(most(1, work), each * call.context.processors));
}

template <class T>
hd_status search(const Call& call, const Search& q, const int64_t* ranks) {
  const auto cuts = static_cast<unsigned>(q.each), count = static_cast<unsigned>(q.count);
  hd_status status = launch(call, start_search<T>, dim3(cuts, count), kBlock, kSampleShared, q, ranks, call.context.faults + call.op);
  if (status == HD_OK && q.capacity > 0) {
    const dim3 grid(blocks_of(call, ceil_div(q.segments, kPass / 32), kResident), cuts);
    for (int32_t k = 0; k < q.count && status == HD_OK; k += 2)
      status = launch(call, k + 1 < q.count ? sieve_elements<T, 2> : sieve_elements<T, 1>, grid, kPass, 0, q, k);
  }
  const dim3 grid(blocks_of(call, ceil_div(q.s.n, kBlock), 2), cuts, count);
  for (int level = 0; level < kLevels && status == HD_OK; level++) status = launch(call, narrow, grid, kBlock, 0, q);
  return status;
}

// The workspace of `count` sources, cut up; false after fail(). What must be zero at first comes first.
bool cut_workspace(const Call& call, Search& q) {
  const int64_t all = static_cast<int64_t>(q.count) * q.each, n = q.s.n;
  q.segments = ceil_div(n, kSegment);
  q.parts = ceil_div(q.segments, kSegments);
  const int64_t warps = least(q.segments, int64_t{kResident} * (kPass / 32) * call.context.processors);
  q.capacity = n < kSample ? 0 : ceil_div(n / 24, kChunk) * kChunk + warps * kChunk;
  const int64_t zero = all * (8 * kBuckets + ceil_div(4 * q.parts, 8) * 8);
  const int64_t rest = all * (ceil_div(4 * q.segments, 16) * 16 + (kFew + q.capacity) * static_cast<int64_t>(sizeof(Item)) +
                              static_cast<int64_t>(sizeof(State)));
  const auto memory = static_cast<char*>(workspace(call, ceil_div(zero, 16) * 16 + rest));
  if (memory == nullptr) return false;
  q.buckets = reinterpret_cast<unsigned long long*>(memory);
  q.equal_parts = reinterpret_cast<unsigned*>(q.buckets + all * kBuckets);
  q.few = reinterpret_cast<Item*>(memory + ceil_div(zero, 16) * 16);
  q.lists = q.few + all * kFew;
  q.states = reinterpret_cast<State*>(q.lists + all * q.capacity);
  q.equal = reinterpret_cast<unsigned*>(q.states + all);
  const cudaError_t error = cudaMemsetAsync(memory, 0, static_cast<size_t>(zero), call.context.stream);
  if (error != cudaSuccess) cuda_fail(error, "clearing the counts");
  return error == cudaSuccess;
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
  const Sources sources = sources_of(call, 2, count, n);
  for (int32_t first = 0; first < count; first += kTogether) {
    Search q{};
    q.s = sources, q.first = first, q.count = static_cast<int32_t>(least(kTogether, count - first)), q.each = static_cast<int32_t>(each);
    q.cuts = call.data<double>(cuts) + 2 * each * first;
    if (!cut_workspace(call, q)) return HD_NO_MEMORY;
    const auto ranks = call.data<const int64_t>(1) + each * first;
    const hd_status status = !sources.dense
                                 ? search<void>(call, q, ranks)
                                 : with_any_float(sources.base_dtype, [&](auto type) { return search<decltype(type)>(call, q, ranks); });
    if (status != HD_OK) return status;
  }
  return HD_OK;
}
}  // namespace hd

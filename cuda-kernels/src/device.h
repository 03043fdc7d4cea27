// What the kernels share: element types, 16-byte packs, strided walks, sums within a team of threads, and Philox.
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "context.h"

namespace hd {

using bf16 = __nv_bfloat16;
using f16 = __half;

__host__ __device__ constexpr int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
__host__ __device__ constexpr int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
__host__ __device__ constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// ---- element types ----
__device__ inline float to_f32(float x) { return x; }
__device__ inline float to_f32(bf16 x) { return __bfloat162float(x); }
__device__ inline float to_f32(f16 x) { return __half2float(x); }
__device__ inline float to_f32(double x) { return static_cast<float>(x); }
__device__ inline double to_f64(double x) { return x; }
template <class T>
__device__ double to_f64(T x) {
  return to_f32(x);
}
__device__ inline void put(float& to, float x) { to = x; }
__device__ inline void put(bf16& to, float x) { to = __float2bfloat16_rn(x); }
__device__ inline void put(f16& to, float x) { to = __float2half_rn(x); }
__device__ inline void put(double& to, float x) { to = x; }
__device__ inline void put(float& to, double x) { to = static_cast<float>(x); }
__device__ inline void put(bf16& to, double x) { to = __double2bfloat16(x); }
__device__ inline void put(f16& to, double x) { to = __double2half(x); }
__device__ inline void put(double& to, double x) { to = x; }
template <class T, class X>
__device__ T rounded(X x) {
  T t;
  put(t, x);
  return t;
}

// A float of a dtype known at run time; the switch is the same for all threads.
__device__ inline float load_float(const void* p, int32_t dtype, int64_t i) {
  if (dtype == HD_F32) return static_cast<const float*>(p)[i];
  if (dtype == HD_BF16) return to_f32(static_cast<const bf16*>(p)[i]);
  return to_f32(static_cast<const f16*>(p)[i]);
}
__device__ inline void store_float(void* p, int32_t dtype, int64_t i, float x) {
  if (dtype == HD_F32) {
    static_cast<float*>(p)[i] = x;
  } else if (dtype == HD_BF16) {
    put(static_cast<bf16*>(p)[i], x);
  } else {
    put(static_cast<f16*>(p)[i], x);
  }
}

// f(T{}) for the C++ type of a float dtype
template <class F>
hd_status with_float(int32_t dtype, const F& f) {
  if (dtype == HD_F32) return f(float{});
  if (dtype == HD_BF16) return f(bf16{});
  return f(f16{});
}
template <class F>
hd_status with_any_float(int32_t dtype, const F& f) {
  return dtype == HD_F64 ? f(double{}) : with_float(dtype, f);
}

// ---- packs: kWidth elements of a row, by one 16-byte access where the row is aligned and the pack is whole ----
template <class T>
constexpr int kWidth = 16 / static_cast<int>(sizeof(T));

template <class T>
struct alignas(16) Bits {
  T item[kWidth<T>];
};

// A pack as floats and back, two 16-bit elements at a time: one instruction per element to unpack, half of one to pack.
template <class T>
__device__ void unpack(const Bits<T>& bits, float (&x)[kWidth<T>]) {
  if constexpr (std::is_same_v<T, bf16>) {
    uint32_t word[4];
    memcpy(word, &bits, sizeof word);
#pragma unroll
    for (int i = 0; i < 4; i++) {
      x[2 * i] = __uint_as_float(word[i] << 16);
      x[2 * i + 1] = __uint_as_float(word[i] & 0xffff0000u);
    }
  } else {
#pragma unroll
    for (int i = 0; i < kWidth<T>; i++) x[i] = to_f32(bits.item[i]);
  }
}
template <class T>
__device__ Bits<T> packed(const float (&x)[kWidth<T>]) {
  Bits<T> bits;
  if constexpr (sizeof(T) == 2) {
    uint32_t word[4];
#pragma unroll
    for (int i = 0; i < 4; i++) {
      if constexpr (std::is_same_v<T, bf16>) {
        const __nv_bfloat162 pair = __floats2bfloat162_rn(x[2 * i], x[2 * i + 1]);
        memcpy(word + i, &pair, 4);
      } else {
        const __half2 pair = __floats2half2_rn(x[2 * i], x[2 * i + 1]);
        memcpy(word + i, &pair, 4);
      }
    }
    memcpy(&bits, word, sizeof word);
  } else {
#pragma unroll
    for (int i = 0; i < kWidth<T>; i++) put(bits.item[i], x[i]);
  }
  return bits;
}

// Elements past n read as 0. vector: the row is 16-byte aligned. The bits can be loaded before they are needed, and unpacked then: both
// branches make words, for the compiler would split a whole pack into the other branch's elements as soon as it comes, and so wait for it.
template <class T>
__device__ Bits<T> load_bits(const T* row, int64_t at, int64_t n, bool vector) {
  uint32_t word[4];
  if (vector && at + kWidth<T> <= n) {
    const uint4 whole = *reinterpret_cast<const uint4*>(row + at);
    word[0] = whole.x, word[1] = whole.y, word[2] = whole.z, word[3] = whole.w;
  } else if constexpr (sizeof(T) == 2) {
    const auto half = reinterpret_cast<const uint16_t*>(row);
#pragma unroll
    for (int i = 0; i < 8; i += 2) {
      const uint32_t low = at + i < n ? half[at + i] : 0, high = at + i + 1 < n ? half[at + i + 1] : 0;
      word[i / 2] = low | high << 16;
    }
  } else {
    constexpr int kWords = static_cast<int>(sizeof(T) / 4);  // of an element
#pragma unroll
    for (int i = 0; i < 4; i++) word[i] = at + i / kWords < n ? reinterpret_cast<const uint32_t*>(row)[at * kWords + i] : 0;
  }
  Bits<T> bits;
  memcpy(&bits, word, sizeof bits);
  return bits;
}
// A whole pack of an aligned row, as one access each way.
template <class T>
__device__ Bits<T> whole_pack(const T* row, int64_t pack) {
  const uint4 words = reinterpret_cast<const uint4*>(row)[pack];
  Bits<T> bits;
  memcpy(&bits, &words, sizeof bits);
  return bits;
}
// 16 bytes that nobody reads again: around the first-level cache, which keeps what all read.
__device__ inline uint4 load_once(const void* from) {
#ifndef HD_EMULATE
  uint4 word;
  asm volatile("ld.global.L1::no_allocate.v4.b32 {%0, %1, %2, %3}, [%4];"
               : "=r"(word.x), "=r"(word.y), "=r"(word.z), "=r"(word.w)
               : "l"(__cvta_generic_to_global(from)));
  return word;
#else
  return *reinterpret_cast<const uint4*>(from);
#endif
}
// In assembly, as the compiler makes stores of 2 and 4 bytes of some packs: beside a path for single elements (glu_bwd ran at 67 % of the
// roof with seven stores for a pack, embedding_bwd with eight), or where the words come from different packs (a transposition).
__device__ inline void store_words(void* to, uint4 word) {
#ifndef HD_EMULATE
  asm volatile("st.global.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(to)), "r"(word.x), "r"(word.y), "r"(word.z),
               "r"(word.w)
               : "memory");
#else
  memcpy(to, &word, sizeof word);
#endif
}
template <class T>
__device__ void store_whole(T* row, int64_t pack, const Bits<T>& bits) {
  uint32_t word[4];
  memcpy(word, &bits, sizeof word);
  store_words(row + pack * kWidth<T>, make_uint4(word[0], word[1], word[2], word[3]));
}
template <class T>
__device__ void load_pack(const T* row, int64_t at, int64_t n, bool vector, float (&x)[kWidth<T>]) {
  unpack(load_bits(row, at, n, vector), x);
}
template <class T>
__device__ void store_pack(T* row, int64_t at, int64_t n, bool vector, const float (&x)[kWidth<T>]) {
  constexpr int W = kWidth<T>;
  if (vector && at + W <= n) {
    store_whole(row + at, 0, packed<T>(x));
  } else {
#pragma unroll
    for (int i = 0; i < W; i++) {
      if (at + i < n) put(row[at + i], x[i]);
    }
  }
}

// ---- rows: the outer dimensions of a tensor as one index; neighbouring dimensions are merged where strides allow ----
struct Rows {
  int64_t count = 1;
  int32_t rank = 0;
  int64_t shape[HD_MAX_RANK] = {};
  int64_t stride[HD_MAX_RANK] = {};

  __host__ __device__ int64_t at(int64_t row) const {
    if (rank == 1) return row * stride[0];
    int64_t offset = 0;
#pragma unroll
    for (int d = HD_MAX_RANK - 1; d >= 0; d--) {
      if (d >= rank) continue;
      const int64_t rest = row / shape[d];
      offset += (row - rest * shape[d]) * stride[d];
      row = rest;
    }
    return offset;
  }
};

inline Rows rows_of(const hd_tensor& t, int inner) {
  Rows r;
  for (int d = 0; d + inner < t.rank; d++) {
    r.count *= t.shape[d];
    if (t.shape[d] == 1) continue;
    if (r.rank > 0 && r.stride[r.rank - 1] == t.stride[d] * t.shape[d]) {
      r.shape[r.rank - 1] *= t.shape[d];
      r.stride[r.rank - 1] = t.stride[d];
    } else {
      r.shape[r.rank] = t.shape[d];
      r.stride[r.rank++] = t.stride[d];
    }
  }
  return r;
}

// A tensor as rows of its last `inner` dimensions; null data where the tensor is absent.
template <class T>
struct View {
  T* data = nullptr;
  Rows rows;
  bool vector = false;  // every row starts on 16 bytes

  View() = default;
  View(const Call& call, int32_t i, int inner = 1) {
    if (!call.has(i)) return;
    data = call.data<T>(i);
    rows = rows_of(*call.t[i], inner);
    vector = call.t[i]->data % 16 == 0;
    for (int d = 0; d < rows.rank; d++) vector = vector && rows.stride[d] * static_cast<int64_t>(sizeof(T)) % 16 == 0;
  }
  __device__ T* row(int64_t r) const { return data + rows.at(r); }
};

// ---- nests: N tensors of one shape, walked by one element index ----
template <int N>
struct Nest {
  int32_t rank = 0;
  int64_t count = 1;
  int64_t shape[HD_MAX_RANK] = {};
  int64_t stride[N][HD_MAX_RANK] = {};

  void at(int64_t index, int64_t (&offset)[N]) const {
    for (int i = 0; i < N; i++) offset[i] = 0;
    for (int d = rank - 1; d >= 0; d--) {
      for (int i = 0; i < N; i++) offset[i] += index % shape[d] * stride[i][d];
      index /= shape[d];
    }
  }
  bool dense() const {
    bool all = rank <= 1;
    for (int i = 0; i < N; i++) all = all && (rank == 0 || stride[i][0] == 1);
    return all;
  }
};

// any_order: dimensions may be permuted, so that neighbours are dense in tensors[0]; else the index is row-major.
template <int N>
Nest<N> nest(const hd_tensor* const (&tensors)[N], bool any_order) {
  int order[HD_MAX_RANK];
  int dims = 0;
  const hd_tensor& first = *tensors[0];
  Nest<N> n;
  for (int d = 0; d < first.rank; d++) {
    n.count *= first.shape[d];
    if (first.shape[d] == 1) continue;
    int at = dims++;
    const auto size = [&](int k) { return first.stride[k] < 0 ? -first.stride[k] : first.stride[k]; };
    for (; any_order && at > 0 && size(order[at - 1]) < size(d); at--) order[at] = order[at - 1];
    order[at] = d;
  }
  for (int k = 0; k < dims; k++) {
    const int d = order[k];
    bool merges = n.rank > 0;
    for (int i = 0; i < N && merges; i++) merges = n.stride[i][n.rank - 1] == tensors[i]->stride[d] * first.shape[d];
    if (merges) {
      n.shape[n.rank - 1] *= first.shape[d];
    } else {
      n.shape[n.rank++] = first.shape[d];
    }
    for (int i = 0; i < N; i++) n.stride[i][n.rank - 1] = tensors[i]->stride[d];
  }
  return n;
}

// The nest in units of `width` elements, which are dense along the last dimension in every tensor; false if rows do not come in such.
template <int N>
bool in_packs(Nest<N>& n, int64_t width) {
  if (n.rank == 0) return false;
  const int last_dim = n.rank - 1;
  for (int i = 0; i < N; i++) {
    if (n.stride[i][last_dim] != 1) return false;
    for (int d = 0; d < last_dim; d++) {
      if (n.stride[i][d] % width != 0) return false;
    }
  }
  if (n.shape[last_dim] % width != 0) return false;
  n.shape[last_dim] /= width;
  n.count /= width;
  for (int i = 0; i < N; i++) {
    for (int d = 0; d < last_dim; d++) n.stride[i][d] /= width;
  }
  return true;
}

// A nest as kernels walk it, its innermost dimension first. Up to 2^31 elements a division, some twenty instructions, becomes a
// multiplication, an addition and a shift (Granlund & Montgomery 1994); what is left after all dimensions but one needs none.
template <int N>
struct NestWalk {
  int64_t count;
  int32_t rank;
  bool narrow;
  int64_t shape[HD_MAX_RANK] = {};
  int64_t stride[N][HD_MAX_RANK] = {}, outermost[N] = {};
  uint32_t factor[HD_MAX_RANK] = {}, shift[HD_MAX_RANK] = {};

  NestWalk(const Nest<N>& n) : count(n.count), rank(n.rank), narrow(n.count <= INT32_MAX) {
    for (int d = 0; d < rank; d++) {
      shape[d] = n.shape[rank - 1 - d];
      for (int i = 0; i < N; i++) outermost[i] = stride[i][d] = n.stride[i][rank - 1 - d];
      if (!narrow || count == 0) continue;
      while (int64_t{1} << shift[d] < shape[d]) shift[d]++;
      factor[d] = static_cast<uint32_t>(((int64_t{1} << 32) * ((int64_t{1} << shift[d]) - shape[d])) / shape[d] + 1);
    }
  }
  __device__ void at(int64_t index, int64_t (&offset)[N]) const {
    if (narrow) {
      split(static_cast<uint32_t>(index), offset);
    } else {
      split(index, offset);
    }
  }

 private:
  __device__ uint32_t whole(uint32_t index, int d) const {
    return (static_cast<uint32_t>(static_cast<uint64_t>(index) * factor[d] >> 32) + index) >> shift[d];
  }
  __device__ int64_t whole(int64_t index, int d) const { return index / shape[d]; }

  template <class I>
  __device__ void split(I index, int64_t (&offset)[N]) const {
#pragma unroll
    for (int i = 0; i < N; i++) offset[i] = 0;
#pragma unroll
    for (int d = 0; d < HD_MAX_RANK - 1; d++) {
      if (d + 1 >= rank) break;
      const I rest = whole(index, d), digit = index - rest * static_cast<I>(shape[d]);
#pragma unroll
      for (int i = 0; i < N; i++) offset[i] += digit * stride[i][d];
      index = rest;
    }
#pragma unroll
    for (int i = 0; i < N; i++) offset[i] += index * outermost[i];
  }
};

inline bool aligned(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

// ---- launch shapes ----
constexpr int kThreads = 256;

// Blocks for n pieces of work of one block each, and for n items of one thread each; the kernels stride over the grid.
inline dim3 grid_of(int64_t n) { return dim3(static_cast<unsigned>(least(most(1, n), 1 << 20))); }
inline dim3 grid_for(int64_t n) { return grid_of(ceil_div(n, kThreads)); }

__device__ inline int64_t first_item() { return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; }
__device__ inline int64_t item_step() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

// A team of threads (x) shares a row; a block holds several teams (y) when rows are short. Widths are powers of two.
inline dim3 team_for(int64_t packs) {
  unsigned x = 1;
  while (x < packs && x < kThreads) x *= 2;
  return dim3(x, x >= 32 ? (x == 32 ? 4 : 1) : 128 / x);
}
inline dim3 grid_for_teams(int64_t rows, dim3 team) { return dim3(static_cast<unsigned>(least(most(1, ceil_div(rows, team.y)), 1 << 20))); }

struct Add {
  template <class A>
  __device__ static A join(A a, A b) {
    return a + b;
  }
};
struct Largest {
  template <class A>
  __device__ static A join(A a, A b) {
    return b > a || b != b ? b : a;  // keeps NaN
  }
};

// 2^x to 2 ulp, by the unit for it. With the factor log2(e) folded into an FMA it is an exponential as good as expf(x - top) is, whose
// difference is rounded: fma(x, log2e, -top * log2e) is off by half an ulp of the argument alone.
__device__ inline float exp2_fast(float x) {
#ifndef HD_EMULATE
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}
constexpr float kLog2e = 1.4426950408889634f;

// Joins x over the team in a fixed order and gives every thread the result. All threads of the block must call it.
template <class Op, class A>
__device__ A team_join(A x) {
  const unsigned width = blockDim.x;
  for (unsigned step = (width < 32 ? width : 32) / 2; step > 0; step /= 2)
    x = Op::join(x, __shfl_xor_sync(0xffffffffu, x, static_cast<int>(step)));
  __syncwarp();  // what a thread of the team read before is not overtaken by what another one writes after
  if (width > 32) {
    __shared__ A parts[32];
    const unsigned warp = threadIdx.x / 32;
    if (threadIdx.x % 32 == 0) parts[warp] = x;
    __syncthreads();
    x = parts[0];
    for (unsigned i = 1; i < width / 32; i++) x = Op::join(x, parts[i]);
    __syncthreads();
  }
  return x;
}
template <class A>
__device__ A team_sum(A x) {
  return team_join<Add>(x);
}

__device__ inline char* dynamic_shared() {
#ifndef HD_EMULATE
  extern __shared__ __align__(16) char hd_dynamic[];
  return hd_dynamic;
#else
  return emulated_shared();
#endif
}

// 16 bytes from global to shared memory without a register. Both sides on 16 bytes.
__device__ inline void copy_to_shared(void* to, const void* from) {
#ifndef HD_EMULATE
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(static_cast<uint32_t>(__cvta_generic_to_shared(to))), "l"(from)
               : "memory");
#else
  std::memcpy(to, from, 16);
#endif
}
// The copies of the thread since the last call become a group; the wait is for all groups but the youngest N.
__device__ inline void close_copies() {
#ifndef HD_EMULATE
  asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int N>
__device__ void wait_for_groups() {
#ifndef HD_EMULATE
  asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

// An index read on the device was out of range. The lowest position wins; hd_sync turns it into an error.
__device__ inline void report_fault(unsigned long long* fault, int64_t position, int32_t value) {
  atomicMin(fault, (static_cast<unsigned long long>(position) << 32) | static_cast<uint32_t>(value));
}

// ---- Philox4x32-10 (Salmon, Moraes, Dror & Shaw, SC 2011): the same bits as on the CPU ----
// One instruction; written as a product of 64-bit numbers, a zero is added to the upper half of each.
__device__ inline uint64_t wide_product(uint32_t a, uint32_t b) {
#ifndef HD_EMULATE
  uint64_t product;
  asm("mul.wide.u32 %0, %1, %2;" : "=l"(product) : "r"(a), "r"(b));
  return product;
#else
  return static_cast<uint64_t>(a) * b;
#endif
}
__device__ inline uint4 philox(uint4 c, uint64_t seed) {
  uint32_t key0 = static_cast<uint32_t>(seed), key1 = static_cast<uint32_t>(seed >> 32);
#pragma unroll
  for (int round = 0; round < 10; round++) {
    const uint64_t a = wide_product(0xD2511F53u, c.x), b = wide_product(0xCD9E8D57u, c.z);
    c = make_uint4(static_cast<uint32_t>(b >> 32) ^ c.y ^ key0, static_cast<uint32_t>(b), static_cast<uint32_t>(a >> 32) ^ c.w ^ key1,
                   static_cast<uint32_t>(a));
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c;
}
// Words at or above it are kept.
inline uint32_t philox_threshold(float p) { return static_cast<uint32_t>(__builtin_ceil(static_cast<double>(p) * 4294967296.0)); }
}  // namespace hd

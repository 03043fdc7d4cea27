// linear_int8: y = scale (x (w - 128)^T) + bias, the product of a linear layer whose weights are bytes.
// Shapes: x [N.., K]; w u8 [M, K]; scale f32 [M]; bias [M]; y [N.., M].
// Work: from two rows of x on, in 16 bits and with rows of whole 16 bytes, on tensor cores: w is the side of 16, x of 8 or 16 rows. A block
// has up to 64 rows of w; its eight warps take 64 weights of each in turn, a lane 16 bytes, which are the columns c, c + 1, c + 8 and c + 9
// of four products, as the order of K is free; the registers of 16 rows that have been used are filled again at once. So a weight is read
// and widened once for 16 rows of x, and x is read once per 64 rows of w. More rows of x are blocks side by side, which find w in the
// second-level cache. Else (one row, f32, rows that are not aligned) a block has four rows of w and up to four of x; its warps share the K
// numbers, 512 at a time, a lane 16 bytes of each row of w. On chip: a byte becomes a number by a permutation into a mantissa and one exact
// subtraction; sums in registers. Numerics: w - 128 is exact in every type; each sum runs in 8 (tensor cores) or 128 parts in f32, joined
// in an order that depends on K alone; one rounding at the end. Cost: M K bytes: bandwidth-bound for few rows of x. For many a library's
// product of widened weights shares more (io.heddle.nn.Int8 chooses). Deterministic. Checked on: see README.md.
#include "check.h"
#include "device.h"
#include "mma.h"

namespace hd {
namespace {

constexpr int kOutputs = 4;  // rows of w of a block
constexpr int kMostRows = 4;
constexpr int kWarps = 4;
constexpr int kBytes = 16;  // weights of a lane at a time
constexpr int kStep = 32 * kBytes;

template <class T>
struct Product {
  View<const T> x;
  View<T> y;
  const uint8_t* w;
  const float* scale;
  const T* bias;
  int64_t width, stride, outputs;
  bool vector;  // rows of w start on 16 bytes
};

// Bytes from n on are 0; what meets them is 0, too.
__device__ uint4 load_bytes(const uint8_t* row, int64_t at, int64_t n, bool vector) {
  if (vector && at + kBytes <= n) return *reinterpret_cast<const uint4*>(row + at);
  uint32_t word[4] = {};
#pragma unroll
  for (int i = 0; i < kBytes; i++) word[i / 4] |= (at + i < n ? static_cast<uint32_t>(row[at + i]) : 0u) << 8 * (i % 4);
  return make_uint4(word[0], word[1], word[2], word[3]);
}

// Byte i of the word, less 128.
__device__ float weight(uint32_t word, int i) {
  return __uint_as_float(__byte_perm(word, 0x4b000000u, 0x7650u + static_cast<unsigned>(i))) - 8388736.0f;
}

// Four numbers of x from `at` on, of a row of n.
template <class T>
__device__ void load_quad(const T* row, int64_t at, int64_t n, bool vector, float (&x)[4]) {
  if (vector && at + 4 <= n) {
    if constexpr (sizeof(T) == 4) {
      const float4 four = *reinterpret_cast<const float4*>(row + at);
      x[0] = four.x, x[1] = four.y, x[2] = four.z, x[3] = four.w;
    } else {
      const uint2 two = *reinterpret_cast<const uint2*>(row + at);
      T item[4];
      memcpy(item, &two, sizeof item);
#pragma unroll
      for (int i = 0; i < 4; i++) x[i] = to_f32(item[i]);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; i++) x[i] = at + i < n ? to_f32(row[at + i]) : 0.0f;
}

template <class T, int R>
__global__ void __launch_bounds__(32 * kWarps) int8_product(const __grid_constant__ Product<T> p) {
  __shared__ float parts[kWarps][R * kOutputs];
  const int lane = static_cast<int>(threadIdx.x % 32), warp = static_cast<int>(threadIdx.x / 32);
  const int64_t m = static_cast<int64_t>(blockIdx.x) * kOutputs, first = static_cast<int64_t>(blockIdx.y) * R;
  const uint8_t* w[kOutputs];
  const T* x[R];
#pragma unroll
  for (int j = 0; j < kOutputs; j++) w[j] = p.w + least(m + j, p.outputs - 1) * p.stride;  // past the end the last one, not stored
#pragma unroll
  for (int r = 0; r < R; r++) x[r] = p.x.row(least(first + r, p.x.rows.count - 1));
  float sum[R][kOutputs] = {};
  for (int64_t k = warp * kStep + lane * kBytes; k < p.width; k += kWarps * kStep) {
    uint32_t bytes[kOutputs][4];
#pragma unroll
    for (int j = 0; j < kOutputs; j++) {
      const uint4 word = load_bytes(w[j], k, p.width, p.vector);
      bytes[j][0] = word.x, bytes[j][1] = word.y, bytes[j][2] = word.z, bytes[j][3] = word.w;
    }
#pragma unroll
    for (int q = 0; q < 4; q++) {
      float a[R][4];
#pragma unroll
      for (int r = 0; r < R; r++) load_quad(x[r], k + 4 * q, p.width, p.x.vector, a[r]);
#pragma unroll
      for (int j = 0; j < kOutputs; j++) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const float b = weight(bytes[j][q], i);
#pragma unroll
          for (int r = 0; r < R; r++) sum[r][j] = fmaf(a[r][i], b, sum[r][j]);
        }
      }
    }
  }
#pragma unroll
  for (int r = 0; r < R; r++) {
#pragma unroll
    for (int j = 0; j < kOutputs; j++) {
      float total = sum[r][j];
      for (int step = 16; step > 0; step /= 2) total += __shfl_xor_sync(0xffffffffu, total, step);
      if (lane == 0) parts[warp][r * kOutputs + j] = total;
    }
  }
  __syncthreads();
  const int item = static_cast<int>(threadIdx.x), j = item % kOutputs;
  const int64_t row = first + item / kOutputs, output = m + j;
  if (item >= R * kOutputs || row >= p.x.rows.count || output >= p.outputs) return;
  float total = 0;
#pragma unroll
  for (int i = 0; i < kWarps; i++) total += parts[i][item];
  put(p.y.row(row)[output], total * p.scale[output] + (p.bias == nullptr ? 0.0f : to_f32(p.bias[output])));
}

// ---- on tensor cores ----

constexpr int kParts = 8;                        // warps of a block, which share the K numbers
constexpr int kLanes = 4;                        // of a row of w, 16 bytes each
constexpr int kTurn = kParts * kLanes * kBytes;  // weights of a row that a block takes at a time

// a - b in both halves.
template <class T>
__device__ uint32_t minus(uint32_t a, uint32_t b) {
  union Pair {
    uint32_t bits;
    std::conditional_t<std::is_same_v<T, bf16>, __nv_bfloat162_raw, __half2_raw> numbers;
  } x{a}, y{b};
  using Numbers = std::conditional_t<std::is_same_v<T, bf16>, __nv_bfloat162, __half2>;
  Pair difference{};
  difference.numbers = __hsub2(Numbers(x.numbers), Numbers(y.numbers));
  return difference.bits;
}

// The two bytes that `where` picks out of the word, less 128, as numbers of T. f16: 0x64bb is 1024 + b. bf16 has seven bits for the
// mantissa: 0x4300 + 7 bits of b is 128 + those, from which 256 goes, or 128 where the eighth bit is set.
template <class T>
__device__ uint32_t widened_pair(uint32_t word, uint32_t where) {
  if constexpr (std::is_same_v<T, bf16>) {
    const uint32_t bits = __byte_perm(word, 0x43434343u, where);
    return minus<bf16>(bits & 0xff7fff7fu, (bits & 0x00800080u) ^ 0x43804380u);
  } else {
    return minus<f16>(__byte_perm(word, 0x64646464u, where), 0x64806480u);
  }
}

template <class T>
struct Few {
  View<const T> x;
  View<T> y;
  const uint8_t* w;
  const float* scale;
  const T* bias;
  int32_t width, stride, outputs, groups;  // groups: of rows of x, each in a block of its own
};

// Blocks of a processor that registers are dealt for.
template <int M>
constexpr int mma_blocks() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1200
  if (M == 4) return 1;  // the compiler would spill there with two
#endif
  return 2;
}

// M: 16 rows of w each, R: 8 rows of x each.
template <class T, int M, int R>
__global__ void __launch_bounds__(32 * kParts, mma_blocks<M>()) int8_mma(const __grid_constant__ Few<T> p) {
  constexpr int kTall = 16 * M, kWide = 8 * R;
  __shared__ float parts[kParts][kWide][kTall];
  const int lane = lane_id(), warp = static_cast<int>(threadIdx.x) / 32, g = lane / 4, t = lane % 4;
  const int block = static_cast<int>(blockIdx.x) / p.groups, m0 = block * kTall;
  const int64_t first = static_cast<int64_t>(static_cast<int>(blockIdx.x) - block * p.groups) * kWide;
  const int last = p.outputs - 1 - m0;  // rows past it are the last one, not stored
  const uint8_t* const w = p.w + static_cast<int64_t>(m0) * p.stride;
  const T* x[R];
#pragma unroll
  for (int r = 0; r < R; r++) x[r] = p.x.row(least(first + 8 * r + g, p.x.rows.count - 1));
  uint4 bytes[M][2];
  const auto fetch = [&](int m, int k) {
#pragma unroll
    for (int half = 0; half < 2; half++) {
      const int row = min(16 * m + 8 * half + g, last);
      bytes[m][half] = k < p.width ? load_once(w + static_cast<int64_t>(row) * p.stride + k) : uint4{};
    }
  };
  float sum[M][R][4] = {};
  int k = (warp * kLanes + t) * kBytes;
#pragma unroll
  for (int m = 0; m < M; m++) fetch(m, k);
  for (int from = warp * kLanes * kBytes; from < p.width; from += kTurn, k += kTurn) {  // all lanes of a warp alike
    uint32_t column[R][8];  // of x: what meets the lane's 16 weights; 0 past the end
#pragma unroll
    for (int r = 0; r < R; r++) {
#pragma unroll
      for (int half = 0; half < 2; half++) {
        const uint4 pack = k < p.width ? *reinterpret_cast<const uint4*>(x[r] + k + 8 * half) : uint4{};
        memcpy(column[r] + 4 * half, &pack, sizeof pack);
      }
    }
#pragma unroll
    for (int m = 0; m < M; m++) {
      uint32_t word[2][4], a[4];
      memcpy(word, bytes[m], sizeof word);
#pragma unroll
      for (int s = 0; s < 4; s++) {
        a[0] = widened_pair<T>(word[0][s], 0x4140u), a[1] = widened_pair<T>(word[1][s], 0x4140u);
        a[2] = widened_pair<T>(word[0][s], 0x4342u), a[3] = widened_pair<T>(word[1][s], 0x4342u);
#pragma unroll
        for (int r = 0; r < R; r++) multiply_add<T>(sum[m][r], a, column[r][2 * s], column[r][2 * s + 1]);
      }
      fetch(m, k + kTurn);  // into the registers that have just been read
    }
  }
#pragma unroll
  for (int m = 0; m < M; m++) {
#pragma unroll
    for (int r = 0; r < R; r++) {
#pragma unroll
      for (int i = 0; i < 4; i++) parts[warp][8 * r + 2 * t + i % 2][16 * m + 8 * (i / 2) + g] = sum[m][r][i];
    }
  }
  __syncthreads();
#pragma unroll
  for (int item = static_cast<int>(threadIdx.x); item < kWide * kTall; item += 32 * kParts) {
    const int j = item % kTall, r = item / kTall;
    if (j > last || first + r >= p.x.rows.count) continue;
    float total = 0;
#pragma unroll
    for (int i = 0; i < kParts; i++) total += parts[i][r][j];
    const int output = m0 + j;
    put(p.y.row(first + r)[output], total * p.scale[output] + (p.bias == nullptr ? 0.0f : to_f32(p.bias[output])));
  }
}

template <class T, int M>
hd_status multiply_few(const Call& call, Few<T> p) {
  const int64_t rows = p.x.rows.count, each = rows > 8 ? 16 : 8;
  p.groups = static_cast<int32_t>(ceil_div(rows, each));
  const int64_t blocks = ceil_div(p.outputs, 16 * M) * p.groups;
  if (blocks > INT32_MAX) return fail(HD_UNSUPPORTED, "x has %lld rows; this product is meant for few", static_cast<long long>(rows));
  return launch(call, each == 8 ? int8_mma<T, M, 1> : int8_mma<T, M, 2>, dim3(static_cast<unsigned>(blocks)), 32 * kParts, 0, p);
}

template <class T>
hd_status multiply(const Call& call) {
  const hd_tensor& w = *call.t[1];
  const Product<T> p{View<const T>(call, 0),
                     View<T>(call, 4),
                     call.data<const uint8_t>(1),
                     call.data<const float>(2),
                     call.data<const T>(3),
                     w.shape[1],
                     w.stride[0],
                     w.shape[0],
                     w.data % kBytes == 0 && w.stride[0] % kBytes == 0};
  const int64_t rows = p.x.rows.count;
  if (rows == 0 || p.outputs == 0) return HD_OK;
  if constexpr (sizeof(T) == 2) {
    const bool fits = p.width <= INT32_MAX - kTurn && p.stride <= INT32_MAX && p.outputs <= INT32_MAX - 64 && rows <= INT32_MAX;
    if (rows > 1 && p.vector && p.x.vector && p.width % kBytes == 0 && fits) {
      const Few<T> few{
          p.x, p.y, p.w, p.scale, p.bias, static_cast<int32_t>(p.width), static_cast<int32_t>(p.stride), static_cast<int32_t>(p.outputs),
          0};
      // As many rows of w to a block as leave one and a half blocks to a processor; the sums do not depend on it.
      const int64_t enough = 24 * call.context.processors;
      if (p.outputs >= 4 * enough) return multiply_few<T, 4>(call, few);
      return p.outputs >= 2 * enough ? multiply_few<T, 2>(call, few) : multiply_few<T, 1>(call, few);
    }
  }
  const int64_t each = rows > 2 ? kMostRows : rows, groups = ceil_div(rows, each);
  if (groups > 65535)
    return fail(HD_UNSUPPORTED, "x has %lld rows; this product is meant for few, 262140 at most", static_cast<long long>(rows));
  const dim3 grid(static_cast<unsigned>(ceil_div(p.outputs, kOutputs)), static_cast<unsigned>(groups));
  const auto kernel = each == 1 ? int8_product<T, 1> : each == 2 ? int8_product<T, 2> : int8_product<T, kMostRows>;
  return launch(call, kernel, grid, 32 * kWarps, 0, p);
}
}  // namespace

hd_status linear_int8(const Call& call) {
  Check check(call);
  check.rank(1, 2).floats(0, 3, 4).dtype(1, HD_U8).dtype(2, HD_F32).dense(0, 1, 4).contiguous(2, 3).output(4);
  if (check.failed()) return check.status();
  const hd_tensor &x = *call.t[0], &w = *call.t[1], &y = *call.t[4];
  check.require(x.rank > 0 && last(x) == w.shape[1], "the last dimensions of x and w differ");
  check.require(y.rank == x.rank && has_shape_of(x, y, x.rank - 1) && last(y) == w.shape[0],
                "y must be as x, but with w's rows as columns");
  check.vector(2, w.shape[0], "the rows of w").vector(3, w.shape[0], "the rows of w");
  if (check.failed()) return check.status();
  return with_float(x.dtype, [&](auto type) { return multiply<decltype(type)>(call); });
}
}  // namespace hd

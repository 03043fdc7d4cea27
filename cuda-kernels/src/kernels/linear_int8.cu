// linear_int8: y = scale (x (w - 128)^T) + bias, the product of a linear layer whose weights are bytes.
// Shapes: x [N.., K]; w u8 [M, K]; scale f32 [M]; bias [M]; y [N.., M].
// Work: a block has four rows of w and up to four of x; its warps share the K numbers, 512 at a time, a lane 16 bytes of each row of w, so
// a weight is read once for four rows of x. More rows of x are blockIdx.y: they find w in the second-level cache while it fits there. On
// chip: a byte becomes a float by a permutation into the mantissa of 2^23 and one exact subtraction; 16 sums per lane in registers.
// Numerics: w - 128 is exact in f32; each sum runs in 128 parts in f32, joined in an order that depends on K alone; one rounding at the
// end. Cost: M K bytes: bandwidth-bound for few rows of x. For many a library's product of widened weights shares more (io.heddle.nn.Int8
// chooses). Deterministic. Checked on: see README.md.
#include "check.h"
#include "device.h"

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

// linear_int8: y = scale (x (w - 128)^T) + bias, the product of a linear layer whose weights are bytes.
// Shapes: x [N.., K]; w u8 [M, K]; scale f32 [M]; bias [M]; y [N.., M].
// Work: tasks are runs of outputs. Of four rows of w a vector each is widened in registers and meets up to kRows rows of x, so a byte
// is read from memory once; more rows of x find these rows of w in the cache. Rows past the end are the last one again, not stored.
// Numerics: w - 128 is exact in f32; each sum runs in kLanes parts in f32, in an order that depends on K alone; one rounding at the end.
// Cost: M K bytes. That bounds decoding, where every weight serves a row or a few; for many rows a library's product of widened weights
// shares more (io.heddle.nn.Int8 chooses). Alone, a row of 3072 x 768 from memory took 168 us, oneDNN 3.11's product with weights of eight
// bits 420, its f32 product 320 (one thread of an AMD EPYC with AVX-512, best of 8 in turns, machine shared, 2026-11-26).
// Deterministic: a sum belongs to one thread.
#include "check.h"
#include "cpu/kernels.h"
#include "views.h"

namespace hd::HD_TIER {
namespace {

constexpr int kOutputs = 4;                  // rows of w at a time
constexpr int kRows = kLanes == 16 ? 4 : 2;  // rows of x at a time: the sums of both must fit the registers
constexpr float kZero = 128;

template <class T>
struct Product {
  View<const T> x;
  View<T> y;
  const uint8_t* w;
  const float* scale;
  const T* bias;
  int64_t width, stride, outputs;

  // Outputs m.. of rows r.. of x: R of them, `rows` to be stored.
  template <int R>
  void block(int64_t m, int64_t r, int64_t rows) const {
    const uint8_t* weights[kOutputs];
    const T* inputs[R];
    for (int j = 0; j < kOutputs; j++) weights[j] = w + least(m + j, outputs - 1) * stride;
    for (int i = 0; i < R; i++) inputs[i] = x.row(least(r + i, x.rows.count - 1));
    vf sums[R][kOutputs] = {};
    vectors(0, width, [&](int64_t k, auto mask) {
      vf b[kOutputs];
      for (int j = 0; j < kOutputs; j++) b[j] = get(weights[j] + k, mask) - kZero;
      for (int i = 0; i < R; i++) {
        const vf a = get(inputs[i] + k, mask);
        for (int j = 0; j < kOutputs; j++) sums[i][j] = fma(a, b[j], sums[i][j]);
      }
    });
    for (int i = 0; i < R && i < rows; i++) {
      T* to = y.row(r + i);
      for (int64_t j = 0; j < kOutputs && m + j < outputs; j++) {
        const float added = bias == nullptr ? 0.0f : to_f32(bias[m + j]);
        to[m + j] = from_f32<T>(sum(sums[i][j]) * scale[m + j] + added);
      }
    }
  }

  void all_rows(int64_t m) const {
    int64_t r = 0;
    while (r < x.rows.count) {
      const int64_t left = least(kRows, x.rows.count - r);
      if (left == 1) {
        block<1>(m, r, left);
      } else if (left == 2) {
        block<2>(m, r, left);
      } else {
        block<kRows>(m, r, left);
      }
      r += left;
    }
  }
};

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
                     w.shape[0]};
  const int64_t per = most(1, kGrain / most(1, p.width * kOutputs));
  const int64_t blocks = ceil_div(p.outputs, kOutputs);
  parallel(call.context, ceil_div(blocks, per), [&](int64_t task) {
    for (int64_t b = task * per; b < least(blocks, (task + 1) * per); b++) p.all_rows(b * kOutputs);
  });
  return HD_OK;
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
}  // namespace hd::HD_TIER

// norm_fwd, norm_bwd: layer norm (Ba, Kiros & Hinton 2016) and RMS norm (Zhang & Sennrich 2019) over the last dimension, fused with
// the residual addition in front of them.
// Shapes: x, residual, s, y, dy, ds, dx [N.., F]; weight, bias [F]; mean, rstd f32 [N..].
// Work: tasks of whole rows. A row is read two or three times, but from L1/L2: the passes after the first cost no memory traffic.
// Backward: chunks of rows, each with its own partial dweight and dbias (column_sums.h).
// Numerics: the variance is the mean of (s - mean)^2, never E[s^2] - E[s]^2, which cancels. With a residual the statistics are taken
// from the stored, rounded s, because that is what the backward pass will read. Sums over a row in f32 lanes, finished in f64.
// Cost: forward reads x (and residual) and writes y (and s) once: 2 to 4 N F elements; backward reads 2 to 3 and writes 1.
// Deterministic: row chunks depend on the shape alone.
#include "check.h"
#include "column_sums.h"
#include "cpu/kernels.h"

namespace hd::HD_TIER {
namespace {

using Params = hd_NormParams;

template <class T>
struct Affine {
  const T* weight;
  const T* bias;  // may be null
  float offset;

  template <class Mask>
  vf factor(int64_t i, Mask mask) const {
    return get(weight + i, mask) + offset;
  }
};

template <class T>
struct ForwardRow {
  const T* x;
  const T* residual;  // may be null
  T* s;               // may be null
  T* y;
};

struct Moments {
  float mean, rstd;
};

template <class T>
Moments forward_row(ForwardRow<T> row, const Affine<T>& affine, int64_t n, const Params& p) {
  if (row.residual != nullptr && row.s != nullptr) {
    vectors(0, n, [&](int64_t i, auto mask) { put(row.s + i, get(row.x + i, mask) + get(row.residual + i, mask), mask); });
    row.x = row.s;
    row.residual = nullptr;
  }
  const auto value = [&](int64_t i, auto mask) {
    const vf x = get(row.x + i, mask);
    return row.residual == nullptr ? x : x + get(row.residual + i, mask);
  };
  float mean = 0;
  if (p.kind == 0) {
    vf total{};
    vectors(0, n, [&](int64_t i, auto mask) { total += value(i, mask); });
    mean = static_cast<float>(static_cast<double>(sum(total)) / static_cast<double>(n));
  }
  vf squares{};
  vectors(0, n, [&](int64_t i, auto mask) {
    const vf d = mask.keep(value(i, mask) - mean);
    squares = fma(d, d, squares);
  });
  const double variance = static_cast<double>(sum(squares)) / static_cast<double>(n);
  const float rstd = static_cast<float>(1.0 / __builtin_sqrt(variance + static_cast<double>(p.eps)));
  vectors(0, n, [&](int64_t i, auto mask) {
    vf y = (value(i, mask) - mean) * rstd * affine.factor(i, mask);
    if (affine.bias != nullptr) y += get(affine.bias + i, mask);
    put(row.y + i, y, mask);
  });
  return {mean, rstd};
}

template <class T>
hd_status forward(const Call& call) {
  const Params& p = call.params<Params>();
  const View<const T> x(call, 0), residual(call, 1);
  const View<T> y(call, 4), s(call, 5);
  const View<float> mean(call, 6, 0), rstd(call, 7, 0);
  const Affine<T> affine{call.data<const T>(2), call.data<const T>(3), p.weight_offset};
  const int64_t n = last(*call.t[0]);
  parallel_rows(call.context, x.rows.count, n, [&](int64_t r) {
    const Moments m = forward_row<T>({x.row(r), residual.row(r), s.row(r), y.row(r)}, affine, n, p);
    if (mean.data != nullptr) *mean.row(r) = m.mean;
    if (rstd.data != nullptr) *rstd.row(r) = m.rstd;
  });
  return HD_OK;
}

template <class T>
struct BackwardRow {
  const T* dy;
  const T* ds;  // may be null
  const T* s;
  T* dx;
};

// Adds the row to dweight and dbias (which may be null), and writes dx.
template <class T, bool kRms>
void backward_row(const BackwardRow<T>& row, const Affine<T>& affine, Moments m, int64_t n, float* dweight, float* dbias) {
  const auto normalised = [&](int64_t i, auto mask) { return (get(row.s + i, mask) - m.mean) * m.rstd; };
  vf sum_g{}, sum_gx{};
  vectors(0, n, [&](int64_t i, auto mask) {
    const vf x = normalised(i, mask), dy = get(row.dy + i, mask), g = dy * affine.factor(i, mask);
    sum_g += g;
    sum_gx = fma(g, mask.keep(x), sum_gx);
    if (dweight != nullptr) put(dweight + i, fma(dy, x, get(dweight + i, mask)), mask);
    if (dbias != nullptr) put(dbias + i, dy + get(dbias + i, mask), mask);
  });
  const float mean_g = kRms ? 0 : sum(sum_g) / static_cast<float>(n);
  const float mean_gx = sum(sum_gx) / static_cast<float>(n);
  vectors(0, n, [&](int64_t i, auto mask) {
    const vf g = get(row.dy + i, mask) * affine.factor(i, mask);
    vf dx = (g - mean_g - normalised(i, mask) * mean_gx) * m.rstd;
    if (row.ds != nullptr) dx += get(row.ds + i, mask);
    put(row.dx + i, dx, mask);
  });
}

template <class T>
hd_status backward(const Call& call) {
  const Params& p = call.params<Params>();
  const View<const T> dy(call, 0), ds(call, 1), s(call, 2);
  const View<const float> mean(call, 4, 0), rstd(call, 5, 0);
  const View<T> dx(call, 6);
  const Affine<T> affine{call.data<const T>(3), nullptr, p.weight_offset};
  const int64_t n = last(*call.t[2]), rows = s.rows.count, chunks = row_chunks(rows);
  const bool sums = call.has(7) || call.has(8);
  float* partial = sums ? scratch<float>(2 * chunks * n) : nullptr;
  if (sums && partial == nullptr) return fail(HD_NO_MEMORY, "no memory for %lld partial sums", static_cast<long long>(2 * chunks * n));
  const ColumnSums dweight{call.has(7) ? partial : nullptr, chunks, n};
  const ColumnSums dbias{call.has(8) ? partial + chunks * n : nullptr, chunks, n};
  parallel(call.context, chunks, [&](int64_t c) {
    for (const ColumnSums& one : {dweight, dbias}) {
      if (one.data != nullptr) std::memset(one.chunk(c), 0, static_cast<size_t>(n) * 4);
    }
    for (int64_t r = chunk_begin(rows, chunks, c); r < chunk_begin(rows, chunks, c + 1); r++) {
      const BackwardRow<T> row{dy.row(r), ds.row(r), s.row(r), dx.row(r)};
      if (p.kind == 0) {
        backward_row<T, false>(row, affine, {*mean.row(r), *rstd.row(r)}, n, dweight.chunk(c), dbias.chunk(c));
      } else {
        backward_row<T, true>(row, affine, {0, *rstd.row(r)}, n, dweight.chunk(c), dbias.chunk(c));
      }
    }
  });
  finish<T>(call, 7, dweight, p.accumulate != 0);
  finish<T>(call, 8, dbias, p.accumulate != 0);
  return HD_OK;
}
}  // namespace

hd_status norm_fwd(const Call& call) {
  const Params& p = call.params<Params>();
  const int64_t features = last(*call.t[0]);
  Check check(call);
  check.floats(0, 1, 2, 3, 4, 5).dtype(6, HD_F32).dtype(7, HD_F32).same_shape(1, 0).same_shape(4, 0).same_shape(5, 0);
  check.vector(2, features, "the last dimension of x").vector(3, features, "the last dimension of x").rows_of(6, 0).rows_of(7, 0);
  check.dense(0, 1, 2, 3, 4, 5).output(4).output(5).output(6).output(7);
  check.require(p.kind == 0 || p.kind == 1, "kind must be 0 (layer norm) or 1 (RMS norm)");
  check.require(call.has(1) || !call.has(5), "s is only written when there is a residual: without one it is x");
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) { return forward<decltype(type)>(call); });
}

hd_status norm_bwd(const Call& call) {
  const Params& p = call.params<Params>();
  const int64_t features = last(*call.t[2]);
  Check check(call);
  check.floats(2, 0, 1, 3, 6).dtype(4, HD_F32).dtype(5, HD_F32).f32_or_alike(7, 3).f32_or_alike(8, 3);
  check.same_shape(0, 2).same_shape(1, 2).same_shape(6, 2).rows_of(4, 2).rows_of(5, 2);
  for (const int32_t i : {3, 7, 8}) check.vector(i, features, "the last dimension of s");
  check.dense(0, 1, 2, 3, 6, 7, 8).output(6);
  check.require(p.kind == 0 || p.kind == 1, "kind must be 0 (layer norm) or 1 (RMS norm)");
  check.require(p.kind == 1 || call.has(4), "layer norm needs mean");
  if (check.failed()) return check.status();
  return with_float(call.t[2]->dtype, [&](auto type) { return backward<decltype(type)>(call); });
}
}  // namespace hd::HD_TIER

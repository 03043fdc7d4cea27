// glove: AdaGrad on sum of f(x) (<u, v> + b_u + b_v - ln x)^2 over co-occurrences (Pennington, Socher & Manning 2014).
// Shapes: word f32 [V, D + 1], context f32 [U, D + 1], last column the bias; sums of squares alike; row, column i32 [N], count f32 [N].
// Work: entries go to threads in contiguous runs; no row is locked (Hogwild). Weights and logarithms come for kLanes entries at a time.
// Numerics: f32; the square root is exact (no reciprocal estimate).
// Cost: 4 rows of D + 1 floats are read and written per entry, 2 D FLOP for the product and 14 D for the step: bound by memory as soon
// as the tables leave the cache; the next entry's rows are asked for ahead.
// Deterministic with one thread; see ops.def.
#include "check.h"
#include "cpu/kernels.h"
#include "hogwild.h"
#include "views.h"

namespace hd::HD_TIER {
namespace {

struct Entries {
  const int32_t *row, *column;
  const float* count;
  int64_t n;
};

struct Tables {
  float* data[4];  // word, context, and their sums of squares
  int64_t stride[4];

  explicit Tables(const Call& call) {
    for (int i = 0; i < 4; i++) {
      data[i] = call.data<float>(3 + i);
      stride[i] = call.t[3 + i]->stride[0];
    }
  }
  float* at(int i, int64_t r) const { return data[i] + r * stride[i]; }
};

class Worker {
 public:
  Worker(const Entries& entries, const Tables& tables, float* loss, int64_t d, const hd_GloveParams& p)
      : entries_(entries), tables_(tables), loss_(loss), d_(d), p_(p) {}

  void run(int64_t from, int64_t to) const {
    for (int64_t i = from; i < to; i += kLanes) {
      const int n = static_cast<int>(least(kLanes, to - i));
      const vf x = n == kLanes ? load(entries_.count + i) : load_n(entries_.count + i, n);
      const vf logs = log(x);
      const vf weights = min(splat(1.0f), exp(p_.alpha * log(x / p_.x_max)));
      for (int k = 0; k < n; k++) {
        if (i + k + 1 < to) ask_for(i + k + 1);
        const float loss = entry(i + k, weights[k], logs[k]);
        if (loss_ != nullptr) loss_[i + k] = loss;
      }
    }
  }

 private:
  void ask_for(int64_t n) const {
    constexpr int64_t kLine = 16;
    const int64_t ids[] = {entries_.row[n], entries_.column[n]};
    for (int t = 0; t < 4; t++) {
      const float* row = tables_.at(t, ids[t & 1]);
      for (int64_t i = 0; i <= d_; i += kLine) __builtin_prefetch(row + i, 1);
    }
  }

  float entry(int64_t n, float weight, float log_count) const {
    float *u = tables_.at(0, entries_.row[n]), *v = tables_.at(1, entries_.column[n]);
    float *qu = tables_.at(2, entries_.row[n]), *qv = tables_.at(3, entries_.column[n]);
    vf total = {};
    vectors(0, d_, [&](int64_t i, auto mask) { total = fma(get(u + i, mask), get(v + i, mask), total); });
    const float diff = sum(total) + u[d_] + v[d_] - log_count, f = weight * diff;
    vectors(0, d_, [&](int64_t i, auto mask) {
      const vf x = get(u + i, mask), y = get(v + i, mask);
      step(u + i, x, qu + i, f * y, mask);
      step(v + i, y, qv + i, f * x, mask);
    });
    step(u + d_, splat(u[d_]), qu + d_, splat(f), Part{1});
    step(v + d_, splat(v[d_]), qv + d_, splat(f), Part{1});
    return 0.5f * f * diff;
  }

  template <class Mask>
  void step(float* to, vf x, float* squares, vf gradient, Mask mask) const {
    const vf q = get(squares, mask);
    put(to, x - p_.lr * gradient / sqrt(q), mask);
    put(squares, fma(gradient, gradient, q), mask);
  }

  const Entries& entries_;
  const Tables& tables_;
  float* const loss_;
  const int64_t d_;
  const hd_GloveParams& p_;
};

hd_status check_entries(const Entries& entries, int64_t words, int64_t contexts) {
  for (int64_t n = 0; n < entries.n; n++) {
    const int32_t row = entries.row[n], column = entries.column[n];
    const long long at = n;
    if (row < 0 || row >= words) return fail(HD_INVALID, "row[%lld] is %d, expected 0 to %lld", at, row, static_cast<long long>(words - 1));
    if (column < 0 || column >= contexts) {
      return fail(HD_INVALID, "column[%lld] is %d, expected 0 to %lld", at, column, static_cast<long long>(contexts - 1));
    }
    if (!(entries.count[n] > 0)) {
      return fail(HD_INVALID, "count[%lld] is %g, expected more than 0", at, static_cast<double>(entries.count[n]));
    }
  }
  return HD_OK;
}
}  // namespace

hd_status glove(const Call& call) {
  Check check(call);
  check.dtype(0, HD_I32).dtype(1, HD_I32).rank(0, 1).contiguous(0, 1, 2, 7);
  for (int32_t i = 2; i < 8; i++) check.dtype(i, HD_F32);
  for (int32_t i = 3; i < 7; i++) check.rank(i, 2).dense(i).output(i);
  if (check.failed()) return check.status();
  const int64_t n = call.t[0]->shape[0], width = call.t[3]->shape[1];
  check.vector(1, n, "one per row").vector(2, n, "one per row").vector(7, n, "one per entry").same_shape(5, 3).same_shape(6, 4);
  check.require(width > 0 && call.t[4]->shape[1] == width, "word and context must have one last dimension, of vector and bias");
  if (check.failed()) return check.status();
  const Entries entries{call.data<int32_t>(0), call.data<int32_t>(1), call.data<float>(2), n};
  if (const hd_status status = check_entries(entries, call.t[3]->shape[0], call.t[4]->shape[0]); status != HD_OK) return status;
  const Tables tables(call);
  hogwild(call.context, n, [&](int64_t from, int64_t to) {
    Worker(entries, tables, call.data<float>(7), width - 1, call.params<hd_GloveParams>()).run(from, to);
    return true;
  });
  return HD_OK;
}
}  // namespace hd::HD_TIER

// glove: AdaGrad on sum of f(x) (<u, v> + b_u + b_v - ln x)^2 over co-occurrences (Pennington, Socher & Manning 2014).
// Shapes: word f32 [V, D + 1], context f32 [U, D + 1], last column the bias; sums of squares alike; row, column i32 [N], count f32 [N].
// Work: a warp has a contiguous run of entries, 256 at least, with the numbers of a vector over its lanes; no row is locked (Hogwild).
// On chip: registers. Tables are read past the first-level cache, as other processors write to them.
// Numerics: f32; the square root and the division are exact.
// Cost: per entry 16 D bytes read and written: latency-bound, as a run's entries wait for each other.
// Deterministic with fewer than 512 entries, which are one run. An id out of range or a count that is not above 0 is noted (report_fault)
// and its entry left out. Checked on: see README.md.
#include "hogwild.h"

namespace hd {
namespace {

struct Training {
  const int32_t *row, *column;
  const float* count;
  int64_t n;
  Table word, context, word_squares, context_squares;
  float* loss;
  int64_t width;  // of the vector and its bias
  hd_GloveParams p;
  unsigned long long* fault;
};

__device__ void step(float* to, float x, float* squares, float gradient, float lr) {
  const float q = fresh(squares);
  *to = x - lr * gradient / sqrtf(q);
  *squares = fmaf(gradient, gradient, q);
}

__device__ float entry(const Training& t, int64_t n) {
  const int32_t row = t.row[n], column = t.column[n];
  const float count = t.count[n];
  const int64_t lane = threadIdx.x, bias = t.width - 1;
  if (!t.word.has(row) || !t.context.has(column) || !(count > 0)) {
    if (lane == 0) report_fault(t.fault, n, !t.word.has(row) ? row : !t.context.has(column) ? column : static_cast<int32_t>(count));
    return 0;
  }
  float *u = t.word.row(row), *v = t.context.row(column), *qu = t.word_squares.row(row), *qv = t.context_squares.row(column);
  float total = 0;
  for (int64_t i = lane; i < bias; i += 32) total = fmaf(fresh(u + i), fresh(v + i), total);
  if (lane == 0) total += fresh(u + bias) + fresh(v + bias) - logf(count);
  const float diff = warp_sum(total), f = fminf(1.0f, powf(count / t.p.x_max, t.p.alpha)) * diff;
  for (int64_t i = lane; i < t.width; i += 32) {
    const float x = fresh(u + i), y = fresh(v + i);
    step(u + i, x, qu + i, i < bias ? f * y : f, t.p.lr);
    step(v + i, y, qv + i, i < bias ? f * x : f, t.p.lr);
  }
  __syncwarp();
  return 0.5f * f * diff;
}

__global__ void __launch_bounds__(32) train_entries(const __grid_constant__ Training t) {
  for (int64_t n = run_begin(t.n, blockIdx.x); n < run_begin(t.n, blockIdx.x + 1); n++) {
    const float loss = entry(t, n);
    if (t.loss != nullptr && threadIdx.x == 0) t.loss[n] = loss;
  }
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
  if (n == 0) return HD_OK;
  const Training t{call.data<int32_t>(0),
                   call.data<int32_t>(1),
                   call.data<float>(2),
                   n,
                   Table(call, 3),
                   Table(call, 4),
                   Table(call, 5),
                   Table(call, 6),
                   call.data<float>(7),
                   width,
                   call.params<hd_GloveParams>(),
                   call.context.faults + call.op};
  return launch(call, train_entries, dim3(static_cast<unsigned>(runs_of(call, n))), 32, 0, t);
}
}  // namespace hd

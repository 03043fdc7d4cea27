// word_vectors: skip-gram and CBOW with negative sampling (Mikolov et al. 2013), of words or of words and n-grams (Bojanowski et al. 2017).
// Shapes: input f32 [R, D], output f32 [V, D], both updated in place; lists of i32 as in ops.def.
// Work: a warp has a contiguous run of examples, 256 at least, with the numbers of a vector over its lanes; no row is locked (Hogwild, Niu
// et al. 2011), so warps may lose each other's updates. Rows of a target are read up to eight at a time, so that their misses overlap. On
// chip: h, its gradient and the scores in shared memory. Tables are read past the first-level cache, as other processors write to them.
// Numerics: f32; all scores of a target come before its updates.
// Cost: per target 6 D (K + 1) FLOP over 4 D (K + 1) bytes, read twice and written once: latency-bound, as a run's examples wait for each
// other. Deterministic with fewer than 512 examples, which are one run. A list or an id out of range is noted (report_fault) and its
// example left out. Checked on: see README.md.
#include "hogwild.h"

namespace hd {
namespace {

constexpr int kTogether = 8;  // rows in one pass

struct Lists {
  const int32_t *row_ptr, *rows, *target_ptr, *targets, *negatives;
  int64_t examples, row_count, target_count, negative_count;
};

struct Training {
  Lists lists;
  Table input, output;
  float* loss;
  int64_t d;
  float lr;
  unsigned long long* fault;
};

// A warp's place of work.
class Worker {
 public:
  __device__ explicit Worker(const Training& t) : t_(t), lane_(threadIdx.x) {
    h_ = reinterpret_cast<float*>(dynamic_shared());
    gradient_ = h_ + t.d;
    score_ = gradient_ + t.d;
  }

  __device__ float example(int64_t e) {
    const int32_t first = t_.lists.row_ptr[e], last = t_.lists.row_ptr[e + 1];
    const int32_t begin = t_.lists.target_ptr[e], end = t_.lists.target_ptr[e + 1];
    if (!good_range(e, first, last, t_.lists.row_count) || !good_range(e, begin, end, t_.lists.target_count)) return 0;
    if (first == last || begin == end || !good_ids(first, last, begin, end)) return 0;
    const float share = 1.0f / static_cast<float>(last - first);
    for (int64_t i = lane_; i < t_.d; i += 32) {
      float sum = 0;
      for (int32_t r = first; r < last; r++) sum += fresh(t_.input.row(t_.lists.rows[r]) + i);
      h_[i] = sum * share;
      gradient_[i] = 0;
    }
    float loss = 0;
    for (int32_t p = begin; p < end; p++) loss += target(p);
    for (int32_t r = first; r < last; r++) {
      float* row = t_.input.row(t_.lists.rows[r]);
      for (int64_t i = lane_; i < t_.d; i += 32) row[i] = fresh(row + i) + gradient_[i];
    }
    __syncwarp();
    return loss;
  }

 private:
  __device__ bool good_range(int64_t e, int32_t from, int32_t to, int64_t count) const {
    const bool good = from >= 0 && from <= to && to <= count;
    if (!good && lane_ == 0) report_fault(t_.fault, e, from < 0 ? from : to);
    return good;
  }

  __device__ bool good_ids(int32_t first, int32_t last, int32_t begin, int32_t end) const {
    bool good = true;
    const auto check = [&](const Table& table, const int32_t* ids, int64_t from, int64_t to, bool may_lack) {
      for (int64_t i = from + lane_; i < to; i += 32) {
        if (table.has(ids[i]) || (may_lack && ids[i] == -1)) continue;
        report_fault(t_.fault, i, ids[i]);
        good = false;
      }
    };
    check(t_.input, t_.lists.rows, first, last, false);
    check(t_.output, t_.lists.targets, begin, end, false);
    check(t_.output, t_.lists.negatives, begin * t_.lists.negative_count, end * t_.lists.negative_count, true);
    return __ballot_sync(0xffffffffu, !good) == 0;
  }

  // The row that place k of the target scores, 0 being the target's own; null where there is none.
  __device__ float* row(int32_t p, int64_t k) const {
    const int32_t id = k == 0 ? t_.lists.targets[p] : t_.lists.negatives[p * t_.lists.negative_count + k - 1];
    return id < 0 ? nullptr : t_.output.row(id);
  }

  __device__ float target(int32_t p) {
    const int64_t places = t_.lists.negative_count + 1;
    for (int64_t k = 0; k < places; k += kTogether) scores(p, k, places);
    __syncwarp();
    float loss = 0;
    for (int64_t k = lane_; k < places; k += 32) {
      const float s = score_[k], sigmoid = 1.0f / (1.0f + expf(-s));
      if (row(p, k) == nullptr) continue;
      loss += fmaxf(k == 0 ? -s : s, 0.0f) + log1pf(expf(-fabsf(s)));
      score_[k] = t_.lr * ((k == 0 ? 1.0f : 0.0f) - sigmoid);
    }
    __syncwarp();
    for (int64_t k = 0; k < places; k += kTogether) update(p, k, places);
    __syncwarp();
    return t_.loss == nullptr ? 0.0f : warp_sum(loss);
  }

  __device__ void scores(int32_t p, int64_t k, int64_t places) {
    const float* rows[kTogether];
    float total[kTogether] = {};
#pragma unroll
    for (int n = 0; n < kTogether; n++) rows[n] = k + n < places ? row(p, k + n) : nullptr;
    for (int64_t i = lane_; i < t_.d; i += 32) {
      const float h = h_[i];
#pragma unroll
      for (int n = 0; n < kTogether; n++) total[n] = fmaf(h, rows[n] == nullptr ? 0.0f : fresh(rows[n] + i), total[n]);
    }
#pragma unroll
    for (int n = 0; n < kTogether; n++) {
      const float sum = warp_sum(total[n]);
      if (lane_ == 0 && k + n < places) score_[k + n] = sum;
    }
  }

  // In the order of the places: a row may be there twice, and then its second turn sees what the first one wrote.
  __device__ void update(int32_t p, int64_t k, int64_t places) {
    float* rows[kTogether];
    bool apart = true;  // no row twice: all can be read first
#pragma unroll
    for (int n = 0; n < kTogether; n++) {
      rows[n] = k + n < places ? row(p, k + n) : nullptr;
      for (int m = 0; m < n; m++) apart = apart && (rows[n] == nullptr || rows[m] != rows[n]);
    }
    for (int64_t i = lane_; i < t_.d; i += 32) {
      const float h = h_[i];
      float g = gradient_[i], y[kTogether];
#pragma unroll
      for (int n = 0; n < kTogether; n++) y[n] = rows[n] == nullptr ? 0.0f : fresh(rows[n] + i);
#pragma unroll
      for (int n = 0; n < kTogether; n++) {
        if (rows[n] == nullptr) continue;
        if (!apart) y[n] = fresh(rows[n] + i);
        const float step = score_[k + n];
        g = fmaf(step, y[n], g);
        rows[n][i] = fmaf(step, h, y[n]);
      }
      gradient_[i] = g;
    }
  }

  const Training& t_;
  const int64_t lane_;
  float *h_, *gradient_, *score_;
};

__global__ void __launch_bounds__(32) train_vectors(const __grid_constant__ Training t) {
  Worker worker(t);
  for (int64_t e = run_begin(t.lists.examples, blockIdx.x); e < run_begin(t.lists.examples, blockIdx.x + 1); e++) {
    const float loss = worker.example(e);
    if (t.loss != nullptr && threadIdx.x == 0) t.loss[e] = loss;
  }
}
}  // namespace

hd_status word_vectors(const Call& call) {
  Check check(call);
  for (int32_t i = 0; i < 5; i++) check.dtype(i, HD_I32).rank(i, i == 4 ? 2 : 1);
  check.contiguous(0, 1, 2, 3);
  if (elements(*call.t[4]) > 0) check.contiguous(4);  // without negatives its rows are empty
  check.dtype(5, HD_F32).dtype(6, HD_F32).rank(5, 2).rank(6, 2).dense(5, 6).output(5).output(6);
  if (check.failed()) return check.status();
  const int64_t examples = call.t[0]->shape[0] - 1, targets = call.t[3]->shape[0], d = call.t[5]->shape[1];
  check.require(examples >= 0, "row_ptr is empty, expected one entry more than examples").vector(2, examples + 1, "as row_ptr");
  check.dtype(7, HD_F32).vector(7, examples, "one per example").contiguous(7);
  check.require(call.t[4]->shape[0] == targets, "negatives must have one row per target");
  check.require(d == call.t[6]->shape[1], "the last dimensions of input and output differ");
  if (check.failed()) return check.status();
  if (examples == 0) return HD_OK;
  const Lists lists{call.data<int32_t>(0), call.data<int32_t>(1),
                    call.data<int32_t>(2), call.data<int32_t>(3),
                    call.data<int32_t>(4), examples,
                    call.t[1]->shape[0],   targets,
                    call.t[4]->shape[1]};
  const Training t{
      lists, Table(call, 5), Table(call, 6), call.data<float>(7), d, call.params<hd_WordVectorsParams>().lr, call.context.faults + call.op};
  const int64_t shared = (2 * d + lists.negative_count + 1) * static_cast<int64_t>(sizeof(float));
  return launch(call, train_vectors, dim3(static_cast<unsigned>(runs_of(call, examples))), 32, shared, t);
}
}  // namespace hd

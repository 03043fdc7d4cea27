// word_vectors: skip-gram and CBOW with negative sampling (Mikolov et al. 2013), of words or of words and n-grams (Bojanowski et al. 2017).
// Shapes: input f32 [R, D], output f32 [V, D], both updated in place; lists of i32 as in ops.def. Ids are checked before a write.
// Work: examples go to threads in contiguous runs; no row is locked (Hogwild), so threads may lose each other's updates.
// On chip: h and its gradient (2 D floats) stay in the first-level cache; the K + 1 rows of a target are read together, up to six at a
// time, so that their cache misses overlap and h is loaded once for all; the next target's rows are asked for ahead.
// Numerics: f32; exact sigmoid (no table); all scores of a target come before its updates.
// Cost: per target 6 D (K + 1) FLOP over 4 D (K + 1) bytes, read twice and written once; per example 2 passes over its input rows.
// Deterministic with one thread; see ops.def.
#include "check.h"
#include "cpu/kernels.h"
#include "hogwild.h"
#include "views.h"

namespace hd::HD_TIER {
namespace {

struct Lists {
  const int32_t *row_ptr, *rows, *target_ptr, *targets, *negatives;
  int64_t examples, negative_count;
};

struct Table {
  float* data;
  int64_t stride;

  Table(const Call& call, int32_t i) : data(call.data<float>(i)), stride(call.t[i]->stride[0]) {}
  float* row(int64_t r) const { return data + r * stride; }
};

constexpr int kTogether = 6;  // rows in one pass; 6 are a target with the usual five negatives

// f(first, size) for groups of at most kTogether, where decltype(size)::value is the size.
template <int N>
struct Size {
  static constexpr int value = N;
};
template <class F>
inline void in_groups(int64_t count, const F& f) {
  int64_t i = 0;
  for (; i + kTogether <= count; i += kTogether) f(i, Size<kTogether>{});
  switch (count - i) {
    case 5:
      return f(i, Size<5>{});
    case 4:
      return f(i, Size<4>{});
    case 3:
      return f(i, Size<3>{});
    case 2:
      return f(i, Size<2>{});
    case 1:
      return f(i, Size<1>{});
    default:
      return;
  }
}

// One thread's place of work.
class Worker {
 public:
  Worker(const Lists& lists, Table input, Table output, float* loss, int64_t d, float lr)
      : lists_(lists), input_(input), output_(output), loss_(loss), d_(d), lr_(lr) {}

  bool run(int64_t from, int64_t to) {
    const int64_t scores = ceil_div(lists_.negative_count + 1, kLanes) * kLanes;
    char* memory = scratch<char>((2 * d_ + scores) * 4 + 8 + (lists_.negative_count + 1) * 8);
    if (memory == nullptr) return false;
    row_ = reinterpret_cast<float**>(memory);
    score_ = reinterpret_cast<float*>(row_ + lists_.negative_count + 1);
    h_ = score_ + scores;
    gradient_ = h_ + d_;
    for (int64_t e = from; e < to; e++) {
      const float loss = example(e);
      if (loss_ != nullptr) loss_[e] = loss;
    }
    return true;
  }

 private:
  float example(int64_t e) {
    const int64_t first = lists_.row_ptr[e], last = lists_.row_ptr[e + 1];
    const int64_t begin = lists_.target_ptr[e], end = lists_.target_ptr[e + 1];
    if (first == last || begin == end) return 0;
    mean_of_rows(first, last);
    float loss = 0;
    for (int64_t p = begin; p < end; p++) {
      if (p + 1 < end) ask_for(p + 1);
      loss += target(p);
    }
    for (int64_t r = first; r < last; r++) {
      float* row = input_.row(lists_.rows[r]);
      vectors(0, d_, [&](int64_t i, auto mask) { put(row + i, get(row + i, mask) + get(gradient_ + i, mask), mask); });
    }
    return loss;
  }

  void mean_of_rows(int64_t first, int64_t last) {
    const float share = 1.0f / static_cast<float>(last - first);
    vectors(0, d_, [&](int64_t i, auto mask) {
      vf sum = get(input_.row(lists_.rows[first]) + i, mask);
      for (int64_t r = first + 1; r < last; r++) sum += get(input_.row(lists_.rows[r]) + i, mask);
      put(h_ + i, sum * share, mask);
      put(gradient_ + i, vf{}, mask);
    });
  }

  // Into the first-level cache, while the present target is worked on.
  void ask_for(int64_t p) const {
    constexpr int64_t kLine = 16;
    const int32_t* negatives = lists_.negatives + p * lists_.negative_count;
    for (int64_t k = -1; k < lists_.negative_count; k++) {
      const int32_t id = k < 0 ? lists_.targets[p] : negatives[k];
      if (id < 0) continue;
      const float* row = output_.row(id);
      for (int64_t i = 0; i < d_; i += kLine) __builtin_prefetch(row + i, 1);
    }
  }

  // The target's row first, then those of its negatives; how many there are.
  int64_t gather(int64_t p) {
    const int32_t* negatives = lists_.negatives + p * lists_.negative_count;
    int64_t n = 0;
    row_[n++] = output_.row(lists_.targets[p]);
    for (int64_t k = 0; k < lists_.negative_count; k++) {
      if (negatives[k] >= 0) row_[n++] = output_.row(negatives[k]);
    }
    return n;
  }

  float target(int64_t p) {
    const int64_t n = gather(p);
    in_groups(n, [&](int64_t k, auto size) { scores<size.value>(row_ + k, score_ + k); });
    const float loss = loss_ == nullptr ? 0 : loss_of(n);
    vectors(0, n, [&](int64_t k, auto mask) {  // g = lr (wanted - sigmoid(s))
      put(score_ + k, -lr_ * sigmoid(get(score_ + k, mask)), mask);
    });
    score_[0] += lr_;
    in_groups(n, [&](int64_t k, auto size) { update<size.value>(row_ + k, score_ + k); });
    return loss;
  }

  template <int N>
  void scores(float* const* row, float* score) const {
    vf total[N] = {};
    vectors(0, d_, [&](int64_t i, auto mask) {
      const vf h = get(h_ + i, mask);
      for (int k = 0; k < N; k++) total[k] = fma(h, get(row[k] + i, mask), total[k]);
    });
    for (int k = 0; k < N; k++) score[k] = sum(total[k]);
  }

  template <int N>
  void update(float* const* row, const float* step) {
    vf factor[N];
    for (int k = 0; k < N; k++) factor[k] = splat(step[k]);
    vectors(0, d_, [&](int64_t i, auto mask) {
      const vf h = get(h_ + i, mask);
      vf g = get(gradient_ + i, mask);
      for (int k = 0; k < N; k++) {  // in order: the same row may be there twice
        const vf y = get(row[k] + i, mask);
        g = fma(factor[k], y, g);
        put(row[k] + i, fma(factor[k], h, y), mask);
      }
      put(gradient_ + i, g, mask);
    });
  }

  // log(1 + exp(-s)) of the target, log(1 + exp(s)) of the others: a wrong, sure answer costs |s|, not infinity.
  float loss_of(int64_t n) const {
    float total = 0;
    for (int64_t k = 0; k < n; k += kLanes) {
      vf s = load_n(score_ + k, static_cast<int>(least(kLanes, n - k)));
      if (k == 0) s[0] = -s[0];
      const vf each = max(s, vf{}) + log(splat(1.0f) + exp(-abs(s)));
      for (int64_t i = 0; i < least(kLanes, n - k); i++) total += each[i];
    }
    return total;
  }

  const Lists& lists_;
  const Table input_, output_;
  float* const loss_;
  const int64_t d_;
  const float lr_;
  float** row_ = nullptr;
  float *score_ = nullptr, *h_ = nullptr, *gradient_ = nullptr;
};

// Every entry of a list of starts lies between the one before it and `count`.
hd_status check_starts(const char* name, const int32_t* start, int64_t examples, int64_t count) {
  for (int64_t e = 0; e <= examples; e++) {
    const int64_t least_start = e == 0 ? 0 : start[e - 1];
    if (start[e] < least_start || start[e] > count) {
      return fail(HD_INVALID, "%s[%lld] is %d, expected %lld to %lld", name, static_cast<long long>(e), start[e],
                  static_cast<long long>(least_start), static_cast<long long>(count));
    }
  }
  return HD_OK;
}

hd_status check_ids(const char* name, const int32_t* ids, int64_t n, int64_t least_id, int64_t limit) {
  for (int64_t i = 0; i < n; i++) {
    if (ids[i] < least_id || ids[i] >= limit) {
      return fail(HD_INVALID, "%s[%lld] is %d, expected %lld to %lld", name, static_cast<long long>(i), ids[i],
                  static_cast<long long>(least_id), static_cast<long long>(limit - 1));
    }
  }
  return HD_OK;
}
}  // namespace

hd_status word_vectors(const Call& call) {
  Check check(call);
  for (int32_t i = 0; i < 5; i++) check.dtype(i, HD_I32).rank(i, i == 4 ? 2 : 1);
  check.contiguous(0, 1, 2, 3);
  if (elements(*call.t[4]) > 0) check.contiguous(4);  // without negatives its rows are empty
  check.dtype(5, HD_F32).dtype(6, HD_F32).rank(5, 2).rank(6, 2).dense(5, 6).output(5).output(6);
  if (check.failed()) return check.status();
  const int64_t examples = call.t[0]->shape[0] - 1, targets = call.t[3]->shape[0];
  check.require(examples >= 0, "row_ptr is empty, expected one entry more than examples").vector(2, examples + 1, "as row_ptr");
  check.dtype(7, HD_F32).vector(7, examples, "one per example").contiguous(7);
  check.require(call.t[4]->shape[0] == targets, "negatives must have one row per target");
  check.require(call.t[5]->shape[1] == call.t[6]->shape[1], "the last dimensions of input and output differ");
  if (check.failed()) return check.status();
  const Lists lists{call.data<int32_t>(0), call.data<int32_t>(1), call.data<int32_t>(2),
                    call.data<int32_t>(3), call.data<int32_t>(4), examples,
                    call.t[4]->shape[1]};
  const int64_t vocabulary = call.t[6]->shape[0];
  hd_status status = check_starts("row_ptr", lists.row_ptr, examples, call.t[1]->shape[0]);
  if (status == HD_OK) status = check_starts("target_ptr", lists.target_ptr, examples, targets);
  if (status == HD_OK) status = check_ids("rows", lists.rows, call.t[1]->shape[0], 0, call.t[5]->shape[0]);
  if (status == HD_OK) status = check_ids("targets", lists.targets, targets, 0, vocabulary);
  if (status == HD_OK) status = check_ids("negatives", lists.negatives, targets * lists.negative_count, -1, vocabulary);
  if (status != HD_OK) return status;
  const float lr = call.params<hd_WordVectorsParams>().lr;
  const bool done = hogwild(call.context, examples, [&](int64_t from, int64_t to) {
    return Worker(lists, Table(call, 5), Table(call, 6), call.data<float>(7), call.t[5]->shape[1], lr).run(from, to);
  });
  return done ? HD_OK : fail(HD_NO_MEMORY, "no memory for %lld numbers per thread", static_cast<long long>(2 * call.t[5]->shape[1]));
}
}  // namespace hd::HD_TIER

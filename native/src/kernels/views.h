// Walking tensors: vectors with a tail, rows of strided tensors, nests of dimensions, and the split of both into tasks.
#pragma once
#include "cpu/context.h"
#include "heddle/heddle.h"
#include "simd/simd.h"

namespace hd::HD_TIER {

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
inline int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Elements of one task: large enough to hide the cost of handing it out, small enough to balance the threads.
constexpr int64_t kGrain = 16384;

// The calling thread's workspace as `count` numbers (one at least, so that null always means failure). One at a time.
template <class T>
T* scratch(int64_t count) {
  return static_cast<T*>(workspace(most(1, count) * static_cast<int64_t>(sizeof(T))));
}

// ---- element types: f(T{}) for the C++ type of a float dtype ----
template <class F>
hd_status with_float(int32_t dtype, const F& f) {
  if (dtype == HD_F32) return f(float{});
  if (dtype == HD_BF16) return f(bf16{});
  return f(f16{});
}

// f64 as well
template <class F>
hd_status with_any_float(int32_t dtype, const F& f) {
  return dtype == HD_F64 ? f(double{}) : with_float(dtype, f);
}

// ---- vectors: one body serves whole vectors (Full) and the last, partial one (Part) ----
struct Full {
  vf keep(vf x) const { return x; }
  vf keep_or(vf x, float) const { return x; }
};
struct Part {
  int n;
  vi inside() const {
    vi lane;
    for (int i = 0; i < kLanes; i++) lane[i] = i;
    return lane < n;
  }
  // x, but 0 (or `other`) in the lanes past the end
  vf keep(vf x) const { return as_float(as_int(x) & inside()); }
  vf keep_or(vf x, float other) const { return inside() ? x : splat(other); }
};
template <class T>
inline vf get(const T* p, Full) {
  return load(p);
}
template <class T>
inline vf get(const T* p, Part part) {
  return load_n(p, part.n);
}
template <class T>
inline void put(T* p, vf x, Full) {
  store(p, x);
}
template <class T>
inline void put(T* p, vf x, Part part) {
  store_n(p, x, part.n);
}
template <class F>
inline void vectors(int64_t from, int64_t to, const F& f) {
  int64_t i = from;
  for (; i + kLanes <= to; i += kLanes) f(i, Full{});
  if (i < to) f(i, Part{static_cast<int>(to - i)});
}

// ---- rows: the outer dimensions of a tensor as one index; neighbouring dimensions are merged where strides allow ----
struct Rows {
  int64_t count = 1;
  int rank = 0;
  int64_t shape[HD_MAX_RANK] = {};
  int64_t stride[HD_MAX_RANK] = {};

  int64_t at(int64_t row) const {
    if (rank == 1) return row * stride[0];
    int64_t offset = 0;
    for (int d = rank - 1; d >= 0; d--) {
      offset += row % shape[d] * stride[d];
      row /= shape[d];
    }
    return offset;
  }
};

// inner: how many of the last dimensions belong to a row.
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

// A tensor as rows of its last dimension.
template <class T>
struct View {
  T* data = nullptr;
  Rows rows;

  View() = default;
  View(const Call& call, int32_t i, int inner = 1) {
    if (!call.has(i)) return;
    data = call.data<T>(i);
    rows = rows_of(*call.t[i], inner);
  }
  T* row(int64_t r) const { return data == nullptr ? nullptr : data + rows.at(r); }
};

// ---- nests: N tensors of one shape, walked together in runs of the innermost dimension ----
template <int N>
struct Nest {
  int rank = 0;
  int64_t runs = 1, length = 1;
  int64_t shape[HD_MAX_RANK] = {};
  int64_t stride[N][HD_MAX_RANK] = {};

  int64_t step(int i) const { return stride[i][rank - 1]; }
};

// any_order: dimensions may be permuted, so that runs are dense in tensors[0]; else runs are in row-major order.
template <int N>
Nest<N> nest(const hd_tensor* const (&tensors)[N], bool any_order) {
  int order[HD_MAX_RANK];
  int dims = 0;
  const hd_tensor& first = *tensors[0];
  for (int d = 0; d < first.rank; d++) {
    if (first.shape[d] == 1) continue;
    int at = dims++;
    const auto size = [&](int k) { return first.stride[k] < 0 ? -first.stride[k] : first.stride[k]; };
    for (; any_order && at > 0 && size(order[at - 1]) < size(d); at--) order[at] = order[at - 1];
    order[at] = d;
  }
  Nest<N> n;
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
  if (n.rank == 0) {
    n.shape[n.rank++] = 1;
    for (int i = 0; i < N; i++) n.stride[i][0] = 1;
  }
  for (int d = 0; d + 1 < n.rank; d++) n.runs *= n.shape[d];
  n.length = n.shape[n.rank - 1];
  return n;
}

// body(run, at) for runs [begin, end); at[i] is the offset of the run in tensor i.
template <int N, class Body>
void each_run(const Nest<N>& n, int64_t begin, int64_t end, const Body& body) {
  int64_t index[HD_MAX_RANK] = {}, at[N] = {};
  int64_t rest = begin;
  for (int d = n.rank - 2; d >= 0; d--) {
    index[d] = rest % n.shape[d];
    rest /= n.shape[d];
    for (int i = 0; i < N; i++) at[i] += index[d] * n.stride[i][d];
  }
  for (int64_t run = begin; run < end; run++) {
    body(run, at);
    for (int d = n.rank - 2; d >= 0; d--) {
      for (int i = 0; i < N; i++) at[i] += n.stride[i][d];
      if (++index[d] < n.shape[d]) break;
      for (int i = 0; i < N; i++) at[i] -= n.shape[d] * n.stride[i][d];
      index[d] = 0;
    }
  }
}

// Runs x length elements cut into tasks by the shape alone: several short runs, or a piece of a long one.
struct Piece {
  int64_t first, end, from, to;  // elements from..to of runs first..end
};
struct Pieces {
  int64_t runs, length, tasks, per, cuts;

  Pieces(int64_t run_count, int64_t run_length) : runs(run_count), length(run_length) {
    cuts = ceil_div(length, kGrain);
    per = cuts > 1 ? 1 : kGrain / most(1, length);
    tasks = cuts > 1 ? runs * cuts : length == 0 ? 0 : ceil_div(runs, per);
  }
  Piece at(int64_t task) const {
    if (cuts > 1) {
      const int64_t run = task / cuts, cut = task % cuts;
      return {run, run + 1, cut * kGrain, least(length, (cut + 1) * kGrain)};
    }
    return {task * per, least(runs, (task + 1) * per), 0, length};
  }
};

// body(first run, end run, from, to)
template <class Body>
void parallel_pieces(const CpuContext& context, int64_t runs, int64_t length, const Body& body) {
  const Pieces pieces(runs, length);
  parallel(context, pieces.tasks, [&](int64_t task) {
    const Piece p = pieces.at(task);
    body(p.first, p.end, p.from, p.to);
  });
}

// Whole rows of `length` elements, several to a task when they are short.
template <class Body>
void parallel_rows(const CpuContext& context, int64_t rows, int64_t length, const Body& body) {
  const int64_t per = most(1, kGrain / most(1, length));
  parallel(context, ceil_div(rows, per), [&](int64_t i) {
    for (int64_t row = i * per; row < least(rows, (i + 1) * per); row++) body(row);
  });
}
// The n elements at x with a stride, as a dense run: x itself, or a copy in `buffer`.
template <class T>
const T* dense(const T* x, int64_t stride, int64_t n, T* buffer) {
  if (stride == 1) return x;
  for (int64_t i = 0; i < n; i++) buffer[i] = x[i * stride];
  return buffer;
}

// Its counterpart for results: does nothing if they were written in place.
template <class T>
void scatter(const T* from, T* y, int64_t stride, int64_t n) {
  if (from == y) return;
  for (int64_t i = 0; i < n; i++) y[i * stride] = from[i];
}
}  // namespace hd::HD_TIER

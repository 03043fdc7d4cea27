// reduce, sum_squares, clip_factor: sum, mean or max over any dimensions, and the two steps of clipping by the global norm.
// Shapes: x any, y of the same rank with 1 where x is reduced; squares [N]; norm, factor [1].
// Work: dimensions are split into kept and reduced ones, sorted by stride and merged. If x is densest along a reduced dimension, runs of
// it are summed in registers (rows); else tiles of a kept dimension are summed over the reduced ones (columns). The reduced index
// space is cut into chunks when there are few outputs; partial results are f64 and are added in order.
// Numerics: all sums in f64, rounded once. max keeps NaN. The mean of nothing is NaN, the max of nothing -inf.
// Cost: reads x once; bandwidth-bound.
// Deterministic: tiles and chunks depend on the shape alone.
#include "check.h"
#include "cpu/kernels.h"
#include "wide.h"

namespace hd::HD_TIER {
namespace {

constexpr int64_t kTile = 256;  // columns of a tile: 2 KiB of f64 sums
constexpr int64_t kRun = 4096;  // longest piece of a run

struct Sum {
  static constexpr double kStart = 0;
  static wide join(wide a, wide b) { return a + b; }
  static double join(double a, double b) { return a + b; }
};
struct Max {
  static constexpr double kStart = -std::numeric_limits<double>::infinity();
  static vd pick(vd a, vd b) { return ((b > a) | (b != b)) ? b : a; }
  static wide join(wide a, wide b) { return {pick(a.lo, b.lo), pick(a.hi, b.hi)}; }
  static double join(double a, double b) { return b > a || b != b ? b : a; }
};

struct Dims {
  int rank = 0;
  int64_t count = 1;
  int64_t shape[HD_MAX_RANK] = {};
  int64_t x[HD_MAX_RANK] = {}, y[HD_MAX_RANK] = {};  // strides

  void add(int64_t size, int64_t x_stride, int64_t y_stride) {
    count *= size;
    if (size == 1) return;
    int at = rank++;
    const auto length = [](int64_t s) { return s < 0 ? -s : s; };
    for (; at > 0 && length(x[at - 1]) < length(x_stride); at--) set(at, shape[at - 1], x[at - 1], y[at - 1]);
    set(at, size, x_stride, y_stride);
  }
  void merge() {
    int to = 0;
    for (int d = 1; d < rank; d++) {
      if (x[to] == x[d] * shape[d] && y[to] == y[d] * shape[d]) {
        set(to, shape[to] * shape[d], x[d], y[d]);
      } else {
        to++;
        set(to, shape[d], x[d], y[d]);
      }
    }
    rank = rank == 0 ? 0 : to + 1;
  }
  int64_t step() const { return rank == 0 ? INT64_MAX : x[rank - 1] < 0 ? -x[rank - 1] : x[rank - 1]; }
  // The innermost dimension, which leaves.
  Dims pop() {
    Dims inner;
    if (rank == 0) return inner;
    rank--;
    count = 1;
    for (int d = 0; d < rank; d++) count *= shape[d];
    inner.add(shape[rank], x[rank], y[rank]);
    return inner;
  }
  int64_t at(int64_t index, const int64_t (&stride)[HD_MAX_RANK]) const {
    int64_t offset = 0;
    for (int d = rank - 1; d >= 0; d--) {
      offset += index % shape[d] * stride[d];
      index /= shape[d];
    }
    return offset;
  }

 private:
  void set(int d, int64_t size, int64_t x_stride, int64_t y_stride) {
    shape[d] = size;
    x[d] = x_stride;
    y[d] = y_stride;
  }
};

// Outputs are tiles x width; the reduced space is `units` steps, cut into `chunks`.
struct Plan {
  bool rows;           // runs along a reduced dimension; then width is 1
  Dims kept, reduced;  // without `lane`
  Dims lane;           // the dimension along which x is densest
  int64_t width, tiles_per_lane, tiles, pieces, units, chunks, outputs;
};

Plan plan_of(const hd_tensor& x, const hd_tensor& y) {
  Plan p;
  for (int32_t d = 0; d < x.rank; d++) {
    const bool keeps = x.shape[d] == y.shape[d];
    (keeps ? p.kept : p.reduced).add(x.shape[d], x.stride[d], keeps ? y.stride[d] : 0);
  }
  p.kept.merge();
  p.reduced.merge();
  p.outputs = p.kept.count;
  const int64_t total = p.reduced.count * p.outputs;
  p.rows = p.reduced.step() < p.kept.step() || p.kept.rank == 0;
  p.lane = p.rows ? p.reduced.pop() : p.kept.pop();
  p.width = p.rows ? 1 : least(kTile, p.lane.count);
  p.tiles_per_lane = p.rows ? 1 : ceil_div(p.lane.count, kTile);
  p.tiles = p.kept.count * p.tiles_per_lane;
  p.pieces = p.rows ? ceil_div(p.lane.count, kRun) : 1;
  p.units = p.reduced.count * p.pieces;
  p.chunks = p.tiles >= 64 ? 1 : most(1, least(least(64, p.units), total / most(1, p.tiles) / kGrain));
  return p;
}

template <class T, class Op>
double reduce_run(const T* x, int64_t stride, int64_t n) {
  T buffer[kTile];
  wide total = splat_wide(Op::kStart);
  double tail = Op::kStart;
  for (int64_t from = 0; from < n;) {
    const int64_t count = stride == 1 ? n : least(kTile, n - from);
    const T* p = dense(x + from * stride, stride, count, buffer);
    int64_t i = 0;
    for (; i + kLanes <= count; i += kLanes) total = Op::join(total, get_wide(p + i, Full{}));
    for (; i < count; i++) tail = Op::join(tail, to_f64(p[i]));
    from += count;
  }
  double lane[kLanes];
  std::memcpy(lane, &total, sizeof total);
  for (const double one : lane) tail = Op::join(tail, one);
  return tail;
}

// One tile over units [from, to) of the reduced space, into out[0..width).
template <class T, class Op>
void reduce_tile(const Plan& p, const T* x, int64_t tile, int64_t from, int64_t to, double* out) {
  x += p.kept.at(tile / p.tiles_per_lane, p.kept.x);
  if (p.rows) {
    double total = Op::kStart;
    for (int64_t unit = from; unit < to; unit++) {
      const int64_t first = unit % p.pieces * kRun;
      const T* run = x + p.reduced.at(unit / p.pieces, p.reduced.x) + first * p.lane.x[0];
      total = Op::join(total, reduce_run<T, Op>(run, p.lane.x[0], least(kRun, p.lane.count - first)));
    }
    *out = total;
    return;
  }
  T buffer[kTile];
  const int64_t first = tile % p.tiles_per_lane * kTile, n = least(kTile, p.lane.count - first);
  for (int64_t i = 0; i < n; i++) out[i] = Op::kStart;
  for (int64_t unit = from; unit < to; unit++) {
    const T* row = dense(x + p.reduced.at(unit, p.reduced.x) + first * p.lane.x[0], p.lane.x[0], n, buffer);
    vectors(0, n, [&](int64_t i, auto mask) { put_wide(out + i, Op::join(get_wide(out + i, mask), get_wide(row + i, mask)), mask); });
  }
}

template <class Y>
void write_tile(const Plan& p, Y* y, int64_t tile, const double* values, double factor, bool accumulate) {
  const int64_t first = p.rows ? 0 : tile % p.tiles_per_lane * kTile;
  const int64_t n = p.rows ? 1 : least(kTile, p.lane.count - first), stride = p.rows ? 0 : p.lane.y[0];
  y += p.kept.at(tile / p.tiles_per_lane, p.kept.y) + first * stride;
  for (int64_t i = 0; i < n; i++) {
    const double value = values[i] * factor;
    y[i * stride] = from_f64<Y>(accumulate ? to_f64(y[i * stride]) + value : value);
  }
}

template <class T, class Y, class Op>
hd_status run(const Call& call) {
  const hd_ReduceParams& params = call.params<hd_ReduceParams>();
  const Plan p = plan_of(*call.t[0], *call.t[1]);
  if (p.outputs == 0) return HD_OK;
  const T* x = call.data<const T>(0);
  Y* y = call.data<Y>(1);
  const double reduced = static_cast<double>(p.rows ? p.reduced.count * p.lane.count : p.reduced.count);
  const double factor = params.kind == 1 ? 1.0 / reduced : 1.0;
  const bool accumulate = params.accumulate != 0;
  const int64_t stride = p.tiles * p.width;
  double* partial = p.chunks > 1 ? scratch<double>(p.chunks * stride) : nullptr;
  if (p.chunks > 1 && partial == nullptr) return fail(HD_NO_MEMORY, "no memory for partial results");
  const int64_t per = most(1, kGrain / most(1, static_cast<int64_t>(reduced) * p.width));  // tiles of one task
  if (p.chunks == 1) {
    parallel(call.context, ceil_div(p.tiles, per), [&](int64_t task) {
      double values[kTile];
      for (int64_t tile = task * per; tile < least(p.tiles, (task + 1) * per); tile++) {
        reduce_tile<T, Op>(p, x, tile, 0, p.units, values);
        write_tile(p, y, tile, values, factor, accumulate);
      }
    });
    return HD_OK;
  }
  parallel(call.context, p.chunks * p.tiles, [&](int64_t task) {
    const int64_t c = task / p.tiles, tile = task % p.tiles;
    reduce_tile<T, Op>(p, x, tile, p.units * c / p.chunks, p.units * (c + 1) / p.chunks, partial + c * stride + tile * p.width);
  });
  for (int64_t tile = 0; tile < p.tiles; tile++) {
    double* values = partial + tile * p.width;
    for (int64_t c = 1; c < p.chunks; c++) {
      for (int64_t i = 0; i < p.width; i++) values[i] = Op::join(values[i], values[c * stride + i]);
    }
    write_tile(p, y, tile, values, factor, accumulate);
  }
  return HD_OK;
}

template <class T, class Y>
hd_status run_kind(const Call& call) {
  return call.params<hd_ReduceParams>().kind == 2 ? run<T, Y, Max>(call) : run<T, Y, Sum>(call);
}

bool reduces(const hd_tensor& x, const hd_tensor& y) {
  if (x.rank != y.rank) return false;
  for (int32_t d = 0; d < x.rank; d++) {
    if (y.shape[d] != x.shape[d] && y.shape[d] != 1) return false;
  }
  return true;
}
}  // namespace

hd_status reduce(const Call& call) {
  const hd_ReduceParams& p = call.params<hd_ReduceParams>();
  const hd_tensor &x = *call.t[0], &y = *call.t[1];
  Check check(call);
  check.require(x.dtype <= HD_F64 && y.dtype <= HD_F64, "x and y must be floats").f32_or_alike(1, 0).output(1);
  check.require(reduces(x, y), "y must have the rank of x, and in each dimension the size of x or 1");
  check.require(p.kind >= 0 && p.kind <= 2, "kind must be 0 (sum), 1 (mean) or 2 (max)");
  check.require(p.kind != 2 || p.accumulate == 0, "max cannot accumulate");
  if (check.failed()) return check.status();
  return with_any_float(x.dtype, [&](auto type) {
    using T = decltype(type);
    return y.dtype == HD_F32 ? run_kind<T, float>(call) : run_kind<T, T>(call);
  });
}

hd_status sum_squares(const Call& call) {
  Check check(call);
  check.require(call.t[0]->dtype <= HD_F64, "x must be a float tensor").dtype(1, HD_F32).count(1, 1, "one number");
  if (check.failed()) return check.status();
  const hd_tensor* const tensors[] = {call.t[0]};
  const Nest<1> n = nest(tensors, true);
  const Pieces pieces(n.runs, n.length);
  double* partial = scratch<double>(pieces.tasks);
  if (partial == nullptr) return fail(HD_NO_MEMORY, "no memory for %lld partial sums", static_cast<long long>(pieces.tasks));
  return with_any_float(call.t[0]->dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = call.data<const T>(0);
    parallel(call.context, pieces.tasks, [&](int64_t task) {
      const Piece piece = pieces.at(task);
      wide total{};
      T buffer[kTile];
      each_run(n, piece.first, piece.end, [&](int64_t, const int64_t* at) {
        for (int64_t from = piece.from; from < piece.to;) {
          const int64_t count = n.step(0) == 1 ? piece.to - from : least(kTile, piece.to - from);
          const T* run = dense(x + at[0] + from * n.step(0), n.step(0), count, buffer);
          vectors(0, count, [&](int64_t i, auto mask) {
            const wide v = get_wide(run + i, mask);
            total = total + v * v;
          });
          from += count;
        }
      });
      partial[task] = sum(total);
    });
    double total = 0;
    for (int64_t i = 0; i < pieces.tasks; i++) total += partial[i];
    *call.data<float>(1) = static_cast<float>(total);
    return HD_OK;
  });
}

hd_status clip_factor(const Call& call) {
  Check check(call);
  check.rank(0, 1).dtype(0, HD_F32).dtype(1, HD_F32).dtype(2, HD_F32).count(1, 1, "one number").count(2, 1, "one number");
  if (check.failed()) return check.status();
  const View<const float> squares(call, 0, 0);
  double total = 0;
  for (int64_t i = 0; i < squares.rows.count; i++) total += static_cast<double>(*squares.row(i));
  const double norm = __builtin_sqrt(total), bound = static_cast<double>(call.params<hd_ClipParams>().max_norm);
  const double factor = bound / (norm + 1e-6);
  *call.data<float>(1) = static_cast<float>(norm);
  *call.data<float>(2) = bound <= 0 || factor > 1 ? 1.0f : static_cast<float>(factor);
  return HD_OK;
}
}  // namespace hd::HD_TIER

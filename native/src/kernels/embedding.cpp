// embedding_fwd, embedding_bwd: rows of a table by id, and the gradient of the table.
// Shapes: table, dtable [V, F]; ids i32 [N..]; y, dy [N.., F]. Ids are checked before anything is written.
// Work: forward copies rows, several to a task. Backward sorts the positions by id (counting sort, stable), then hands out ranges of the
// vocabulary: each table row is summed by one thread, in the order of n, in registers.
// Numerics: forward exact. Backward sums a row in f32 and rounds once, also when dtable is 16 bits wide.
// Cost: forward reads and writes N F elements; backward reads N F, writes V F (only rows in use when it accumulates), and 8 (V + N)
// bytes of workspace.
// Deterministic: the sums do not depend on how the vocabulary is divided.
#include "check.h"
#include "cpu/kernels.h"
#include "views.h"

namespace hd::HD_TIER {
namespace {

using Ids = View<const int32_t>;

hd_status check_ids(const Ids& ids, int64_t vocabulary) {
  for (int64_t n = 0; n < ids.rows.count; n++) {
    const int64_t id = *ids.row(n);
    if (id < 0 || id >= vocabulary) {
      return fail(HD_INVALID, "ids[%lld] is %lld, expected 0 to %lld (the table has %lld rows)", static_cast<long long>(n),
                  static_cast<long long>(id), static_cast<long long>(vocabulary - 1), static_cast<long long>(vocabulary));
    }
  }
  return HD_OK;
}

// Positions sorted by id: those of id v are order[start[v]] to order[start[v + 1] - 1].
struct Lists {
  int64_t* start;
  int64_t* order;
};

Lists sort_by_id(const Ids& ids, int64_t vocabulary, int64_t* memory) {
  int64_t* start = memory;  // [V + 2]: one more, so that placing a position moves start[v + 1] into place
  int64_t* order = start + vocabulary + 2;
  std::memset(start, 0, static_cast<size_t>(vocabulary + 2) * 8);
  for (int64_t n = 0; n < ids.rows.count; n++) start[*ids.row(n) + 2]++;
  for (int64_t v = 0; v < vocabulary; v++) start[v + 2] += start[v + 1];
  for (int64_t n = 0; n < ids.rows.count; n++) order[start[*ids.row(n) + 1]++] = n;
  return {start, order};
}

// to += the listed rows of dy; kept in registers, 4 vectors of columns at a time.
template <class T, class D>
void add_rows(const View<const T>& dy, const int64_t* order, int64_t count, D* to, int64_t n, bool accumulate) {
  constexpr int64_t kStep = 4 * kLanes;
  int64_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    vf total[4] = {};
    for (int k = 0; k < 4 && accumulate; k++) total[k] = load(to + i + k * kLanes);
    for (int64_t j = 0; j < count; j++) {
      const T* row = dy.row(order[j]) + i;
      for (int k = 0; k < 4; k++) total[k] += load(row + k * kLanes);
    }
    for (int k = 0; k < 4; k++) store(to + i + k * kLanes, total[k]);
  }
  vectors(i, n, [&](int64_t at, auto mask) {
    vf total = accumulate ? get(to + at, mask) : vf{};
    for (int64_t j = 0; j < count; j++) total += get(dy.row(order[j]) + at, mask);
    put(to + at, total, mask);
  });
}

template <class T, class D>
hd_status backward(const Call& call) {
  const View<const T> dy(call, 0);
  const Ids ids(call, 1, 0);
  const View<D> dtable(call, 2);
  const int64_t vocabulary = call.t[2]->shape[0], n = call.t[2]->shape[1];
  const bool accumulate = call.params<hd_EmbeddingParams>().accumulate != 0;
  if (const hd_status status = check_ids(ids, vocabulary); status != HD_OK) return status;
  int64_t* memory = scratch<int64_t>(vocabulary + 2 + ids.rows.count);
  if (memory == nullptr) return fail(HD_NO_MEMORY, "no memory to sort %lld ids", static_cast<long long>(ids.rows.count));
  const Lists lists = sort_by_id(ids, vocabulary, memory);
  parallel_rows(call.context, vocabulary, n, [&](int64_t v) {
    const int64_t first = lists.start[v], count = lists.start[v + 1] - first;
    if (count > 0 || !accumulate) add_rows(dy, lists.order + first, count, dtable.row(v), n, accumulate);
  });
  return HD_OK;
}
}  // namespace

hd_status embedding_fwd(const Call& call) {
  Check check(call);
  if (call.t[0]->dtype != HD_I32) check.floats(0);
  check.rank(0, 2).alike(2, 0).dtype(1, HD_I32).rows_of(1, 2).dense(0, 2).output(2);
  check.require(check.failed() || last(*call.t[2]) == last(*call.t[0]), "the last dimensions of y and table differ");
  if (check.failed()) return check.status();
  const int64_t size = dtype_bytes(call.t[0]->dtype), n = call.t[0]->shape[1];
  const Ids ids(call, 1, 0);
  if (const hd_status status = check_ids(ids, call.t[0]->shape[0]); status != HD_OK) return status;
  const Rows rows = rows_of(*call.t[2], 1);
  const char* table = call.data<const char>(0);
  char* y = call.data<char>(2);
  if (n == 0) return HD_OK;
  parallel_rows(call.context, rows.count, n, [&](int64_t r) {
    std::memcpy(y + rows.at(r) * size, table + *ids.row(r) * call.t[0]->stride[0] * size, static_cast<size_t>(n * size));
  });
  return HD_OK;
}

hd_status embedding_bwd(const Call& call) {
  Check check(call);
  check.rank(2, 2).floats(0).f32_or_alike(2, 0).dtype(1, HD_I32).rows_of(1, 0).dense(0, 2).output(2);
  check.require(check.failed() || last(*call.t[2]) == last(*call.t[0]), "the last dimensions of dy and dtable differ");
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) {
    using T = decltype(type);
    return call.t[2]->dtype == HD_F32 ? backward<T, float>(call) : backward<T, T>(call);
  });
}
}  // namespace hd::HD_TIER

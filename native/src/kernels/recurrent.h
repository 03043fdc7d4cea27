// What both ways through a recurrent layer share: how steps and items of work lie, the product of a step, and threads in lockstep.
//
// Each step multiplies what all rows carry, [B, terms], by the same weights, so these are packed once per call: a panel holds the columns
// of Wide vectors of features, [terms][Wide], which one register tile (tile.h) forms for some rows at a time, and its sums go straight into
// the element-wise part. An item of work is a panel and such rows. A thread's items are the same at every step, so that its panels stay in
// its caches if they fit there.
#pragma once
#include <sched.h>

#include <atomic>

#include "check.h"
#include "heddle/params.h"
#include "tile.h"

namespace hd::HD_TIER {

constexpr int32_t kLstm = 0, kGru = 1;

// ---- steps ----
struct Steps {
  int64_t count, batch, features;
  bool reverse;

  int64_t padded() const { return ceil_div(features, kLanes) * kLanes; }  // floats from row to row of what is carried
  int64_t time(int64_t step) const { return reverse ? count - 1 - step : step; }
  // The row of a [T,B,F] tensor.
  int64_t row(int64_t step, int64_t b) const { return time(step) * batch + b; }
};

// What is carried of a row before the first step: from, or zeros; whole vectors, the last one filled up with zeros.
template <class T>
void begin(float* to, const T* from, int64_t features) {
  vectors(0, features, [&](int64_t j, auto mask) { store(to + j, from == nullptr ? vf{} : get(from + j, mask)); });
}

// Whether a tensor is absent or [B,F] of y [T,B,F].
inline bool is_state(const hd_tensor* state, const hd_tensor& y) {
  return state == nullptr || (state->rank == 2 && state->shape[0] == y.shape[1] && state->shape[1] == y.shape[2]);
}

// ---- items of work ----
// The most rows of a tile: as many sums as leave registers for the operands.
template <int Wide>
constexpr int kTileRows = kLanes == 16 ? (Wide == 4 ? 6 : 8) : (Wide == 4 ? 2 : 3);

struct Item {
  int64_t panel, first, end;  // rows first..end
};

template <int Wide>
struct Items {
  int64_t panels, pieces, batch;

  Items(int64_t panel_count, int64_t rows) : panels(panel_count), pieces(ceil_div(rows, kTileRows<Wide>)), batch(rows) {}
  int64_t count() const { return panels * pieces; }
  Item at(int64_t i) const {
    const int64_t piece = i % pieces;
    return {i / pieces, batch * piece / pieces, batch * (piece + 1) / pieces};
  }
};

// ---- the product of a step ----
// to [rows][Wide * kLanes] = the rows of `carried` ([terms], `apart` floats from row to row) times a panel.
template <int Wide, int Rows = kTileRows<Wide>>
inline void product(float* to, int64_t rows, const float* carried, int64_t apart, const float* panel, int64_t terms) {
  constexpr int64_t width = Wide * kLanes;
  if (rows == Rows) {
    const Broadcast a{carried, apart * int64_t{sizeof(float)}, int64_t{sizeof(float)}};
    return register_tile<false, Into::fresh, Rows, Wide>(to, width, a, panel, width, terms, nullptr);
  }
  if constexpr (Rows > 1) product<Wide, Rows - 1>(to, rows, carried, apart, panel, terms);
}

// ---- threads ----
// wait() returns when all of a team have called it. A step is short, so they look for each other a while before they let others run.
class Lockstep {
 public:
  void wait(int64_t team) {
    const int64_t round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == team) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    for (int looks = 0; round_.load(std::memory_order_acquire) == round; looks++) {
      if (looks < kLooks) {
        __builtin_ia32_pause();
      } else {
        sched_yield();
        looks = kLooks;
      }
    }
  }

 private:
  static constexpr int kLooks = 4096;
  std::atomic<int64_t> arrived_{0}, round_{0};
};

constexpr int64_t kWorth = 1 << 16;  // multiply-adds of a step that make up for waiting for one more thread

// body(step, item) for all items of a step, then for those of the next. work: multiply-adds of a step.
template <class Body>
void in_lockstep(const CpuContext& context, int64_t steps, int64_t items, int64_t work, const Body& body) {
  const int64_t team = least(least(context.threads, items), 1 + work / kWorth);
  if (team <= 1) {
    for (int64_t s = 0; s < steps; s++) {
      for (int64_t i = 0; i < items; i++) body(s, i);
    }
    return;
  }
  Lockstep lockstep;
#pragma omp parallel num_threads(static_cast <int>(team))
  {
    const int64_t all = omp_get_num_threads(), own = omp_get_thread_num();
    for (int64_t s = 0; s < steps; s++) {
      for (int64_t i = items * own / all; i < items * (own + 1) / all; i++) body(s, i);
      lockstep.wait(all);
    }
  }
}
}  // namespace hd::HD_TIER

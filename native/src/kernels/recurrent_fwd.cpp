// recurrent_fwd: the steps of an LSTM (Hochreiter & Schmidhuber 1997) or a GRU (Cho et al. 2014) after the product with the inputs.
// Shapes: gates [T,B,G F]; weight [G F,F]; bias [G F]; h0, c0 [B,F]; y, c [T,B,F]; act [T,B,4F]. G is 4 (LSTM) or 3 (GRU).
// Work: a panel holds all gates of kLanes features, so that a tile's sums are what these features' element-wise part needs; threads share
// panels and rows and wait for each other once a step (recurrent.h).
// Numerics: f32 throughout; h and c are carried in f32 and rounded where they are stored. A sum runs over the terms in order.
// Cost: 2 T B G F^2 operations. The weights, 4 G F^2 bytes, are read once a step by all threads together: from F of some 500 on beyond a
// core's cache, where B of some ten rows hide it.
// Deterministic: an element belongs to one thread, whatever their number.
#include "cpu/kernels.h"
#include "recurrent.h"

namespace hd::HD_TIER {
namespace {

template <class T, int Gates>
class Forward {
 public:
  explicit Forward(const Call& call)
      : context_(call.context),
        steps_{call.t[5]->shape[0], call.t[5]->shape[1], call.t[5]->shape[2], call.params<hd_RecurrentParams>().reverse != 0},
        weight_(call, 1),
        gates_(call, 0),
        h0_(call, 3),
        c0_(call, 4),
        bias_(call.data<const T>(2)),
        y_(call, 5),
        act_(call, 6),
        c_(call, 7) {}

  hd_status run() {
    const int64_t n = steps_.features, ld = steps_.padded(), state = steps_.batch * ld;
    const Items<Gates> items(ceil_div(n, kLanes), steps_.batch);
    if (items.count() == 0 || steps_.count == 0) return HD_OK;
    panels_ = scratch<float>(items.panels * panel() + 3 * state);
    if (panels_ == nullptr) return fail(HD_NO_MEMORY, "no memory to pack weight in");
    for (int i = 0; i < 2; i++) h_[i] = panels_ + items.panels * panel() + i * state;
    cell_ = h_[1] + state;
    parallel(context_, items.panels, [&](int64_t p) { pack(p); });
    for (int64_t b = 0; b < steps_.batch; b++) {
      begin(h_[0] + b * ld, h0_.row(b), n);
      begin(cell_ + b * ld, c0_.row(b), n);
    }
    const int64_t work = steps_.batch * Gates * n * n;
    in_lockstep(context_, steps_.count, items.count(), work, [&](int64_t s, int64_t i) { step(s, items.at(i)); });
    return HD_OK;
  }

 private:
  static constexpr int kWidth = Gates * kLanes;  // floats of a panel's row
  int64_t panel() const { return steps_.features * kWidth; }

  // Column k of a panel's gate is column k of the gate's rows of weight: squares of kLanes are turned.
  void pack(int64_t p) {
    const int64_t n = steps_.features, from = p * kLanes, inside = least(kLanes, n - from);
    for (int g = 0; g < Gates; g++) {
      vectors(0, n, [&](int64_t k, auto mask) {
        vf x[kLanes] = {};
        for (int64_t j = 0; j < inside; j++) x[j] = get(weight_.row(g * n + from + j) + k, mask);
        transpose_steps<kLanes / 2>(x);
        float* to = panels_ + p * panel() + k * kWidth + g * kLanes;
        for (int64_t j = 0; j < least(kLanes, n - k); j++) store(to + j * kWidth, x[j]);
      });
    }
  }

  void step(int64_t s, Item item) {
    alignas(64) float sums[kTileRows<Gates> * kWidth] = {};
    const int64_t ld = steps_.padded(), j = item.panel * kLanes, inside = least(kLanes, steps_.features - j);
    const float* before = h_[s % 2];
    if (s > 0 || h0_.data != nullptr) {
      product<Gates>(sums, item.end - item.first, before + item.first * ld, ld, panels_ + item.panel * panel(), steps_.features);
    }
    for (int64_t b = item.first; b < item.end; b++) {
      const float* sum = sums + (b - item.first) * kWidth;
      if (inside == kLanes) {
        row(s, b, j, sum, Full{});
      } else {
        row(s, b, j, sum, Part{static_cast<int>(inside)});
      }
    }
  }

  // One vector of features of a row.
  template <class Mask>
  void row(int64_t s, int64_t b, int64_t j, const float* sum, Mask mask) {
    const int64_t n = steps_.features, at = steps_.row(s, b), carried = b * steps_.padded() + j;
    const T* gates = gates_.row(at) + j;
    vf in[Gates], own[Gates];
    for (int g = 0; g < Gates; g++) {
      in[g] = get(gates + g * n, mask);
      own[g] = load(sum + g * kLanes);
      if (bias_ != nullptr) own[g] = own[g] + get(bias_ + g * n + j, mask);
    }
    vf act[4], h;
    if constexpr (Gates == 4) {
      act[0] = sigmoid(in[0] + own[0]);
      act[1] = sigmoid(in[1] + own[1]);
      act[2] = tanh(in[2] + own[2]);
      act[3] = sigmoid(in[3] + own[3]);
      const vf cell = act[1] * load(cell_ + carried) + act[0] * act[2];
      store(cell_ + carried, cell);
      put(c_.row(at) + j, cell, mask);
      h = act[3] * tanh(cell);
    } else {
      act[0] = sigmoid(in[0] + own[0]);
      act[1] = sigmoid(in[1] + own[1]);
      act[2] = tanh(in[2] + act[0] * own[2]);
      act[3] = own[2];
      h = act[2] + act[1] * (load(h_[s % 2] + carried) - act[2]);
    }
    for (int g = 0; g < 4; g++) put(act_.row(at) + g * n + j, act[g], mask);
    store(h_[(s + 1) % 2] + carried, h);
    put(y_.row(at) + j, h, mask);
  }

  const CpuContext& context_;
  const Steps steps_;
  const View<const T> weight_, gates_, h0_, c0_;
  const T* bias_;
  const View<T> y_, act_, c_;
  float* panels_ = nullptr;
  float* h_[2] = {};  // [B][padded]: those before and after a step, in turns
  float* cell_ = nullptr;
};
}  // namespace

hd_status recurrent_fwd(const Call& call) {
  Check check(call);
  const int32_t kind = call.params<hd_RecurrentParams>().kind;
  check.require(kind == kLstm || kind == kGru, "kind is neither 0 (LSTM) nor 1 (GRU)");
  check.floats(0, 1, 2, 3, 4, 5, 6, 7).rank(0, 3).rank(1, 2).rank(5, 3).rank(6, 3).dense(0, 1, 3, 4, 5, 6, 7).contiguous(2);
  check.output(5).output(6).output(7).same_shape(7, 5);
  if (check.failed()) return check.status();
  const hd_tensor &gates = *call.t[0], &weight = *call.t[1], &y = *call.t[5], &act = *call.t[6];
  const int64_t n = last(y), wide = (kind == kLstm ? 4 : 3) * n;
  check.require(has_shape_of(gates, y, 2) && last(gates) == wide, "gates must be as y, but 4 (GRU: 3) times as wide");
  check.require(has_shape_of(act, y, 2) && last(act) == 4 * n, "act must be as y, but 4 times as wide");
  check.require(weight.shape[0] == wide && weight.shape[1] == n, "weight must be [4F, F] (GRU: [3F, F]) with F the features of y");
  check.vector(2, wide, "the rows of weight");
  check.require(is_state(call.t[3], y) && is_state(call.t[4], y), "h0 and c0 must be [B, F] of y [T, B, F]");
  check.require(kind == kGru ? !call.has(4) && !call.has(7) : call.has(7), "an LSTM needs c; a GRU has no c0 and no c");
  if (check.failed()) return check.status();
  return with_float(y.dtype, [&](auto type) {
    using T = decltype(type);
    return kind == kLstm ? Forward<T, 4>(call).run() : Forward<T, 3>(call).run();
  });
}
}  // namespace hd::HD_TIER

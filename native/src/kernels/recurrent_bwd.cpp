// recurrent_bwd: the gradients of recurrent_fwd, from the last step to the first.
// Shapes: dy, y, c [T,B,F]; dh, dc, h0, c0, dh0, dc0 [B,F]; weight [G F,F]; act [T,B,4F]; dgates [T,B,G F]; dhidden [T,B,3F]. G is 4 or 3.
// Work: what reaches h of a step is dy and the product of the next step's gradient of its gates with weight: a panel holds four vectors of
// features of weight's rows as they lie, and a tile's sums go into these features' element-wise part, which writes all their gates.
// Threads share panels and rows and wait for each other once a step (recurrent.h). One more step than there are makes dh0.
// Numerics: f32 throughout; gradients are carried in f32 and rounded where they are stored; activations and cells are those stored.
// Cost: 2 T B G F^2 operations, as forward. The gradient of weight is left to a matrix product over all steps.
// Deterministic: an element belongs to one thread, whatever their number.
#include "cpu/kernels.h"
#include "recurrent.h"

namespace hd::HD_TIER {
namespace {

constexpr int kWide = 4;  // vectors of features of a panel

template <class T, int Gates>
class Backward {
 public:
  explicit Backward(const Call& call)
      : context_(call.context),
        steps_{call.t[0]->shape[0], call.t[0]->shape[1], call.t[0]->shape[2], call.params<hd_RecurrentParams>().reverse != 0},
        dy_(call, 0),
        dh_(call, 1),
        dc_(call, 2),
        weight_(call, 3),
        act_(call, 4),
        y_(call, 5),
        h0_(call, 6),
        c_(call, 7),
        c0_(call, 8),
        dgates_(call, 9),
        dhidden_(call, 10),
        dh0_(call, 11),
        dc0_(call, 12) {}

  hd_status run() {
    const int64_t n = steps_.features, ld = steps_.padded(), state = steps_.batch * ld, flow = steps_.batch * terms();
    const Items<kWide> items(ceil_div(n, kWidth), steps_.batch);
    if (items.count() == 0) return HD_OK;
    panels_ = scratch<float>(items.panels * panel() + 2 * state + 2 * flow);
    if (panels_ == nullptr) return fail(HD_NO_MEMORY, "no memory to pack weight in");
    direct_ = panels_ + items.panels * panel();
    cell_ = direct_ + state;
    for (int i = 0; i < 2; i++) flow_[i] = cell_ + state + i * flow;
    parallel(context_, items.panels, [&](int64_t p) { pack(p); });
    for (int64_t b = 0; b < steps_.batch; b++) {
      begin(direct_ + b * ld, dh_.row(b), n);
      begin(cell_ + b * ld, dc_.row(b), n);
    }
    const bool first = dh0_.data != nullptr || dc0_.data != nullptr;
    const int64_t work = steps_.batch * terms() * n;
    in_lockstep(context_, steps_.count + (first ? 1 : 0), items.count(), work, [&](int64_t s, int64_t i) { step(s, items.at(i)); });
    return HD_OK;
  }

 private:
  static constexpr int64_t kWidth = kWide * kLanes;  // floats of a panel's row
  int64_t terms() const { return Gates * steps_.features; }
  int64_t panel() const { return terms() * kWidth; }

  void pack(int64_t p) {
    const int64_t from = p * kWidth, end = least(steps_.features, from + kWidth);
    for (int64_t k = 0; k < terms(); k++) {
      const T* row = weight_.row(k);
      float* to = panels_ + p * panel() + k * kWidth;
      for (int w = 0; w < kWide; w++) store(to + w * kLanes, vf{});
      vectors(from, end, [&](int64_t j, auto mask) { store(to + j - from, get(row + j, mask)); });
    }
  }

  // Step s counts from the end of the sequence.
  void step(int64_t s, Item item) {
    alignas(64) float sums[kTileRows<kWide> * kWidth] = {};
    const int64_t from = item.panel * kWidth, end = least(steps_.features, from + kWidth);
    if (s > 0) {
      const float* next = flow_[(s - 1) % 2] + item.first * terms();
      product<kWide>(sums, item.end - item.first, next, terms(), panels_ + item.panel * panel(), terms());
    }
    for (int64_t b = item.first; b < item.end; b++) {
      const float* sum = sums + (b - item.first) * kWidth;
      vectors(from, end, [&](int64_t j, auto mask) {
        vf dh = load(sum + j - from);
        const int64_t carried = b * steps_.padded() + j;
        if (Gates == 3 || s == 0) dh = dh + load(direct_ + carried);
        if (s == steps_.count) {
          if (dh0_.data != nullptr) put(dh0_.row(b) + j, dh, mask);
          if (dc0_.data != nullptr) put(dc0_.row(b) + j, load(cell_ + carried), mask);
        } else if constexpr (Gates == 4) {
          lstm(s, b, j, dh, mask);
        } else {
          gru(s, b, j, dh, mask);
        }
      });
    }
  }

  // What a state was before a step, of the states stored after each.
  template <class Mask>
  vf before(const View<const T>& states, const View<const T>& first, int64_t s, int64_t b, int64_t j, Mask mask) const {
    const int64_t step = steps_.count - 1 - s;
    if (step > 0) return get(states.row(steps_.row(step - 1, b)) + j, mask);
    return first.data == nullptr ? vf{} : get(first.row(b) + j, mask);
  }

  template <class Mask>
  void lstm(int64_t s, int64_t b, int64_t j, vf dh, Mask mask) {
    const int64_t n = steps_.features, at = steps_.row(steps_.count - 1 - s, b), carried = b * steps_.padded() + j;
    const T* act = act_.row(at) + j;
    dh = dh + get(dy_.row(at) + j, mask);
    const vf i = get(act, mask), f = get(act + n, mask), g = get(act + 2 * n, mask), o = get(act + 3 * n, mask);
    const vf t = tanh(get(c_.row(at) + j, mask));
    const vf cell = load(cell_ + carried) + dh * o * (1.0f - t * t);
    store(cell_ + carried, cell * f);
    const vf d[] = {cell * g * i * (1.0f - i), cell * before(c_, c0_, s, b, j, mask) * f * (1.0f - f), cell * i * (1.0f - g * g),
                    dh * t * o * (1.0f - o)};
    for (int k = 0; k < 4; k++) {
      put(flow_[s % 2] + b * terms() + k * n + j, d[k], mask);
      put(dgates_.row(at) + k * n + j, d[k], mask);
    }
  }

  template <class Mask>
  void gru(int64_t s, int64_t b, int64_t j, vf dh, Mask mask) {
    const int64_t n = steps_.features, at = steps_.row(steps_.count - 1 - s, b), carried = b * steps_.padded() + j;
    const T* act = act_.row(at) + j;
    dh = dh + get(dy_.row(at) + j, mask);
    const vf r = get(act, mask), z = get(act + n, mask), fresh = get(act + 2 * n, mask), own = get(act + 3 * n, mask);
    const vf dn = dh * (1.0f - z) * (1.0f - fresh * fresh);
    const vf d[] = {dn * own * r * (1.0f - r), dh * (before(y_, h0_, s, b, j, mask) - fresh) * z * (1.0f - z), dn};
    store(direct_ + carried, dh * z);
    for (int k = 0; k < 3; k++) {
      const vf hidden = k < 2 ? d[k] : dn * r;
      put(flow_[s % 2] + b * terms() + k * n + j, hidden, mask);
      put(dhidden_.row(at) + k * n + j, hidden, mask);
      put(dgates_.row(at) + k * n + j, d[k], mask);
    }
  }

  const CpuContext& context_;
  const Steps steps_;
  const View<const T> dy_, dh_, dc_, weight_, act_, y_, h0_, c_, c0_;
  const View<T> dgates_, dhidden_, dh0_, dc0_;
  float* panels_ = nullptr;
  float* direct_ = nullptr;  // [B][padded]: what reaches h of a step past the product
  float* cell_ = nullptr;    // [B][padded]: what reaches c
  float* flow_[2] = {};      // [B][G F]: gradient of the products of a step and of the one before, in turns
};
}  // namespace

hd_status recurrent_bwd(const Call& call) {
  Check check(call);
  const int32_t kind = call.params<hd_RecurrentParams>().kind;
  check.require(kind == kLstm || kind == kGru, "kind is neither 0 (LSTM) nor 1 (GRU)");
  check.floats(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12).rank(0, 3).rank(3, 2).rank(4, 3).rank(9, 3).rank(10, 3);
  check.dense(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12).output(9).output(10).output(11).output(12);
  check.same_shape(5, 0).same_shape(7, 0).same_shape(10, 9);
  if (check.failed()) return check.status();
  const hd_tensor &dy = *call.t[0], &weight = *call.t[3], &act = *call.t[4], &dgates = *call.t[9];
  const int64_t n = last(dy), wide = (kind == kLstm ? 4 : 3) * n;
  check.require(has_shape_of(dgates, dy, 2) && last(dgates) == wide, "dgates must be as dy, but 4 (GRU: 3) times as wide");
  check.require(has_shape_of(act, dy, 2) && last(act) == 4 * n, "act must be as dy, but 4 times as wide");
  check.require(weight.shape[0] == wide && weight.shape[1] == n, "weight must be [4F, F] (GRU: [3F, F]) with F the features of dy");
  for (const int32_t i : {1, 2, 6, 8, 11, 12}) {
    check.require(is_state(call.t[i], dy), "dh, dc, h0, c0, dh0 and dc0 must be [B, F] of dy [T, B, F]");
  }
  check.require(kind == kGru || (call.has(7) && !call.has(10)), "an LSTM needs c and has no dhidden");
  check.require(kind == kLstm || (call.has(10) && !call.has(2) && !call.has(7) && !call.has(8) && !call.has(12)),
                "a GRU needs dhidden and has no dc, c, c0 and dc0");
  if (check.failed()) return check.status();
  return with_float(dy.dtype, [&](auto type) {
    using T = decltype(type);
    return kind == kLstm ? Backward<T, 4>(call).run() : Backward<T, 3>(call).run();
  });
}
}  // namespace hd::HD_TIER

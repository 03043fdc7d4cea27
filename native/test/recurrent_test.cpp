// recurrent_fwd and recurrent_bwd against their formulas in doubles: awkward sizes, strides, dtypes, optional tensors present and absent,
// guard pages, one and two threads; and what they refuse.
#include "kernel_case.h"

using namespace test;

void recurrent();

namespace {

using Values = std::vector<double>;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Layer {
  int64_t T, B, F, G;
  bool reverse;

  size_t state(int64_t b, int64_t j) const { return static_cast<size_t>(b * F + j); }
  int64_t row(int64_t step, int64_t b) const { return (reverse ? T - 1 - step : step) * B + b; }
};

Values start(const Layer& l, const Tensor* t) { return t == nullptr ? Values(static_cast<size_t>(l.B * l.F)) : t->values(); }

void forward(const Layer& l, const Tensor& gates, const Tensor& weight, const Tensor* bias, const Tensor* h0, const Tensor* c0,
             const Tensor& y, const Tensor& act, const Tensor* c) {
  Values h = start(l, h0), cell = start(l, c0), a(4), p(static_cast<size_t>(l.G));
  const int64_t F = l.F;
  for (int64_t s = 0; s < l.T; s++) {
    Values next(h.size());
    for (int64_t b = 0; b < l.B; b++) {
      const int64_t row = l.row(s, b);
      for (int64_t j = 0; j < F; j++) {
        for (int64_t g = 0; g < l.G; g++) {
          double& sum = p[static_cast<size_t>(g)];
          sum = bias == nullptr ? 0 : (*bias)[g * F + j];
          for (int64_t k = 0; k < F; k++) sum += weight[(g * F + j) * F + k] * h[l.state(b, k)];
        }
        const auto in = [&](int64_t g) { return gates[row * l.G * F + g * F + j]; };
        double& state = next[l.state(b, j)];
        a[0] = sigmoid(in(0) + p[0]);
        a[1] = sigmoid(in(1) + p[1]);
        if (l.G == 4) {
          double& now = cell[l.state(b, j)];
          a[2] = std::tanh(in(2) + p[2]);
          a[3] = sigmoid(in(3) + p[3]);
          now = a[1] * now + a[0] * a[2];
          near("c", row * F + j, *c, now, 2, 64);
          state = a[3] * std::tanh(now);
        } else {
          a[2] = std::tanh(in(2) + a[0] * p[2]);
          a[3] = p[2];
          state = a[2] + a[1] * (h[l.state(b, j)] - a[2]);
        }
        for (int64_t g = 0; g < 4; g++) near("act", row * 4 * F + g * F + j, act, a[static_cast<size_t>(g)], 2, 64);
        near("y", row * F + j, y, state, 1, 64);
      }
    }
    h = next;
  }
}

struct Gradients {
  const Tensor &dy, *dh, *dc, &weight, &act, &y, *h0, *c, *c0, &dgates, *dhidden, *dh0, *dc0;
};

// From the activations, cells and outputs as they are stored.
void backward(const Layer& l, const Gradients& t) {
  const int64_t F = l.F;
  Values direct = start(l, t.dh), cell = start(l, t.dc), flow;
  const auto before = [&](const Tensor& states, const Tensor* first, int64_t step, int64_t b, int64_t j) {
    if (step > 0) return states[l.row(step - 1, b) * F + j];
    return first == nullptr ? 0 : (*first)[b * F + j];
  };
  const auto through = [&](int64_t b, int64_t j) {
    double sum = direct[l.state(b, j)];
    for (int64_t k = 0; k < l.G * F && !flow.empty(); k++) sum += flow[static_cast<size_t>(b * l.G * F + k)] * t.weight[k * F + j];
    return sum;
  };
  for (int64_t s = l.T - 1; s >= 0; s--) {
    Values next(static_cast<size_t>(l.B * l.G * F));
    for (int64_t b = 0; b < l.B; b++) {
      for (int64_t j = 0; j < F; j++) {
        const int64_t row = l.row(s, b);
        const auto a = [&](int64_t g) { return t.act[row * 4 * F + g * F + j]; };
        const double dh = through(b, j) + t.dy[row * F + j];
        double d[4], hidden = 0;
        if (l.G == 4) {
          const double now = std::tanh((*t.c)[row * F + j]), i = a(0), f = a(1), g = a(2), o = a(3);
          const double dcell = cell[l.state(b, j)] + dh * o * (1 - now * now);
          d[0] = dcell * g * i * (1 - i);
          d[1] = dcell * before(*t.c, t.c0, s, b, j) * f * (1 - f);
          d[2] = dcell * i * (1 - g * g);
          d[3] = dh * now * o * (1 - o);
          cell[l.state(b, j)] = dcell * f;
          direct[l.state(b, j)] = 0;
        } else {
          const double r = a(0), z = a(1), n = a(2), own = a(3), dn = dh * (1 - z) * (1 - n * n);
          d[0] = dn * own * r * (1 - r);
          d[1] = dh * (before(t.y, t.h0, s, b, j) - n) * z * (1 - z);
          d[2] = dn;
          hidden = dn * r;
          direct[l.state(b, j)] = dh * z;
        }
        for (int64_t g = 0; g < l.G; g++) {
          const int64_t at = row * l.G * F + g * F + j;
          near("dgates", at, t.dgates, d[g], 4, 64);
          if (l.G == 3) near("dhidden", at, *t.dhidden, g == 2 ? hidden : d[g], 4, 64);
          next[static_cast<size_t>((b * l.G + g) * F + j)] = g == 2 && l.G == 3 ? hidden : d[g];
        }
      }
    }
    flow = next;
  }
  for (int64_t b = 0; b < l.B; b++) {
    for (int64_t j = 0; j < F; j++) {
      if (t.dh0 != nullptr) near("dh0", b * F + j, *t.dh0, through(b, j), 4, 64);
      if (t.dc0 != nullptr) near("dc0", b * F + j, *t.dc0, cell[l.state(b, j)], 4, 64);
    }
  }
}

void layer(bool lstm, int dtype, int64_t T, int64_t B, int64_t F, int option) {
  const char* const names[] = {"f32", "bf16", "f16"};
  context = std::string(lstm ? "lstm " : "gru ") + names[dtype] + " T" + std::to_string(T) + " B" + std::to_string(B) + " F" +
            std::to_string(F) + " option " + std::to_string(option);
  const bool bias = option & 1, states = option & 2, reverse = option & 4;
  const Layout layout = option & 8 ? Layout::padded : Layout::dense;
  const Layer l{T, B, F, lstm ? 4 : 3, reverse};
  const hd_RecurrentParams p{lstm ? 0 : 1, reverse};
  Tensor gates(dtype, {T, B, l.G * F}, layout), weight(dtype, {l.G * F, F}, layout), b(dtype, {l.G * F}), y(dtype, {T, B, F}, layout);
  Tensor h0(dtype, {B, F}, layout), c0(dtype, {B, F}), act(dtype, {T, B, 4 * F}, layout), c(dtype, {T, B, F}, layout);
  gates.random(2), weight.random(1 / std::sqrt(static_cast<double>(F + 1))), b.random(), h0.random(), c0.random();
  Tensor *const h = states ? &h0 : nullptr, *const cell = states && lstm ? &c0 : nullptr, *const cells = lstm ? &c : nullptr;
  run("recurrent_fwd", {&gates, &weight, bias ? &b : nullptr, h, cell, &y, &act, cells}, p);
  forward(l, gates, weight, bias ? &b : nullptr, h, cell, y, act, cells);

  Tensor dy(dtype, {T, B, F}, layout), dh(dtype, {B, F}), dc(dtype, {B, F}, layout), dgates(dtype, {T, B, l.G * F}, layout);
  Tensor dhidden(dtype, {T, B, 3 * F}), dh0(dtype, {B, F}, layout), dc0(dtype, {B, F});
  dy.random(), dh.random(), dc.random();
  Tensor *const later = states ? &dh : nullptr, *const later_c = states && lstm ? &dc : nullptr;
  Tensor *const first = bias ? &dh0 : nullptr, *const first_c = bias && lstm ? &dc0 : nullptr, *const hidden = lstm ? nullptr : &dhidden;
  run("recurrent_bwd", {&dy, later, later_c, &weight, &act, &y, h, cells, cell, &dgates, hidden, first, first_c}, p);
  backward(l, {dy, later, later_c, weight, act, y, h, cells, cell, dgates, hidden, first, first_c});
}

void refusals() {
  context = "recurrent errors";
  Tensor gates(HD_F32, {2, 3, 20}), weight(HD_F32, {20, 5}), y(HD_F32, {2, 3, 5}), act(HD_F32, {2, 3, 20}), c(HD_F32, {2, 3, 5});
  Tensor state(HD_F32, {2, 5}), narrow(HD_F32, {15, 5}), half(HD_BF16, {20, 5});
  const hd_RecurrentParams lstm{0, 0}, gru{1, 0};
  expect_error("recurrent_fwd", {&gates, &weight, nullptr, nullptr, nullptr, &y, &act, &c}, hd_RecurrentParams{2, 0}, "kind is neither");
  expect_error("recurrent_fwd", {&gates, &narrow, nullptr, nullptr, nullptr, &y, &act, &c}, lstm, "weight must be [4F, F]");
  expect_error("recurrent_fwd", {&gates, &half, nullptr, nullptr, nullptr, &y, &act, &c}, lstm, "weight is bf16, expected f32");
  expect_error("recurrent_fwd", {&gates, &weight, nullptr, &state, nullptr, &y, &act, &c}, lstm, "h0 and c0 must be [B, F]");
  expect_error("recurrent_fwd", {&gates, &weight, nullptr, nullptr, nullptr, &y, &act, nullptr}, lstm, "an LSTM needs c");
  expect_error("recurrent_fwd", {&gates, &weight, nullptr, nullptr, nullptr, &y, &act, nullptr}, gru, "4 (GRU: 3) times as wide");
  expect_error("recurrent_bwd", {&y, nullptr, nullptr, &weight, &act, &c, nullptr, nullptr, nullptr, &gates, nullptr, nullptr, nullptr},
               lstm, "an LSTM needs c and has no dhidden");
}
}  // namespace

void recurrent() {
  for (const bool lstm : {true, false}) {
    for (const int dtype : {HD_F32, HD_BF16, HD_F16}) {
      for (const int64_t F : {0, 1, 7, 16, 17, 33, 70}) {
        for (int option = 0; option < 16; option++) {
          layer(lstm, dtype, 3, 1 + (F + option) % 9, F, option);
        }
      }
      layer(lstm, dtype, 0, 2, 5, 3);
      layer(lstm, dtype, 2, 0, 5, 3);
      layer(lstm, dtype, 1, 13, 130, 3);  // a step worth two threads
      layer(lstm, dtype, 5, 20, 68, 7);
    }
  }
  refusals();
}

// Every CPU kernel against its formula in doubles, through the door: awkward sizes, strides, dtypes, optional tensors
// present and absent, guard pages, one and two threads. Without HEDDLE_ISA the program runs itself once per tier.
#include <bit>

#include "kernel_case.h"

using namespace test;

void attention();  // attention_test.cpp
void merging();    // merging_test.cpp
void vectors();    // vectors_test.cpp
void recurrent();  // recurrent_test.cpp

namespace hd {
namespace scalar {
int check_simd();
}
namespace v3 {
int check_simd();
}
namespace v4 {
int check_simd();
}
namespace v4bf16 {
int check_simd();
}
}  // namespace hd

namespace {

const int64_t kSizes[] = {0, 1, 7, 15, 16, 17, 33, 64, 100};
const int kFloats[] = {HD_F32, HD_BF16, HD_F16};
const char* const kNames[] = {"f32", "bf16", "f16", "f64", "i32", "i64", "u8"};

std::string text(const char* op, int dtype, int64_t a, int64_t b, int option) {
  return std::string(op) + " " + kNames[dtype] + " [" + std::to_string(a) + ", " + std::to_string(b) + "] option " + std::to_string(option);
}
Tensor* when(bool present, Tensor& t) { return present ? &t : nullptr; }

// Calls body(dtype, rows, columns, option) over dtypes, sizes and the bits of `options`.
template <class Body>
void sweep(const char* op, int options, const Body& body) {
  for (const int dtype : kFloats) {
    for (const int64_t columns : kSizes) {
      for (const int64_t rows : {int64_t{0}, int64_t{1}, int64_t{5}}) {
        for (int option = 0; option < options; option++) {
          context = text(op, dtype, rows, columns, option);
          body(dtype, rows, columns, option);
        }
      }
    }
    context = text(op, dtype, 301, 129, options - 1);
    body(dtype, 301, 129, options - 1);
  }
}

// ---- norm ----
void norm() {
  sweep("norm", 16, [](int dtype, int64_t rows, int64_t n, int option) {
    const bool rms = option & 1, residual = option & 2, bias = option & 4, rest = option & 8;
    const Layout layout = rest ? Layout::padded : Layout::dense;
    Tensor x(dtype, {rows, n}, layout), r(dtype, {rows, n}), w(dtype, {n}), b(dtype, {n}), y(dtype, {rows, n}, layout);
    Tensor s(dtype, {rows, n}), mean(HD_F32, {rows}), rstd(HD_F32, {rows});
    x.random(2, 3), r.random(), w.random(), b.random();
    const hd_NormParams p{rms, 1e-5f, rest ? 1.0f : 0.0f, 0};
    run("norm_fwd", {&x, when(residual, r), &w, when(bias, b), &y, when(residual, s), when(!rms, mean), &rstd}, p);
    Tensor dy(dtype, {rows, n}), ds(dtype, {rows, n}), dx(dtype, {rows, n}, layout), dw(rest ? HD_F32 : dtype, {n}), db(dtype, {n});
    dy.random(), ds.random(), dw.random(), db.random();
    const std::vector<double> dw0 = dw.values(), db0 = db.values();
    const hd_NormParams back{rms, 1e-5f, p.weight_offset, rest};
    Tensor& input = residual ? s : x;
    run("norm_bwd", {&dy, when(residual, ds), &input, &w, when(!rms, mean), &rstd, &dx, when(bias || rest, dw), when(bias, db)}, back);
    std::vector<double> want_dw(static_cast<size_t>(n)), want_db(static_cast<size_t>(n));
    for (int64_t i = 0; i < rows; i++) {
      if (n == 0) continue;
      double m = 0, v = 0, g_sum = 0, gx_sum = 0;
      for (int64_t j = 0; j < n; j++) {
        if (residual) exact("s", i * n + j, s, x[i * n + j] + r[i * n + j]);
        m += rms ? 0 : input[i * n + j] / static_cast<double>(n);
      }
      for (int64_t j = 0; j < n; j++) v += (input[i * n + j] - m) * (input[i * n + j] - m) / static_cast<double>(n);
      const double inverse = 1 / std::sqrt(v + static_cast<double>(p.eps));
      if (!rms) close("mean", i, mean[i], m, 1e-5);
      if (n > 1 || rms) close("rstd", i, rstd[i], inverse, 1e-5 * inverse);
      for (int64_t j = 0; j < n; j++) {
        const int64_t k = i * n + j;
        const double h = (input[k] - m) * inverse, factor = w[j] + static_cast<double>(p.weight_offset);
        if (n > 1 || rms) near("y", k, y, h * factor + (bias ? b[j] : 0), 4, 16);
        g_sum += dy[k] * factor / static_cast<double>(n);
        gx_sum += dy[k] * factor * h / static_cast<double>(n);
        want_dw[static_cast<size_t>(j)] += dy[k] * h;
        want_db[static_cast<size_t>(j)] += dy[k];
      }
      for (int64_t j = 0; j < n && (n > 1 || rms); j++) {
        const int64_t k = i * n + j;
        const double h = (input[k] - m) * inverse, factor = w[j] + static_cast<double>(p.weight_offset);
        const double want = inverse * (dy[k] * factor - (rms ? 0 : g_sum) - h * gx_sum) + (residual ? ds[k] : 0);
        near("dx", k, dx, want, 4 * std::max(1.0, inverse), 32);
      }
    }
    for (int64_t j = 0; j < n && (n > 1 || rms); j++) {
      const size_t k = static_cast<size_t>(j);
      if (bias || rest) near("dweight", j, dw, want_dw[k] + (rest ? dw0[k] : 0), static_cast<double>(rows + 1), 16);
      if (bias) near("dbias", j, db, want_db[k] + (rest ? db0[k] : 0), static_cast<double>(rows + 1));
    }
  });
  context = "norm errors";
  Tensor x(HD_F32, {2, 16}), w(HD_F32, {12}), y(HD_F32, {2, 16}), rstd(HD_F32, {2}), h(HD_BF16, {16});
  expect_error("norm_fwd", {&x, nullptr, &w, nullptr, &y, nullptr, nullptr, &rstd}, hd_NormParams{1, 0, 0, 0}, "weight has 12 elements");
  expect_error("norm_fwd", {&x, nullptr, &h, nullptr, &y, nullptr, nullptr, &rstd}, hd_NormParams{1, 0, 0, 0}, "weight is bf16");
}

// ---- activations ----
double act(int kind, double x) {
  switch (kind) {
    case 0:
      return x;
    case 1:
      return x > 0 ? x : 0;
    case 2:
      return 0.5 * x * (1 + std::erf(x / std::sqrt(2.0)));
    case 3:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case 4:
      return x / (1 + std::exp(-x));
    case 5:
      return std::tanh(x);
    default:
      return 1 / (1 + std::exp(-x));
  }
}
double slope(int kind, double x) {
  if (kind == 1) return x > 0 ? 1 : 0;
  const double h = 1e-5;
  return (act(kind, x + h) - act(kind, x - h)) / (2 * h);
}

void activation() {
  sweep("bias_act", 28, [](int dtype, int64_t rows, int64_t n, int option) {
    const int kind = option % 7;
    const bool bias = option / 7 & 1, rest = option / 14 != 0;
    Tensor x(dtype, {rows, n}, rest ? Layout::padded : Layout::dense), b(dtype, {n}), y(dtype, {rows, n}),
        dy(dtype, {rows, n}, Layout::padded);
    Tensor dx(dtype, {rows, n}), db(rest ? HD_F32 : dtype, {n});
    x.random(4), b.random(), dy.random(), db.random();
    const std::vector<double> db0 = db.values(), dy0 = dy.values();
    run("bias_act_fwd", {&x, when(bias, b), &y}, hd_ActivationParams{kind, 0});
    Tensor& out = rest ? dx : dy;  // dx may be dy
    run("bias_act_bwd", {&dy, &x, when(bias, b), &out, when(bias, db)}, hd_ActivationParams{kind, rest});
    std::vector<double> sums(static_cast<size_t>(n));
    for (int64_t i = 0; i < rows * n; i++) {
      const double in = x[i] + (bias ? b[i % n] : 0), d = dy0[static_cast<size_t>(i)] * slope(kind, in);
      near("y", i, y, act(kind, in));
      near("dx", i, out, d, 1, 16);
      sums[static_cast<size_t>(i % n)] += d;
    }
    for (int64_t j = 0; bias && j < n; j++) {
      const size_t k = static_cast<size_t>(j);
      near("dbias", j, db, sums[k] + (rest ? db0[k] : 0), static_cast<double>(rows + 1), 16);
    }
  });
  sweep("glu", 28, [](int dtype, int64_t rows, int64_t n, int option) {
    const int kind = option % 7;
    const bool bias = option / 7 & 1, rest = option / 14 != 0;
    Tensor x(dtype, {rows, 2 * n}, rest ? Layout::padded : Layout::dense), b(dtype, {2 * n}), y(dtype, {rows, n}, Layout::padded);
    Tensor dy(dtype, {rows, n}), dx(dtype, {rows, 2 * n}), db(dtype, {2 * n});
    x.random(4), b.random(), dy.random(), db.random();
    const std::vector<double> db0 = db.values(), x0 = x.values();
    run("glu_fwd", {&x, when(bias, b), &y}, hd_ActivationParams{kind, 0});
    Tensor& out = rest ? x : dx;  // dx may be x
    run("glu_bwd", {&dy, &x, when(bias, b), &out, when(bias, db)}, hd_ActivationParams{kind, rest});
    std::vector<double> sums(static_cast<size_t>(2 * n));
    for (int64_t i = 0; i < rows * n; i++) {
      const int64_t j = i % n, k = i / n * 2 * n + j;
      const double g = x0[static_cast<size_t>(k)] + (bias ? b[j] : 0), u = x0[static_cast<size_t>(k + n)] + (bias ? b[n + j] : 0);
      near("y", i, y, act(kind, g) * u, 5);
      const double dg = dy[i] * u * slope(kind, g), du = dy[i] * act(kind, g);
      near("dg", k, out, dg, 5, 16);
      near("du", k + n, out, du, 5);
      sums[static_cast<size_t>(j)] += dg;
      sums[static_cast<size_t>(n + j)] += du;
    }
    for (int64_t j = 0; bias && j < 2 * n; j++) {
      const size_t k = static_cast<size_t>(j);
      near("dbias", j, db, sums[k] + (rest ? db0[k] : 0), 5 * static_cast<double>(rows + 1), 16);
    }
  });
  context = "activation limits";
  Tensor x(HD_F32, {6}), one(HD_F32, {6}), dx(HD_F32, {6});
  one.fill(1);
  for (const int kind : {1, 2, 3, 4, 5, 6}) {
    const double in[] = {-1e30, -200, -std::numeric_limits<double>::infinity(), 1e30, 200, std::numeric_limits<double>::infinity()};
    for (int64_t i = 0; i < 6; i++) x.set(i, in[i]);
    run("bias_act_bwd", {&one, &x, nullptr, &dx, nullptr}, hd_ActivationParams{kind, 0});
    for (int64_t i = 0; i < 6; i++) close("slope", i, dx[i], i < 3 || kind > 4 ? 0 : 1, 1e-6);
  }
  expect_error("bias_act_fwd", {&x, nullptr, &dx}, hd_ActivationParams{9, 0}, "kind is 9");
}

// ---- rotary, embedding, dropout ----
void rotary() {
  for (const int dtype : kFloats) {
    for (const int64_t pairs : {0, 1, 4, 8, 17, 32}) {
      for (int option = 0; option < 16; option++) {
        context = text("rotary", dtype, pairs, 0, option);
        const bool neighbours = option & 1, per_batch = option & 2, in_place = option & 4, inverse = option & 8;
        const int64_t B = 2, H = 3, T = 5, D = 2 * pairs + (option & 2 ? 3 : 0);
        Tensor x(dtype, {B, H, T, D}, Layout::padded), y(dtype, {B, H, T, D}), freq(HD_F32, {pairs});
        Tensor positions(HD_I32, per_batch ? std::vector<int64_t>{B, T} : std::vector<int64_t>{T});
        x.random(), freq.random();
        // The last two: a long text, and an angle that only libm turns exactly.
        const double at[] = {0, 1, -1000, 131071, 2e9};
        for (int64_t i = 0; i < positions.count(); i++) positions.set(i, at[i % 5]);
        const std::vector<double> x0 = x.values();
        Tensor& out = in_place ? x : y;
        run("rotary", {&x, &positions, &freq, &out}, hd_RotaryParams{neighbours, inverse, 1.5f, 0});
        for (int64_t row = 0; row < B * H * T; row++) {
          const int64_t t = row % T, b = row / T / H;
          for (int64_t i = 0; i < D; i++) {
            const int64_t pair = neighbours ? i / 2 : i % std::max<int64_t>(pairs, 1);
            const bool second = neighbours ? i % 2 == 1 : i >= pairs;
            double want = x0[static_cast<size_t>(row * D + i)];
            if (i < 2 * pairs) {
              const double angle = positions[per_batch ? b * T + t : t] * freq[pair] * (inverse ? -1 : 1);
              const double other = x0[static_cast<size_t>(row * D + (neighbours ? i ^ 1 : second ? i - pairs : i + pairs))];
              want = 1.5 * (want * std::cos(angle) + (second ? other : -other) * std::sin(angle));
            }
            near("y", row * D + i, out, want, 3);
          }
        }
      }
    }
  }
}

void embedding() {
  sweep("embedding", 4, [](int dtype, int64_t rows, int64_t n, int option) {
    const int64_t V = 11, N = rows * 7;
    Tensor table(dtype, {V, n}, Layout::padded), ids(HD_I32, {rows, 7}),
        y(dtype, {rows, 7, n}, option & 1 ? Layout::padded : Layout::dense);
    Tensor dtable(option & 1 ? HD_F32 : dtype, {V, n}, Layout::padded);
    table.random(), dtable.random();
    const std::vector<double> before = dtable.values();
    for (int64_t i = 0; i < N; i++) ids.set(i, static_cast<double>((i * i + 3) % 9));
    run("embedding_fwd", {&table, &ids, &y}, hd_EmbeddingParams{0, 0});
    for (int64_t i = 0; i < N * n; i++) exact("y", i, y, table[static_cast<int64_t>(ids[i / n]) * n + i % n]);
    run("embedding_bwd", {&y, &ids, &dtable}, hd_EmbeddingParams{option >> 1, 0});
    std::vector<double> want(static_cast<size_t>(V * n));
    for (int64_t i = 0; i < N * n; i++) want[static_cast<size_t>(static_cast<int64_t>(ids[i / n]) * n + i % n)] += y[i];
    for (int64_t i = 0; i < V * n; i++) {
      const size_t k = static_cast<size_t>(i);
      near("dtable", i, dtable, want[k] + (option & 2 ? before[k] : 0), static_cast<double>(N + 1), 32);
    }
  });
  context = "embedding errors";
  Tensor table(HD_F32, {4, 3}), ids(HD_I32, {2, 2}), y(HD_F32, {2, 2, 3});
  ids.fill(1), table.fill(0);
  ids.set(2, 4);
  expect_error("embedding_fwd", {&table, &ids, &y}, hd_EmbeddingParams{0, 0}, "ids[2] is 4, expected 0 to 3");
  expect_error("embedding_bwd", {&y, &ids, &table}, hd_EmbeddingParams{0, 0}, "ids[2] is 4, expected 0 to 3");
  ids.set(2, -1);
  expect_error("embedding_fwd", {&table, &ids, &y}, hd_EmbeddingParams{0, 0}, "ids[2] is -1");
}

void dropout() {
  context = "philox known answer";  // Random123 kat_vectors: philox4x32 10
  uint32_t c[] = {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344};
  philox(c, 0xa4093822, 0x299f31d0);
  expect(c[0] == 0xd16cfe09 && c[1] == 0x94fdcceb && c[2] == 0x5001e420 && c[3] == 0x24126ea1, "wrong words");
  sweep("dropout", 4, [](int dtype, int64_t rows, int64_t n, int option) {
    Tensor x(dtype, {rows, n}, option & 1 ? Layout::padded : Layout::dense), y(dtype, {rows, n});
    x.random(3);
    const std::vector<double> x0 = x.values();
    const float p = option & 1 ? 0.3f : 0.0f;
    const hd_DropoutParams params{static_cast<int64_t>(0x9234567812345678u), (int64_t{7} << 32) + 5, p, 0};
    Tensor& out = option & 2 ? x : y;
    run("dropout", {&x, nullptr, &out}, params);
    for (int64_t i = 0; i < rows * n; i++) {
      uint32_t word[] = {static_cast<uint32_t>(i / 4), static_cast<uint32_t>(i / 4 >> 32), 5, 7};
      philox(word, 0x12345678, 0x92345678);
      const bool keep = word[i % 4] >= static_cast<double>(p) * 4294967296.0;
      exact("y", i, out, keep ? x0[static_cast<size_t>(i)] / (1 - static_cast<double>(p)) : 0);
    }
  });
}

// ---- softmax, cross-entropy ----
void softmax() {
  sweep("softmax", 4, [](int dtype, int64_t rows, int64_t n, int option) {
    Tensor x(dtype, {rows, n}, option & 1 ? Layout::padded : Layout::dense), y(dtype, {rows, n}), dy(dtype, {rows, n}),
        dx(dtype, {rows, n});
    x.random(8), dy.random();
    const double minus = -std::numeric_limits<double>::infinity();
    if (rows == 5) {
      for (int64_t j = 0; j < n; j++) x.set(2 * n + j, minus);
      if (n > 2) x.set(3 * n + 1, minus);
    }
    const std::vector<double> x0 = x.values(), dy0 = dy.values();
    Tensor& out = option & 2 ? x : y;
    run("softmax_fwd", {&x, &out}, hd_NoneParams{0});
    Tensor& back = option & 2 ? dy : dx;
    run("softmax_bwd", {&dy, &out, &back}, hd_NoneParams{0});
    for (int64_t i = 0; i < rows; i++) {
      double total = 0, dot = 0;
      for (int64_t j = 0; j < n; j++) total += std::exp(x0[static_cast<size_t>(i * n + j)]);
      for (int64_t j = 0; j < n; j++) {
        const size_t k = static_cast<size_t>(i * n + j);
        near("y", i * n + j, out, total == 0 ? 0 : std::exp(x0[k]) / total, 1e-3);
        dot += dy0[k] * out[i * n + j];
      }
      for (int64_t j = 0; j < n; j++) {
        const int64_t k = i * n + j;
        near("dx", k, back, out[k] * (dy0[static_cast<size_t>(k)] - dot));
      }
    }
  });
}

void cross_entropy() {
  sweep("cross_entropy", 8, [](int dtype, int64_t rows, int64_t n, int option) {
    if (n == 0) return;
    const bool in_place = option & 1, smooth = option & 2, gradient = (option & 4) == 0;
    Tensor x(dtype, {rows, n}, Layout::padded), targets(HD_I32, {rows}), loss(HD_F32, {rows}), d(dtype, {rows, n});
    x.random(8);
    for (int64_t i = 0; i < rows; i++) targets.set(i, i % 3 == 2 ? -100 : static_cast<double>(i * 5 % n));
    const std::vector<double> x0 = x.values();
    Tensor& out = in_place ? x : d;
    const hd_CrossEntropyParams p{-100, smooth ? 0.1f : 0.0f, 0.25f};
    run("cross_entropy", {&x, &targets, &loss, when(gradient, out)}, p);
    for (int64_t i = 0; i < rows; i++) {
      const bool ignored = targets[i] < 0;
      const double e = static_cast<double>(p.label_smoothing);
      double total = 0, want = 0;
      for (int64_t j = 0; j < n; j++) total += std::exp(x0[static_cast<size_t>(i * n + j)]);
      for (int64_t j = 0; j < n; j++) {
        const double z = x0[static_cast<size_t>(i * n + j)],
                     t = (j == static_cast<int64_t>(targets[i]) ? 1 - e : 0) + e / static_cast<double>(n);
        if (!ignored) want -= t * (z - std::log(total));
        if (gradient) near("dlogits", i * n + j, out, ignored ? 0 : 0.25 * (std::exp(z) / total - t), 0.25);
      }
      near("loss", i, loss, want, 4);
    }
  });
  context = "cross_entropy errors";
  Tensor x(HD_F32, {3, 4}), targets(HD_I32, {3}), loss(HD_F32, {3});
  x.fill(0), targets.fill(1);
  targets.set(1, 4);
  expect_error("cross_entropy", {&x, &targets, &loss, nullptr}, hd_CrossEntropyParams{-1, 0, 1}, "targets[1] is 4, expected 0 to 3");
}

// ---- element-wise ----
double binary_of(int kind, double a, double b) {
  switch (kind) {
    case 0:
      return a + b;
    case 1:
      return a - b;
    case 2:
      return a * b;
    case 3:
      return a / b;
    case 4:
      return std::max(a, b);
    default:
      return std::min(a, b);
  }
}
void broadcast(Tensor& t, int dimension, int64_t size) {
  t.desc.shape[dimension] = size;
  t.desc.stride[dimension] = 0;
}

void binary() {
  for (const int dtype : {HD_F32, HD_BF16, HD_F16, HD_F64}) {
    for (const int64_t n : kSizes) {
      for (int option = 0; option < 48; option++) {
        context = text("binary", dtype, 6, n, option);
        const int kind = option % 6, form = option / 6 % 4;
        const bool scaled = option >= 24;
        Tensor a(dtype, {3, 6, n}, form == 1 ? Layout::transposed : Layout::padded),
            y(dtype, {3, 6, n}, form == 2 ? Layout::transposed : Layout::dense);
        Tensor b(dtype, {form == 3 ? 1 : 3, 6, form == 0 && n > 0 ? 1 : n});
        a.random(2), b.random(1, 3);
        if (b.desc.shape[2] != n) broadcast(b, 2, n);
        if (b.desc.shape[0] != 3) broadcast(b, 0, 3);
        const float alpha = scaled ? 0.7f : 1.0f, beta = scaled ? -1.3f : -1.0f;
        const std::vector<double> a0 = a.values();
        Tensor& out = form == 3 ? a : y;
        run("binary", {&a, &b, &out}, hd_BinaryParams{kind, alpha, beta, 0});
        for (int64_t i = 0; i < out.count(); i++) {
          const double want = binary_of(kind, static_cast<double>(alpha) * a0[static_cast<size_t>(i)], static_cast<double>(beta) * b[i]);
          exact("y", i, out, want);
        }
      }
    }
  }
}

double unary_of(int kind, double x) {
  switch (kind) {
    case 0:
      return x;
    case 1:
      return std::exp(x);
    case 2:
      return std::log(x);
    case 3:
      return std::sqrt(x);
    case 4:
      return 1 / x;
    case 5:
      return x * x;
    case 6:
      return std::fabs(x);
    case 7:
      return std::tanh(x);
    case 8:
      return 1 / (1 + std::exp(-x));
    default:
      return x > 0 ? x : 0;
  }
}
void unary() {
  for (const int dtype : {HD_F32, HD_BF16, HD_F16, HD_F64}) {
    for (const int64_t n : kSizes) {
      for (int option = 0; option < 30; option++) {
        context = text("unary", dtype, 5, n, option);
        const int kind = option % 10, form = option / 10;
        Tensor x(dtype, {5, n}, form == 1 ? Layout::transposed : Layout::padded),
            y(dtype, {5, n}, form == 2 ? Layout::transposed : Layout::dense);
        x.random(2, 2.5);
        run("unary", {&x, &y}, hd_UnaryParams{kind, 1.5f, -0.5f, 0});
        for (int64_t i = 0; i < y.count(); i++) near("y", i, y, unary_of(kind, 1.5 * x[i] - 0.5), 1);
      }
    }
  }
}

// ---- copy ----
void copy() {
  for (int from = 0; from <= HD_U8; from++) {
    for (int to = 0; to <= HD_U8; to++) {
      for (const int64_t n : {int64_t{0}, int64_t{1}, int64_t{17}, int64_t{100}}) {
        for (int form = 0; form < 4; form++) {
          context = text("copy", from, to, n, form);
          Tensor x(from, {n, 7, form == 3 ? 1 : 35}, form == 1 ? Layout::transposed : form == 2 ? Layout::padded : Layout::dense);
          Tensor y(to, {n, 7, 35}, form == 2 ? Layout::transposed : Layout::dense);
          x.random(from <= HD_F64 && to <= HD_F64 ? 3 : 60, from <= HD_F64 && to <= HD_F64 ? 0 : 60);
          if (form == 3) broadcast(x, 2, 35);
          run("copy", {&x, &y}, hd_NoneParams{0});
          for (int64_t i = 0; i < y.count(); i++) {
            if (to <= HD_F64) exact("y", i, y, x[i]);
            if (to > HD_F64) close("y", i, y[i], std::trunc(x[i]), 0);
          }
        }
      }
    }
  }
}

// All 2^16 patterns of 16-bit floats, and f32 and f64 values beside every rounding boundary of bf16 and f16.
void copy_exactness() {
  for (const int half : {HD_BF16, HD_F16}) {
    context = std::string("copy exactness ") + kNames[half];
    Tensor h(half, {65536}), f(HD_F32, {65536}), d(HD_F64, {65536}), back(half, {65536});
    for (int64_t i = 0; i < 65536; i++) {
      const uint16_t bits = static_cast<uint16_t>(i);
      std::memcpy(h.at(i), &bits, 2);
    }
    run("copy", {&h, &f}, hd_NoneParams{0});
    run("copy", {&h, &d}, hd_NoneParams{0});
    run("copy", {&f, &back}, hd_NoneParams{0});
    for (int64_t i = 0; i < 65536; i++) {
      close("f32", i, f[i], h[i], 0);
      close("f64", i, d[i], h[i], 0);
      expect(std::memcmp(h.at(i), back.at(i), 2) == 0 || std::isnan(h[i]), "round trip of pattern " + std::to_string(i));
      expect(!std::isnan(h[i]) || std::isnan(back[i]), "NaN lost at pattern " + std::to_string(i));
    }
    for (const double nudge : {0.0, 1e-30, -1e-30, 1e-9, -1e-9}) {
      for (int64_t i = 0; i < 65536; i++) {
        const double next = i % 32768 < 32767 ? h[i + 1] : h[i];
        d.set(i, std::isfinite(h[i]) && std::isfinite(next) ? (h[i] + next) / 2 + nudge * std::fabs(next - h[i]) * 0x1p20 : h[i]);
        f.set(i, d[i]);
      }
      run("copy", {&d, &back}, hd_NoneParams{0});
      for (int64_t i = 0; i < 65536; i++) exact("from f64", i, back, d[i]);
      run("copy", {&f, &back}, hd_NoneParams{0});
      for (int64_t i = 0; i < 65536; i++) exact("from f32", i, back, f[i]);
    }
  }
  context = "copy float to integer";
  Tensor x(HD_F32, {5}), y(HD_I32, {5});
  const double in[] = {1e20, -1e20, std::numeric_limits<double>::quiet_NaN(), -2.7, 2.7}, want[] = {2147483647, -2147483648.0, 0, -2, 2};
  for (int64_t i = 0; i < 5; i++) x.set(i, in[i]);
  run("copy", {&x, &y}, hd_NoneParams{0});
  for (int64_t i = 0; i < 5; i++) close("y", i, y[i], want[i], 0);
}

// ---- reductions ----
void reduce() {
  const std::vector<std::vector<int64_t>> shapes = {{1, 1, 1},   {3, 1, 7},  {5, 17, 33},   {0, 3, 4},    {3, 0, 4},
                                                    {2, 300, 5}, {70, 3, 1}, {1, 2, 70000}, {4000, 3, 40}};
  for (const int dtype : {HD_F32, HD_BF16, HD_F16, HD_F64}) {
    for (const std::vector<int64_t>& shape : shapes) {
      for (int option = 0; option < 8 * 2 * 3; option++) {
        const int mask = option % 8, form = option / 8 % 2, kind = option / 16;
        if (shape[0] * shape[1] * shape[2] > 10000 && (dtype != HD_F32 || form == 1) && (option % 5 != 0)) continue;
        context = text("reduce", dtype, shape[0], shape[2], option);
        std::vector<int64_t> small = shape;
        for (size_t d = 0; d < 3; d++) {
          if (mask >> d & 1) small[d] = 1;
        }
        Tensor x(dtype, shape, form == 1 ? Layout::transposed : Layout::padded),
            y(option % 3 == 0 ? HD_F32 : dtype, small, form == 1 ? Layout::padded : Layout::dense);
        x.random(1, 0.5), y.fill(2);
        const int accumulate = kind < 2 && option % 7 == 0;
        run("reduce", {&x, &y}, hd_ReduceParams{kind, accumulate});
        std::vector<double> want(static_cast<size_t>(y.count()), kind == 2 ? -std::numeric_limits<double>::infinity() : 0);
        for (int64_t i = 0; i < x.count(); i++) {
          const int64_t at[] = {i / shape[2] / shape[1], i / shape[2] % shape[1], i % shape[2]};
          int64_t k = 0;
          for (size_t d = 0; d < 3; d++) k = k * small[d] + (mask >> d & 1 ? 0 : at[d]);
          double& to = want[static_cast<size_t>(k)];
          to = kind == 2 ? std::max(to, x[i]) : to + x[i];
        }
        const double n = y.count() == 0 ? 1 : static_cast<double>(x.count()) / static_cast<double>(y.count());
        for (int64_t i = 0; i < y.count(); i++) {
          const double value = kind == 1 ? want[static_cast<size_t>(i)] / n : want[static_cast<size_t>(i)];
          near("y", i, y, value + (accumulate ? 2 : 0), 0.1, y.desc.dtype == HD_F16 || y.desc.dtype == HD_F32 ? 1 : 0.1);
        }
      }
    }
  }
}

void scalars() {
  for (const int dtype : {HD_F32, HD_BF16, HD_F16, HD_F64}) {
    for (const int64_t n : {0, 1, 7, 100, 40000}) {
      context = text("sum_squares", dtype, 3, n, 0);
      Tensor x(dtype, {3, n}, Layout::padded), y(HD_F32, {1});
      x.random();
      double want = 0;
      for (int64_t i = 0; i < x.count(); i++) want += x[i] * x[i];
      run("sum_squares", {&x, &y}, hd_NoneParams{0});
      exact("y", 0, y, want);
    }
  }
  for (const float bound : {0.0f, 1.0f, 100.0f}) {
    context = "clip_factor";
    Tensor squares(HD_F32, {3}), norm(HD_F32, {1}), factor(HD_F32, {1});
    squares.fill(3);
    run("clip_factor", {&squares, &norm, &factor}, hd_ClipParams{bound, 0});
    exact("norm", 0, norm, 3);
    near("factor", 0, factor, bound == 1.0f ? 1 / (3 + 1e-6) : 1);
  }
}

// ---- adamw, linear_combination ----
void adamw() {
  for (const int dtype : kFloats) {
    for (const int64_t n : {0, 1, 17, 100, 40000}) {
      for (const bool clipped : {false, true}) {
        context = text("adamw", dtype, 1, n, clipped);
        Tensor g(dtype, {n}), factor(HD_F32, {1}), p(dtype, {n}), m(HD_F32, {n}), v(HD_F32, {n}), master(HD_F32, {n});
        g.random(), p.random(), m.random(), v.random(0.5, 0.5), factor.fill(0.5), master.random();
        const bool half = dtype != HD_F32;
        const std::vector<double> p0 = half ? master.values() : p.values(), m0 = m.values(), v0 = v.values();
        const hd_AdamwParams a{1e-2f, 0.9f, 0.99f, 1e-8f, 0.1f, 0.19f, 0.0199f, 0};
        run("adamw", {&g, when(clipped, factor), nullptr, &p, &m, &v, when(half, master)}, a);
        for (int64_t i = 0; i < n; i++) {
          const size_t k = static_cast<size_t>(i);
          const double grad = g[i] * (clipped ? 0.5 : 1), m1 = 0.9 * m0[k] + 0.1 * grad, v1 = 0.99 * v0[k] + 0.01 * grad * grad;
          const double want = p0[k] * (1 - 1e-3) - 1e-2 / 0.19 * m1 / (std::sqrt(v1) / std::sqrt(0.0199) + 1e-8);
          near("m", i, m, m1);
          near("v", i, v, v1);
          near("p", i, half ? master : p, want);
          if (half) exact("param", i, p, master[i]);
        }
      }
    }
  }
  context = "adamw errors";
  Tensor g(HD_BF16, {4}), m(HD_F32, {4});
  expect_error("adamw", {&g, nullptr, nullptr, &g, &m, &m, nullptr}, hd_AdamwParams{}, "master is needed");
}

constexpr double kFullNaN = std::bit_cast<double>(int64_t{0x7fffffffffffffff});  // one more would be -0

// Everything of one type: every number of 16 bits as base, beside others of all sizes, near to it, and the same. Decimal weights put one
// element in ten half-way between two numbers, where the last bit of the sum in f64 decides.
void sums_of_a_kind() {
  const double sets[][4] = {{0.3, 0.4, 0.2, 0.1}, {0.7, -1.3, 0.05, 2},     {0.5, 0.25, 0.5, -0.5},
                            {1, 1, -1, 1},        {0x1p-90, 1e30, 3e38, 1}, {0, kFullNaN, 1, 1}};
  for (const int dtype : {HD_BF16, HD_F16}) {
    const int64_t n = 65536;
    Tensor base(dtype, {n}), near_by(dtype, {n}), any(dtype, {n}), shifted(dtype, {n}), same(dtype, {n}), y(dtype, {n});
    Tensor* const sources[] = {&near_by, &any, &shifted, &same};
    const auto bits = [&](Tensor& x, int64_t i, int64_t pattern) {
      char image[8] = {};  // as wide as the widest type that read knows
      const uint16_t h = static_cast<uint16_t>(pattern);
      std::memcpy(image, &h, sizeof h);
      x.set(i, read(image, dtype));
    };
    for (int64_t i = 0; i < n; i++) {
      bits(base, i, i), bits(near_by, i, i ^ (i * 2654435761 >> 20 & 0xff)), bits(any, i, i * 40503 + 977), bits(shifted, i, i + 1),
          bits(same, i, i);
    }
    for (const int64_t count : {1, 2, 3, 4}) {
      Tensor w(HD_F64, {count});
      for (const auto& weights : sets) {
        for (const bool with_base : {true, false}) {
          context = text("linear_combination of a kind", dtype, static_cast<int>(count), n, with_base);
          std::vector<Tensor*> operands = {when(with_base, base), &w};
          for (int64_t k = 0; k < count; k++) w.set(k, weights[k]), operands.push_back(sources[k]);
          operands.push_back(&y);
          run("linear_combination", operands, hd_NoneParams{0});
          for (int64_t i = 0; i < n; i++) {
            const double z = with_base ? base[i] : 0;
            double want = with_base ? z : weights[0] * (*sources[0])[i];
            for (int64_t k = with_base ? 0 : 1; k < count; k++) want += weights[k] * ((*sources[k])[i] - z);
            exact("y", i, y, with_base && count == 1 && weights[0] == 0 ? z : want);
          }
        }
      }
    }
  }
}

// Sums in f64 beside and between numbers of 16 bits, denormal, too large and not numbers, each in every lane: rounded once.
void rounded_once() {
  for (const int to : {HD_BF16, HD_F16, HD_F32}) {
    context = text("linear_combination rounds", to, 0, 0, 0);
    const double least = to == HD_F16 ? 0x1p-24 : 0x1p-133, most = to == HD_F16 ? 65504 : 0x1.fep127;
    std::vector<double> hard = {0.0, -0.0, least / 2, least * 1.5, least * 3.25, most, most * 1.001, most * 1.5, most * 4, 1e300, 1e-300};
    for (double x = least / 4; x < most * 4; x *= 37.77) {
      const double a = round_to(to, x), ulp = epsilon(to) * a;
      for (const double tie : {a, a + ulp / 2, a - ulp / 4}) {
        hard.insert(hard.end(), {tie, std::nextafter(tie, 1e308), std::nextafter(tie, -1e308), tie * (1 + 0x1p-30)});
      }
    }
    hard.insert(hard.end(), {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN(), kFullNaN});
    const int64_t n = static_cast<int64_t>(hard.size()) * 34 + 5;  // lanes shift by two each time round
    Tensor x(HD_F64, {n}), w(HD_F64, {1}), y(to, {n});
    w.fill(1);
    for (int64_t i = 0; i < n; i++) x.set(i, hard[static_cast<size_t>(i) % hard.size()] * (i % 3 == 0 ? -1 : 1));
    run("linear_combination", {nullptr, &w, &x, &y}, hd_NoneParams{0});
    for (int64_t i = 0; i < n; i++) exact("y", i, y, x[i]);
  }
}

void linear_combination() {
  const int all[] = {HD_F32, HD_BF16, HD_F16, HD_F64};
  for (int option = 0; option < 4 * 4 * 4; option++) {
    for (const int64_t n : {0, 1, 17, 100, 40000}) {
      if (n == 40000 && option % 7 != 0) continue;
      const int first = all[option % 4], second = all[option / 4 % 4], to = all[option / 16];
      const bool with_base = option % 3 != 0, in_place = second == to;
      context = text("linear_combination", first, to, n, option);
      Tensor base(first, {n}), a(first, {n}), b(second, {n}), y(to, {n}), w(HD_F64, {2});
      base.random(), a.random(), b.random(2);
      w.set(0, 0.3), w.set(1, -1.7);
      const std::vector<double> b0 = b.values();
      Tensor& out = in_place ? b : y;
      run("linear_combination", {when(with_base, base), &w, &a, &b, &out}, hd_NoneParams{0});
      for (int64_t i = 0; i < n; i++) {
        const double z = with_base ? base[i] : 0, bi = b0[static_cast<size_t>(i)];
        const double want = with_base ? z + 0.3 * (a[i] - z) + -1.7 * (bi - z) : 0.3 * a[i] + -1.7 * bi;
        exact("y", i, out, want);
      }
      if (!with_base) continue;
      w.fill(0);
      if (n > 2) base.set(0, -0.0), base.set(1, std::numeric_limits<double>::infinity()), a.set(1, std::numeric_limits<double>::infinity());
      run("linear_combination", {&base, &w, &a, &b, &out}, hd_NoneParams{0});
      for (int64_t i = 0; i < n; i++) exact("base", i, out, base[i]);
      if (n > 2) expect(std::signbit(out[0]), "the sign of -0.0 is lost");
    }
  }
}

// ---- linear_int8 ----
void linear_int8() {
  sweep("linear_int8", 4, [](int dtype, int64_t rows, int64_t n, int option) {
    for (const int64_t outputs : {0, 1, 3, 4, 5, 13}) {
      const bool bias = option & 1;
      const Layout layout = option & 2 ? Layout::padded : Layout::dense;
      Tensor x(dtype, {rows, n}, layout), w(HD_U8, {outputs, n}, layout), scale(HD_F32, {outputs}), b(dtype, {outputs});
      Tensor y(dtype, {rows, outputs}, layout);
      x.random(), scale.random(), b.random();
      for (int64_t i = 0; i < outputs * n; i++) w.set(i, static_cast<double>((i * 37 + 11) % 256));
      run("linear_int8", {&x, &w, &scale, when(bias, b), &y}, hd_NoneParams{0});
      for (int64_t i = 0; i < rows * outputs; i++) {
        double total = 0, size = 0;
        for (int64_t k = 0; k < n; k++) {
          const double term = x[i / outputs * n + k] * (w[i % outputs * n + k] - 128);
          total += term;
          size += std::abs(term);
        }
        const double factor = scale[i % outputs];
        near("y", i, y, total * factor + (bias ? b[i % outputs] : 0), size * std::abs(factor) + 1, 16);
      }
    }
  });
  context = "linear_int8 errors";
  Tensor x(HD_F32, {2, 16}), w(HD_U8, {3, 12}), wide(HD_U8, {3, 16}), scale(HD_F32, {3}), two(HD_F32, {2}), y(HD_F32, {2, 3});
  expect_error("linear_int8", {&x, &w, &scale, nullptr, &y}, hd_NoneParams{0}, "the last dimensions of x and w differ");
  expect_error("linear_int8", {&x, &wide, &two, nullptr, &y}, hd_NoneParams{0}, "scale has 2 elements");
  expect_error("linear_int8", {&x, &x, &scale, nullptr, &y}, hd_NoneParams{0}, "w is f32, expected u8");
}
}  // namespace

int main(int, char** argv) {
  const char* const tiers[] = {"scalar", "v3", "v4", "v4bf16"};
  int (*const simd[])() = {hd::scalar::check_simd, hd::v3::check_simd, hd::v4::check_simd, hd::v4bf16::check_simd};
  const char* tier = std::getenv("HEDDLE_ISA");
  if (tier == nullptr) {
    int bad = 0;
    for (const char* one : tiers) bad += std::system(("HEDDLE_ISA=" + std::string(one) + " '" + argv[0] + "'").c_str()) != 0;
    return bad == 0 ? 0 : 1;
  }
  char description[1024];
  hd_backend_describe(0, reinterpret_cast<hd_address>(description), sizeof description);
  if (std::string(description).find(std::string("HEDDLE_ISA=") + tier + "\"") == std::string::npos) {
    std::printf("tier %s: skipped, this CPU cannot run it\n", tier);
    return 0;
  }
  for (size_t i = 0; i < 4; i++) {
    if (std::string(tier) == tiers[i]) failures += simd[i]();
  }
  norm(), activation(), rotary(), embedding(), dropout(), softmax(), cross_entropy(), binary(), unary(), copy(), copy_exactness(), reduce();
  scalars(), adamw(), linear_combination(), sums_of_a_kind(), rounded_once(), linear_int8(), attention(), merging(), vectors(), recurrent();
  std::printf("tier %s: %d checks, %d failed\n", tier, checks, failures);
  return failures == 0 ? 0 : 1;
}

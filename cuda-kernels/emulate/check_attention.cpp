// Attention and its gradients against the formula in f64.
#include <dlfcn.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "comparisons.h"

namespace {

// Which keys a query sees. Blocks: some blocks of a row hidden, whole, or with one of two masks, other ones in every batch and group of
// heads. Window: of 100 keys for heads of the first group and 40 for the others, and causal.
enum class Pattern { all, blocks, causal, window };

struct Shape {
  int32_t f;
  int64_t B, H, K, T, S, D;
  Pattern pattern;
  bool slopes = false;
  float softcap = 0, dropout = 0;
  int64_t pad_q = 0, pad_k = 0;  // elements between rows
  float scale = 1;               // times 1 / sqrt(D)
  bool turned = false;           // heads lie beside each other in a row: [B, T, H, D] in memory
};

std::string text_of(const Shape& z) {
  constexpr const char* kNames[] = {"all", "blocks", "causal", "window"};
  char text[200];
  std::snprintf(text, sizeof text, "dtype %d B %d H %d/%d T %d S %d D %d %s%s pads %d %d scale %g ", z.f, static_cast<int>(z.B),
                static_cast<int>(z.H), static_cast<int>(z.K), static_cast<int>(z.T), static_cast<int>(z.S), static_cast<int>(z.D),
                kNames[static_cast<int>(z.pattern)], z.turned ? " turned" : "", static_cast<int>(z.pad_q), static_cast<int>(z.pad_k),
                static_cast<double>(z.scale));
  return text;
}

// ---- patterns as lists ----

constexpr int64_t kGroups = 2;  // of heads: even and odd ones

bool sees(const Shape& z, int64_t batch, int64_t group, int64_t i, int64_t j) {
  const int64_t back = i + z.S - z.T - j;
  switch (z.pattern) {
    case Pattern::all:
      return true;
    case Pattern::causal:
      return back >= 0;
    case Pattern::window:
      return back >= 0 && back < (group == 0 ? 100 : 40);
    case Pattern::blocks:
      break;
  }
  const int64_t bi = i / 64, bj = j / 64;
  if ((batch + group + bi + 2 * bj) % 4 == 3) return false;
  const int64_t kind = (batch + 2 * group + bi + bj) % 3, r = i % 64, c = j % 64;
  return kind == 0 || (kind == 1 ? r >= c : r != 5 && (r * 7 + c * 3) % 4 != 0);  // kind 2: a query that sees nothing
}

struct Layout {
  Tensor row_ptr, rows, col_ptr, cols, masks, group;
};

Layout layout_of(const Shape& z) {
  const int64_t nq = (z.T + 63) / 64, nk = (z.S + 63) / 64, L = z.pattern == Pattern::blocks && z.B > 1 ? z.B : 1;
  std::vector<double> row_ptr, rows, col_ptr, cols;
  std::vector<std::vector<uint64_t>> masks = {std::vector<uint64_t>(64, ~uint64_t{0})};
  const auto mask_of = [&](int64_t l, int64_t g, int64_t i, int64_t j) -> int64_t {  // -1: nothing is seen
    std::vector<uint64_t> mask(64);
    bool some = false;
    for (int64_t r = 0; r < 64; r++) {
      for (int64_t c = 0; c < 64; c++) mask[static_cast<size_t>(r)] |= static_cast<uint64_t>(sees(z, l, g, i * 64 + r, j * 64 + c)) << c;
      some = some || mask[static_cast<size_t>(r)] != 0;
    }
    if (!some) return -1;
    for (size_t m = 0; m < masks.size(); m++) {
      if (masks[m] == mask) return static_cast<int64_t>(m);
    }
    masks.push_back(mask);
    return static_cast<int64_t>(masks.size()) - 1;
  };
  const auto put = [](std::vector<double>& list, int64_t block, int64_t mask) {
    if (mask < 0) return;
    list.push_back(static_cast<double>(block));
    list.push_back(static_cast<double>(mask));
  };
  for (int64_t l = 0; l < L; l++) {
    for (int64_t g = 0; g < kGroups; g++) {
      for (int64_t i = 0; i <= nq; i++) {
        row_ptr.push_back(static_cast<double>(rows.size() / 2));
        for (int64_t j = 0; j < nk && i < nq; j++) put(rows, j, mask_of(l, g, i, j));
      }
      for (int64_t j = 0; j <= nk; j++) {
        col_ptr.push_back(static_cast<double>(cols.size() / 2));
        for (int64_t i = 0; i < nq && j < nk; i++) put(cols, i, mask_of(l, g, i, j));
      }
    }
  }
  const auto list = [](const std::vector<double>& values, std::vector<int64_t> shape) {
    return make(HD_I32, std::move(shape), 0, [&](int64_t i) { return values[static_cast<size_t>(i)]; });
  };
  Layout y;
  y.row_ptr = list(row_ptr, {L, kGroups, nq + 1}), y.rows = list(rows, {static_cast<int64_t>(rows.size() / 2), 2});
  y.col_ptr = list(col_ptr, {L, kGroups, nk + 1}), y.cols = list(cols, {static_cast<int64_t>(cols.size() / 2), 2});
  y.masks = make(HD_I64, {static_cast<int64_t>(masks.size()), 64});
  for (size_t m = 0; m < masks.size(); m++) std::memcpy(reinterpret_cast<uint64_t*>(y.masks->t.data) + m * 64, masks[m].data(), 512);
  y.group = make(HD_I32, {z.H}, 0, [](int64_t h) { return static_cast<double>(h % kGroups); });
  return y;
}

// ---- the formula ----

void philox(uint32_t c[4], uint64_t seed) {
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int r = 0; r < 10; r++) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0], b = uint64_t{0xCD9E8D57u} * c[2];
    const uint32_t c1 = c[1], c3 = c[3];
    c[0] = static_cast<uint32_t>(b >> 32) ^ c1 ^ k0, c[1] = static_cast<uint32_t>(b), c[2] = static_cast<uint32_t>(a >> 32) ^ c3 ^ k1,
    c[3] = static_cast<uint32_t>(a);
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
}

// [B, heads, rows, D] without gaps.
std::vector<double> dense(const Tensor& x) {
  std::vector<double> y;
  const int64_t* n = x->t.shape;
  y.reserve(static_cast<size_t>(n[0] * n[1] * n[2] * n[3]));
  for (int64_t b = 0; b < n[0]; b++) {
    for (int64_t h = 0; h < n[1]; h++) {
      for (int64_t r = 0; r < n[2]; r++) {
        for (int64_t d = 0; d < n[3]; d++) y.push_back(x->at({b, h, r, d}));
      }
    }
  }
  return y;
}
void put_dense(const Tensor& x, const std::vector<double>& y) {
  const int64_t* n = x->t.shape;
  size_t i = 0;
  for (int64_t b = 0; b < n[0]; b++) {
    for (int64_t h = 0; h < n[1]; h++) {
      for (int64_t r = 0; r < n[2]; r++) {
        for (int64_t d = 0; d < n[3]; d++) {
          const int64_t at = b * x->t.stride[0] + h * x->t.stride[1] + r * x->t.stride[2] + d * x->t.stride[3];
          set(reinterpret_cast<char*>(x->t.data) + at * bytes_of(x->t.dtype), x->t.dtype, y[i++]);
        }
      }
    }
  }
}

double dot(const double* a, const double* b, int64_t n) {
  double x = 0;
  for (int64_t i = 0; i < n; i++) x += a[i] * b[i];
  return x;
}
void add(double* to, double factor, const double* x, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] += factor * x[i];
}

struct Result {
  std::vector<double> o, lse, dq, dk, dv;
};

Result formula(const Shape& z, double scale, const std::vector<double>& q, const std::vector<double>& k, const std::vector<double>& v,
               const std::vector<double>& d_o, const Tensor& slopes) {
  Result y;
  y.o.resize(q.size()), y.dq.resize(q.size()), y.dk.resize(k.size()), y.dv.resize(k.size());
  const auto S = static_cast<size_t>(z.S);
  std::vector<double> w(S), chain(S), keep(S), dp(S);
  const bool per_batch = z.pattern == Pattern::blocks && z.B > 1;
  for (int64_t row = 0; row < z.B * z.H * z.T; row++) {
    const int64_t t = row % z.T, h = row / z.T % z.H, b = row / z.T / z.H;
    const int64_t keys = (b * z.K + h / (z.H / z.K)) * z.S * z.D;
    const double *q_row = &q[static_cast<size_t>(row * z.D)], *do_row = &d_o[static_cast<size_t>(row * z.D)];
    double top = -INFINITY, total = 0;
    for (int64_t s = 0; s < z.S; s++) {
      const auto i = static_cast<size_t>(s);
      double x = dot(q_row, &k[static_cast<size_t>(keys + s * z.D)], z.D) * scale;
      chain[i] = scale;
      if (z.softcap > 0) {
        const double c = static_cast<double>(z.softcap), th = std::tanh(x / c);
        x = c * th;
        chain[i] *= 1 - th * th;
      }
      if (z.slopes) x -= slopes->at({h}) * std::fabs(static_cast<double>(t + z.S - z.T - s));
      w[i] = sees(z, per_batch ? b : 0, h % kGroups, t, s) ? x : -INFINITY;
      top = std::max(top, w[i]);
      uint32_t c[4] = {static_cast<uint32_t>(s / 4), static_cast<uint32_t>(t), static_cast<uint32_t>(b * z.H + h), 9};
      if (z.dropout > 0) philox(c, 0x5eed);
      keep[i] = z.dropout == 0 || c[s % 4] >= static_cast<double>(z.dropout) * 4294967296.0 ? 1 / (1 - static_cast<double>(z.dropout)) : 0;
    }
    for (double& x : w) {
      x = top == -INFINITY ? 0 : std::exp(x - top);
      total += x;
    }
    y.lse.push_back(total == 0 ? -INFINITY : top + std::log(total));
    double* const o = &y.o[static_cast<size_t>(row * z.D)];
    double delta = 0;
    for (size_t i = 0; i < S; i++) {
      const double* v_row = &v[static_cast<size_t>(keys) + i * static_cast<size_t>(z.D)];
      w[i] = total == 0 ? 0 : w[i] / total;
      add(o, w[i] * keep[i], v_row, z.D);
      dp[i] = dot(do_row, v_row, z.D);
    }
    delta = dot(o, do_row, z.D);
    for (size_t i = 0; i < S; i++) {
      const size_t at = static_cast<size_t>(keys) + i * static_cast<size_t>(z.D);
      const double ds = w[i] * (dp[i] * keep[i] - delta) * chain[i];
      add(&y.dq[static_cast<size_t>(row * z.D)], ds, &k[at], z.D);
      add(&y.dk[at], ds, q_row, z.D);
      add(&y.dv[at], w[i] * keep[i], do_row, z.D);
    }
  }
  return y;
}

// ---- the comparison ----

int64_t products() {
  static const auto count = [] {
    void* plugin = dlopen(std::getenv("HD_CUDA_LIBRARY"), RTLD_LAZY | RTLD_NOLOAD);
    return plugin == nullptr ? nullptr : reinterpret_cast<int64_t (*)()>(dlsym(plugin, "emulated_product_count"));
  }();
  return count == nullptr ? 0 : count();
}

// The op on the emulated GPU, on the kernels it should run on.
std::vector<Tensor> run_attention(const char* op, const hd_AttentionParams& p, const std::vector<Tensor>& tensors, bool taken,
                                  const std::string& what) {
  const int64_t before = products();
  auto after = run_on(gpu, 0, op, &p, sizeof p, tensors);
  if (taken != (products() > before)) {
    failures++;
    std::printf("FAIL %s %s: Hopper's kernels %s this call\n", op, what.c_str(), taken ? "left" : "took");
  }
  return after;
}

// taken: whether Hopper's kernels are to run both ops
void attention(const Shape& z, bool taken) {
  const hd_AttentionParams p{0x5eed, 9, z.scale * static_cast<float>(1 / std::sqrt(static_cast<double>(z.D))), z.softcap, z.dropout, 0};
  const auto of = [&](int64_t heads, int64_t rows, int64_t pad) {
    if (!z.turned) return make(z.f, {z.B, heads, rows, z.D}, pad);
    const Tensor x = make(z.f, {z.B, rows, heads, z.D}, pad);
    std::swap(x->t.shape[1], x->t.shape[2]);
    std::swap(x->t.stride[1], x->t.stride[2]);
    return x;
  };
  const auto like_q = [&] { return of(z.H, z.T, z.pad_q); };
  const auto like_k = [&] { return of(z.K, z.S, z.pad_k); };
  const Tensor q = like_q(), k = like_k(), v = like_k(), d_o = like_q(), lse = make(HD_F32, {z.B, z.H, z.T});
  const Layout y = z.pattern == Pattern::all ? Layout{} : layout_of(z);
  Tensor slopes;
  if (z.slopes) slopes = make(HD_F32, {z.H}, 0, [](int64_t h) { return 0.01 * static_cast<double>(h + 1); });
  const Tensor o0 = like_q(), dq0 = like_q(), dk0 = like_k(), dv0 = like_k();
  const std::string what = text_of(z);
  const auto forward =
      run_attention("attention_fwd", p, {q, k, v, y.row_ptr, y.rows, y.masks, y.group, slopes, nullptr, o0, lse}, taken, what);
  if (forward.empty()) return;
  const Tensor o = twin(forward[9], -1), l = twin(forward[10], -1), dq = twin(dq0, -1), dk = twin(dk0, -1), dv = twin(dv0, -1);
  const Result r = formula(z, static_cast<double>(p.scale), dense(q), dense(k), dense(v), dense(d_o), slopes);
  put_dense(o, r.o), put_dense(dq, r.dq), put_dense(dk, r.dk), put_dense(dv, r.dv);
  for (size_t i = 0; i < r.lse.size(); i++) reinterpret_cast<float*>(l->t.data)[i] = static_cast<float>(r.lse[i]);
  const double tolerance = z.f == HD_F32 ? 5e-5 : z.f == HD_F16 ? 4e-3 : 3e-2;
  compare("attention_fwd", what + "o", *o, *forward[9], tolerance);
  compare("attention_fwd", what + "lse", *l, *forward[10], 5e-5);
  const auto backward = run_attention(
      "attention_bwd", p,
      {q, k, v, forward[9], forward[10], d_o, y.row_ptr, y.rows, y.col_ptr, y.cols, y.masks, y.group, slopes, nullptr, dq0, dk0, dv0},
      taken, what);
  if (backward.empty() || z.scale > 1) return;  // o is rounded before delta is formed of it, and the scale multiplies that: noise
  compare("attention_bwd", what + "dq", *dq, *backward[14], tolerance);
  compare("attention_bwd", what + "dk", *dk, *backward[15], tolerance);
  compare("attention_bwd", what + "dv", *dv, *backward[16], tolerance);
}
}  // namespace

// Head sizes on both sides of every tile width and of a 16-byte chunk, S and T across block edges, rows that see nothing (a list without
// entries, and a row of a mask), rows that are not aligned, and all options in turn.
void check_attention(int64_t only) {
  const auto run = [&](const Shape& z) {
    if (only == 0 || z.D == only) attention(z, false);
  };
  const auto all = Pattern::all, blocks = Pattern::blocks;
  run({HD_F32, 1, 1, 1, 64, 64, 64, all});
  run({HD_F32, 2, 4, 2, 130, 200, 24, blocks, true, 0, 0.2f});
  run({HD_F32, 1, 2, 1, 65, 64, 256, blocks, false, 0, 0.1f});
  for (const int32_t f : {HD_BF16, HD_F16}) {
    run({f, 1, 1, 1, 64, 64, 64, all});
    run({f, 1, 2, 2, 1, 65, 37, blocks, true, 2.0f, 0.5f, 1, 0});
    run({f, 2, 2, 1, 70, 129, 80, blocks, false, 5.0f, 0, 0, 8});
    run({f, 1, 4, 2, 200, 330, 128, blocks});
    run({f, 2, 6, 2, 200, 63, 64, blocks, true, 0, 0.2f});
    run({f, 1, 2, 1, 129, 63, 256, blocks, false, 0, 0.1f});
    run({f, 1, 1, 1, 66, 190, 200, blocks, true, 3.0f, 0});
  }
  for (const int64_t d : {1, 8, 15, 16, 17, 63, 65, 96, 127, 129, 255})
    run({HD_BF16, 1, 2, 1, 67, 70, d, d % 2 == 0 ? blocks : all, false, 0, 0, d % 3, d % 5});
  run({HD_BF16, 1, 2, 1, 65, 130, 64, blocks, false, 0, 0, 3, 24});
  run({HD_BF16, 1, 1, 1, 40, 200, 64, blocks, false, 0, 0, 0, 0, 300.0f});  // scores of some hundreds: nearly one key per query
  run({HD_BF16, 1, 1, 1, 40, 100, 128, blocks, false, 0, 0, 0, 0, -1.0f});
  run({HD_BF16, 1, 1, 1, 5, 0, 64, all});
  run({HD_BF16, 1, 1, 1, 0, 5, 64, all});
  run({HD_BF16, 1, 4, 2, 200, 260, 64, Pattern::window, false, 0, 0, 8, 0, 1, true});
}

// Every head size of Hopper's kernels, in both types, and head sizes between them; items of one and of several units, with heads that
// share keys and without; more items than blocks of the grid and fewer; rows and columns that nobody sees; views of a packed product; calls
// that they must leave to the portable kernels.
void check_hopper(int64_t only) {
  const auto run = [&](const Shape& z, bool taken = true) {
    if (only == 0 || z.D == only) attention(z, taken);
  };
  const auto all = Pattern::all, blocks = Pattern::blocks, causal = Pattern::causal, window = Pattern::window;
  for (const int32_t f : {HD_BF16, HD_F16}) {
    for (const int64_t d : {64, 128, 256}) {
      run({f, 1, 1, 1, 64, 64, d, all});
      run({f, 2, 4, 2, 200, 330, d, blocks});
      run({f, 1, 2, 2, 150, 150, d, causal});
    }
  }
  for (const int64_t d : {64, 128, 256}) {
    run({HD_BF16, 1, 4, 1, 400, 400, d, causal});
    run({HD_BF16, 2, 4, 2, 300, 300, d, window, false, 0, 0, 8, 0, 1, true});
    run({HD_BF16, 2, 3, 3, 65, 129, d, all, false, 0, 0, 8, 24});
    run({HD_BF16, 1, 8, 1, 1, 200, d, causal});
    run({HD_BF16, 1, 1, 1, 330, 40, d, blocks});
    run({HD_BF16, 6, 4, 4, 60, 60, d, all});      // many items of one step: tiles change hands often
    run({HD_BF16, 1, 2, 1, 200, 70, d, causal});  // the first queries see nothing
  }
  for (const int64_t d : {8, 40, 80, 96, 136, 200, 248}) run({HD_BF16, 1, 2, 1, 67, 130, d, blocks, false, 0, 0, 0, 8});
  run({HD_BF16, 1, 1, 1, 40, 200, 64, blocks, false, 0, 0, 0, 0, 300.0f});  // scores of some hundreds: nearly one key per query
  run({HD_F16, 1, 1, 1, 40, 330, 128, all, false, 0, 0, 0, 0, 100.0f});
  run({HD_BF16, 1, 2, 1, 65, 130, 64, blocks, false, 0, 0, 3, 0}, false);  // rows that the copy engine cannot read
  run({HD_BF16, 1, 2, 1, 67, 70, 37, all}, false);
  run({HD_BF16, 1, 2, 1, 70, 129, 64, blocks, false, 5.0f, 0}, false);
  run({HD_BF16, 1, 2, 1, 70, 129, 64, all, true}, false);
  run({HD_BF16, 1, 2, 1, 70, 129, 64, all, false, 0, 0.2f}, false);
  run({HD_BF16, 1, 1, 1, 40, 100, 128, blocks, false, 0, 0, 0, 0, -1.0f}, false);
  run({HD_F32, 1, 2, 1, 70, 129, 64, blocks}, false);
}

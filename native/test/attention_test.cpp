// Attention forward and backward against the formulas in doubles: lengths around the tile, head sizes around the vector, every kind of
// block list, softcap, ALiBi, dropout, shared key heads; between guard pages, on one thread (whole heads) and two (two passes).
#include "kernel_case.h"

using namespace test;

namespace {
constexpr int64_t kBlock = 64;
constexpr double kMinusInf = -std::numeric_limits<double>::infinity();

struct Shape {
  int64_t B, H, K, T, S, D;
};

enum class Mask { none, causal, window, random, per_head };

// Block lists of a mask, and the mask itself pair by pair.
class Lists {
 public:
  Lists(Mask kind, const Shape& s)
      : shape_(s), groups_(kind == Mask::per_head ? 2 : 1), seen_(static_cast<size_t>(groups_ * s.T * s.S), 1) {
    if (kind == Mask::none) return;
    for (int64_t g = 0; g < groups_; g++) {
      for (int64_t q = 0; q < s.T; q++) {
        for (int64_t k = 0; k < s.S; k++) {
          const int64_t distance = q + s.S - s.T - k;
          bool sees = distance >= 0;
          if (kind == Mask::window) sees = sees && distance < 40;
          if (kind == Mask::random) sees = (q / kBlock + k / kBlock) % 3 != 0 && (q % 5 == 0 ? uniform() > 0.8 : uniform() > -0.5);
          if (kind == Mask::per_head) sees = g == 0 ? k < 70 : q % 7 != 3 && k % 2 == 0;
          seen_[static_cast<size_t>((g * s.T + q) * s.S + k)] = sees;
        }
      }
    }
    compile();
  }

  bool sees(int64_t h, int64_t q, int64_t k) const {
    return seen_[static_cast<size_t>(((groups_ == 2 ? h % 2 : 0) * shape_.T + q) * shape_.S + k)];
  }
  Tensor* row_ptr() { return row_ptr_.get(); }
  Tensor* row_blocks() { return rows_.get(); }
  Tensor* col_ptr() { return col_ptr_.get(); }
  Tensor* col_blocks() { return columns_.get(); }
  Tensor* masks() { return masks_.get(); }
  Tensor* group() { return group_.get(); }

 private:
  void compile() {
    const Shape& s = shape_;
    const int64_t nq = (s.T + kBlock - 1) / kBlock, nk = (s.S + kBlock - 1) / kBlock;
    std::vector<std::vector<uint64_t>> masks(1, std::vector<uint64_t>(kBlock, ~uint64_t{0}));
    std::vector<int64_t> id(static_cast<size_t>(groups_ * nq * nk), -1);
    for (int64_t at = 0; at < groups_ * nq * nk; at++) {
      const int64_t g = at / nk / nq, i = at / nk % nq, j = at % nk;
      std::vector<uint64_t> words(kBlock, 0);
      bool any = false, all = true;
      for (int64_t q = 0; q < kBlock && i * kBlock + q < s.T; q++) {
        for (int64_t k = 0; k < kBlock && j * kBlock + k < s.S; k++) {
          const bool sees = seen_[static_cast<size_t>((g * s.T + i * kBlock + q) * s.S + j * kBlock + k)];
          any = any || sees, all = all && sees;
          words[static_cast<size_t>(q)] |= static_cast<uint64_t>(sees) << k;
        }
      }
      if (!any) continue;
      id[static_cast<size_t>(at)] = all ? 0 : static_cast<int64_t>(masks.size());
      if (!all) masks.push_back(words);
    }
    row_ptr_ = std::make_unique<Tensor>(HD_I32, std::vector<int64_t>{1, groups_, nq + 1});
    col_ptr_ = std::make_unique<Tensor>(HD_I32, std::vector<int64_t>{1, groups_, nk + 1});
    rows_ = entries(*row_ptr_, nq, nk, [&](int64_t g, int64_t i, int64_t j) { return id[static_cast<size_t>((g * nq + i) * nk + j)]; });
    columns_ = entries(*col_ptr_, nk, nq, [&](int64_t g, int64_t j, int64_t i) { return id[static_cast<size_t>((g * nq + i) * nk + j)]; });
    masks_ = std::make_unique<Tensor>(HD_I64, std::vector<int64_t>{static_cast<int64_t>(masks.size()), kBlock});
    for (size_t m = 0; m < masks.size(); m++) {
      for (size_t q = 0; q < kBlock; q++) std::memcpy(masks_->at(static_cast<int64_t>(m * kBlock + q)), &masks[m][q], 8);
    }
    group_ = std::make_unique<Tensor>(HD_I32, std::vector<int64_t>{s.H});
    for (int64_t h = 0; h < s.H; h++) group_->set(h, groups_ == 2 ? static_cast<double>(h % 2) : 0);
  }
  template <class Id>
  std::unique_ptr<Tensor> entries(Tensor& ptr, int64_t outer, int64_t inner, const Id& id) const {
    std::vector<int64_t> list;
    for (int64_t g = 0; g < groups_; g++) {
      for (int64_t i = 0; i < outer; i++) {
        ptr.set(g * (outer + 1) + i, static_cast<double>(list.size() / 2));
        for (int64_t j = 0; j < inner; j++) {
          if (id(g, i, j) >= 0) list.insert(list.end(), {j, id(g, i, j)});
        }
        ptr.set(g * (outer + 1) + i + 1, static_cast<double>(list.size() / 2));
      }
    }
    auto made = std::make_unique<Tensor>(HD_I32, std::vector<int64_t>{static_cast<int64_t>(list.size() / 2), 2});
    for (size_t e = 0; e < list.size(); e++) made->set(static_cast<int64_t>(e), static_cast<double>(list[e]));
    return made;
  }

  const Shape shape_;
  const int64_t groups_;
  std::vector<char> seen_;
  std::unique_ptr<Tensor> row_ptr_, col_ptr_, rows_, columns_, masks_, group_;
};

struct Options {
  bool softcap, slopes, dropout, padded;
};

void check(int dtype, const Shape& s, Mask kind, const Options& option) {
  const Layout layout = option.padded ? Layout::padded : Layout::dense;
  const std::vector<int64_t> queries = {s.B, s.H, s.T, s.D}, keys = {s.B, s.K, s.S, s.D};
  Tensor q(dtype, queries, layout), k(dtype, keys, layout), v(dtype, keys, layout), o(dtype, queries, layout), lse(HD_F32, {s.B, s.H, s.T});
  Tensor g(dtype, queries, layout), dq(dtype, queries, layout), dk(dtype, keys, layout), dv(dtype, keys, layout), slopes(HD_F32, {s.H});
  q.random(2), k.random(2), v.random(), g.random(), slopes.random(0.1, 0.2);
  Lists lists(kind, s);
  const float scale = (option.slopes ? -1.0f : 1.0f) / std::sqrt(static_cast<float>(s.D));
  const hd_AttentionParams p{
      static_cast<int64_t>(0x9234567812345678u), 7, scale, option.softcap ? 1.5f : 0.0f, option.dropout ? 0.3f : 0.0f, 0};
  Tensor* slope = option.slopes ? &slopes : nullptr;
  run("attention_fwd", {&q, &k, &v, lists.row_ptr(), lists.row_blocks(), lists.masks(), lists.group(), slope, nullptr, &o, &lse}, p);
  run("attention_bwd",
      {&q, &k, &v, &o, &lse, &g, lists.row_ptr(), lists.row_blocks(), lists.col_ptr(), lists.col_blocks(), lists.masks(), lists.group(),
       slope, nullptr, &dq, &dk, &dv},
      p);
  std::vector<double> want_dq(static_cast<size_t>(q.count())), want_dk(static_cast<size_t>(k.count())), want_dv(want_dk.size());
  const std::vector<double> q0 = q.values(), k0 = k.values(), v0 = v.values(), g0 = g.values(), o0 = o.values();
  // 16-bit weights and gradients of scores are rounded on the way: a share of the unit of the type per term, which average out.
  const double unit = std::max(epsilon(dtype), 1e-6), size = 8 * unit;
  for (int64_t b = 0; b < s.B; b++) {
    for (int64_t h = 0; h < s.H; h++) {
      const int64_t hk = h / (s.H / s.K);
      for (int64_t t = 0; t < s.T; t++) {
        const size_t row = static_cast<size_t>(((b * s.H + h) * s.T + t) * s.D);
        const auto key = [&](int64_t c) { return static_cast<size_t>(((b * s.K + hk) * s.S + c) * s.D); };
        std::vector<double> x(static_cast<size_t>(s.S), kMinusInf), factor(x.size(), 0), keep(x.size(), 1);
        double top = kMinusInf, total = 0;
        for (int64_t c = 0; c < s.S; c++) {
          const size_t i = static_cast<size_t>(c);
          if (!lists.sees(h, t, c)) continue;
          double dot = 0;
          for (size_t d = 0; d < static_cast<size_t>(s.D); d++) dot += q0[row + d] * k0[key(c) + d];
          dot *= static_cast<double>(scale);
          factor[i] = 1;
          if (option.softcap) {
            const double th = std::tanh(dot / 1.5);
            dot = 1.5 * th;
            factor[i] = 1 - th * th;
          }
          if (option.slopes) dot -= slopes[h] * static_cast<double>(std::llabs(t + s.S - s.T - c));
          x[i] = dot;
          top = std::max(top, dot);
          if (option.dropout) {
            uint32_t word[] = {static_cast<uint32_t>(c / 4), static_cast<uint32_t>(t), static_cast<uint32_t>(b * s.H + h), 7};
            philox(word, 0x12345678, 0x92345678);
            keep[i] = word[c % 4] >= static_cast<double>(p.dropout) * 4294967296.0 ? 1 / (1 - static_cast<double>(p.dropout)) : 0;
          }
        }
        for (double e : x) total += e == kMinusInf ? 0 : std::exp(e - top);
        std::vector<double> out(static_cast<size_t>(s.D), 0);
        double delta = 0;
        for (size_t d = 0; d < out.size(); d++) delta += g0[row + d] * o0[row + d];
        for (int64_t c = 0; c < s.S && total > 0; c++) {
          const size_t i = static_cast<size_t>(c);
          const double weight = x[i] == kMinusInf ? 0 : std::exp(x[i] - top) / total;
          double dp = 0;
          for (size_t d = 0; d < out.size(); d++) {
            out[d] += weight * keep[i] * v0[key(c) + d];
            dp += g0[row + d] * v0[key(c) + d];
            want_dv[key(c) + d] += weight * keep[i] * g0[row + d];
          }
          const double ds = weight * (dp * keep[i] - delta) * factor[i] * static_cast<double>(scale);
          for (size_t d = 0; d < out.size(); d++) {
            want_dq[row + d] += ds * k0[key(c) + d];
            want_dk[key(c) + d] += ds * q0[row + d];
          }
        }
        const int64_t line = (b * s.H + h) * s.T + t;
        close("lse", line, lse[line], total > 0 ? top + std::log(total) : kMinusInf, 4e-6 * (1 + std::fabs(top)));
        for (int64_t d = 0; d < s.D; d++) close("o", line * s.D + d, o[line * s.D + d], out[static_cast<size_t>(d)], size);
      }
    }
  }
  for (int64_t i = 0; i < dq.count(); i++) close("dq", i, dq[i], want_dq[static_cast<size_t>(i)], 2 * size);
  const double share = std::sqrt(static_cast<double>(s.H / s.K * (1 + s.T / 16)));  // queries that add up in a key
  for (int64_t i = 0; i < dk.count(); i++) close("dk", i, dk[i], want_dk[static_cast<size_t>(i)], 2 * size * share);
  for (int64_t i = 0; i < dv.count(); i++) close("dv", i, dv[i], want_dv[static_cast<size_t>(i)], size * share);
}
}  // namespace

void attention() {
  const Shape shapes[] = {{1, 1, 1, 64, 64, 64},  {1, 3, 3, 100, 100, 32}, {2, 2, 1, 1, 77, 16}, {1, 4, 2, 65, 130, 40},
                          {1, 1, 1, 17, 3, 8},    {1, 2, 2, 128, 64, 80},  {1, 1, 1, 33, 63, 7}, {1, 1, 1, 70, 129, 2},
                          {1, 2, 1, 66, 66, 256}, {1, 1, 1, 16, 200, 1}};
  const Options options[] = {
      {false, false, false, false}, {true, false, false, true}, {false, true, true, false}, {true, true, true, true}};
  for (const int dtype : {HD_F32, HD_BF16, HD_F16}) {
    for (const Shape& s : shapes) {
      for (const Mask kind : {Mask::none, Mask::causal, Mask::window, Mask::random, Mask::per_head}) {
        for (const Options& option : options) {
          context = "attention dtype " + std::to_string(dtype) + " B" + std::to_string(s.B) + " H" + std::to_string(s.H) + " K" +
                    std::to_string(s.K) + " T" + std::to_string(s.T) + " S" + std::to_string(s.S) + " D" + std::to_string(s.D) + " mask " +
                    std::to_string(static_cast<int>(kind)) + (option.softcap ? " softcap" : "") + (option.slopes ? " slopes" : "") +
                    (option.dropout ? " dropout" : "");
          check(dtype, s, kind, option);
        }
      }
    }
  }
}

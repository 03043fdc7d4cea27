// attention_bwd: gradients of attention_fwd by tiles, scores recomputed from q, k and lse (Dao, FlashAttention-2, 2023, algorithm 2).
//
// With P = exp(score - lse) (dropped and kept weights alike), D = rowsum(do * o), keep = the dropout factors:
//   dv = (P keep)^T do,   dP = (do v^T) keep,   ds = P (dP - D) softcap',   dq = scale ds k,   dk = scale ds^T q.
// Work: two passes, so that no two tasks write the same memory and the order of every sum is that of a list: one task per block of
// queries walks its keys for dq, one per (key head, block of keys) walks the queries of all its query heads for dk and dv.
// Numerics: f32 throughout. Cost: 14 D FLOP per pair seen (7 products instead of 5, the price of two passes). Deterministic.
#include <cstdlib>

#include "cpu/kernels.h"
#include "kernels/attention.h"

namespace hd::HD_TIER {
namespace {

struct Gradient {
  const Call& call;
  const Attention& a;
  const Layout& rows;
  const Layout& columns;
};

// Scratch of a task; all tiles [64][row] but the four of scores [64][64].
struct Tiles {
  float *q, *k, *v, *g, *t1, *out1, *out2, *s, *ds, *cap, *keep, *lse, *delta;

  Tiles(float* memory, const Attention& a) {
    float** const wide[] = {&q, &k, &v, &g, &t1, &out1, &out2};
    for (float** part : wide) {
      *part = memory;
      memory += kBlock * a.row;
    }
    float** const square[] = {&s, &ds, &cap, &keep};
    for (float** part : square) {
      *part = memory;
      memory += kBlock * kBlock;
    }
    lse = memory;
    delta = memory + kBlock;
  }
  static int64_t bytes(const Attention& a) { return (7 * kBlock * a.row + 4 * kBlock * kBlock + 2 * kBlock) * 4; }
};

template <class T>
void load_queries(Tiles& x, const Gradient& g, int64_t b, int64_t h, int64_t q0) {
  const hd_tensor &q = *g.call.t[0], &o = *g.call.t[3], &lse = *g.call.t[4], &dout = *g.call.t[5];
  const int64_t rows = least(kBlock, g.a.T - q0);
  load_tile(x.q, head_at<T>(q, b, h, q0), q.stride[2], rows, g.a, g.a.p.scale);
  load_tile(x.g, head_at<T>(dout, b, h, q0), dout.stride[2], rows, g.a, 1);
  load_tile(x.t1, head_at<T>(o, b, h, q0), o.stride[2], rows, g.a, 1);
  for (int64_t r = 0; r < kBlock; r++) {
    vf total = {};
    for (int64_t d = 0; d < g.a.row; d += kLanes) total = fma(load(x.g + r * g.a.row + d), load(x.t1 + r * g.a.row + d), total);
    x.delta[r] = sum(total);
    auto from = reinterpret_cast<const float*>(lse.data) + b * lse.stride[0] + h * lse.stride[1];
    x.lse[r] = r < rows ? from[(q0 + r) * lse.stride[2]] : kMinusInf;
  }
}

template <class T>
void load_keys(Tiles& x, const Gradient& g, int64_t b, int64_t hk, int64_t k0) {
  const hd_tensor &k = *g.call.t[1], &v = *g.call.t[2];
  const int64_t keys = least(kBlock, g.a.S - k0);
  load_tile(x.k, head_at<T>(k, b, hk, k0), k.stride[2], keys, g.a, 1);
  load_tile(x.v, head_at<T>(v, b, hk, k0), v.stride[2], keys, g.a, 1);
}

// s = P keep (what multiplied v), ds = the gradient of the scaled products, for the queries and keys in x.
void score_tile(Tiles& x, const Attention& a, const Place& at, const uint64_t* mask) {
  transpose_tile(x.t1, x.k, a);
  multiply_tile<false>(x.s, kBlock, x.q, a.row, x.t1, kBlock, a.D, kBlock);
  finish_scores(x.s, x.cap, a, at, mask);
  transpose_tile(x.t1, x.v, a);
  multiply_tile<false>(x.ds, kBlock, x.g, a.row, x.t1, kBlock, a.D, kBlock);
  const bool drop = a.p.dropout > 0;
  if (drop) dropout_tile(x.keep, a, at);
  for (int64_t r = 0; r < kBlock; r++) {
    const float base = x.lse[r] == kMinusInf ? 0 : x.lse[r] * kLog2e;
    for (int64_t c = 0; c < kBlock; c += kLanes) {
      const int64_t i = r * kBlock + c;
      const vf score = load(x.s + i);
      // A row that saw nothing has lse -inf: all its scores are -inf and all its weights 0.
      const vf p = exp2(score * kLog2e - base);
      vf dp = load(x.ds + i);
      vf kept = p;
      if (drop) {
        dp = dp * load(x.keep + i);
        kept = p * load(x.keep + i);
      }
      vf ds = p * (dp - x.delta[r]);
      if (a.p.softcap > 0) ds = p > 0.0f ? ds * load(x.cap + i) : vf{};
      store(x.s + i, kept);
      store(x.ds + i, ds);
    }
  }
}

void transpose_square(float* x) {
  for (int64_t r = 0; r < kBlock; r++) {
    for (int64_t c = 0; c < r; c++) std::swap(x[r * kBlock + c], x[c * kBlock + r]);
  }
}

template <class T>
void store_rows(const hd_tensor& to, const float* tile, const Attention& a, int64_t b, int64_t h, int64_t from, int64_t rows, float scale) {
  for (int64_t r = 0; r < rows; r++) {
    T* out = head_out<T>(to, b, h, from + r);
    for (int64_t d = 0; d < a.D; d += kLanes) {
      const vf y = load(tile + r * a.row + d) * scale;
      const int n = static_cast<int>(least(kLanes, a.D - d));
      n == kLanes ? store(out + d, y) : store_n(out + d, y, n);
    }
  }
}

template <class T>
void query_gradient(const Gradient& g, int64_t b, int64_t h, int64_t i) {
  const Attention& a = g.a;
  Tiles x(static_cast<float*>(workspace(Tiles::bytes(a))), a);
  const int64_t q0 = i * kBlock, hk = h / (a.H / a.K);
  load_queries<T>(x, g, b, h, q0);
  for (int64_t e = 0; e < kBlock * a.row; e++) x.out1[e] = 0;
  const BlockList list(g.rows, b, h, i, a.k_blocks());
  for (int64_t e = list.begin(); e < list.end(); e++) {
    const Entry entry = list.at(e);
    load_keys<T>(x, g, b, hk, entry.block * kBlock);
    score_tile(x, a, {b, h, q0, entry.block * kBlock}, entry.mask);
    multiply_tile<true>(x.out1, a.row, x.ds, kBlock, x.k, a.row, kBlock, a.row);
  }
  const int64_t first_output = 13;
  store_rows<T>(*g.call.t[first_output], x.out1, a, b, h, q0, least(kBlock, a.T - q0), a.p.scale);
}

template <class T>
void key_gradient(const Gradient& g, int64_t b, int64_t hk, int64_t j) {
  const Attention& a = g.a;
  Tiles x(static_cast<float*>(workspace(Tiles::bytes(a))), a);
  const int64_t k0 = j * kBlock, keys = least(kBlock, a.S - k0), share = a.H / a.K;
  load_keys<T>(x, g, b, hk, k0);
  for (int64_t e = 0; e < kBlock * a.row; e++) x.out1[e] = x.out2[e] = 0;
  for (int64_t h = hk * share; h < (hk + 1) * share; h++) {
    const BlockList list(g.columns, b, h, j, a.q_blocks());
    for (int64_t e = list.begin(); e < list.end(); e++) {
      const Entry entry = list.at(e);
      const int64_t q0 = entry.block * kBlock;
      load_queries<T>(x, g, b, h, q0);
      score_tile(x, a, {b, h, q0, k0}, entry.mask);
      transpose_square(x.s);
      transpose_square(x.ds);
      multiply_tile<true>(x.out2, a.row, x.s, kBlock, x.g, a.row, kBlock, a.row);
      multiply_tile<true>(x.out1, a.row, x.ds, kBlock, x.q, a.row, kBlock, a.row);  // x.q holds scale * q
    }
  }
  store_rows<T>(*g.call.t[14], x.out1, a, b, hk, k0, keys, 1);
  store_rows<T>(*g.call.t[15], x.out2, a, b, hk, k0, keys, 1);
}

}  // namespace

hd_status attention_bwd(const Call& call) {
  Attention a;
  const hd_tensor* const* t = call.t;
  const Layout rows = {t[6], t[7], t[10], t[11]}, columns = {t[8], t[9], t[10], t[11]};
  if (hd_status status = check_attention(call, t[3], t[4], rows, t[12], a); status != HD_OK) return status;
  if ((rows.ptr == nullptr) != (columns.ptr == nullptr)) return fail(HD_INVALID, "row and column lists of a layout go together");
  if (rows.ptr != nullptr && (rows.ptr->shape[2] != a.q_blocks() + 1 || columns.ptr->shape[2] != a.k_blocks() + 1)) {
    return fail(HD_INVALID, "the layout is for other lengths than %lld queries and %lld keys", static_cast<long long>(a.T),
                static_cast<long long>(a.S));
  }
  const int32_t like[][2] = {{5, 0}, {13, 0}, {14, 1}, {15, 1}};
  for (const auto& pair : like) {
    const hd_tensor &x = *t[pair[0]], &y = *t[pair[1]];
    bool same = x.rank == 4 && x.dtype == y.dtype && (x.stride[3] == 1 || a.D == 1);
    for (int d = 0; d < 4; d++) same = same && x.shape[d] == y.shape[d];
    if (!same)
      return fail(HD_INVALID, "'%s' is %s, expected the shape and dtype of '%s' with a last stride of 1",
                  tensor_name(call.op, pair[0], call.n).c_str(), describe(x).c_str(), tensor_name(call.op, pair[1], call.n).c_str());
  }
  const Gradient g = {call, a, rows, columns};
  return with_float(t[0]->dtype, [&](auto type) {
    using T = decltype(type);
    const int64_t queries = a.B * a.H * a.q_blocks(), all = queries + a.B * a.K * a.k_blocks();
    parallel(call.context, all, [&](int64_t task) {
      // Key blocks come first: each stands for several query heads, so they take longest.
      const int64_t i = task - (all - queries);
      if (i >= 0) {
        query_gradient<T>(g, i / a.q_blocks() / a.H, i / a.q_blocks() % a.H, i % a.q_blocks());
      } else {
        key_gradient<T>(g, task / a.k_blocks() / a.K, task / a.k_blocks() % a.K, task % a.k_blocks());
      }
    });
    return HD_OK;
  });
}
}  // namespace hd::HD_TIER

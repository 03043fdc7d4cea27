// attention_bwd: gradients of attention_fwd by tiles, scores recomputed from q, k and lse (Dao, FlashAttention-2, 2023, algorithm 2).
//
// With P = exp(score - lse) (dropped and kept weights alike), D = rowsum(do * o), keep = the dropout factors:
//   dv = (P keep)^T do,   dP = (do v^T) keep,   ds = P (dP - D) softcap',   dq = scale ds k,   dk = scale ds^T q.
// Work: one task per (batch row, key head) walks its query blocks, sums dq per block and dk, dv over the whole head (f32, O(S D) per
// thread), so no two tasks write the same memory and the order of every sum is that of a list. Where that leaves threads idle, two passes
// of smaller tasks: one per block of queries for dq, one per (key head, block of keys) for dk and dv. Tiles and operands as in the forward
// pass (attention.h): scores transposed, k and v read in place, q and do turned once per block of queries. Numerics: sums in f32; with bf16
// pairs P and ds are rounded to bf16. Cost: 10 D FLOP per pair seen (14 in two passes). Deterministic.
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
  const Rule rule;
};

// Scratch of a task. Scores [64 keys][64 queries], dq [row features][64 queries]; kept and grad are what products take of P keep and of
// ds: the same f32, or bf16 [64 keys][64 queries].
struct Work {
  float *qt, *gt, *q, *g, *k, *v, *k_pairs, *dq, *s, *dp, *cap, *keep, *kept, *grad, *grad_pairs, *lse, *delta, *dk, *dv;

  Work(const Attention& a, int64_t key_rows, Cut cut) {
    float** const wide[] = {&qt, &gt, &q, &g, &k, &v, &k_pairs, &dq};
    for (float** part : wide) *part = cut.take(kBlock * a.row);
    float** const square[] = {&s, &dp, &cap, &keep, &kept, &grad, &grad_pairs};
    for (float** part : square) *part = cut.take(kBlock * kBlock);
    float** const lines[] = {&lse, &delta};
    for (float** part : lines) *part = cut.take(kBlock);
    dk = cut.take(key_rows * a.row);
    dv = cut.take(key_rows * a.row);
  }
  // key_rows: of the sums of dk and dv
  static int64_t bytes(const Attention& a, int64_t key_rows) {
    return 4 * ((8 * kBlock + 2 * key_rows) * a.row + 7 * kBlock * kBlock + 2 * kBlock);
  }
};

template <bool Pair, class T>
class Backward {
  using Ops = Operands<T, Pair>;

 public:
  // key_rows: keys that dk and dv are summed for, from key_start on; 0 leaves them out.
  Backward(const Gradient& gradient, int64_t key_start, int64_t key_rows)
      : g_(gradient), a_(gradient.a), key_start_(key_start), w_(a_, key_rows, Cut(workspace(Work::bytes(a_, key_rows)))) {
    fill(w_.dk, key_rows * a_.row, 0);
    fill(w_.dv, key_rows * a_.row, 0);
  }

  // The block of queries that the next tiles belong to.
  void begin_queries(int64_t b, int64_t h, int64_t i) {
    b_ = b, h_ = h, q0_ = i * kBlock, rows_ = least(kBlock, a_.T - q0_);
    const hd_tensor &q = *g_.call.t[0], &o = *g_.call.t[3], &lse = *g_.call.t[4], &dout = *g_.call.t[5];
    const T *query = head_at<T>(q, b, h, q0_), *grad = head_at<T>(dout, b, h, q0_);
    fill(w_.dq, kBlock * a_.row, 0);
    for (int64_t r = 0; r < kBlock; r++) {
      vf total = {};
      for (int64_t d = 0; d < a_.D && r < rows_; d += kLanes) {
        const int n = static_cast<int>(least(kLanes, a_.D - d));
        total = fma(load_n(grad + r * dout.stride[2] + d, n), load_n(head_at<T>(o, b, h, q0_ + r) + d, n), total);
      }
      w_.delta[r] = sum(total);
      auto from = reinterpret_cast<const float*>(lse.data) + b * lse.stride[0] + h * lse.stride[1];
      // A query that saw nothing has lse -inf, and only scores of -inf. Beyond the end weights must be 0.
      const float value = r < rows_ ? from[(q0_ + r) * lse.stride[2]] : -kMinusInf;
      w_.lse[r] = value == kMinusInf ? 0 : value * kLog2e;
    }
    Ops::load_rows(w_.q, query, q.stride[2], rows_, a_);
    transpose(w_.qt, kBlock, w_.q, a_.row, kBlock, a_.row);
    Ops::load_rows(w_.g, grad, dout.stride[2], rows_, a_);
    transpose(w_.gt, kBlock, w_.g, a_.row, kBlock, a_.row);
    Ops::pack_pairs(w_.q, query, q.stride[2], rows_, a_);
    Ops::pack_pairs(w_.g, grad, dout.stride[2], rows_, a_);
  }

  void tile(int64_t hk, const Entry& entry, bool want_dq, bool want_dk) {
    const hd_tensor &k = *g_.call.t[1], &v = *g_.call.t[2];
    const Place at = {b_, h_, q0_, entry.block * kBlock};
    const int64_t keys = least(kBlock, a_.S - at.k0);
    const T *key = head_at<T>(k, b_, hk, at.k0), *value = head_at<T>(v, b_, hk, at.k0);
    const Broadcast kf = Ops::rows_by_features(key, k.stride[2], keys, w_.k, a_);
    const Broadcast vf = Ops::rows_by_features(value, v.stride[2], keys, w_.v, a_);
    const Broadcast fk = want_dq ? Ops::features_by_rows(key, k.stride[2], keys, w_.k_pairs, kf, a_) : Broadcast{};
    float *dk = w_.dk + (at.k0 - key_start_) * a_.row, *dv = w_.dv + (at.k0 - key_start_) * a_.row;
    const Panels panels(entry.mask, rows_, keys);
    for (const Panel& p : panels.steps()) {
      const int64_t count = p.k1 - p.k0, corner = p.k0 * kBlock + p.q;
      const auto from_key = [&](const Broadcast& x) { return Broadcast{static_cast<const char*>(x.data) + p.k0 * x.row, x.row, x.step}; };
      multiply<Pair, Into::fresh>(w_.s + corner, kBlock, count, p.columns, from_key(kf), w_.qt + p.q, kBlock, Ops::units(a_));
      multiply<Pair, Into::fresh>(w_.dp + corner, kBlock, count, p.columns, from_key(vf), w_.gt + p.q, kBlock, Ops::units(a_));
      finish_scores(w_.s, w_.cap, a_, g_.rule, at, p);
      score_gradient(at, p);
      const int64_t row_bytes = kBlock * 4 / Ops::kPer;
      const auto weights = [&](const float* x) {
        return Broadcast{reinterpret_cast<const char*>(x) + p.k0 * row_bytes + p.q * 4 / Ops::kPer, row_bytes, 4};
      };
      if (want_dk) {
        const int64_t first = p.q / Ops::kPer * a_.row, queries = p.columns / Ops::kPer;
        multiply<Pair, Into::sum>(dv + p.k0 * a_.row, a_.row, count, a_.row, weights(w_.kept), w_.g + first, a_.row, queries);
        multiply<Pair, Into::sum>(dk + p.k0 * a_.row, a_.row, count, a_.row, weights(w_.grad), w_.q + first, a_.row, queries);
      }
      if (want_dq) {
        const int64_t from = p.k0 / Ops::kPer;
        const Broadcast keys_seen = {static_cast<const char*>(fk.data) + from * fk.step, fk.row, fk.step};
        const float* ds = (Pair ? w_.grad_pairs : w_.grad) + from * kBlock + p.q;
        multiply<Pair, Into::sum>(w_.dq + p.q, kBlock, a_.D, p.columns, keys_seen, ds, kBlock, Ops::terms(count));
      }
    }
  }

  void store_queries() {
    const hd_tensor& dq = *g_.call.t[14];
    transpose(w_.k, a_.row, w_.dq, kBlock, a_.row, kBlock);
    hd::HD_TIER::store_rows(head_out<T>(dq, b_, h_, q0_), dq.stride[2], w_.k, rows_, a_.p.scale, a_);
  }
  void store_keys(int64_t b, int64_t hk, int64_t keys) {
    const hd_tensor &dk = *g_.call.t[15], &dv = *g_.call.t[16];
    hd::HD_TIER::store_rows(head_out<T>(dk, b, hk, key_start_), dk.stride[2], w_.dk, keys, a_.p.scale, a_);
    hd::HD_TIER::store_rows(head_out<T>(dv, b, hk, key_start_), dv.stride[2], w_.dv, keys, 1, a_);
  }

 private:
  // From the scores and dP of a panel: kept = P keep, grad = ds, in the forms that products take.
  void score_gradient(const Place& at, const Panel& p) {
    const bool drop = a_.p.dropout > 0;
    if (drop) dropout_panel(w_.keep, a_, at, p);
    for (int64_t q = p.q; q < p.q + p.columns; q += kLanes) {
      const vf lse = load(w_.lse + q), delta = load(w_.delta + q);
      const auto one = [&](int64_t k, vf& kept, vf& ds) {
        const int64_t i = k * kBlock + q;
        const vf weight = exp2(fma(load(w_.s + i), splat(g_.rule.to_log2), -lse));
        vf dp = load(w_.dp + i);
        kept = weight;
        if (drop) {
          kept = weight * load(w_.keep + i);
          dp = dp * load(w_.keep + i);
        }
        ds = weight * (dp - delta);
        if (a_.p.softcap > 0) ds = weight > 0.0f ? ds * load(w_.cap + i) : vf{};
      };
      for (int64_t k = p.k0; k < p.k1; k += 2) {
        vf kept[2] = {}, ds[2] = {};
        const int64_t here = least(2, p.k1 - k);
        for (int64_t j = 0; j < here; j++) one(k + j, kept[j], ds[j]);
        for (int64_t j = 0; j < here; j++) {
          const int64_t i = (k + j) * kBlock + q;
          if (Pair) {
            narrow(reinterpret_cast<bf16*>(w_.kept) + i, kept[j]);
            narrow(reinterpret_cast<bf16*>(w_.grad) + i, ds[j]);
          } else {
            store(w_.kept + i, kept[j]);
            store(w_.grad + i, ds[j]);
          }
        }
        if (Pair) store(w_.grad_pairs + k / 2 * kBlock + q, pair(ds[0], ds[1]));
      }
    }
  }

  const Gradient& g_;
  const Attention& a_;
  const int64_t key_start_;
  const Work w_;
  int64_t b_ = 0, h_ = 0, q0_ = 0, rows_ = 0;
};

// All gradients of a key head and the query heads that share it: five products per tile.
template <bool Pair, class T>
void head_gradient(const Gradient& g, int64_t b, int64_t hk) {
  const Attention& a = g.a;
  Backward<Pair, T> x(g, 0, a.S);
  const int64_t share = a.H / a.K;
  for (int64_t h = hk * share; h < (hk + 1) * share; h++) {
    for (int64_t i = 0; i < a.q_blocks(); i++) {
      x.begin_queries(b, h, i);
      const BlockList list(g.rows, b, h, i, a.k_blocks());
      for (int64_t e = list.begin(); e < list.end(); e++) x.tile(hk, list.at(e), true, true);
      x.store_queries();
    }
  }
  x.store_keys(b, hk, a.S);
}

template <bool Pair, class T>
void query_gradient(const Gradient& g, int64_t b, int64_t h, int64_t i) {
  Backward<Pair, T> x(g, 0, 0);
  x.begin_queries(b, h, i);
  const BlockList list(g.rows, b, h, i, g.a.k_blocks());
  for (int64_t e = list.begin(); e < list.end(); e++) x.tile(h / (g.a.H / g.a.K), list.at(e), true, false);
  x.store_queries();
}

template <bool Pair, class T>
void key_gradient(const Gradient& g, int64_t b, int64_t hk, int64_t j) {
  const Attention& a = g.a;
  Backward<Pair, T> x(g, j * kBlock, kBlock);
  const int64_t share = a.H / a.K;
  for (int64_t h = hk * share; h < (hk + 1) * share; h++) {
    const BlockList list(g.columns, b, h, j, a.q_blocks());
    for (int64_t e = list.begin(); e < list.end(); e++) {
      const Entry entry = list.at(e);
      x.begin_queries(b, h, entry.block);
      x.tile(hk, {j, entry.mask}, false, true);
    }
  }
  x.store_keys(b, hk, least(kBlock, a.S - j * kBlock));
}

}  // namespace

hd_status attention_bwd(const Call& call) {
  Attention a;
  const hd_tensor* const* t = call.t;
  const Layout rows = {t[6], t[7], t[10], t[11]}, columns = {t[8], t[9], t[10], t[11]};
  if (hd_status status = check_attention(call, t[3], t[4], rows, t[12], t[13], a); status != HD_OK) return status;
  if ((rows.ptr == nullptr) != (columns.ptr == nullptr)) return fail(HD_INVALID, "row and column lists of a layout go together");
  if (rows.ptr != nullptr && (rows.ptr->shape[2] != a.q_blocks() + 1 || columns.ptr->shape[2] != a.k_blocks() + 1)) {
    return fail(HD_INVALID, "the layout is for other lengths than %lld queries and %lld keys", static_cast<long long>(a.T),
                static_cast<long long>(a.S));
  }
  const int32_t like[][2] = {{5, 0}, {14, 0}, {15, 1}, {16, 1}};
  for (const auto& pair : like) {
    const hd_tensor &x = *t[pair[0]], &y = *t[pair[1]];
    bool same = x.rank == 4 && x.dtype == y.dtype && (x.stride[3] == 1 || a.D == 1);
    for (int d = 0; d < 4; d++) same = same && x.shape[d] == y.shape[d];
    if (!same)
      return fail(HD_INVALID, "'%s' is %s, expected the shape and dtype of '%s' with a last stride of 1",
                  tensor_name(call.op, pair[0], call.n).c_str(), describe(x).c_str(), tensor_name(call.op, pair[1], call.n).c_str());
  }
  const Gradient g = {call, a, rows, columns, Rule(a)};
  const int64_t heads = a.B * a.K, threads = call.context.threads;
  // A head per task computes each tile once, but may leave threads idle; two passes of smaller tasks compute each tile twice. Both
  // add the same numbers in the same order, so the choice does not show in the results.
  const bool whole_heads = threads == 1 || heads % threads == 0 || heads >= 4 * threads;
  return with_operands(a, t[0]->dtype, [&](auto operands, auto type) {
    constexpr bool pair = decltype(operands)::kPer > 1;
    using T = decltype(type);
    if (whole_heads) {
      parallel(call.context, heads, [&](int64_t task) { head_gradient<pair, T>(g, task / a.K, task % a.K); });
      return HD_OK;
    }
    const int64_t queries = a.B * a.H * a.q_blocks(), all = queries + heads * a.k_blocks();
    parallel(call.context, all, [&](int64_t task) {
      // Key blocks come first: each stands for several query heads, so they take longest.
      const int64_t i = task - (all - queries);
      if (i >= 0) {
        query_gradient<pair, T>(g, i / a.q_blocks() / a.H, i / a.q_blocks() % a.H, i % a.q_blocks());
      } else {
        key_gradient<pair, T>(g, task / a.k_blocks() / a.K, task / a.k_blocks() % a.K, task % a.k_blocks());
      }
    });
    return HD_OK;
  });
}
}  // namespace hd::HD_TIER

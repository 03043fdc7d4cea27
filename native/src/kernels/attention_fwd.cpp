// attention_fwd: o = softmax(scale q k^T, masked) v, by tiles with an online softmax (Dao, FlashAttention-2, 2023).
//
// Work: one task per (batch row, head, block of 64 queries); it walks the key blocks of its row of the layout, so empty blocks cost
// nothing and FULL blocks are not masked; of others only steps of 16 keys with the queries that see one of them are multiplied.
// A tile of scores is kept transposed, [keys][queries] (attention.h): q is transposed once per task, k and v are read in place, and o is
// summed transposed and turned once at the end. bf16 with VDPBF16PS multiplies pairs; the values of a tile are interleaved for it, and the
// weights rounded to bf16 (as FlashAttention does). Other 16-bit inputs are widened a tile at a time.
// Numerics: sums in f32, base-2 exponentials of (score - running max) * log2 e. Cost: 4 D FLOP per pair seen.
// Deterministic: a task's order is that of its list, whatever the thread count.
#include <cstdlib>

#include "cpu/kernels.h"
#include "kernels/attention.h"

namespace hd::HD_TIER {
namespace {

hd_status check_heads(const hd_tensor& x, const char* name, int64_t b, int64_t h, int64_t t, int64_t d, int32_t dtype) {
  if (x.rank != 4 || x.shape[0] != b || x.shape[1] != h || x.shape[2] != t || x.shape[3] != d || x.dtype != dtype) {
    return fail(HD_INVALID, "'%s' is %s, expected %s [%lld, %lld, %lld, %lld]", name, describe(x).c_str(), dtype_name(dtype),
                static_cast<long long>(b), static_cast<long long>(h), static_cast<long long>(t), static_cast<long long>(d));
  }
  if (x.stride[3] != 1 && d > 1) return fail(HD_INVALID, "'%s' must have a last stride of 1", name);
  return HD_OK;
}

// One block of queries on its way: scores [64 keys][64 queries], sums of values [row features][64 queries].
struct Work {
  float *qt, *k, *v, *s, *pairs, *keep, *o, *high, *sum, *shrink;

  Work(const Attention& a, Cut cut) {
    float** const wide[] = {&qt, &k, &v, &o};
    for (float** part : wide) *part = cut.take(kBlock * a.row);
    float** const square[] = {&s, &pairs, &keep};
    for (float** part : square) *part = cut.take(kBlock * kBlock);
    float** const lines[] = {&high, &sum, &shrink};
    for (float** part : lines) *part = cut.take(kBlock);
  }
  static int64_t bytes(const Attention& a) { return 4 * (4 * kBlock * a.row + 3 * kBlock * kBlock + 3 * kBlock); }
};

// Online softmax of a panel of scores: s (or pairs) becomes exp(score - maximum), times keep; shrink is what older sums must be multiplied
// by.
template <bool Pair>
void softmax_panel(const Work& w, float to_log2, const Panel& p, const float* keep) {
  for (int64_t q = p.q; q < p.q + p.columns; q += kLanes) {
    const vf before = load(w.high + q);
    vf even = before, odd = before;  // two, so that no maximum waits for the last one
    for (int64_t k = p.k0; k + 1 < p.k1; k += 2) {
      even = max(load(w.s + k * kBlock + q), even);
      odd = max(load(w.s + (k + 1) * kBlock + q), odd);
    }
    if ((p.k1 - p.k0) % 2 != 0) odd = max(load(w.s + (p.k1 - 1) * kBlock + q), odd);
    const vf high = max(even, odd);
    // A row that has seen nothing yet keeps a maximum of -inf; subtracting 0 leaves its weights at exp(-inf) = 0.
    const vf base = high == kMinusInf ? vf{} : high * to_log2;
    const vf shrink = exp2(fma(before, splat(to_log2), -base));
    vf total[2] = {load(w.sum + q) * shrink, {}};
    for (int64_t k = p.k0; k < p.k1; k += 2) {
      const int64_t i = k * kBlock + q;
      vf first = exp2(fma(load(w.s + i), splat(to_log2), -base)), second = {};
      total[0] += first;
      if (k + 1 < p.k1) {
        second = exp2(fma(load(w.s + i + kBlock), splat(to_log2), -base));
        total[1] += second;
        if (keep != nullptr) second = second * load(keep + i + kBlock);
      }
      if (keep != nullptr) first = first * load(keep + i);
      if (Pair) {
        store(w.pairs + k / 2 * kBlock + q, pair(first, second));
      } else {
        store(w.s + i, first);
        if (k + 1 < p.k1) store(w.s + i + kBlock, second);
      }
    }
    store(w.high + q, high);
    store(w.shrink + q, shrink);
    store(w.sum + q, total[0] + total[1]);
  }
}

// Multiplies the sums of values of some queries by shrink.
void rescale(const Work& w, int64_t features, const Panel& p) {
  for (int64_t d = 0; d < features; d++) {
    for (int64_t q = p.q; q < p.q + p.columns; q += kLanes) store(w.o + d * kBlock + q, load(w.o + d * kBlock + q) * load(w.shrink + q));
  }
}

template <bool Pair, class T>
void forward_rows(const Call& call, const Attention& a, const Layout& layout, int64_t b, int64_t h, int64_t i) {
  using Ops = Operands<T, Pair>;
  const Work w(a, Cut(workspace(Work::bytes(a))));
  const Rule rule(a);
  const hd_tensor &q = *call.t[0], &k = *call.t[1], &v = *call.t[2], &o = *call.t[9];
  const int64_t q0 = i * kBlock, rows = least(kBlock, a.T - q0), hk = h / (a.H / a.K);
  Ops::load_rows(w.o, head_at<T>(q, b, h, q0), q.stride[2], rows, a);  // o is free until the first product
  transpose(w.qt, kBlock, w.o, a.row, kBlock, a.row);
  fill(w.o, kBlock * a.row, 0);
  fill(w.high, kBlock, kMinusInf);
  fill(w.sum, kBlock, 0);
  const BlockList list(layout, b, h, i, a.k_blocks());
  for (int64_t e = list.begin(); e < list.end(); e++) {
    const Entry entry = list.at(e);
    const Place at = {b, h, q0, entry.block * kBlock};
    const int64_t keys = least(kBlock, a.S - at.k0);
    const T *key = head_at<T>(k, b, hk, at.k0), *value = head_at<T>(v, b, hk, at.k0);
    const Broadcast left = Ops::rows_by_features(key, k.stride[2], keys, w.k, a);
    const Broadcast wide = Pair ? Broadcast{} : Ops::rows_by_features(value, v.stride[2], keys, w.v, a);
    const Broadcast right = Ops::features_by_rows(value, v.stride[2], keys, w.v, wide, a);
    const Panels panels(entry.mask, rows, keys);
    const float* keep = a.p.dropout > 0 ? w.keep : nullptr;
    for (const Panel& p : panels.steps()) {
      const Broadcast seen_keys = {static_cast<const char*>(left.data) + p.k0 * left.row, left.row, left.step};
      multiply<Pair, Into::fresh>(w.s + p.k0 * kBlock + p.q, kBlock, p.k1 - p.k0, p.columns, seen_keys, w.qt + p.q, kBlock, Ops::units(a));
      finish_scores(w.s, nullptr, a, rule, at, p);
      if (keep != nullptr) dropout_panel(w.keep, a, at, p);
    }
    const Panel& widest = *panels.steps().begin();
    for (const Panel& p : panels.strips()) {
      softmax_panel<Pair>(w, rule.to_log2, p, keep);
      if (!widest.covers(p.q)) rescale(w, a.D, p);
    }
    for (const Panel& p : panels.steps()) {
      const int64_t from = p.k0 / Ops::kPer;
      const Broadcast seen_values = {static_cast<const char*>(right.data) + from * right.step, right.row, right.step};
      const float* weights = (Pair ? w.pairs : w.s) + from * kBlock + p.q;
      const int64_t terms = Ops::terms(p.k1 - p.k0);
      if (&p == &widest) {
        multiply<Pair, Into::rescaled>(w.o + p.q, kBlock, a.D, p.columns, seen_values, weights, kBlock, terms, w.shrink + p.q);
      } else {
        multiply<Pair, Into::sum>(w.o + p.q, kBlock, a.D, p.columns, seen_values, weights, kBlock, terms);
      }
    }
  }
  for (int64_t r = 0; r < kBlock; r++) w.shrink[r] = w.sum[r] == 0 ? 0 : 1 / w.sum[r];
  for (int64_t d = 0; d < a.row; d++) {
    for (int64_t r = 0; r < kBlock; r += kLanes) store(w.o + d * kBlock + r, load(w.o + d * kBlock + r) * load(w.shrink + r));
  }
  transpose(w.k, a.row, w.o, kBlock, a.row, kBlock);
  store_rows(head_out<T>(o, b, h, q0), o.stride[2], w.k, rows, 1, a);
  if (!call.has(10)) return;
  const hd_tensor& lse = *call.t[10];
  auto out = reinterpret_cast<float*>(lse.data) + b * lse.stride[0] + h * lse.stride[1];
  for (int64_t r = 0; r < rows; r++) {
    out[(q0 + r) * lse.stride[2]] = w.sum[r] == 0 ? kMinusInf : w.high[r] * (rule.to_log2 / kLog2e) + std::log(w.sum[r]);
  }
}

}  // namespace

hd_status check_attention(const Call& call, const hd_tensor* o, const hd_tensor* lse, const Layout& rows, const hd_tensor* slopes,
                          const hd_tensor* offset, Attention& a) {
  const hd_tensor &q = *call.t[0], &k = *call.t[1], &v = *call.t[2];
  if (q.rank != 4 || k.rank != 4) return fail(HD_INVALID, "q and k must have 4 dimensions [batch, heads, tokens, features]");
  const int64_t D = q.shape[3];
  a = {q.shape[0], q.shape[1], k.shape[1], q.shape[2], k.shape[2], D, ceil_div(D, kLanes) * kLanes, call.params<hd_AttentionParams>(),
       nullptr};
  if (q.dtype != HD_F32 && q.dtype != HD_BF16 && q.dtype != HD_F16)
    return fail(HD_UNSUPPORTED, "q of %s; f32, bf16 and f16 are supported", dtype_name(q.dtype));
  if (D < 1 || D > 256) return fail(HD_UNSUPPORTED, "heads of %lld features; 1 to 256 are supported", static_cast<long long>(D));
  if (a.K < 1 || a.H % a.K != 0)
    return fail(HD_INVALID, "%lld query heads are no multiple of %lld key heads", static_cast<long long>(a.H), static_cast<long long>(a.K));
  hd_status status = check_heads(q, "q", a.B, a.H, a.T, D, q.dtype);
  if (status == HD_OK) status = check_heads(k, "k", a.B, a.K, a.S, D, q.dtype);
  if (status == HD_OK) status = check_heads(v, "v", a.B, a.K, a.S, D, q.dtype);
  if (status == HD_OK) status = check_heads(*o, "o", a.B, a.H, a.T, D, q.dtype);
  if (status != HD_OK) return status;
  if (lse != nullptr && (lse->rank != 3 || lse->dtype != HD_F32 || lse->shape[0] != a.B || lse->shape[1] != a.H || lse->shape[2] != a.T)) {
    return fail(HD_INVALID, "'lse' is %s, expected f32 [batch, heads, queries] of q", describe(*lse).c_str());
  }
  if (!(a.p.dropout >= 0 && a.p.dropout < 1)) return fail(HD_INVALID, "dropout %g must be in [0, 1)", static_cast<double>(a.p.dropout));
  if (rows.ptr != nullptr) {
    if (rows.blocks == nullptr || rows.masks == nullptr) return fail(HD_INVALID, "a layout needs its blocks and masks beside the pointers");
    const hd_tensor& p = *rows.ptr;
    if (p.rank != 3 || p.dtype != HD_I32 || (p.shape[0] != 1 && p.shape[0] != a.B))
      return fail(HD_INVALID, "layout pointers are %s, expected i32 [1 or batch, groups, blocks + 1]", describe(p).c_str());
  }
  if (slopes != nullptr) {
    if (slopes->dtype != HD_F32 || slopes->rank != 1 || slopes->shape[0] != a.H || slopes->stride[0] != 1)
      return fail(HD_INVALID, "'slopes' is %s, expected f32 [heads]", describe(*slopes).c_str());
    a.slopes = reinterpret_cast<const float*>(slopes->data);
  }
  if (offset != nullptr) {
    if (offset->dtype != HD_I64 || offset->rank != 1 || offset->shape[0] != 1)
      return fail(HD_INVALID, "'offset' is %s, expected i64 [1]", describe(*offset).c_str());
    a.p.offset += *reinterpret_cast<const int64_t*>(offset->data);
  }
  return HD_OK;
}

hd_status attention_fwd(const Call& call) {
  Attention a;
  const Layout layout = {call.t[3], call.t[4], call.t[5], call.t[6]};
  if (hd_status status = check_attention(call, call.t[9], call.t[10], layout, call.t[7], call.t[8], a); status != HD_OK) return status;
  if (layout.ptr != nullptr && layout.ptr->shape[2] != a.q_blocks() + 1)
    return fail(HD_INVALID, "'row_ptr' is for %lld query blocks, there are %lld", static_cast<long long>(layout.ptr->shape[2] - 1),
                static_cast<long long>(a.q_blocks()));
  const int64_t blocks = a.q_blocks();
  return with_operands(a, call.t[0]->dtype, [&](auto operands, auto type) {
    parallel(call.context, a.B * a.H * blocks, [&](int64_t task) {
      // Head by head, for neighbouring blocks of queries see the same keys; the longest rows first, under a causal mask the last ones.
      const int64_t i = blocks - 1 - task % blocks, bh = task / blocks;
      forward_rows<(decltype(operands)::kPer > 1), decltype(type)>(call, a, layout, bh / a.H, bh % a.H, i);
    });
    return HD_OK;
  });
}
}  // namespace hd::HD_TIER

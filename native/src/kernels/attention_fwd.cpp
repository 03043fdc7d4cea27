// attention_fwd: o = softmax(scale q k^T, masked) v, by tiles with an online softmax (Dao, FlashAttention-2, 2023).
//
// Work: one task per (batch row, head, block of 64 queries); it walks the key blocks of its row of the layout, so empty blocks cost
// nothing and FULL blocks are not masked. A tile of scores is 64 x 64 f32 (16 KiB) and stays in L1; K is packed transposed, V row-major.
// Numerics: f32 throughout, 16-bit inputs widened when packed; base-2 exponentials of (score - running max) * log2 e.
// Cost: 4 D FLOP per pair seen; the first version, right before fast: its share of the peak is not measured yet, and 16-bit products are
// still done in f32. Deterministic: a task's order is that of its list, whatever the thread count.
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

// The sums of one block of queries.
struct Rows {
  float *q, *kt, *k, *v, *s, *keep, *o, *high, *sum;

  Rows(float* memory, const Attention& a) {
    const int64_t tile = kBlock * a.row;
    float** const parts[] = {&q, &kt, &k, &v, &o};
    for (float** part : parts) {
      *part = memory;
      memory += tile;
    }
    s = memory;
    keep = s + kBlock * kBlock;
    high = keep + kBlock * kBlock;
    sum = high + kBlock;
  }
  static int64_t bytes(const Attention& a) { return (5 * kBlock * a.row + 2 * kBlock * kBlock + 2 * kBlock) * 4; }
};

// Online softmax of a tile of scores: s becomes exp(score - max), the sums and o are brought to the new maximum.
void softmax_tile(Rows& x, const Attention& a) {
  for (int64_t r = 0; r < kBlock; r++) {
    float* row = x.s + r * kBlock;
    vf top = load(row);
    for (int64_t c = kLanes; c < kBlock; c += kLanes) top = max(top, load(row + c));
    float high = max_lane(top);
    high = high > x.high[r] ? high : x.high[r];
    // A row that has seen nothing yet keeps a maximum of -inf; subtracting 0 leaves its weights at exp(-inf) = 0.
    const float base = high == kMinusInf ? 0 : high * kLog2e;
    vf total = {};
    for (int64_t c = 0; c < kBlock; c += kLanes) {
      const vf e = exp2(load(row + c) * kLog2e - base);
      store(row + c, e);
      total += e;
    }
    const float shrink = x.high[r] == kMinusInf ? 0 : std::exp2((x.high[r] - high) * kLog2e);
    x.sum[r] = x.sum[r] * shrink + sum(total);
    x.high[r] = high;
    if (shrink != 1) {
      for (int64_t d = 0; d < a.row; d += kLanes) store(x.o + r * a.row + d, load(x.o + r * a.row + d) * shrink);
    }
  }
}

template <class T>
void forward_rows(const Call& call, const Attention& a, const Layout& layout, int64_t b, int64_t h, int64_t i) {
  Rows x(static_cast<float*>(workspace(Rows::bytes(a))), a);
  const hd_tensor &q = *call.t[0], &k = *call.t[1], &v = *call.t[2], &o = *call.t[8];
  const int64_t q0 = i * kBlock, rows = least(kBlock, a.T - q0), hk = h / (a.H / a.K);
  load_tile(x.q, head_at<T>(q, b, h, q0), q.stride[2], rows, a, a.p.scale);
  for (int64_t e = 0; e < kBlock * a.row; e++) x.o[e] = 0;
  for (int64_t r = 0; r < kBlock; r++) {
    x.high[r] = kMinusInf;
    x.sum[r] = 0;
  }
  const BlockList list(layout, b, h, i, a.k_blocks());
  for (int64_t e = list.begin(); e < list.end(); e++) {
    const Entry entry = list.at(e);
    const int64_t k0 = entry.block * kBlock, keys = least(kBlock, a.S - k0);
    load_tile(x.k, head_at<T>(k, b, hk, k0), k.stride[2], keys, a, 1);
    load_tile(x.v, head_at<T>(v, b, hk, k0), v.stride[2], keys, a, 1);
    transpose_tile(x.kt, x.k, a);
    multiply_tile<false>(x.s, kBlock, x.q, a.row, x.kt, kBlock, a.D, kBlock);
    const Place at = {b, h, q0, k0};
    finish_scores(x.s, nullptr, a, at, entry.mask);
    softmax_tile(x, a);
    if (a.p.dropout > 0) {
      dropout_tile(x.keep, a, at);
      for (int64_t c = 0; c < kBlock * kBlock; c += kLanes) store(x.s + c, load(x.s + c) * load(x.keep + c));
    }
    multiply_tile<true>(x.o, a.row, x.s, kBlock, x.v, a.row, kBlock, a.row);
  }
  for (int64_t r = 0; r < rows; r++) {
    const float inverse = x.sum[r] == 0 ? 0 : 1 / x.sum[r];
    T* to = head_out<T>(o, b, h, q0 + r);
    for (int64_t d = 0; d < a.D; d += kLanes) {
      const vf y = load(x.o + r * a.row + d) * inverse;
      const int n = static_cast<int>(least(kLanes, a.D - d));
      n == kLanes ? store(to + d, y) : store_n(to + d, y, n);
    }
    if (call.has(9)) {
      const hd_tensor& lse = *call.t[9];
      auto out = reinterpret_cast<float*>(lse.data) + b * lse.stride[0] + h * lse.stride[1] + (q0 + r) * lse.stride[2];
      *out = x.sum[r] == 0 ? kMinusInf : x.high[r] + std::log(x.sum[r]);
    }
  }
}

}  // namespace

hd_status check_attention(const Call& call, const hd_tensor* o, const hd_tensor* lse, const Layout& rows, const hd_tensor* slopes,
                          Attention& a) {
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
  return HD_OK;
}

hd_status attention_fwd(const Call& call) {
  Attention a;
  const Layout layout = {call.t[3], call.t[4], call.t[5], call.t[6]};
  if (hd_status status = check_attention(call, call.t[8], call.t[9], layout, call.t[7], a); status != HD_OK) return status;
  if (layout.ptr != nullptr && layout.ptr->shape[2] != a.q_blocks() + 1)
    return fail(HD_INVALID, "'row_ptr' is for %lld query blocks, there are %lld", static_cast<long long>(layout.ptr->shape[2] - 1),
                static_cast<long long>(a.q_blocks()));
  const int64_t blocks = a.q_blocks();
  return with_float(call.t[0]->dtype, [&](auto type) {
    using T = decltype(type);
    parallel(call.context, a.B * a.H * blocks, [&](int64_t task) {
      // Longest rows first: under a causal mask these are the last ones.
      const int64_t i = blocks - 1 - task / (a.B * a.H), bh = task % (a.B * a.H);
      forward_rows<T>(call, a, layout, bh / a.H, bh % a.H, i);
    });
    return HD_OK;
  });
}
}  // namespace hd::HD_TIER

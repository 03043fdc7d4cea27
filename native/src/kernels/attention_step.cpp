// attention_step: one token's attention over the cached keys of its text, the new key and value written first.
// Shapes: q, o [B,H,1,D]; k, v [B,K,1,D]; places i32 [B,3] = (slot, first, end); slopes f32 [H]; keys, values [B,K,S,D].
// Work: the new rows are written first, by one thread; then a task per head of q walks its run of slots, kRun at a time: their scores, an
// online softmax (Milakov & Gimelshein 2018), their values. A score is the sum of kLanes parts; a value row meets the sums in L1.
// Numerics: f32. Cost: reads 2 D (end - first) elements of each head's keys and values, once per head of q. Deterministic: a head belongs
// to one thread, and its order goes by the run alone.
#include <cmath>

#include "check.h"
#include "cpu/kernels.h"
#include "views.h"

namespace hd::HD_TIER {
namespace {

constexpr int64_t kRun = 64, kMostFeatures = 256;
constexpr float kInfinity = __builtin_inff();

template <class T>
T* row_at(const Call& call, int32_t i, int64_t b, int64_t h, int64_t s) {
  const hd_tensor& t = *call.t[i];
  return call.data<T>(i) + b * t.stride[0] + h * t.stride[1] + s * t.stride[2];
}

struct Place {
  int64_t slot, first, end;
};

Place place_of(const Call& call, int64_t b) {
  const hd_tensor& t = *call.t[3];
  const int32_t* p = call.data<const int32_t>(3) + b * t.stride[0];
  return {p[0], most(0, p[t.stride[1]]), least(call.t[5]->shape[2], p[2 * t.stride[1]])};
}

template <class T>
float product(const float* q, const T* key, int64_t n) {
  vf total{};
  vectors(0, n, [&](int64_t i, auto mask) { total = fma(get(q + i, mask), get(key + i, mask), total); });
  return sum(total);
}

template <class T>
void attend(const Call& call, int64_t b, int64_t h) {
  const hd_AttentionParams& p = call.params<hd_AttentionParams>();
  const int64_t n = call.t[0]->shape[3], kv = h / (call.t[0]->shape[1] / call.t[1]->shape[1]);
  const Place place = place_of(call, b);
  const float slope = call.has(4) ? call.data<const float>(4)[h] : 0.0f;
  float q[kMostFeatures], o[kMostFeatures] = {}, s[kRun];
  const T* from = row_at<const T>(call, 0, b, h, 0);
  vectors(0, n, [&](int64_t i, auto mask) { put(q + i, get(from + i, mask), mask); });
  float top = -kInfinity, total = 0;
  for (int64_t first = place.first; first < place.end; first += kRun) {
    const int64_t count = least(kRun, place.end - first);
    float high = top;
    for (int64_t j = 0; j < count; j++) {
      float x = product(q, row_at<const T>(call, 5, b, kv, first + j), n) * p.scale;
      if (p.softcap > 0) x = p.softcap * std::tanh(x / p.softcap);
      s[j] = x - slope * static_cast<float>(place.end - 1 - first - j);
      high = s[j] > high ? s[j] : high;
    }
    const float shift = high == -kInfinity ? 0.0f : high, shrink = std::exp(top - shift);
    total *= shrink;
    vectors(0, n, [&](int64_t i, auto mask) { put(o + i, get(o + i, mask) * shrink, mask); });
    for (int64_t j = 0; j < count; j++) {
      const float weight = std::exp(s[j] - shift);
      const T* value = row_at<const T>(call, 6, b, kv, first + j);
      total += weight;
      vectors(0, n, [&](int64_t i, auto mask) { put(o + i, fma(splat(weight), get(value + i, mask), get(o + i, mask)), mask); });
    }
    top = high;
  }
  const float factor = total == 0 ? 0.0f : 1 / total;
  T* to = row_at<T>(call, 7, b, h, 0);
  vectors(0, n, [&](int64_t i, auto mask) { put(to + i, get(o + i, mask) * factor, mask); });
}

hd_status check_slots(const Call& call) {
  for (int64_t b = 0; b < call.t[0]->shape[0]; b++) {
    const int64_t slot = place_of(call, b).slot, slots = call.t[5]->shape[2];
    if (slot < 0 || slot >= slots) {
      return fail(HD_INVALID, "places[%lld] has slot %lld, expected 0 to %lld", static_cast<long long>(b), static_cast<long long>(slot),
                  static_cast<long long>(slots - 1));
    }
  }
  return HD_OK;
}
}  // namespace

hd_status attention_step(const Call& call) {
  Check check(call);
  check.floats(0, 1, 2, 5, 6, 7).dtype(3, HD_I32).dtype(4, HD_F32).rank(0, 4).rank(1, 4).rank(3, 2).rank(5, 4);
  check.same_shape(7, 0).same_shape(2, 1).same_shape(6, 5).dense(0, 1, 2, 5, 6, 7).contiguous(4).output(5).output(6).output(7);
  if (check.failed()) return check.status();
  const hd_tensor &q = *call.t[0], &k = *call.t[1], &places = *call.t[3], &keys = *call.t[5];
  check.require(q.shape[2] == 1 && k.shape[2] == 1, "q, k and v must be of one token");
  check.require(k.shape[0] == q.shape[0] && k.shape[1] > 0 && q.shape[1] % k.shape[1] == 0 && k.shape[3] == q.shape[3],
                "k must have the batch and head size of q, whose heads must be a multiple of k's");
  check.require(keys.shape[0] == k.shape[0] && keys.shape[1] == k.shape[1] && keys.shape[3] == k.shape[3],
                "keys must have the batch, heads and head size of k");
  check.require(places.shape[0] == q.shape[0] && places.shape[1] == 3, "places must be [B, 3]");
  check.vector(4, q.shape[1], "the heads of q");
  check.require(call.params<hd_AttentionParams>().dropout == 0, "a step has no dropout");
  if (check.failed()) return check.status();
  if (q.shape[3] > kMostFeatures)
    return fail(HD_UNSUPPORTED, "heads of %lld features; up to 256 are supported", static_cast<long long>(q.shape[3]));
  if (const hd_status status = check_slots(call); status != HD_OK) return status;
  return with_float(q.dtype, [&](auto type) {
    using T = decltype(type);
    for (int64_t i = 0; i < k.shape[0] * k.shape[1]; i++) {
      const int64_t b = i / k.shape[1], h = i % k.shape[1], slot = place_of(call, b).slot;
      const auto bytes = static_cast<size_t>(k.shape[3]) * sizeof(T);
      std::memcpy(row_at<T>(call, 5, b, h, slot), row_at<const T>(call, 1, b, h, 0), bytes);
      std::memcpy(row_at<T>(call, 6, b, h, slot), row_at<const T>(call, 2, b, h, 0), bytes);
    }
    parallel(call.context, q.shape[0] * q.shape[1], [&](int64_t task) { attend<T>(call, task / q.shape[1], task % q.shape[1]); });
    return HD_OK;
  });
}
}  // namespace hd::HD_TIER

// attention_step: one token's attention over the cached keys of its text, the new key and value written first; and attention_fwd's of one
// query that sees every key. Split over the keys (flash decoding; Dao, Haziza, Massa & Sizov 2023), without T x S memory.
// Shapes: q, o [B,H,1,D]; k, v [B,K,1,D]; places i32 [B,3] = (slot, first, end); keys, values [B,K,S,D]. Work: a run of slots falls into
// pieces, kPieces of them at most, of 64 slots or more; a block of four warps has a piece, a head of k and kRows heads of q that share it,
// so the grid goes by S and what is done by the run: blocks beyond it leave at once. In a warp L lanes have a key, 8 features each; kAhead
// keys of every such team are under way, and each team keeps maximum, total and sums of its own keys in registers. At the end of a piece
// the teams join, by shuffles and then through shared memory; a second kernel joins the pieces in order. The key of this step is read from
// k, never from its slot, which a warp of the first piece writes. On chip: sums of four warps, kRows (8 L + 2) floats each; no spills
// (README.md has the counts). Numerics: f32, exponentials base 2. Cost: 2 D (end - first) elements per head of k and kRows heads of q,
// once; two launches. Deterministic: pieces go by the run alone, so that the bits do not depend on S. Checked on: see README.md.
#include "one_query.h"

namespace hd {
namespace {

constexpr int kWarps = 4, kPieces = 32, kLeast = 64;  // pieces of a run at most, slots of a piece at least
constexpr int kShare = 8;                             // features of a lane
// Keys of a team under way; rows that do not come in whole, aligned packs are loaded element by element, one at a time.
template <bool kPacks>
constexpr int kAhead = kPacks ? 4 : 1;

struct Run {
  int64_t first, end, piece;  // slots, and how many of them a piece has
  __device__ int64_t pieces() const { return ceil_div(end - first, piece); }
};

template <class T>
__device__ Run run_of(const QueryWork<T>& w, int64_t b) {
  int64_t first = 0, end = w.slots;
  if (w.places != nullptr) {
    const int32_t* place = w.places + b * w.place_row;
    first = most(0, place[w.place_step]);
    end = most(first, least(end, place[2 * w.place_step]));
  }
  return {first, end, ceil_div(most(ceil_div(end - first, kPieces), 1), kLeast) * kLeast};
}

// The features of a lane, as they lie in memory.
template <class T, bool kPacks>
struct Share {
  static constexpr int kCount = kShare / kWidth<T>;
  Bits<T> pack[kCount];

  __device__ static Share load(const T* row, int64_t at, int64_t n) {
    Share s;
#pragma unroll
    for (int i = 0; i < kCount; i++) {
      const int64_t first = at + i * kWidth<T>;
      if constexpr (kPacks) {
        s.pack[i] = first < n ? whole_pack(row + first, 0) : Bits<T>{};
      } else {
        s.pack[i] = load_bits(row, first, n, false);
      }
    }
    return s;
  }
  __device__ void store(T* row, int64_t at, int64_t n) const {
#pragma unroll
    for (int i = 0; i < kCount; i++) {
#pragma unroll
      for (int j = 0; j < kWidth<T>; j++) {
        if (at + i * kWidth<T> + j < n) row[at + i * kWidth<T> + j] = pack[i].item[j];
      }
    }
  }
  __device__ void to(float (&x)[kShare]) const {
#pragma unroll
    for (int i = 0; i < kCount; i++) {
      float some[kWidth<T>];
      unpack(pack[i], some);
#pragma unroll
      for (int j = 0; j < kWidth<T>; j++) x[i * kWidth<T> + j] = some[j];
    }
  }
};

// Part of a softmax: the largest score in units of log 2, the total of the weights relative to it, and the sums of values.
struct Part {
  float top = -INFINITY, total = 0, sum[kShare] = {};

  __device__ void rescale(float higher) {
    const float factor = exp2f(top - (higher == -INFINITY ? 0.0f : higher));
    top = higher;
    total *= factor;
#pragma unroll
    for (int i = 0; i < kShare; i++) sum[i] *= factor;
  }
  // Takes in the part of the lane `step` away, which takes in this one: both come to the same.
  __device__ void join(int step) {
    rescale(fmaxf(top, __shfl_xor_sync(0xffffffffu, top, step)));
    total += __shfl_xor_sync(0xffffffffu, total, step);
#pragma unroll
    for (int i = 0; i < kShare; i++) sum[i] += __shfl_xor_sync(0xffffffffu, sum[i], step);
  }
};

// Of a piece: [pieces][heads][batches] of top, total and the sums, not divided.
template <class T>
__device__ float* part_of(const QueryWork<T>& w, int64_t b, int64_t h, int64_t piece) {
  return w.parts + ((b * w.heads + h) * kPieces + piece) * (w.features + 2);
}

template <class T, int L, int R, bool kPacks>
__global__ void __launch_bounds__(kWarps * 32, 2) one_query_kernel(QueryWork<T> w) {
  using Piece = Share<T, kPacks>;
  constexpr int kTeams = 32 / L, kPass = kWarps * kTeams;  // teams of a warp, keys that a block takes side by side
  constexpr int kDeep = kAhead<kPacks>;
  __shared__ float shared[kWarps][R][L * kShare + 2];
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32, team = lane / L;
  const int64_t at = lane % L * kShare, group = w.heads / w.kv_heads, tiles = ceil_div(group, R);
  const int64_t b = blockIdx.z, kv = blockIdx.y / tiles, tile = blockIdx.y % tiles, head0 = kv * group + tile * R;
  const int64_t left = least(R, group - tile * R);  // heads of q that are there
  const Run run = run_of(w, b);
  int64_t slot = -1;
  const T *fresh_key = nullptr, *fresh_value = nullptr;
  if (w.fresh_key.data != nullptr) {
    slot = w.places[b * w.place_row];
    fresh_key = w.fresh_key.at(b, kv, 0), fresh_value = w.fresh_value.at(b, kv, 0);
    if (blockIdx.x == 0 && tile == 0 && warp == 0 && team == 0) {
      if (slot >= 0 && slot < w.slots) {
        Piece::load(fresh_key, at, w.features).store(w.keys.at(b, kv, slot), at, w.features);
        Piece::load(fresh_value, at, w.features).store(w.values.at(b, kv, slot), at, w.features);
      } else if (lane == 0 && kv == 0) {
        report_fault(w.fault, b, static_cast<int32_t>(slot));
      }
    }
  }
  const int64_t first = run.first + blockIdx.x * run.piece, end = least(first + run.piece, run.end);
  if (first >= end) return;

  float q[R][kShare], slope[R];
  Part part[R];
#pragma unroll
  for (int r = 0; r < R; r++) {
    const int64_t h = head0 + least(r, left - 1);
    Piece::load(w.q.at(b, h, 0), at, w.features).to(q[r]);
    slope[r] = w.slopes == nullptr ? 0.0f : w.slopes[h];
  }
  for (int64_t base = first; base < end; base += kPass * kDeep) {
    Piece key[kDeep], value[kDeep];
#pragma unroll
    for (int u = 0; u < kDeep; u++) {  // past the end: of width 0, so zeros, which no weight turns into NaN
      const int64_t j = base + u * kPass + warp * kTeams + team, n = j < end ? w.features : 0;
      const bool fresh = j == slot;
      key[u] = Piece::load(fresh ? fresh_key : w.keys.at(b, kv, j), at, n);
      value[u] = Piece::load(fresh ? fresh_value : w.values.at(b, kv, j), at, n);
    }
#pragma unroll
    for (int r = 0; r < R; r++) {
      float x[kDeep], higher = part[r].top;
#pragma unroll
      for (int u = 0; u < kDeep; u++) {
        float k[kShare];
        key[u].to(k);
        x[u] = 0;
#pragma unroll
        for (int i = 0; i < kShare; i++) x[u] = fmaf(q[r][i], k[i], x[u]);
#pragma unroll
        for (int step = L / 2; step > 0; step /= 2) x[u] += __shfl_xor_sync(0xffffffffu, x[u], step);
        const int64_t j = base + u * kPass + warp * kTeams + team;
        x[u] *= w.scale;
        if (w.softcap > 0) x[u] = w.softcap * tanhf(x[u] / w.softcap);
        if (slope[r] != 0) x[u] -= slope[r] * static_cast<float>(run.end - 1 - j);
        x[u] = j < end ? x[u] * kLog2e : -INFINITY;
        higher = fmaxf(higher, x[u]);
      }
      part[r].rescale(higher);
      const float shift = higher == -INFINITY ? 0.0f : higher;
#pragma unroll
      for (int u = 0; u < kDeep; u++) {
        const float weight = exp2f(x[u] - shift);
        float v[kShare];
        value[u].to(v);
        part[r].total += weight;
#pragma unroll
        for (int i = 0; i < kShare; i++) part[r].sum[i] = fmaf(weight, v[i], part[r].sum[i]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < R; r++) {
#pragma unroll
    for (int step = L; step < 32; step *= 2) part[r].join(step);
    if (team != 0) continue;
    if (lane == 0) shared[warp][r][L * kShare] = part[r].top, shared[warp][r][L * kShare + 1] = part[r].total;
#pragma unroll
    for (int i = 0; i < kShare; i++) shared[warp][r][at + i] = part[r].sum[i];
  }
  __syncthreads();
  for (int64_t i = threadIdx.x; i < left * (w.features + 2); i += kWarps * 32) {
    const int64_t r = i / (w.features + 2), c = i % (w.features + 2);  // column 0: top, 1: total, then the sums
    float top = -INFINITY, sum = 0;
#pragma unroll
    for (int k = 0; k < kWarps; k++) top = fmaxf(top, shared[k][r][L * kShare]);
    const float shift = top == -INFINITY ? 0.0f : top;
#pragma unroll
    for (int k = 0; k < kWarps; k++) {
      const float x = c < 2 ? shared[k][r][L * kShare + 1] : shared[k][r][c - 2];
      sum = fmaf(x, exp2f(shared[k][r][L * kShare] - shift), sum);
    }
    part_of(w, b, head0 + r, blockIdx.x)[c] = c == 0 ? top : sum;
  }
}

// A block per head joins its pieces, a thread per feature.
template <class T>
__global__ void __launch_bounds__(256) join_parts(QueryWork<T> w) {
  const int64_t h = blockIdx.x, b = blockIdx.y;
  const Run run = run_of(w, b);
  const int pieces = static_cast<int>(run.pieces());
  const float* parts = part_of(w, b, h, 0);
  const int64_t pitch = w.features + 2, d = threadIdx.x;
  float top = -INFINITY, total = 0, sum = 0;
#pragma unroll 8
  for (int i = 0; i < pieces; i++) top = fmaxf(top, parts[i * pitch]);
  const float shift = top == -INFINITY ? 0.0f : top;
#pragma unroll 8
  for (int i = 0; i < pieces; i++) {
    const float factor = exp2f(parts[i * pitch] - shift);
    total = fmaf(parts[i * pitch + 1], factor, total);
    if (d < w.features) sum = fmaf(parts[i * pitch + 2 + d], factor, sum);
  }
  if (d < w.features) put(w.o.at(b, h, 0)[d], total == 0 ? 0.0f : sum / total);
  if (d == 0 && w.lse != nullptr) w.lse[b * w.lse_stride[0] + h * w.lse_stride[1]] = total == 0 ? -INFINITY : (top + log2f(total)) * kLn2;
}

template <class T, int L, int R, bool kPacks>
hd_status run(const Call& call, const QueryWork<T>& w) {
  const int64_t pieces = most(1, least(kPieces, ceil_div(w.slots, kLeast))), tiles = ceil_div(w.heads / w.kv_heads, R);
  const dim3 grid(static_cast<unsigned>(pieces), static_cast<unsigned>(w.kv_heads * tiles), static_cast<unsigned>(w.batches));
  const hd_status status = launch(call, one_query_kernel<T, L, R, kPacks>, grid, kWarps * 32, 0, w);
  if (status != HD_OK) return status;
  const dim3 heads(static_cast<unsigned>(w.heads), static_cast<unsigned>(w.batches));
  return launch(call, join_parts<T>, heads, static_cast<unsigned>(ceil_div(w.features, 32) * 32), 0, w);
}
}  // namespace

template <class T>
hd_status attend_one_query(const Call& call, QueryWork<T> w) {
  const int64_t bytes = w.batches * w.heads * kPieces * (w.features + 2) * static_cast<int64_t>(sizeof(float));
  bool packs = w.q.packs && w.keys.packs && w.values.packs;
  if (w.fresh_key.data != nullptr) packs = packs && w.fresh_key.packs && w.fresh_value.packs;
  w.parts = static_cast<float*>(workspace(call, bytes));
  if (w.parts == nullptr) return HD_NO_MEMORY;
  const auto sized = [&](auto lanes) {
    constexpr int L = decltype(lanes)::value;
    if (!packs) return run<T, L, 1, false>(call, w);
    return w.heads > w.kv_heads ? run<T, L, 4, true>(call, w) : run<T, L, 1, true>(call, w);  // heads that share a head of k, or do not
  };
  if (w.features <= 64) return sized(std::integral_constant<int, 8>{});
  if (w.features <= 128) return sized(std::integral_constant<int, 16>{});
  return sized(std::integral_constant<int, 32>{});
}
template hd_status attend_one_query<float>(const Call&, QueryWork<float>);
template hd_status attend_one_query<bf16>(const Call&, QueryWork<bf16>);
template hd_status attend_one_query<f16>(const Call&, QueryWork<f16>);

hd_status attention_step(const Call& call) {
  Check check(call);
  check.floats(0, 1, 2, 5, 6, 7).dtype(3, HD_I32).dtype(4, HD_F32).rank(0, 4).rank(1, 4).rank(3, 2).rank(5, 4);
  check.same_shape(7, 0).same_shape(2, 1).same_shape(6, 5).dense(0, 1, 2, 5, 6, 7).contiguous(4).output(5).output(6).output(7);
  if (check.failed()) return check.status();
  const hd_tensor &q = *call.t[0], &k = *call.t[1], &places = *call.t[3], &keys = *call.t[5];
  const hd_AttentionParams& a = call.params<hd_AttentionParams>();
  check.require(q.shape[2] == 1 && k.shape[2] == 1, "q, k and v must be of one token");
  check.require(k.shape[0] == q.shape[0] && k.shape[1] > 0 && q.shape[1] % k.shape[1] == 0 && k.shape[3] == q.shape[3],
                "k must have the batch and head size of q, whose heads must be a multiple of k's");
  check.require(keys.shape[0] == k.shape[0] && keys.shape[1] == k.shape[1] && keys.shape[3] == k.shape[3],
                "keys must have the batch, heads and head size of k");
  check.require(places.shape[0] == q.shape[0] && places.shape[1] == 3, "places must be [B, 3]");
  check.vector(4, q.shape[1], "the heads of q").require(a.dropout == 0, "a step has no dropout");
  if (check.failed()) return check.status();
  if (q.shape[3] > 256) return fail(HD_UNSUPPORTED, "heads of %lld features; up to 256 are supported", static_cast<long long>(q.shape[3]));
  if (q.shape[1] > 65535 || q.shape[0] > 65535) return fail(HD_UNSUPPORTED, "more than 65535 heads or batches");
  if (q.shape[0] * q.shape[1] == 0) return HD_OK;
  return with_float(q.dtype, [&](auto type) {
    using T = decltype(type);
    return attend_one_query(call, QueryWork<T>{Heads<const T>(call, 0),
                                               Heads<const T>(call, 1),
                                               Heads<const T>(call, 2),
                                               Heads<T>(call, 5),
                                               Heads<T>(call, 6),
                                               Heads<T>(call, 7),
                                               call.data<const int32_t>(3),
                                               places.stride[0],
                                               places.stride[1],
                                               call.data<const float>(4),
                                               a.scale,
                                               a.softcap,
                                               q.shape[0],
                                               q.shape[1],
                                               k.shape[1],
                                               keys.shape[2],
                                               q.shape[3],
                                               call.context.faults + call.op,
                                               nullptr,
                                               {},
                                               nullptr});
  });
}
}  // namespace hd

// norm_fwd, norm_bwd: layer norm (Ba, Kiros & Hinton 2016) and RMS norm (Zhang & Sennrich 2019), with a fused residual:
// s = x + residual; y = (s - mean) * rstd * (weight + offset) + bias.
// Shapes: x, residual, s, y, dy, ds, dx [N..,F]; weight, bias, dweight, dbias [F]; mean, rstd f32 [N..].
// Work: rows of whole packs of up to 8192 f32 (16384 16-bit; backward half of that) elements stay in registers (rows.h), so memory is read
// once. Forward a warp per row of up to 16 packs to a lane, without a residual: no barrier; else a team per row, or without a residual
// teams that stride over the rows, with the next one on its way. Backward teams that stride over the rows, with the next row on its way
// while one is worked on, and with dweight and dbias summed in registers on the way (column_sums.h joins the teams' sums). Other rows go
// the general way: teams of up to 256 threads, forward with what does not fit into registers read again, backward in one kernel for dx and
// one for the weights. On chip: packs and sums in registers, backward's weights in shared memory; no spills (README.md has the counts).
// Numerics: f32; the variance is taken about the mean in a second pass over the registers. With s, y is the norm of s as it was rounded.
// Cost: forward 2 (4 with residual and s), backward 3 (4 with ds) N F elements: bandwidth-bound. Deterministic: every sum has a fixed
// order. Checked on: see README.md.
#include "check.h"
#include "column_sums.h"
#include "rows.h"

namespace hd {
namespace {

constexpr int kKept = 2;  // packs of a row that a thread keeps in the general kernel

template <class T>
struct Forward {
  View<const T> x, residual;
  View<T> y, s;
  View<float> mean, rstd;
  const T *weight, *bias;
  bool weight_vector, bias_vector;
  int64_t rows, features;
  hd_NormParams p;
};

// The same for rows that a team keeps in registers.
template <class T>
struct FlatForward {
  Flat<const T> x, residual;
  Flat<T> y, s;
  Flat<float> mean, rstd;
  const T *weight, *bias;
  int64_t rows, features;
  hd_NormParams p;

  explicit FlatForward(const Forward<T>& w)
      : x(w.x),
        residual(w.residual),
        y(w.y),
        s(w.s),
        mean(w.mean),
        rstd(w.rstd),
        weight(w.weight),
        bias(w.bias),
        rows(w.rows),
        features(w.features),
        p(w.p) {}
};

template <class T, int K>
__device__ void load_weights(const FlatForward<T>& w, int packs, Bits<T> (&weight)[K], Bits<T> (&bias)[K]) {
  const int mine = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
#pragma unroll
  for (int k = 0; k < K; k++) {
    weight[k] = pack_at(w.weight, mine + k * step, packs);
    bias[k] = pack_at(w.bias, mine + k * step, w.bias != nullptr ? packs : 0);
  }
}

// The norm of a row that its team has in v, with the thread's sum of it in total. slot: row_sum's, for the next sum.
template <class T, int K>
__device__ void normalize_row(const FlatForward<T>& w, int64_t index, int end, float (&v)[K][kWidth<T>], float (&total)[1],
                              const Bits<T> (&weight)[K], const Bits<T> (&bias)[K], int& slot) {
  constexpr int W = kWidth<T>;
  const int mine = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  const float count = static_cast<float>(w.features);
  float mean = 0, squares[1] = {};
  if (w.p.kind == 0) {
    row_sum(total, slot);
    slot ^= 1;
    mean = total[0] / count;
  }
#pragma unroll
  for (int k = 0; k < K; k++) {
    const float shift = mine + k * step < end ? mean : 0.0f;  // packs past the end stay 0
#pragma unroll
    for (int i = 0; i < W; i++) squares[0] = fmaf(v[k][i] - shift, v[k][i] - shift, squares[0]);
  }
  row_sum(squares, slot);
  slot ^= 1;
  const float rstd = 1.0f / sqrtf(squares[0] / count + w.p.eps);
  if (mine == 0 && end > 0) {
    if (w.mean.data != nullptr) *w.mean.row(index) = mean;
    if (w.rstd.data != nullptr) *w.rstd.row(index) = rstd;
  }
#pragma unroll
  for (int k = 0; k < K; k++) {
    float scale[W], shift[W];
    unpack(weight[k], scale);
    unpack(bias[k], shift);
#pragma unroll
    for (int i = 0; i < W; i++) v[k][i] = fmaf((v[k][i] - mean) * rstd, scale[i] + w.p.weight_offset, shift[i]);
    store_at(w.y.row(index), mine + k * step, end, packed<T>(v[k]));
  }
}

// A whole row in the registers of a team.
template <class T, int K>
__global__ void __launch_bounds__(K == 1 ? kThreads : 512, K == 2 ? 2 : 1) norm_row(FlatForward<T> w) {
  constexpr int W = kWidth<T>;
  const int packs = static_cast<int>(w.features / W), mine = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  int slot = 0;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.y; first < w.rows;
       first += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int64_t index = first + threadIdx.y;
    const int end = index < w.rows ? packs : 0;  // idle teams take part in the sums
    const bool added = w.residual.data != nullptr, kept = w.s.data != nullptr;
    Bits<T> x[K], r[K];
#pragma unroll
    for (int k = 0; k < K; k++) x[k] = pack_at(w.x.row(index), mine + k * step, end);
#pragma unroll
    for (int k = 0; k < K; k++) r[k] = pack_at(w.residual.row(index), mine + k * step, added ? end : 0);
    float v[K][W], total[1] = {};
#pragma unroll
    for (int k = 0; k < K; k++) {
      unpack(x[k], v[k]);
      if (added) {
        float residual[W];
        unpack(r[k], residual);
#pragma unroll
        for (int i = 0; i < W; i++) v[k][i] += residual[i];
      }
      if (kept) {
        const Bits<T> sum = packed<T>(v[k]);
        unpack(sum, v[k]);
        store_at(w.s.row(index), mine + k * step, end, sum);
      }
#pragma unroll
      for (int i = 0; i < W; i++) total[0] += v[k][i];  // packs past the end are 0
    }
    Bits<T> weight[K], bias[K];  // on their way during the sums
    load_weights(w, end, weight, bias);
    normalize_row(w, index, end, v, total, weight, bias, slot);
  }
}

constexpr int kRowsOfBlock = 4;  // of norm_warp

// A row of K packs to a lane in the registers of a warp. Weights are asked for again for each row: the first-level cache has them, as the
// rows go around it.
template <class T, int K>
__global__ void __launch_bounds__(32 * kRowsOfBlock, K == 8 ? 8 : 5) norm_warp(FlatForward<T> w) {
  constexpr int W = kWidth<T>;
  const int packs = static_cast<int>(w.features / W), lane = static_cast<int>(threadIdx.x);
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kRowsOfBlock + threadIdx.y;
  if (row >= w.rows) return;  // the same for a warp
  const float count = static_cast<float>(w.features);
  const bool centred = w.p.kind == 0;
  Bits<T> x[K];
#pragma unroll
  for (int k = 0; k < K; k++) x[k] = pack_once(w.x.row(row), lane + 32 * k, packs);
  float v[W], mean = 0, sum[1] = {};
  if (centred) {
#pragma unroll
    for (int k = 0; k < K; k++) {
      unpack(x[k], v);
#pragma unroll
      for (int i = 0; i < W; i++) sum[0] += v[i];  // packs past the end are 0
      forget(x[k]);
    }
    join_lanes<Add>(sum);
    mean = sum[0] / count;
    sum[0] = 0;
  }
#pragma unroll
  for (int k = 0; k < K; k++) {
    const float shift = lane + 32 * k < packs ? mean : 0.0f;
    unpack(x[k], v);
#pragma unroll
    for (int i = 0; i < W; i++) sum[0] = fmaf(v[i] - shift, v[i] - shift, sum[0]);
    forget(x[k]);
  }
  join_lanes<Add>(sum);
  const float rstd = 1.0f / sqrtf(sum[0] / count + w.p.eps);
  if (lane == 0) {
    if (w.mean.data != nullptr) *w.mean.row(row) = mean;
    if (w.rstd.data != nullptr) *w.rstd.row(row) = rstd;
  }
#pragma unroll
  for (int k = 0; k < K; k++) {
    const int pack = lane + 32 * k;
    float scale[W], shift[W];
    unpack(pack_at(w.weight, pack, packs), scale);
    unpack(pack_at(w.bias, pack, w.bias != nullptr ? packs : 0), shift);
    unpack(x[k], v);
#pragma unroll
    for (int i = 0; i < W; i++) v[i] = fmaf((v[i] - mean) * rstd, scale[i] + w.p.weight_offset, shift[i]);
    store_at(w.y.row(row), pack, packs, packed<T>(v));
  }
}

// Threads of a processor that norm_stream is made for: f16, whose packs take more instructions to open, needs more registers.
template <class T, int K>
constexpr int kStreamThreads = K == 2 && std::is_same_v<T, f16> ? 512 : 1024;
// Blocks of a processor that registers are dealt for: on newer GPUs the compiler would spill with two of two packs to a thread.
template <class T, int K>
constexpr int stream_blocks() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
  if (K == 2) return 1;
#endif
  return kStreamThreads<T, K> / (K == 1 ? kThreads : 512);
}

// Rows without a residual: each is fetched while the one before is worked on, as its 16 KB or less of loads alone would not keep memory
// busy over the sums and barriers. Longer rows (four packs to a thread) have loads enough.
template <class T, int K>
__global__ void __launch_bounds__(K == 1 ? kThreads : 512, stream_blocks<T, K>()) norm_stream(FlatForward<T> w) {
  constexpr int W = kWidth<T>;
  const int packs = static_cast<int>(w.features / W), mine = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * blockDim.y;
  Bits<T> now[K], next[K];
  const auto fetch = [&](int64_t index, Bits<T>(&x)[K]) {
#pragma unroll
    for (int k = 0; k < K; k++) x[k] = pack_at(w.x.row(index), mine + k * step, index < w.rows ? packs : 0);
  };
  int slot = 0;
  int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.y;
  fetch(first + threadIdx.y, next);
  for (; first < w.rows; first += stride) {
    const int64_t index = first + threadIdx.y;
#pragma unroll
    for (int k = 0; k < K; k++) now[k] = next[k];
    fetch(index + stride, next);
    float v[K][W], total[1] = {};
#pragma unroll
    for (int k = 0; k < K; k++) {
      unpack(now[k], v[k]);
#pragma unroll
      for (int i = 0; i < W; i++) total[0] += v[k][i];  // packs past the end are 0
    }
    const int end = index < w.rows ? packs : 0;
    Bits<T> weight[K], bias[K];  // on their way during the sums
    load_weights(w, end, weight, bias);
    normalize_row(w, index, end, v, total, weight, bias, slot);
  }
}

// The tensors' rows of one row index; the addresses are formed once.
template <class T>
struct Row {
  const T *x, *residual;
  T *y, *s;
};

template <class T>
__device__ void load_value(const Forward<T>& w, const Row<T>& row, int64_t at, float (&v)[kWidth<T>]) {
  constexpr int W = kWidth<T>;
  load_pack(row.x, at, w.features, w.x.vector, v);
  if (row.residual == nullptr) return;
  float r[W];
  load_pack(row.residual, at, w.features, w.residual.vector, r);
#pragma unroll
  for (int i = 0; i < W; i++) {
    v[i] += r[i];
    if (row.s != nullptr) v[i] = to_f32(rounded<T>(v[i]));
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads, 2) norm_kernel(Forward<T> w) {
  constexpr int W = kWidth<T>;
  const int64_t n = w.features, step = static_cast<int64_t>(blockDim.x) * W, mine = static_cast<int64_t>(threadIdx.x) * W;
  const float count = static_cast<float>(n);
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.y; first < w.rows;
       first += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int64_t index = first + threadIdx.y, end = index < w.rows ? n : 0;  // idle teams take part in the sums
    const int64_t safe = index < w.rows ? index : 0;
    const Row<T> row{w.x.row(safe), w.residual.data == nullptr ? nullptr : w.residual.row(safe), w.y.row(safe),
                     w.s.data == nullptr ? nullptr : w.s.row(safe)};
    float kept[kKept][W], v[W], total = 0;
#pragma unroll
    for (int c = 0; c < kKept; c++) {
      const int64_t at = mine + c * step;
#pragma unroll
      for (int i = 0; i < W; i++) kept[c][i] = 0;
      if (at >= end) continue;
      load_value(w, row, at, kept[c]);
      if (row.s != nullptr) store_pack(row.s, at, n, w.s.vector, kept[c]);
#pragma unroll
      for (int i = 0; i < W; i++) total += kept[c][i];
    }
    for (int64_t at = mine + kKept * step; at < end; at += step) {
      load_value(w, row, at, v);
      if (row.s != nullptr) store_pack(row.s, at, n, w.s.vector, v);
#pragma unroll
      for (int i = 0; i < W; i++) total += v[i];
    }
    const float mean = w.p.kind == 0 ? team_sum(total) / count : 0.0f;
    float squares = 0;
#pragma unroll
    for (int c = 0; c < kKept; c++) {
#pragma unroll
      for (int i = 0; i < W; i++) {
        const float d = mine + c * step + i < end ? kept[c][i] - mean : 0.0f;
        squares = fmaf(d, d, squares);
      }
    }
    for (int64_t at = mine + kKept * step; at < end; at += step) {
      load_value(w, row, at, v);
#pragma unroll
      for (int i = 0; i < W; i++) {
        const float d = at + i < end ? v[i] - mean : 0.0f;
        squares = fmaf(d, d, squares);
      }
    }
    const float rstd = 1.0f / sqrtf(team_sum(squares) / count + w.p.eps);
    if (index >= w.rows) continue;  // the same for a whole team; no team waits for another before the next round's sums
    if (threadIdx.x == 0) {
      if (w.mean.data != nullptr) *w.mean.row(index) = mean;
      if (w.rstd.data != nullptr) *w.rstd.row(index) = rstd;
    }
    const auto emit = [&](int64_t at, float(&x)[W]) {
      float weight[W], bias[W] = {};
      load_pack(w.weight, at, n, w.weight_vector, weight);
      if (w.bias != nullptr) load_pack(w.bias, at, n, w.bias_vector, bias);
#pragma unroll
      for (int i = 0; i < W; i++) x[i] = fmaf((x[i] - mean) * rstd, weight[i] + w.p.weight_offset, bias[i]);
      store_pack(row.y, at, n, w.y.vector, x);
    };
#pragma unroll
    for (int c = 0; c < kKept; c++) {
      if (mine + c * step < end) emit(mine + c * step, kept[c]);
    }
    for (int64_t at = mine + kKept * step; at < end; at += step) {
      load_value(w, row, at, v);
      emit(at, v);
    }
  }
}

template <class T>
struct Backward {
  View<const T> dy, ds, s;
  View<T> dx;
  View<const float> mean, rstd;
  const T* weight;
  bool weight_vector;
  int64_t features;
  hd_NormParams p;
  ColumnGrid grid;
  float* partial;  // [chunks, 2, F]: dweight, dbias

  __device__ float mean_of(int64_t row) const { return p.kind == 0 ? *mean.row(row) : 0.0f; }
};

// The same for rows that a team keeps in registers.
template <class T>
struct FlatBackward {
  Flat<const T> dy, ds, s;
  Flat<T> dx;
  Flat<const float> mean, rstd;
  const T* weight;
  int64_t rows, features, teams;
  hd_NormParams p;
  float* partial;  // [teams, 2, F], or null

  FlatBackward(const Backward<T>& w, int64_t team_count)
      : dy(w.dy),
        ds(w.ds),
        s(w.s),
        dx(w.dx),
        mean(w.mean),
        rstd(w.rstd),
        weight(w.weight),
        rows(w.grid.rows),
        features(w.features),
        teams(team_count),
        p(w.p),
        partial(w.partial) {}
};

template <class T, int K>
__device__ void fetch_packs(const Flat<const T>& from, int64_t row, int packs, Bits<T> (&to)[K]) {
  const int mine = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
#pragma unroll
  for (int k = 0; k < K; k++) to[k] = pack_at(from.row(row), mine + k * step, packs);
}

// What a thread has of a row, as it lies in memory: fetched while the row before is worked on. What is added to dx is not among it: it is
// needed last, and asked for when its row's turn begins.
template <class T, int K>
struct Fetched {
  Bits<T> dy[K], s[K];
  float mean, rstd;

  __device__ void fetch(const FlatBackward<T>& w, int64_t row, int packs) {
    const int end = row < w.rows ? packs : 0;
    fetch_packs(w.dy, row, end, dy);
    fetch_packs(w.s, row, end, s);
    rstd = end > 0 ? *w.rstd.row(row) : 0.0f;
    mean = end > 0 && w.p.kind == 0 ? *w.mean.row(row) : 0.0f;
  }
};

// What is added to dx is asked for after the sums: on newer GPUs the compiler would spill with it under way during them.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
constexpr bool kAddedLate = true;
#else
constexpr bool kAddedLate = false;
#endif

template <class T, int K>
__global__ void __launch_bounds__(K == 1 ? kThreads : 512) norm_row_gradient(FlatBackward<T> w) {
  constexpr int W = kWidth<T>, kWidest = K == 1 ? 32 : 512;  // threads of a team
  __shared__ float4 scales[K][W / 4][kWidest];               // weight + offset, a thread's own: in registers they would cost blocks
  const int packs = static_cast<int>(w.features / W), mine = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  const int64_t team = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const float share = 1.0f / static_cast<float>(w.features);
  float dweight[K][W] = {}, dbias[K][W] = {}, dy[W], x[W], scale[W];
  Fetched<T, K> even, odd;
  even.fetch(w, team, packs);
#pragma unroll
  for (int k = 0; k < K; k++) {
    unpack(pack_at(w.weight, mine + k * step, packs), scale);
#pragma unroll
    for (int i = 0; i < W; i += 4) {
      const float offset = w.p.weight_offset;
      if (threadIdx.y == 0)
        scales[k][i / 4][mine] = make_float4(scale[i] + offset, scale[i + 1] + offset, scale[i + 2] + offset, scale[i + 3] + offset);
    }
  }
  __syncthreads();
  const auto turn = [&](int64_t row, Fetched<T, K>& now, Fetched<T, K>& next, int slot) {
    const int end = row < w.rows ? packs : 0;
    Bits<T> added[K];
    if (!kAddedLate) fetch_packs(w.ds, row, w.ds.data != nullptr ? end : 0, added);
    next.fetch(w, row + w.teams, packs);
    const auto open = [&](int k) {  // x: the normalised input; past the end dy is 0
      unpack(now.dy[k], dy);
      unpack(now.s[k], x);
#pragma unroll
      for (int i = 0; i < W; i += 4) {
        const float4 four = scales[k][i / 4][mine];
        scale[i] = four.x, scale[i + 1] = four.y, scale[i + 2] = four.z, scale[i + 3] = four.w;
      }
#pragma unroll
      for (int i = 0; i < W; i++) {
        x[i] = (x[i] - now.mean) * now.rstd;
        scale[i] *= dy[i];
      }
    };
    float sums[2] = {};
#pragma unroll
    for (int k = 0; k < K; k++) {
      open(k);
#pragma unroll
      for (int i = 0; i < W; i++) {
        sums[0] += scale[i];
        sums[1] = fmaf(scale[i], x[i], sums[1]);
      }
      forget(now.dy[k]);
      forget(now.s[k]);
    }
    row_sum(sums, slot);
    if (kAddedLate) fetch_packs(w.ds, row, w.ds.data != nullptr ? end : 0, added);
    const float c1 = w.p.kind == 0 ? sums[0] * share : 0.0f, c2 = sums[1] * share;
#pragma unroll
    for (int k = 0; k < K; k++) {
      float ds[W];
      open(k);
      unpack(added[k], ds);
#pragma unroll
      for (int i = 0; i < W; i++) {
        dweight[k][i] = fmaf(dy[i], x[i], dweight[k][i]);
        dbias[k][i] += dy[i];
        ds[i] = fmaf(now.rstd, fmaf(-x[i], c2, scale[i] - c1), ds[i]);
      }
      store_at(w.dx.row(row), mine + k * step, end, packed<T>(ds));
    }
  };
  // The teams of a block go round together, as they meet at the barriers of row_sum.
  for (int64_t first = team - threadIdx.y; first < w.rows; first += 2 * w.teams) {
    turn(first + threadIdx.y, even, odd, 0);
    if (first + w.teams >= w.rows) break;
    turn(first + w.teams + threadIdx.y, odd, even, 1);
  }
  if (w.partial == nullptr) return;
  float* to = w.partial + team * 2 * w.features;
#pragma unroll
  for (int k = 0; k < K; k++) {
    const int at = (mine + k * step) * W;
    if (at >= packs * W) continue;
#pragma unroll
    for (int i = 0; i < W; i += 4) {
      *reinterpret_cast<float4*>(to + at + i) = make_float4(dweight[k][i], dweight[k][i + 1], dweight[k][i + 2], dweight[k][i + 3]);
      *reinterpret_cast<float4*>(to + w.features + at + i) = make_float4(dbias[k][i], dbias[k][i + 1], dbias[k][i + 2], dbias[k][i + 3]);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) norm_gradient(Backward<T> w) {
  constexpr int W = kWidth<T>;
  const int64_t n = w.features, rows = w.grid.rows, step = static_cast<int64_t>(blockDim.x) * W,
                mine = static_cast<int64_t>(threadIdx.x) * W;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.y; first < rows; first += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int64_t row = first + threadIdx.y, end = row < rows ? n : 0;
    const int64_t safe = row < rows ? row : 0;
    const T *dy_row = w.dy.row(safe), *s_row = w.s.row(safe), *ds_row = w.ds.data == nullptr ? nullptr : w.ds.row(safe);
    T* const dx_row = w.dx.row(safe);
    const float mean = w.mean_of(safe), rstd = *w.rstd.row(safe);
    float g[W], x[W], weight[W], sum_g = 0, sum_gx = 0;
    const auto load = [&](int64_t at) {  // g = dy * weight, x = the normalised input
      load_pack(dy_row, at, n, w.dy.vector, g);
      load_pack(s_row, at, n, w.s.vector, x);
      load_pack(w.weight, at, n, w.weight_vector, weight);
#pragma unroll
      for (int i = 0; i < W; i++) {
        g[i] *= weight[i] + w.p.weight_offset;
        x[i] = (x[i] - mean) * rstd;
      }
    };
    for (int64_t at = mine; at < end; at += step) {
      load(at);
#pragma unroll
      for (int i = 0; i < W; i++) {
        sum_g += g[i];
        sum_gx = fmaf(g[i], x[i], sum_gx);  // past the end g is 0
      }
    }
    const float count = static_cast<float>(n);
    const float c1 = w.p.kind == 0 ? team_sum(sum_g) / count : 0.0f, c2 = team_sum(sum_gx) / count;
    for (int64_t at = mine; at < end; at += step) {
      load(at);
      float ds[W] = {};
      if (ds_row != nullptr) load_pack(ds_row, at, n, w.ds.vector, ds);
#pragma unroll
      for (int i = 0; i < W; i++) ds[i] += rstd * (g[i] - c1 - x[i] * c2);
      store_pack(dx_row, at, n, w.dx.vector, ds);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) norm_weight_gradient(Backward<T> w) {
  constexpr int W = kWidth<T>;
  const int64_t column = w.grid.template column<W>(), n = w.features;
  float dy[W], s[W], dweight[W] = {}, dbias[W] = {};
  for (int64_t r = w.grid.first_row(); r < w.grid.end_row(); r += blockDim.y) {
    const float mean = w.mean_of(r), rstd = *w.rstd.row(r);
    load_pack(w.dy.row(r), column, n, w.dy.vector, dy);
    load_pack(w.s.row(r), column, n, w.s.vector, s);
#pragma unroll
    for (int i = 0; i < W; i++) {
      dweight[i] = fmaf(dy[i], (s[i] - mean) * rstd, dweight[i]);
      dbias[i] += dy[i];
    }
  }
  float* to = w.partial + blockIdx.y * 2 * n;
  store_column_sums(dweight, to, column, n);
  store_column_sums(dbias, to + n, column, n);
}

template <class T>
hd_status forward(const Call& call) {
  Forward<T> w{View<const T>(call, 0),
               View<const T>(call, 1),
               View<T>(call, 4),
               View<T>(call, 5),
               View<float>(call, 6, 0),
               View<float>(call, 7, 0),
               call.data<const T>(2),
               call.data<const T>(3),
               false,
               false,
               0,
               last(*call.t[0]),
               call.params<hd_NormParams>()};
  w.rows = w.x.rows.count;
  w.weight_vector = aligned(w.weight);
  w.bias_vector = aligned(w.bias);
  if (w.rows == 0) return HD_OK;
  const int64_t packs = w.features / kWidth<T>;
  const bool flat = is_flat(w.x, w.residual, w.y, w.s) && is_flat_column(w.mean, w.rstd) && w.weight_vector && w.bias_vector;
  if (flat && packs > 0 && w.features % kWidth<T> == 0 && packs <= 2048) {
    if (!call.has(1) && packs > 64 && packs <= 512) {
      return launch(call, packs <= 256 ? norm_warp<T, 8> : norm_warp<T, 16>, dim3(static_cast<unsigned>(ceil_div(w.rows, kRowsOfBlock))),
                    dim3(32, kRowsOfBlock), 0, FlatForward<T>(w));
    }
    const int k = packs <= 32 ? 1 : packs <= 64 || (packs > 128 && packs <= 1024) ? 2 : 4;
    const dim3 team = row_team(packs, k);
    if (!call.has(1) && k <= 2) {  // as many blocks as are resident at once, all with as many rows
      const int64_t threads = k == 1 ? kStreamThreads<T, 1> : kStreamThreads<T, 2>, all = ceil_div(w.rows, team.y);
      const int64_t resident = most(1, call.context.processors * threads / (team.x * team.y));
      return launch(call, k == 1 ? norm_stream<T, 1> : norm_stream<T, 2>, grid_of(ceil_div(all, ceil_div(all, resident))), team, 0,
                    FlatForward<T>(w));
    }
    return launch(call,
                  k == 1   ? norm_row<T, 1>
                  : k == 2 ? norm_row<T, 2>
                           : norm_row<T, 4>,
                  grid_for_teams(w.rows, team), team, 0, FlatForward<T>(w));
  }
  const dim3 team = team_for(ceil_div(w.features, kWidth<T>));
  return launch(call, norm_kernel<T>, grid_for_teams(w.rows, team), team, 0, w);
}

// As many teams as fill 132 processors with 512 threads each (the sums need most of their registers), but at least four rows for each.
// The number depends on the shape alone, not on the GPU, so that the sums do too.
constexpr int64_t kResident = 132 * 512;

template <class T>
hd_status backward_by_rows(const Call& call, Backward<T> w, bool sums) {
  const int64_t packs = w.features / kWidth<T>;
  const dim3 team = row_team(packs, packs <= 32 ? 1 : 2);
  const int64_t blocks = most(1, least(kResident / (team.x * team.y), ceil_div(w.grid.rows, 4 * team.y))), teams = blocks * team.y;
  if (sums) {
    w.partial = static_cast<float*>(workspace(call, teams * 2 * w.features * 4));
    if (w.partial == nullptr) return HD_NO_MEMORY;
  }
  const hd_status status =
      launch(call, packs <= 32 ? norm_row_gradient<T, 1> : norm_row_gradient<T, 2>, grid_of(blocks), team, 0, FlatBackward<T>(w, teams));
  return status != HD_OK || !sums ? status : finish_columns(call, w.partial, teams, 7, 8, w.features, w.p.accumulate != 0);
}

template <class T>
hd_status backward(const Call& call) {
  const int64_t features = last(*call.t[2]);
  const View<const T> s(call, 2);
  const bool sums = call.has(7) || call.has(8);
  Backward<T> w{View<const T>(call, 0),
                View<const T>(call, 1),
                s,
                View<T>(call, 6),
                View<const float>(call, 4, 0),
                View<const float>(call, 5, 0),
                call.data<const T>(3),
                false,
                features,
                call.params<hd_NormParams>(),
                ColumnGrid(s.rows.count, features, kWidth<T>, sums),
                nullptr};
  w.weight_vector = aligned(w.weight);
  if (features == 0) return HD_OK;
  hd_status status = HD_OK;
  const bool flat = is_flat(w.dy, w.ds, w.s, w.dx) && is_flat_column(w.mean, w.rstd) && w.weight_vector;
  if (flat && w.grid.rows > 0 && features % kWidth<T> == 0 && features <= 1024 * kWidth<T>) return backward_by_rows(call, w, sums);
  if (w.grid.rows > 0) {
    const dim3 team = team_for(ceil_div(features, kWidth<T>));
    status = launch(call, norm_gradient<T>, grid_for_teams(w.grid.rows, team), team, 0, w);
  }
  if (status != HD_OK || !sums) return status;
  w.partial = static_cast<float*>(workspace(call, w.grid.chunks * 2 * features * 4));
  if (w.partial == nullptr) return HD_NO_MEMORY;
  status = launch(call, norm_weight_gradient<T>, w.grid.grid(kWidth<T>), w.grid.block(), 0, w);
  return status != HD_OK ? status : finish_columns(call, w.partial, w.grid.chunks, 7, 8, features, w.p.accumulate != 0);
}
}  // namespace

hd_status norm_fwd(const Call& call) {
  const hd_NormParams& p = call.params<hd_NormParams>();
  const int64_t features = last(*call.t[0]);
  Check check(call);
  check.floats(0, 1, 2, 3, 4, 5).dtype(6, HD_F32).dtype(7, HD_F32).same_shape(1, 0).same_shape(4, 0).same_shape(5, 0);
  check.vector(2, features, "the last dimension of x").vector(3, features, "the last dimension of x").rows_of(6, 0).rows_of(7, 0);
  check.dense(0, 1, 2, 3, 4, 5).output(4).output(5).output(6).output(7);
  check.require(p.kind == 0 || p.kind == 1, "kind must be 0 (layer norm) or 1 (RMS norm)");
  check.require(call.has(1) || !call.has(5), "s is only written when there is a residual: without one it is x");
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) { return forward<decltype(type)>(call); });
}

hd_status norm_bwd(const Call& call) {
  const hd_NormParams& p = call.params<hd_NormParams>();
  const int64_t features = last(*call.t[2]);
  Check check(call);
  check.floats(2, 0, 1, 3, 6).dtype(4, HD_F32).dtype(5, HD_F32).f32_or_alike(7, 3).f32_or_alike(8, 3);
  check.same_shape(0, 2).same_shape(1, 2).same_shape(6, 2).rows_of(4, 2).rows_of(5, 2);
  for (const int32_t i : {3, 7, 8}) check.vector(i, features, "the last dimension of s");
  check.dense(0, 1, 2, 3, 6, 7, 8).output(6);
  check.require(p.kind == 0 || p.kind == 1, "kind must be 0 (layer norm) or 1 (RMS norm)");
  check.require(p.kind == 1 || call.has(4), "layer norm needs mean");
  if (check.failed()) return check.status();
  return with_float(call.t[2]->dtype, [&](auto type) { return backward<decltype(type)>(call); });
}
}  // namespace hd

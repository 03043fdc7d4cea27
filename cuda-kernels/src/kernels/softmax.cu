// softmax_fwd, softmax_bwd over the last dimension.
// Shapes: x, y, dy, dx [N..,F]. Work: rows of whole packs of up to 8192 f32 (16384 16-bit; backward half of that) elements stay in the
// registers of a team (rows.h). Other rows: a team of up to 256 threads per row, the second and third pass from L1 or L2.
// On chip: registers only; no spills (README.md has the counts).
// Numerics: f32, the maximum is taken out first; a row of -inf gives 0, NaN spreads.
// Cost: bandwidth: 2 N F forward, 3 N F backward; one exponential per element (formed twice in long rows).
// Deterministic: every sum has a fixed order.
// Checked on: see README.md.
#include "check.h"
#include "rows.h"

namespace hd {
namespace {

template <class T>
__global__ void __launch_bounds__(kThreads) softmax_kernel(View<const T> x, View<T> y, int64_t rows, int64_t n) {
  constexpr int W = kWidth<T>;
  const int64_t step = static_cast<int64_t>(blockDim.x) * W, mine = static_cast<int64_t>(threadIdx.x) * W;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.y; first < rows; first += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int64_t row = first + threadIdx.y, end = row < rows ? n : 0;
    const T* from = x.row(row < rows ? row : 0);
    T* const to = y.row(row < rows ? row : 0);
    float v[W], top = -INFINITY, total = 0;
    for (int64_t at = mine; at < end; at += step) {
      load_pack(from, at, n, x.vector, v);
#pragma unroll
      for (int i = 0; i < W; i++) top = at + i < n ? Largest::join(top, v[i]) : top;
    }
    top = team_join<Largest>(top);
    const float shift = top == -INFINITY ? 0.0f : top;
    for (int64_t at = mine; at < end; at += step) {
      load_pack(from, at, n, x.vector, v);
#pragma unroll
      for (int i = 0; i < W; i++) total += at + i < n ? expf(v[i] - shift) : 0.0f;
    }
    total = team_sum(total);
    const float factor = total == 0 ? 0.0f : 1.0f / total;
    for (int64_t at = mine; at < end; at += step) {
      load_pack(from, at, n, x.vector, v);
#pragma unroll
      for (int i = 0; i < W; i++) v[i] = expf(v[i] - shift) * factor;
      store_pack(to, at, n, y.vector, v);
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) softmax_gradient(View<const T> dy, View<const T> y, View<T> dx, int64_t rows, int64_t n) {
  constexpr int W = kWidth<T>;
  const int64_t step = static_cast<int64_t>(blockDim.x) * W, mine = static_cast<int64_t>(threadIdx.x) * W;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.y; first < rows; first += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int64_t row = first + threadIdx.y, end = row < rows ? n : 0;
    const int64_t safe = row < rows ? row : 0;
    const T *dy_row = dy.row(safe), *y_row = y.row(safe);
    T* const dx_row = dx.row(safe);
    float g[W], p[W], total = 0;
    for (int64_t at = mine; at < end; at += step) {
      load_pack(dy_row, at, n, dy.vector, g);
      load_pack(y_row, at, n, y.vector, p);
#pragma unroll
      for (int i = 0; i < W; i++) total = fmaf(g[i], p[i], total);
    }
    total = team_sum(total);
    for (int64_t at = mine; at < end; at += step) {
      load_pack(dy_row, at, n, dy.vector, g);
      load_pack(y_row, at, n, y.vector, p);
#pragma unroll
      for (int i = 0; i < W; i++) g[i] = p[i] * (g[i] - total);
      store_pack(dx_row, at, n, dx.vector, g);
    }
  }
}

// A whole row in the registers of a team.
template <class T, int K>
__global__ void __launch_bounds__(K == 1 ? kThreads : 512, K == 2 ? 2 : 1)
    softmax_row(Flat<const T> x, Flat<T> y, int64_t rows, int packs) {
  constexpr int W = kWidth<T>;
  const int mine = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.y; first < rows; first += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int64_t row = first + threadIdx.y;
    const int end = row < rows ? packs : 0;  // idle teams take part in the sums
    Bits<T> bits[K];
#pragma unroll
    for (int k = 0; k < K; k++) bits[k] = pack_at(x.row(row), mine + k * step, end);
    float v[K][W], top = -INFINITY, total[1] = {};
#pragma unroll
    for (int k = 0; k < K; k++) {
      unpack(bits[k], v[k]);
#pragma unroll
      for (int i = 0; i < W; i++) {
        if (mine + k * step >= end) v[k][i] = -INFINITY;
        top = fmaxf(top, v[k][i]);
      }
    }
    top = row_max(top);
    const float shift = top == -INFINITY ? 0.0f : top * kLog2e;
#pragma unroll
    for (int k = 0; k < K; k++) {
#pragma unroll
      for (int i = 0; i < W; i++) {
        v[k][i] = exp2_fast(fmaf(v[k][i], kLog2e, -shift));  // NaN spreads from here
        total[0] += v[k][i];
      }
    }
    row_sum(total, 0);
    const float factor = total[0] == 0 ? 0.0f : 1.0f / total[0];
#pragma unroll
    for (int k = 0; k < K; k++) {
#pragma unroll
      for (int i = 0; i < W; i++) v[k][i] *= factor;
      store_at(y.row(row), mine + k * step, end, packed<T>(v[k]));
    }
  }
}

template <class T, int K>
__global__ void __launch_bounds__(K == 1 ? kThreads : 512, K == 2 ? 2 : 1)
    softmax_row_gradient(Flat<const T> dy, Flat<const T> y, Flat<T> dx, int64_t rows, int packs) {
  constexpr int W = kWidth<T>;
  const int mine = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  int slot = 0;
  for (int64_t first = static_cast<int64_t>(blockIdx.x) * blockDim.y; first < rows; first += static_cast<int64_t>(gridDim.x) * blockDim.y) {
    const int64_t row = first + threadIdx.y;
    const int end = row < rows ? packs : 0;
    Bits<T> g[K], p[K];
#pragma unroll
    for (int k = 0; k < K; k++) {
      g[k] = pack_at(dy.row(row), mine + k * step, end);
      p[k] = pack_at(y.row(row), mine + k * step, end);
    }
    float u[W], v[W], total[1] = {};
#pragma unroll
    for (int k = 0; k < K; k++) {
      unpack(g[k], u);
      unpack(p[k], v);
#pragma unroll
      for (int i = 0; i < W; i++) total[0] = fmaf(u[i], v[i], total[0]);
    }
    row_sum(total, slot);
    slot ^= 1;
#pragma unroll
    for (int k = 0; k < K; k++) {
      unpack(g[k], u);
      unpack(p[k], v);
#pragma unroll
      for (int i = 0; i < W; i++) u[i] = v[i] * (u[i] - total[0]);
      store_at(dx.row(row), mine + k * step, end, packed<T>(u));
    }
  }
}
}  // namespace

hd_status softmax_fwd(const Call& call) {
  Check check(call);
  check.floats(0, 1).same_shape(1, 0).dense(0, 1).output(1);
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) {
    using T = decltype(type);
    const View<const T> x(call, 0);
    const int64_t n = last(*call.t[0]), rows = x.rows.count;
    if (n == 0 || rows == 0) return HD_OK;
    const int64_t packs = n / kWidth<T>;
    if (is_flat(x, View<T>(call, 1)) && n % kWidth<T> == 0 && packs <= 2048) {
      const int k = packs <= 32 ? 1 : packs <= 1024 ? 2 : 4;
      const dim3 team = row_team(packs, k);
      return launch(call,
                    k == 1   ? softmax_row<T, 1>
                    : k == 2 ? softmax_row<T, 2>
                             : softmax_row<T, 4>,
                    grid_for_teams(rows, team), team, 0, Flat<const T>(x), Flat<T>(View<T>(call, 1)), rows, static_cast<int>(packs));
    }
    const dim3 team = team_for(ceil_div(n, kWidth<T>));
    return launch(call, softmax_kernel<T>, grid_for_teams(rows, team), team, 0, x, View<T>(call, 1), rows, n);
  });
}

hd_status softmax_bwd(const Call& call) {
  Check check(call);
  check.floats(0, 1, 2).same_shape(1, 0).same_shape(2, 0).dense(0, 1, 2).output(2);
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) {
    using T = decltype(type);
    const View<const T> dy(call, 0);
    const int64_t n = last(*call.t[0]), rows = dy.rows.count;
    if (n == 0 || rows == 0) return HD_OK;
    const View<const T> y(call, 1);
    const View<T> dx(call, 2);
    const int64_t packs = n / kWidth<T>;
    if (is_flat(dy, y, dx) && n % kWidth<T> == 0 && packs <= 1024) {
      const dim3 team = row_team(packs, packs <= 32 ? 1 : 2);
      return launch(call, packs <= 32 ? softmax_row_gradient<T, 1> : softmax_row_gradient<T, 2>, grid_for_teams(rows, team), team, 0,
                    Flat<const T>(dy), Flat<const T>(y), Flat<T>(dx), rows, static_cast<int>(packs));
    }
    const dim3 team = team_for(ceil_div(n, kWidth<T>));
    return launch(call, softmax_gradient<T>, grid_for_teams(rows, team), team, 0, dy, View<const T>(call, 1), View<T>(call, 2), rows, n);
  });
}
}  // namespace hd

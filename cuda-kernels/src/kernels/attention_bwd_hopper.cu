// attention_bwd for Hopper (sm_90a), 16-bit types, D <= 128: gradients of attention_fwd over a block layout. Shapes: q, o, do, dq
// [B,H,T,D]; k, v, dk, dv [B,K,S,D]; lse f32 [B,H,T]. Work: one kernel twice. For dq a consumer warpgroup owns 64 queries of one head and
// keys stream past; for dk and dv it owns 64 keys and the queries of all heads of its group stream past. Either way it computes s = a1 b1^T
// and dp = a2 b2^T (wgmma, both operands in shared memory), weights p = exp2(s - lse) and ds = p (dp - delta) in registers, and then ds b1
// (dq or dk) and p b2 (dv) with the left operand in registers: no tile of scores is ever written. Recomputing s and dp for dq costs 7
// products instead of 5, and buys gradients without atomics, without waiting for other blocks, and without memory for partial sums:
// deterministic. Tiles that a producer warpgroup brings (TMA) are shared by all consumers of a block. Numerics: products in f32, p and ds
// rounded to the 16-bit type. A key that a query does not see is weighted 0, see attention_fwd_hopper.cu. Cost: 14 D FLOP per visible pair,
// whole blocks counted (10 D are useful). Measured: cuda-kernels/README.md.
#include "hopper/walk.h"
#include "hopper_attention.h"

namespace hd {
namespace {
using namespace hopper;

template <int D, bool Keys>
struct Shape {
  static constexpr int kConsumers = D == 64 && !Keys ? 3 : 2;
  static constexpr int kOwnStages = 2, kStages = D == 64 ? 4 : 3;
  static constexpr int kThreads = (kConsumers + 1) * kGroupThreads;
  static constexpr int kProducerRegisters = kConsumers == 3 ? 32 : 24, kConsumerRegisters = kConsumers == 3 ? 160 : 240;
  static constexpr bool kOwnInRegisters = D == 128 && !Keys;  // where there is room
  static constexpr int kColumnBytes = kTile * 128, kTileBytes = kTile * D * 2;
};

template <int W>
struct Step {
  int32_t block;  // kEnd: the item is done
  int32_t mask[W];
};

template <int D, bool Keys>
struct alignas(1024) Memory {
  using S = Shape<D, Keys>;
  alignas(1024) char own[S::kOwnStages][S::kConsumers][2][S::kTileBytes];  // a1, a2
  alignas(1024) char tile[S::kStages][2][S::kTileBytes];                   // b1, b2
  alignas(16) float2 statistics[S::kStages][kTile];                        // of streaming queries
  Step<S::kConsumers> step[S::kStages];
  int32_t item[S::kOwnStages];  // -1: no more
  uint64_t own_full[S::kOwnStages], own_empty[S::kOwnStages], full[S::kStages], empty[S::kStages];
};

template <class T>
struct Work {
  CUtensorMap q, d_o, k, v, d1, d2;  // d1: dq or dk; d2: dv
  Problem p;
  Lists lists;  // rows for dq, columns for dk and dv
  Deal deal;
  int32_t group, units;      // heads of q per head of k; units per pair
  const float2* statistics;  // [B, H, query_blocks * 64]: lse in units of log 2, delta
};

// ---- producer ----

// The first warp of the producer's; lane 0 speaks to the copy engine.
template <class T, int D, bool Keys>
__device__ void bring(const Work<T>& w, Memory<D, Keys>& m) {
  using S = Shape<D, Keys>;
  constexpr int W = S::kConsumers;
  const int lane = static_cast<int>(threadIdx.x);
  Stage owns, next;
  const auto copy = [](char* to, const CUtensorMap* map, uint64_t* full, int32_t block, int32_t head, int32_t batch) {
#pragma unroll
    for (int c = 0; c < D / 64; c++) copy_box(to + c * S::kColumnBytes, map, full, c * 64, block * kTile, head, batch);
  };
  for (auto item = static_cast<int32_t>(blockIdx.x), after = 0;; item = __shfl_sync(0xffffffffu, after, 0)) {
    wait(&m.own_empty[owns.index], owns.parity ^ 1);
    uint64_t* const own_full = &m.own_full[owns.index];
    if (item >= w.deal.total()) {
      if (lane == 0) {
        m.item[owns.index] = -1;
        arrive(own_full);
      }
      break;
    }
    if (lane == 0) after = w.deal.draw();
    int32_t pair, chunk;
    w.deal.place(item, pair, chunk);
    const int32_t batch = pair / static_cast<int32_t>(w.p.kv_heads), kv_head = pair - batch * static_cast<int32_t>(w.p.kv_heads);
    const Unit u = Keys ? Unit{chunk * W + lane, 0, chunk * W + lane < w.units} : unit_of(w.group, w.units, kv_head, chunk * W + lane);
    const bool inside = lane < W && u.inside;
    if (lane == 0) {
      m.item[owns.index] = item;
      arrive_expecting(own_full, static_cast<uint32_t>(min(W, w.units - chunk * W) * 2 * S::kTileBytes));
    }
    __syncwarp();
    if (inside) {
      copy(m.own[owns.index][lane][0], Keys ? &w.k : &w.q, own_full, u.block, Keys ? kv_head : u.head, batch);
      copy(m.own[owns.index][lane][1], Keys ? &w.v : &w.d_o, own_full, u.block, Keys ? kv_head : u.head, batch);
    }
    owns.advance<S::kOwnStages>();
    for (int32_t g = 0; g < (Keys ? w.group : 1); g++) {
      const int32_t head = Keys ? kv_head * w.group + g : u.head, from = Keys ? head : kv_head;
      Walk walk;
      walk.open(w.lists, inside, batch, head, u.block, Keys ? w.p.query_blocks : w.p.key_blocks);
      while (walk.coming != kEnd) {
        int32_t seen;
        const int32_t block = walk.take(w.lists, seen);
        wait(&m.empty[next.index], next.parity ^ 1);
        Step<W>& step = m.step[next.index];
        if (lane < W) step.mask[lane] = seen;
        if (lane == 0) step.block = block;
        __syncwarp();
        if (lane == 0) {
          uint64_t* const full = &m.full[next.index];
          arrive_expecting(full, 2 * S::kTileBytes + (Keys ? static_cast<uint32_t>(sizeof m.statistics[0]) : 0));
          copy(m.tile[next.index][0], Keys ? &w.q : &w.k, full, block, from, batch);
          copy(m.tile[next.index][1], Keys ? &w.d_o : &w.v, full, block, from, batch);
          if (Keys) {
            const int64_t at = ((batch * w.p.heads + head) * w.p.query_blocks + block) * kTile;
            copy_bytes(m.statistics[next.index], w.statistics + at, sizeof m.statistics[0], full);
          }
        }
        next.advance<S::kStages>();
      }
    }
    wait(&m.empty[next.index], next.parity ^ 1);
    if (lane == 0) {
      m.step[next.index].block = kEnd;
      arrive(&m.full[next.index]);
    }
    next.advance<S::kStages>();
  }
  if (lane == 0) w.deal.leave();
}

// ---- consumer ----

// x += p b
template <class T, int D>
__device__ void gather(float (&x)[D / 2], const uint32_t (&p)[16], uint64_t b) {
#pragma unroll
  for (int i = 0; i < 4; i++) product_columns(x, p + 4 * i, b + bytes(i * 2048), true, T{});
}

template <class T, int D, bool Keys>
__device__ void consume(const Work<T>& w, Memory<D, Keys>& m, int me) {
  using S = Shape<D, Keys>;
  constexpr int W = S::kConsumers;
  constexpr bool kAhead = D == 64;  // the last products of a step may run into the next one: registers are left
  const float scale = w.p.scale * kLog2e;
  Stage owns, now;
  // The own tiles of the last item, from which its result is still being stored; given back when the next item is on its way.
  int32_t owed = -1;
  const auto give_back = [&] {
    if (owed >= 0 && leads()) {
      stores_read();
      arrive(&m.own_empty[owed]);
    }
    owed = -1;
  };
  for (;;) {
    wait(&m.own_full[owns.index], owns.parity);
    const int32_t item = m.item[owns.index];
    if (item < 0) break;
    char(*const own)[S::kTileBytes] = m.own[owns.index][me];
    Left<T, D, S::kOwnInRegisters> a1, a2;
    a1.load(own[0]);
    a2.load(own[1]);
    int32_t pair, chunk;
    w.deal.place(item, pair, chunk);
    const int32_t batch = pair / static_cast<int32_t>(w.p.kv_heads), kv_head = pair - batch * static_cast<int32_t>(w.p.kv_heads);
    const Unit u = Keys ? Unit{chunk * W + me, 0, chunk * W + me < w.units} : unit_of(w.group, w.units, kv_head, chunk * W + me);
    float s[32], dp[32], d1[D / 2], d2[Keys ? D / 2 : 1];
    uint32_t p[16], ds[16];
#pragma unroll
    for (int i = 0; i < D / 2; i++) d1[i] = 0;
    if constexpr (Keys) {
#pragma unroll
      for (int i = 0; i < D / 2; i++) d2[i] = 0;
    }
    float2 mine[2] = {{INFINITY, 0}, {INFINITY, 0}};
    if (!Keys && u.inside) {
      const float2* from = w.statistics + (batch * w.p.heads + u.head) * w.p.query_blocks * kTile + u.block * kTile + own_row();
      mine[0] = from[0];
      mine[1] = from[8];
    }
    int32_t held = -1;  // the stage that unfinished products still read
    const auto settle = [&] {
      products_wait<0>();
      touch(d1);
      if constexpr (Keys) touch(d2);
      if (held >= 0) release(&m.empty[held]);
      held = -1;
    };
    for (;;) {
      wait(&m.full[now.index], now.parity);
      const int32_t stage = __shfl_sync(0xffffffffu, now.index, 0);  // tells the compiler that it is the same in all lanes
      const int32_t block = m.step[stage].block, mask = m.step[stage].mask[me];
      if (block == kEnd || mask == kNone) {
        settle();
        release(&m.empty[stage]);
        now.advance<S::kStages>();
        if (block == kEnd) break;
        continue;
      }
      const char *b1 = m.tile[stage][0], *b2 = m.tile[stage][1];
      products_begin();
      a1.template multiply<kTile>(s, rows_operand(b1), S::kColumnBytes);
      products_commit();
      a2.template multiply<kTile>(dp, rows_operand(b2), S::kColumnBytes);
      products_commit();
      Seen seen;
      uint32_t columns = 0;
      if (Keys) {
        columns = read_columns(w.lists.masks, mask);
      } else {
        seen.read(w.lists.masks, mask, static_cast<int32_t>(w.p.keys) - block * kTile);
      }
      products_wait<1>();
      touch(s);
      if (kAhead && held >= 0) release(&m.empty[held]);
      if (Keys) {  // keys that do not exist are not stored
        if (mask != 0) hide_columns(s, columns);
      } else if (!seen.all()) {
        hide(s, 0, seen);
      }
      const auto statistics = [&](int t) { return *reinterpret_cast<const float4*>(&m.statistics[stage][t * 8 + own_column()]); };
#pragma unroll
      for (int t = 0; t < 8; t++) {
        const float2 lse = Keys ? make_float2(statistics(t).x, statistics(t).z) : make_float2(0, 0);
#pragma unroll
        for (int i = 0; i < 4; i++)
          s[4 * t + i] = exp2_fast(fmaf(s[4 * t + i], scale, -(Keys ? i % 2 == 0 ? lse.x : lse.y : mine[i / 2].x)));
      }
      products_wait<0>();
      touch(dp);
#pragma unroll
      for (int t = 0; t < 8; t++) {
        const float2 delta = Keys ? make_float2(statistics(t).y, statistics(t).w) : make_float2(0, 0);
#pragma unroll
        for (int i = 0; i < 4; i++)
          dp[4 * t + i] = s[4 * t + i] * (dp[4 * t + i] - (Keys ? i % 2 == 0 ? delta.x : delta.y : mine[i / 2].y));
      }
      if constexpr (Keys) pack(s, p, T{});
      pack(dp, ds, T{});
      products_begin();
      if constexpr (Keys) gather<T, D>(d2, p, columns_operand(b2, S::kColumnBytes));
      gather<T, D>(d1, ds, columns_operand(b1, S::kColumnBytes));
      products_commit();
      held = stage;
      now.advance<S::kStages>();
      if (!kAhead) settle();
      give_back();
    }
    give_back();
    put_tile<T, D>(own[0], d1, w.p.scale, w.p.scale, T{});  // the own tiles have been read: they take the result
    if constexpr (Keys) put_tile<T, D>(own[1], d2, 1.0f, 1.0f, T{});
    stores_fence();
    meet(1 + me, kGroupThreads);
    if (leads() && u.inside) {
      send_tile<D>(own[0], &w.d1, u.block * kTile, Keys ? kv_head : u.head, batch);
      if (Keys) send_tile<D>(own[1], &w.d2, u.block * kTile, kv_head, batch);
      stores_commit();
    }
    owed = owns.index;
    owns.advance<S::kOwnStages>();
  }
  give_back();
}

template <class T, int D, bool Keys>
__global__ void __launch_bounds__(Shape<D, Keys>::kThreads, 1) hopper_gradient(const __grid_constant__ Work<T> w) {
  using S = Shape<D, Keys>;
  auto& m = shared_memory<Memory<D, Keys>>();
  if (threadIdx.x == 0) {
    constexpr uint32_t warps = S::kConsumers * 4;
    for (int i = 0; i < S::kOwnStages; i++) {
      barrier_init(&m.own_full[i], 1);
      barrier_init(&m.own_empty[i], S::kConsumers);
    }
    for (int i = 0; i < S::kStages; i++) {
      barrier_init(&m.full[i], 1);
      barrier_init(&m.empty[i], warps);
    }
    barrier_fence();
  }
  __syncthreads();
  const int group = warpgroup();
  if (group == 0) {
    give_registers<S::kProducerRegisters>();
    if (threadIdx.x < 32) bring<T, D, Keys>(w, m);
  } else {
    take_registers<S::kConsumerRegisters>();
    consume<T, D, Keys>(w, m, group - 1);
  }
}

template <bool Keys, class T, int D>
hd_status gradient(const Call& call, Work<T>& w, int64_t units, int64_t streamed_bytes) {
  using S = Shape<D, Keys>;
  const int64_t pairs = w.p.batches * w.p.kv_heads, chunks = ceil_div(units, S::kConsumers);
  w.units = static_cast<int32_t>(units);
  w.deal = {static_cast<int32_t>(pairs), static_cast<int32_t>(chunks), section_of(pairs, streamed_bytes), !Keys, call.context.tickets};
  const auto grid = static_cast<unsigned>(least(pairs * chunks, call.context.processors));
  return launch(call, hopper_gradient<T, D, Keys>, dim3(grid), dim3(S::kThreads), static_cast<int64_t>(sizeof(Memory<D, Keys>)), w);
}
}  // namespace

bool hopper_attention_bwd(const Call& call, const Problem& p, const Lists& rows, const Lists& columns, const float2* statistics,
                          hd_status& status) {
  if (!hopper_takes(call, p, 10)) return false;
  if (p.features > 128) return hopper_attention_bwd_wide(call, p, rows, columns, statistics, status);
  const int32_t mapped[7] = {0, 5, 1, 2, 14, 15, 16};
  CUtensorMap maps[7];
  for (int i = 0; i < 7; i++) {
    if (!make_map(&maps[i], *call.t[mapped[i]])) return false;
  }
  const auto go = [&](auto type, auto size) {
    using T = decltype(type);
    constexpr int D = decltype(size)::value;
    const auto group = static_cast<int32_t>(p.heads / p.kv_heads);
    Work<T> w = {maps[0], maps[1], maps[2], maps[3], maps[4], {}, p, rows, {}, group, 0, statistics};
    const hd_status done = gradient<false, T, D>(call, w, p.query_blocks * group, p.keys * D * 4);
    if (done != HD_OK) return done;
    w.lists = columns;
    w.d1 = maps[5];
    w.d2 = maps[6];
    return gradient<true, T, D>(call, w, p.key_blocks, p.queries * group * D * 4);
  };
  const auto sized = [&](auto type) {
    return p.features <= 64 ? go(type, std::integral_constant<int, 64>{}) : go(type, std::integral_constant<int, 128>{});
  };
  status = call.t[0]->dtype == HD_BF16 ? sized(bf16{}) : sized(f16{});
  return true;
}
}  // namespace hd

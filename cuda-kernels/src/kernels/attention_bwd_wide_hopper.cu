// attention_bwd for Hopper (sm_90a), 16-bit types, 128 < D <= 256: gradients of attention_fwd over a block layout. Shapes: q, o, do, dq
// [B,H,T,D]; k, v, dk, dv [B,K,S,D]; lse f32 [B,H,T]. As in attention_bwd_hopper.cu, but 64 rows of one gradient take 128 registers of a
// thread, so a consumer warpgroup cannot hold dk and dv together. Work: one kernel three times, for dq, dk and dv. A consumer owns 64 rows
// (queries, or keys), and the rows of the other kind stream past: s = a1 b1^T and, but for dv, dp = a2 b2^T (wgmma, both operands in shared
// memory), p = exp2(s - lse) and ds = p (dp - delta) in registers, and then ds b1 (dq, dk) or p b2 (dv) with the left operand in registers.
// 8 products instead of 5; splitting the columns of dk and dv between two consumers that share 64 keys would cost 9. On chip: own tiles of
// 32 or 64 KB for each of two consumers, and a ring of tiles of 32 KB, b1 and b2 in turn, so that b2 of the next step is on its way while
// b1 of this one is still needed. Numerics as there. Cost: 16 D FLOP per visible pair, whole blocks counted (10 D are useful).
// Deterministic: no atomics; sums in list order, heads in order. Measured: cuda-kernels/README.md.
#include "hopper/walk.h"
#include "hopper_attention.h"

namespace hd {
namespace {
using namespace hopper;

enum class Of { queries, keys, values };  // whose gradient

constexpr int D = 256, kConsumers = 2, kWideThreads = (kConsumers + 1) * kGroupThreads;
constexpr int kProducerRegisters = 24, kConsumerRegisters = 240;
constexpr int kColumnBytes = kTile * 128, kTileBytes = kTile * D * 2;

struct Step {
  int32_t block;  // kEnd: the item is done
  int32_t mask[kConsumers];
};

template <Of of>
struct alignas(1024) Memory {
  static constexpr int kOwn = of == Of::values ? 1 : 2, kStages = of == Of::values ? 5 : 3;
  alignas(1024) char own[kConsumers][kOwn][kTileBytes];                   // a1, a2
  alignas(1024) char tile[kStages][kTileBytes];                           // b1, b2 in turn
  alignas(16) float2 statistics[of == Of::queries ? 1 : kStages][kTile];  // of streaming queries, beside b1
  Step step[kStages];                                                     // beside b1
  int32_t item;                                                           // -1: no more
  uint64_t own_full, own_empty, full[kStages], empty[kStages];
};

template <class T>
struct Work {
  CUtensorMap q, d_o, k, v, result;
  Problem p;
  Lists lists;  // rows for dq, columns for dk and dv
  Deal deal;
  int32_t group, units;      // heads of q per head of k; units per pair
  const float2* statistics;  // [B, H, query_blocks * 64]: lse in units of log 2, delta
};

// What consumer `me` owns of an item.
template <Of of, class T>
__device__ Unit unit_for(const Work<T>& w, int32_t kv_head, int32_t chunk, int me) {
  const int32_t index = chunk * kConsumers + me;
  if (of == Of::queries) return unit_of(w.group, w.units, kv_head, index);
  return {index, kv_head, index < w.units};
}

// ---- producer ----

// The first warp of the producer's; lane 0 speaks to the copy engine.
template <Of of, class T>
__device__ void bring(const Work<T>& w, Memory<of>& m) {
  constexpr int kStages = Memory<of>::kStages;
  constexpr bool kRows = of == Of::queries;
  const int lane = static_cast<int>(threadIdx.x);
  Stage next;
  const auto copy = [](char* to, const CUtensorMap* map, uint64_t* full, int32_t block, int32_t head, int32_t batch) {
#pragma unroll
    for (int c = 0; c < D / 64; c++) copy_box(to + c * kColumnBytes, map, full, c * 64, block * kTile, head, batch);
  };
  uint32_t parity = 1;
  for (auto item = static_cast<int32_t>(blockIdx.x), after = 0;; item = __shfl_sync(0xffffffffu, after, 0), parity ^= 1) {
    wait(&m.own_empty, parity);
    if (item >= w.deal.total()) {
      if (lane == 0) {
        m.item = -1;
        arrive(&m.own_full);
      }
      break;
    }
    if (lane == 0) after = w.deal.draw();
    int32_t pair, chunk;
    w.deal.place(item, pair, chunk);
    const int32_t batch = pair / static_cast<int32_t>(w.p.kv_heads), kv_head = pair - batch * static_cast<int32_t>(w.p.kv_heads);
    const Unit u = unit_for<of>(w, kv_head, chunk, lane);
    const bool inside = lane < kConsumers && u.inside;
    if (lane == 0) {
      m.item = item;
      arrive_expecting(&m.own_full, static_cast<uint32_t>(min(kConsumers, w.units - chunk * kConsumers) * Memory<of>::kOwn * kTileBytes));
    }
    __syncwarp();
    if (inside) {
      copy(m.own[lane][0], kRows ? &w.q : &w.k, &m.own_full, u.block, u.head, batch);
      if (of != Of::values) copy(m.own[lane][Memory<of>::kOwn - 1], kRows ? &w.d_o : &w.v, &m.own_full, u.block, u.head, batch);
    }
    for (int32_t g = 0; g < (kRows ? 1 : w.group); g++) {
      const int32_t head = kRows ? u.head : kv_head * w.group + g, from = kRows ? kv_head : head;
      Walk walk;
      walk.open(w.lists, inside, batch, head, u.block, kRows ? w.p.key_blocks : w.p.query_blocks);
      while (walk.coming != kEnd) {
        int32_t seen;
        const int32_t block = walk.take(w.lists, seen);
        wait(&m.empty[next.index], next.parity ^ 1);
        if (lane < kConsumers) m.step[next.index].mask[lane] = seen;
        if (lane == 0) m.step[next.index].block = block;
        __syncwarp();
        if (lane == 0) {
          uint64_t* const full = &m.full[next.index];
          arrive_expecting(full, kTileBytes + (kRows ? 0 : static_cast<uint32_t>(sizeof m.statistics[0])));
          copy(m.tile[next.index], kRows ? &w.k : &w.q, full, block, from, batch);
          if (!kRows) {
            const int64_t at = ((batch * w.p.heads + head) * w.p.query_blocks + block) * kTile;
            copy_bytes(m.statistics[next.index], w.statistics + at, sizeof m.statistics[0], full);
          }
        }
        next.advance<kStages>();
        wait(&m.empty[next.index], next.parity ^ 1);
        if (lane == 0) {
          arrive_expecting(&m.full[next.index], kTileBytes);
          copy(m.tile[next.index], kRows ? &w.v : &w.d_o, &m.full[next.index], block, from, batch);
        }
        next.advance<kStages>();
      }
    }
    wait(&m.empty[next.index], next.parity ^ 1);
    if (lane == 0) {
      m.step[next.index].block = kEnd;
      arrive(&m.full[next.index]);
    }
    next.advance<kStages>();
  }
  if (lane == 0) w.deal.leave();
}

// ---- consumer ----

// x += p b
template <class T>
__device__ void gather(float (&x)[D / 2], const uint32_t (&p)[16], uint64_t b) {
#pragma unroll
  for (int i = 0; i < 4; i++) product_columns(x, p + 4 * i, b + bytes(i * 2048), true, T{});
}

template <Of of, class T>
__device__ void consume(const Work<T>& w, Memory<of>& m, int me) {
  constexpr int kStages = Memory<of>::kStages;
  constexpr bool kRows = of == Of::queries;
  const float scale = w.p.scale * kLog2e;
  Stage now;
  for (uint32_t parity = 0;; parity ^= 1) {
    wait(&m.own_full, parity);
    const int32_t item = m.item;
    if (item < 0) break;
    Left<T, D, false> a1, a2;
    a1.load(m.own[me][0]);
    a2.load(m.own[me][Memory<of>::kOwn - 1]);
    int32_t pair, chunk;
    w.deal.place(item, pair, chunk);
    const int32_t batch = pair / static_cast<int32_t>(w.p.kv_heads), kv_head = pair - batch * static_cast<int32_t>(w.p.kv_heads);
    const Unit u = unit_for<of>(w, kv_head, chunk, me);
    float d[D / 2];
#pragma unroll
    for (int i = 0; i < D / 2; i++) d[i] = 0;
    float2 mine[2] = {{INFINITY, 0}, {INFINITY, 0}};
    if (kRows && u.inside) {
      const float2* from = w.statistics + ((batch * w.p.heads + u.head) * w.p.query_blocks + u.block) * kTile + own_row();
      mine[0] = from[0];
      mine[1] = from[8];
    }
    const auto turn = [&] {  // the ring's place, in a register that all lanes share; what lies there has arrived
      wait(&m.full[now.index], now.parity);
      const int stage = __shfl_sync(0xffffffffu, now.index, 0);
      now.advance<kStages>();
      return stage;
    };
    for (;;) {
      const int first = turn();
      const int32_t block = m.step[first].block, mask = m.step[first].mask[me];
      if (block == kEnd) {
        release(&m.empty[first]);
        break;
      }
      if (mask == kNone) {
        release(&m.empty[first]);
        release(&m.empty[turn()]);
        continue;
      }
      const char* const b1 = m.tile[first];
      float s[32], dp[of == Of::values ? 1 : 32];
      uint32_t p[16];
      products_begin();
      a1.template multiply<kTile>(s, rows_operand(b1), kColumnBytes);
      products_commit();
      int second = 0;
      if constexpr (of != Of::values) {
        second = turn();
        products_begin();
        a2.template multiply<kTile>(dp, rows_operand(m.tile[second]), kColumnBytes);
        products_commit();
      }
      Seen seen;
      uint32_t columns = 0;
      if (kRows) {
        seen.read(w.lists.masks, mask, static_cast<int32_t>(w.p.keys) - block * kTile);
      } else {
        columns = read_columns(w.lists.masks, mask);
      }
      products_wait<of == Of::values ? 0 : 1>();
      touch(s);
      if (!kRows) {  // keys that do not exist are not stored
        if (mask != 0) hide_columns(s, columns);
      } else if (!seen.all()) {
        hide(s, 0, seen);
      }
      const auto statistics = [&](int t) { return *reinterpret_cast<const float4*>(&m.statistics[first][t * 8 + own_column()]); };
#pragma unroll
      for (int t = 0; t < 8; t++) {
        const float2 lse = kRows ? make_float2(0, 0) : make_float2(statistics(t).x, statistics(t).z);
#pragma unroll
        for (int i = 0; i < 4; i++)
          s[4 * t + i] = exp2_fast(fmaf(s[4 * t + i], scale, -(kRows ? mine[i / 2].x : i % 2 == 0 ? lse.x : lse.y)));
      }
      if constexpr (of == Of::values) {
        release(&m.empty[first]);
        pack(s, p, T{});
        second = turn();
        products_begin();
        gather<T>(d, p, columns_operand(m.tile[second], kColumnBytes));
        products_commit();
        products_wait<0>();
        touch(d);
        release(&m.empty[second]);
      } else {
        products_wait<0>();
        touch(dp);
        release(&m.empty[second]);
#pragma unroll
        for (int t = 0; t < 8; t++) {
          const float2 delta = kRows ? make_float2(0, 0) : make_float2(statistics(t).y, statistics(t).w);
#pragma unroll
          for (int i = 0; i < 4; i++)
            dp[4 * t + i] = s[4 * t + i] * (dp[4 * t + i] - (kRows ? mine[i / 2].y : i % 2 == 0 ? delta.x : delta.y));
        }
        pack(dp, p, T{});
        products_begin();
        gather<T>(d, p, columns_operand(b1, kColumnBytes));
        products_commit();
        products_wait<0>();
        touch(d);
        release(&m.empty[first]);
      }
    }
    const float factor = of == Of::values ? 1.0f : w.p.scale;
    put_tile<T, D>(m.own[me][0], d, factor, factor, T{});  // the own tile has been read: it takes the result
    stores_fence();
    meet(1 + me, kGroupThreads);
    if (leads()) {
      if (u.inside) {
        send_tile<D>(m.own[me][0], &w.result, u.block * kTile, u.head, batch);
        stores_commit();
        stores_read();
      }
      arrive(&m.own_empty);
    }
  }
}

template <Of of, class T>
__global__ void __launch_bounds__(kWideThreads, 1) hopper_wide_gradient(const __grid_constant__ Work<T> w) {
  auto& m = shared_memory<Memory<of>>();
  if (threadIdx.x == 0) {
    barrier_init(&m.own_full, 1);
    barrier_init(&m.own_empty, kConsumers);
    for (int i = 0; i < Memory<of>::kStages; i++) {
      barrier_init(&m.full[i], 1);
      barrier_init(&m.empty[i], kConsumers * 4);
    }
    barrier_fence();
  }
  __syncthreads();
  const int group = warpgroup();
  if (group == 0) {
    give_registers<kProducerRegisters>();
    if (threadIdx.x < 32) bring<of>(w, m);
  } else {
    take_registers<kConsumerRegisters>();
    consume<of>(w, m, group - 1);
  }
}

template <Of of, class T>
hd_status gradient(const Call& call, Work<T>& w, const CUtensorMap& result, const Lists& lists) {
  const int64_t pairs = w.p.batches * w.p.kv_heads, units = of == Of::queries ? w.p.query_blocks * w.group : w.p.key_blocks;
  const int64_t chunks = ceil_div(units, kConsumers), streamed = of == Of::queries ? w.p.keys : w.p.queries * w.group;
  w.result = result;
  w.lists = lists;
  w.units = static_cast<int32_t>(units);
  w.deal = {static_cast<int32_t>(pairs), static_cast<int32_t>(chunks), section_of(pairs, streamed * D * 4), of == Of::queries,
            call.context.tickets};
  const auto grid = static_cast<unsigned>(least(pairs * chunks, call.context.processors));
  return launch(call, hopper_wide_gradient<of, T>, dim3(grid), dim3(kWideThreads), static_cast<int64_t>(sizeof(Memory<of>)), w);
}
}  // namespace

bool hopper_attention_bwd_wide(const Call& call, const Problem& p, const Lists& rows, const Lists& columns, const float2* statistics,
                               hd_status& status) {
  const int32_t mapped[7] = {0, 5, 1, 2, 14, 15, 16};
  CUtensorMap maps[7];
  for (int i = 0; i < 7; i++) {
    if (!make_map(&maps[i], *call.t[mapped[i]])) return false;
  }
  const auto go = [&](auto type) {
    Work<decltype(type)> w = {maps[0], maps[1], maps[2], maps[3], {}, p, {}, {}, static_cast<int32_t>(p.heads / p.kv_heads), 0, statistics};
    hd_status done = gradient<Of::queries>(call, w, maps[4], rows);
    if (done == HD_OK) done = gradient<Of::keys>(call, w, maps[5], columns);
    return done == HD_OK ? gradient<Of::values>(call, w, maps[6], columns) : done;
  };
  status = call.t[0]->dtype == HD_BF16 ? go(bf16{}) : go(f16{});
  return true;
}
}  // namespace hd

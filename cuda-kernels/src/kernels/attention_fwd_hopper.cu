// attention_fwd for Hopper (sm_90a), 16-bit types: o = softmax(scale q k^T, mask) v over a block layout (FlashAttention-3, Shah et al.
// 2024, for the pipeline; block lists as in FlexAttention). Shapes: q, o [B,H,T,D]; k, v [B,K,S,D]; lse f32 [B,H,T]; D <= 256.
// Work: a persistent grid; an item is W units, a unit 64 queries of one head, and all units of an item belong to one head of k: with
// grouped queries the heads of a group share the tiles, otherwise neighbouring rows do. The producer walks the union of their lists, two
// key blocks a step; a consumer warpgroup computes s = q k^T (wgmma, both operands in shared memory), the softmax, and o += p v with p in
// registers. The product q k^T of the next step runs beside the softmax of this one, and consumers take turns to issue products. On chip: q
// of W units, k and v in rings of stages; s, p, o and the row statistics in registers. Numerics: products in f32, p rounded to the 16-bit
// type; exponentials base 2 with the scale folded into one FMA. The maximum that is subtracted is renewed only where it grows by more than
// 8 (in log2), so o is rarely rescaled; the result is the same sum. A key that a query of the item does not see is weighted 0: infinities
// and NaN in its v reach the result (0 * inf). Cost: 4 D FLOP per visible pair, whole blocks counted. Deterministic. Measured:
// cuda-kernels/README.md.
#include "hopper/walk.h"
#include "hopper_attention.h"

namespace hd {
namespace {
using namespace hopper;

template <int D>
struct Shape {
  static constexpr int kConsumers = D == 64 ? 4 : 2;
  static constexpr int kBlocks = D == 128 ? 2 : 1;  // key blocks of a step
  static constexpr int kKeys = kBlocks * kTile;
  static constexpr int kThreads = (kConsumers + 1) * kGroupThreads;
  static constexpr bool kQueriesInRegisters = D == 128;  // spares the products a third of their reads of shared memory
  static constexpr int kQueryStages = D == 256 ? 1 : 2, kStages = D == 64 ? 4 : 2;
  static constexpr int kProducerRegisters = kConsumers == 2 ? 24 : 32;
  static constexpr int kConsumerRegisters = kConsumers == 2 ? 240 : 112;
  static_assert(kProducerRegisters + kConsumers * kConsumerRegisters <= (kConsumers + 1) * (65536 / kThreads / 8 * 8));
  static constexpr int kColumnBytes = kKeys * 128;  // of a tile of k or v: one column of 64 elements
  static constexpr int kTileBytes = kColumnBytes * (D / 64), kQueryBytes = kTile * D * 2;
};

// What a step brings, told to the consumers beside its keys.
template <int W>
struct Step {
  alignas(16) int4 head;  // number of blocks: 2, 1 or 0; whether it is the item's last step; the blocks
  int2 masks[W];          // of each consumer for the two blocks
};

template <class T, int D>
struct alignas(1024) Memory {
  using S = Shape<D>;
  alignas(1024) char q[S::kQueryStages][S::kConsumers][S::kQueryBytes];
  alignas(1024) char k[S::kStages][S::kTileBytes];
  alignas(1024) char v[S::kStages][S::kTileBytes];
  Step<S::kConsumers> step[S::kStages];
  int32_t item[S::kQueryStages];  // -1: no more
  uint64_t q_full[S::kQueryStages], q_empty[S::kQueryStages], k_full[S::kStages], k_empty[S::kStages], v_full[S::kStages],
      v_empty[S::kStages];
};

template <class T>
struct Work {
  CUtensorMap q, k, v, o;
  Problem p;
  Lists lists;
  Deal deal;
  int32_t group, units;  // heads of q per head of k; units per pair
  float* lse;
  int64_t lse_stride[3];
};

// ---- producer ----

// The first warp of the producer's; lane 0 speaks to the copy engine.
template <class T, int D>
__device__ void bring(const Work<T>& w, Memory<T, D>& m) {
  using S = Shape<D>;
  constexpr int W = S::kConsumers;
  const int lane = static_cast<int>(threadIdx.x);
  Stage queries, next, behind;                                // of q; of k; of v, one step behind k
  int32_t waiting[2] = {kEnd, kEnd}, batch = 0, kv_head = 0;  // waiting: the blocks of v that come next
  const auto copy = [&](char* to, const CUtensorMap* map, uint64_t* full, const int32_t(&blocks)[2]) {
    arrive_expecting(full, static_cast<uint32_t>((blocks[0] != kEnd) + (blocks[1] != kEnd)) * kTile * D * 2);
#pragma unroll
    for (int i = 0; i < S::kBlocks; i++) {
#pragma unroll
      for (int c = 0; c < D / 64 && blocks[i] != kEnd; c++)
        copy_box(to + c * S::kColumnBytes + i * kTile * 128, map, full, c * 64, blocks[i] * kTile, kv_head, batch);
    }
  };
  const auto bring_v = [&] {
    if (waiting[0] == kEnd) return;
    wait(&m.v_empty[behind.index], behind.parity ^ 1);
    if (lane == 0) copy(m.v[behind.index], &w.v, &m.v_full[behind.index], waiting);
    behind.advance<S::kStages>();
    waiting[0] = kEnd;
  };
  for (auto item = static_cast<int32_t>(blockIdx.x), after = 0;; item = __shfl_sync(0xffffffffu, after, 0)) {
    wait(&m.q_empty[queries.index], queries.parity ^ 1);
    uint64_t* const q_full = &m.q_full[queries.index];
    if (item >= w.deal.total()) {
      if (lane == 0) {
        m.item[queries.index] = -1;
        arrive(q_full);
      }
      break;
    }
    if (lane == 0) after = w.deal.draw();
    int32_t pair, chunk;
    w.deal.place(item, pair, chunk);
    batch = pair / static_cast<int32_t>(w.p.kv_heads);
    kv_head = pair - batch * static_cast<int32_t>(w.p.kv_heads);
    const Unit u = unit_of(w.group, w.units, kv_head, chunk * W + lane);
    const bool inside = lane < W && u.inside;
    Walk walk;
    walk.open(w.lists, inside, batch, u.head, u.block, w.p.key_blocks);
    if (lane == 0) {
      m.item[queries.index] = item;
      arrive_expecting(q_full, static_cast<uint32_t>(min(W, w.units - chunk * W) * S::kQueryBytes));
    }
    __syncwarp();
    if (inside) {
#pragma unroll
      for (int c = 0; c < D / 64; c++)
        copy_box(m.q[queries.index][lane] + c * kTile * 128, &w.q, q_full, c * 64, u.block * kTile, u.head, batch);
    }
    queries.advance<S::kQueryStages>();
    bool first = true;
    do {
      int32_t blocks[2], seen[2];
      blocks[0] = walk.take(w.lists, seen[0]);
      blocks[1] = S::kBlocks == 2 ? walk.take(w.lists, seen[1]) : kEnd;
      if (S::kBlocks == 2 && first && blocks[1] == kEnd)
        blocks[1] = blocks[0];  // a first step is whole: the block comes twice, once unseen
      wait(&m.k_empty[next.index], next.parity ^ 1);
      Step<W>& step = m.step[next.index];
      if (lane < W) step.masks[lane] = make_int2(seen[0], S::kBlocks == 2 ? seen[1] : kNone);
      if (lane == 0) step.head = make_int4((blocks[0] != kEnd) + (blocks[1] != kEnd), walk.coming == kEnd, blocks[0], blocks[1]);
      __syncwarp();
      if (lane == 0) copy(m.k[next.index], &w.k, &m.k_full[next.index], blocks);
      bring_v();
      waiting[0] = blocks[0];
      waiting[1] = blocks[1];
      next.advance<S::kStages>();
      first = false;
    } while (walk.coming != kEnd);
    bring_v();
  }
  if (lane == 0) w.deal.leave();
}

// ---- consumer ----

constexpr float kSlack = 8.0f;  // log2 of the largest weight before the subtracted maximum is renewed

// The running maximum (of raw products) and sum of the thread's two rows.
struct Rows2 {
  float top[2], total[2];
};

// s[0..N/2) becomes weights. Returns whether sums so far must be multiplied by factor, which holds for the whole warp.
template <int N, int R>
__device__ bool soften(float (&s)[R], Rows2& rows, float scale, float (&factor)[2]) {
  bool grown = false;
#pragma unroll
  for (int r = 0; r < 2; r++) {
    float top = s[2 * r];
#pragma unroll
    for (int i = 0; i < N / 8; i++) top = fmaxf(top, fmaxf(s[4 * i + 2 * r], s[4 * i + 2 * r + 1]));
    top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 1));
    top = fmaxf(top, __shfl_xor_sync(0xffffffffu, top, 2));
    const bool grows = (top - rows.top[r]) * scale > kSlack;  // false for -inf - -inf
    factor[r] = grows ? exp2_fast((rows.top[r] - top) * scale) : 1.0f;
    rows.top[r] = grows ? top : rows.top[r];
    grown = grown || grows;
  }
  grown = __any_sync(0xffffffffu, grown);
  const float shift[2] = {rows.top[0] == -INFINITY ? 0.0f : rows.top[0] * scale, rows.top[1] == -INFINITY ? 0.0f : rows.top[1] * scale};
  float sum[2] = {0, 0};
#pragma unroll
  for (int i = 0; i < N / 8; i++) {
#pragma unroll
    for (int r = 0; r < 2; r++) {
#pragma unroll
      for (int c = 0; c < 2; c++) {
        float& x = s[4 * i + 2 * r + c];
        x = exp2_fast(fmaf(x, scale, -shift[r]));
        sum[r] += x;
      }
    }
  }
#pragma unroll
  for (int r = 0; r < 2; r++) rows.total[r] = rows.total[r] * factor[r] + sum[r];
  return grown;
}

// o += p v over N keys of a stage.
template <int N, class T, int D, int R>
__device__ void gather(float (&o)[D / 2], const uint32_t (&p)[R], uint64_t v) {
#pragma unroll
  for (int i = 0; i < N / 16; i++) product_columns(o, p + 4 * i, v + bytes(i * 2048), true, T{});
}

// Divides by the sums, writes lse, and sends o on its way from `tile`.
template <class T, int D>
__device__ void write(const Work<T>& w, const Unit& u, int32_t batch, const float (&o)[D / 2], const Rows2& rows, char* tile, int name) {
  float factor[2];
#pragma unroll
  for (int r = 0; r < 2; r++) {
    float total = rows.total[r];
    total += __shfl_xor_sync(0xffffffffu, total, 1);
    total += __shfl_xor_sync(0xffffffffu, total, 2);
    factor[r] = total == 0 ? 0.0f : 1.0f / total;
    const int64_t query = static_cast<int64_t>(u.block) * kTile + own_row() + r * 8;
    if (u.inside && query < w.p.queries && w.lse != nullptr && threadIdx.x % 4 == 0) {
      w.lse[batch * w.lse_stride[0] + u.head * w.lse_stride[1] + query * w.lse_stride[2]] =
          total == 0 ? -INFINITY : (rows.top[r] * w.p.scale * kLog2e + log2f(total)) * kLn2;
    }
  }
  put_tile<T, D>(tile, o, factor[0], factor[1], T{});
  stores_fence();
  meet(name, kGroupThreads);
  if (leads() && u.inside) {
    send_tile<D>(tile, &w.o, u.block * kTile, u.head, batch);
    stores_commit();
  }
}

template <class T, int D>
__device__ void consume(const Work<T>& w, Memory<T, D>& m, int me) {
  using S = Shape<D>;
  constexpr int W = S::kConsumers, N = S::kKeys;
  const float scale = w.p.scale * kLog2e;
  const auto key_count = static_cast<int32_t>(w.p.keys);
  Stage queries, keys, values;
  // Consumers issue their products in turn; the first turn is the first consumer's.
  if (me == W - 1) signal(1, 2 * kGroupThreads);
  const auto turn = [&] { meet(1 + me, 2 * kGroupThreads); };
  const auto pass = [&] { signal(1 + (me + 1) % W, 2 * kGroupThreads); };

  // The tile of the last item's queries, from which its result is still being stored; given back when the next item is on its way.
  int32_t owed = -1;
  const auto give_back = [&] {
    if (owed >= 0 && leads()) {
      stores_read();
      arrive(&m.q_empty[owed]);
    }
    owed = -1;
  };
  for (;;) {
    wait(&m.q_full[queries.index], queries.parity);
    const int32_t item = m.item[queries.index];
    if (item < 0) break;
    Left<T, D, S::kQueriesInRegisters> q;
    q.load(m.q[queries.index][me]);
    float o[D / 2], s[N / 2], factor[2];
    uint32_t p[N / 4];
    Rows2 rows = {{-INFINITY, -INFINITY}, {0, 0}};
#pragma unroll
    for (int i = 0; i < D / 2; i++) o[i] = 0;
    int4 head;
    int2 masks;

    const auto look = [&] {
      head = m.step[keys.index].head;
      masks = m.step[keys.index].masks[me];
    };
    // What this consumer sees of the step's blocks, read while the products run; and their hiding.
    Seen seen[S::kBlocks];
    const auto read_masks = [&] {
      const int32_t ids[2] = {masks.x, masks.y}, blocks[2] = {head.z, head.w};
#pragma unroll
      for (int i = 0; i < S::kBlocks; i++) seen[i].read(w.lists.masks, ids[i], key_count - blocks[i] * kTile);
    };
    const auto hide_unseen = [&](auto& x) {
      constexpr int blocks = sizeof(x) / sizeof(float) / 32;
#pragma unroll
      for (int i = 0; i < blocks; i++) {
        if (!seen[i].all()) hide(x, 32 * i, seen[i]);
      }
    };
    const auto keys_done = [&] {
      release(&m.k_empty[keys.index]);
      keys.advance<S::kStages>();
    };
    const auto values_done = [&] {
      release(&m.v_empty[values.index]);
      values.advance<S::kStages>();
    };
    const auto rescale = [&](bool grown) {
      if (!grown) return;
#pragma unroll
      for (int i = 0; i < D / 2; i++) o[i] *= factor[i / 2 % 2];
    };
    const auto finish = [&] {
      int32_t pair, chunk;
      w.deal.place(item, pair, chunk);
      const int32_t batch = pair / static_cast<int32_t>(w.p.kv_heads);
      const Unit u = unit_of(w.group, w.units, pair - batch * static_cast<int32_t>(w.p.kv_heads), chunk * W + me);
      write<T, D>(w, u, batch, o, rows, m.q[queries.index][me], 8 + me);  // the queries have been read: their tile takes the result
      owed = queries.index;
      queries.advance<S::kQueryStages>();
      if (S::kQueryStages == 1) give_back();
    };

    wait(&m.k_full[keys.index], keys.parity);
    look();
    if (head.x == 0) {  // nobody sees anything
      keys_done();
      give_back();
      finish();
      continue;
    }
    bool single = false;
    turn();
    products_begin();
    q.template multiply<N>(s, rows_operand(m.k[keys.index]), S::kColumnBytes);
    products_commit();
    pass();
    read_masks();
    products_wait<0>();
    touch(s);
    hide_unseen(s);
    keys_done();
    soften<N>(s, rows, scale, factor);
    pack(s, p, T{});
    give_back();
    while (head.y == 0) {
      wait(&m.k_full[keys.index], keys.parity);
      look();
      single = S::kBlocks == 2 && head.x == 1;
      if (single) break;
      turn();
      touch(o);
      products_begin();
      q.template multiply<N>(s, rows_operand(m.k[keys.index]), S::kColumnBytes);
      products_commit();
      wait(&m.v_full[values.index], values.parity);
      gather<N, T, D>(o, p, columns_operand(m.v[values.index], S::kColumnBytes));
      products_commit();
      pass();
      read_masks();
      products_wait<1>();
      touch(s);
      hide_unseen(s);
      keys_done();
      const bool grown = soften<N>(s, rows, scale, factor);
      products_wait<0>();
      touch(o);
      values_done();
      rescale(grown);
      pack(s, p, T{});
    }
    if (single) {
      float half[32];
      uint32_t weights[16];
      turn();
      touch(o);
      products_begin();
      q.template multiply<kTile>(half, rows_operand(m.k[keys.index]), S::kColumnBytes);
      products_commit();
      wait(&m.v_full[values.index], values.parity);
      gather<N, T, D>(o, p, columns_operand(m.v[values.index], S::kColumnBytes));
      products_commit();
      pass();
      read_masks();
      products_wait<0>();
      touch(half);
      touch(o);
      values_done();
      hide_unseen(half);
      keys_done();
      rescale(soften<kTile>(half, rows, scale, factor));
      pack(half, weights, T{});
      wait(&m.v_full[values.index], values.parity);
      touch(o);
      products_begin();
      gather<kTile, T, D>(o, weights, columns_operand(m.v[values.index], S::kColumnBytes));
    } else {
      wait(&m.v_full[values.index], values.parity);
      touch(o);
      products_begin();
      gather<N, T, D>(o, p, columns_operand(m.v[values.index], S::kColumnBytes));
    }
    products_commit();
    products_wait<0>();
    touch(o);
    values_done();
    finish();
  }
  give_back();
}

template <class T, int D>
__global__ void __launch_bounds__(Shape<D>::kThreads, 1) hopper_forward(const __grid_constant__ Work<T> w) {
  using S = Shape<D>;
  auto& m = shared_memory<Memory<T, D>>();
  if (threadIdx.x == 0) {
    constexpr uint32_t warps = S::kConsumers * 4;
    for (int i = 0; i < S::kQueryStages; i++) {
      barrier_init(&m.q_full[i], 1);
      barrier_init(&m.q_empty[i], S::kConsumers);
    }
    for (int i = 0; i < S::kStages; i++) {
      barrier_init(&m.k_full[i], 1);
      barrier_init(&m.v_full[i], 1);
      barrier_init(&m.k_empty[i], warps);
      barrier_init(&m.v_empty[i], warps);
    }
    barrier_fence();
  }
  __syncthreads();
  const int group = warpgroup();
  if (group == 0) {
    give_registers<S::kProducerRegisters>();
    if (threadIdx.x < 32) bring<T, D>(w, m);
  } else {
    take_registers<S::kConsumerRegisters>();
    consume<T, D>(w, m, group - 1);
  }
}
}  // namespace

bool hopper_attention_fwd(const Call& call, const Problem& p, const Lists& lists, hd_status& status) {
  if (!hopper_takes(call, p, 5)) return false;
  CUtensorMap maps[4];
  for (int i = 0; i < 4; i++) {
    if (!make_map(&maps[i], *call.t[i < 3 ? i : 9])) return false;
  }
  const auto go = [&](auto type, auto size) {
    using T = decltype(type);
    constexpr int D = decltype(size)::value;
    using S = Shape<D>;
    const auto group = static_cast<int32_t>(p.heads / p.kv_heads), units = static_cast<int32_t>(p.query_blocks * group);
    const int64_t pairs = p.batches * p.kv_heads, chunks = ceil_div(units, S::kConsumers);
    const Deal deal = {static_cast<int32_t>(pairs), static_cast<int32_t>(chunks), section_of(pairs, p.keys * D * 4), true,
                       call.context.tickets};
    Work<T> w = {maps[0], maps[1], maps[2], maps[3], p, lists, deal, group, units, call.data<float>(10), {}};
    for (int d = 0; d < 3 && call.has(10); d++) w.lse_stride[d] = call.t[10]->stride[d];
    const auto grid = static_cast<unsigned>(least(pairs * chunks, call.context.processors));
    return launch(call, hopper_forward<T, D>, dim3(grid), dim3(S::kThreads), static_cast<int64_t>(sizeof(Memory<T, D>)), w);
  };
  const auto sized = [&](auto type) { return with_head_size(p.features, [&](auto size) { return go(type, size); }); };
  status = call.t[0]->dtype == HD_BF16 ? sized(bf16{}) : sized(f16{});
  return true;
}
}  // namespace hd

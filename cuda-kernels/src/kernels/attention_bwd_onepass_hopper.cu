// attention_bwd for Hopper (sm_90a) in one pass, 16-bit types, 64 < D <= 128: gradients of attention_fwd over a block layout. Shapes: q, o,
// do, dq [B,H,T,D]; k, v, dk, dv [B,K,S,D]; lse f32 [B,H,T]. attention_bwd_hopper.cu forms s and dp twice, once for dq and once for dk and
// dv: 7 products. Here each is formed once: 5 products, for dq summed in f32 in device memory.
// Work: an item is 128 keys of one head of k, two consumer warpgroups of 64 keys each; 64 queries a step stream past, those of all heads of
// the group. A consumer computes s^T = k q^T and dp^T = v do^T (wgmma, both operands in shared memory), p = exp2(s - lse) and ds = p (dp -
// delta) in registers, dv += p do and dk += ds q with the left operand in registers, and writes ds to shared memory; there both consumers'
// halves meet, and each forms ds^T k of all 128 keys for half of the columns of dq, which it adds to the f32 sums of the query tile (red,
// 16 bytes a thread). A last kernel rounds the sums to dq. Order: sums are added to a query tile by ascending keys, so the bits do not
// depend on timing or grid. added[tile] counts the key blocks that have been; a contribution waits until all that its row list has before
// it are there, and one warp polls that ahead of the consumers, another publishes. Items are drawn in ascending order of keys, so an item
// waits only for items that a running block holds: no deadlock. Queries are walked downwards, tile by tile and head by head inside a tile:
// then causal rows and windows, whose chunks of keys end at different queries, follow each other without waiting, the longest chunks first;
// where all chunks begin at the same tile, each lags one step behind the one before, once per launch. On chip (D 128): k, v of the item 64
// KB; q, do in 3 stages of 32 KB; ds twice 16 KB. Memory: T x D floats per head. Numerics: products and sums in f32, p and ds rounded to
// the 16-bit type. A key that a query does not see is weighted 0, see attention_fwd_hopper.cu. Cost: 10 D FLOP per visible pair, whole
// blocks counted, and 8 D bytes of sums per 64 x 128 block. Measured: cuda-kernels/README.md.
#include <cstdlib>
#include <string>

#include "hopper/walk.h"
#include "hopper_attention.h"

namespace hd {
namespace {
using namespace hopper;

constexpr int kConsumers = 2, kStages = 3;
constexpr int kOnePassThreads = (kConsumers + 1) * kGroupThreads;
constexpr int kProducerRegisters = 24, kConsumerRegisters = 240;
constexpr int32_t kStop = kEnd - 1;  // as a step's block: no more items
constexpr int kColumnBytes = kTile * 128;

struct Step {
  int32_t block;  // of queries; kEnd: the item is done
  int32_t tile;   // the query tile among all heads
  int32_t head;
  int32_t mask[kConsumers];
};

struct Place {  // of an item
  int32_t batch, kv_head;
  int32_t key_block;  // the first one; -1: no more items
};

template <int D>
struct alignas(1024) Memory {
  static constexpr int kTileBytes = kTile * D * 2;
  alignas(1024) char own[kConsumers][2][kTileBytes];  // k, v
  alignas(1024) char tile[kStages][2][kTileBytes];    // q, do
  alignas(1024) char ds[2][kConsumers][kTile * 128];  // of even and odd steps: rows are keys
  alignas(16) float2 statistics[kStages][kTile];
  Step step[kStages];
  int32_t before[kStages];  // key blocks that the step's row list has before the item's
  Place place;
  uint64_t own_full, own_empty, full[kStages], empty[kStages];
  uint64_t turn[kStages];   // the step's sums may be added
  uint64_t added[kStages];  // and have been
};

template <class T>
struct Work {
  CUtensorMap q, d_o, k, v, dk, dv;
  Problem p;
  Lists rows, columns;
  Deal deal;
  int32_t group, units;      // heads of q per head of k; blocks of keys
  const float2* statistics;  // [B, H, query_blocks * 64]: lse in units of log 2, delta
  float* sums;               // [B, H, query_blocks] tiles, each [2][D / 16][128 threads][4]: accumulators as the consumers hold them
  uint32_t* added;           // [B, H, query_blocks]
};

// ---- producer ----

// How many entries the row list i of head h has for blocks before `block`. All lanes of a warp call it.
__device__ int32_t entries_before(const Lists& l, int64_t b, int64_t h, int64_t i, int32_t block) {
  if (l.ptr == nullptr) return block;
  const Range range = entries(l, b, h, i, 0);
  auto low = static_cast<int32_t>(range.begin), high = static_cast<int32_t>(range.end);
  while (low < high) {
    const int32_t step = (high - low + 31) / 32, at = low + static_cast<int32_t>(threadIdx.x) % 32 * step;
    const uint32_t before = __ballot_sync(0xffffffffu, at < high && __ldg(l.blocks + 2 * static_cast<int64_t>(at)) < block);
    if (before == 0) break;
    const int32_t n = __ffs(~before) == 0 ? 32 : __ffs(~before) - 1;  // lanes below it are before the block
    low += (n - 1) * step + 1;
    high = min(low + step - 1, high);
  }
  return low - static_cast<int32_t>(range.begin);
}

// The first warp of the producer's; lane 0 speaks to the copy engine. Lane l walks the list of consumer l % 2 for head l / 2 of the group.
template <class T, int D>
__device__ void bring(const Work<T>& w, Memory<D>& m) {
  constexpr int kHeads = 32 / kConsumers;  // whose lists are walked together
  constexpr int kTileBytes = Memory<D>::kTileBytes;
  const auto lane = [] { return thread_again(); };
  Stage next;
  const auto copy = [](char* to, const CUtensorMap* map, uint64_t* full, int32_t block, int32_t head, int32_t batch) {
#pragma unroll
    for (int c = 0; c < D / 64; c++) copy_box(to + c * kColumnBytes, map, full, c * 64, block * kTile, head, batch);
  };
  const auto say = [&](int32_t block) {
    wait(&m.empty[next.index], next.parity ^ 1);
    if (lane() == 0) {
      m.step[next.index].block = block;
      arrive(&m.full[next.index]);
    }
    next.advance<kStages>();
  };
  for (uint32_t parity = 1;; parity ^= 1) {
    // drawn when the last item's loads are under way, not before: others wait for what is drawn
    const int32_t item = __shfl_sync(0xffffffffu, lane() == 0 ? w.deal.draw() - static_cast<int32_t>(gridDim.x) : 0, 0);
    wait(&m.own_empty, parity);
    if (item >= w.deal.total()) break;
    if (lane() == 0) {  // to be read again where it is needed: this warp has few registers
      int32_t pair, chunk;
      w.deal.place(item, pair, chunk);
      const int32_t batch = pair / static_cast<int32_t>(w.p.kv_heads);
      m.place = {batch, pair - batch * static_cast<int32_t>(w.p.kv_heads), chunk * kConsumers};
      arrive_expecting(&m.own_full, kConsumers * 2 * kTileBytes);
    }
    __syncwarp();
    if (const int own = lane(); own < kConsumers) {  // past the last key zeros arrive: they meet weights of 0
      const Place at = m.place;
      copy(m.own[own][0], &w.k, &m.own_full, at.key_block + own, at.kv_head, at.batch);
      copy(m.own[own][1], &w.v, &m.own_full, at.key_block + own, at.kv_head, at.batch);
    }
    for (int32_t first = 0; first < w.group; first += kHeads) {
      Descent walk;
      {
        const Place at = m.place;
        const int32_t head = first + lane() / kConsumers, key_block = at.key_block + lane() % kConsumers;
        walk.open(w.columns, head < w.group && key_block < w.units, at.batch, at.kv_head * w.group + head, key_block, w.p.query_blocks);
      }
      while (walk.coming >= 0) {
        for (uint32_t rest = __ballot_sync(0xffffffffu, walk.block == walk.coming); rest != 0;) {
          const int32_t h = (__ffs(static_cast<int>(rest)) - 1) / kConsumers;
          rest &= ~(3u << h * kConsumers);
          wait(&m.empty[next.index], next.parity ^ 1);
          Step& step = m.step[next.index];
          if (lane() / kConsumers == h) step.mask[lane() % kConsumers] = walk.block == walk.coming ? walk.mask : kNone;
          __syncwarp();
          if (lane() == 0) {
            const int32_t batch = m.place.batch, head = m.place.kv_head * w.group + first + h, block = walk.coming;
            const int32_t tile = (batch * static_cast<int32_t>(w.p.heads) + head) * static_cast<int32_t>(w.p.query_blocks) + block;
            step.block = block;
            step.tile = tile;
            step.head = head;
            uint64_t* const full = &m.full[next.index];
            arrive_expecting(full, 2 * kTileBytes + static_cast<uint32_t>(sizeof m.statistics[0]));
            copy_bytes(m.statistics[next.index], w.statistics + static_cast<int64_t>(tile) * kTile, sizeof m.statistics[0], full);
            copy(m.tile[next.index][0], &w.q, full, block, head, batch);
            copy(m.tile[next.index][1], &w.d_o, full, block, head, batch);
          }
          next.advance<kStages>();
        }
        walk.take(w.columns);
      }
    }
    say(kEnd);
  }
  if (lane() == 0) {
    m.place.key_block = -1;
    arrive(&m.own_full);
    w.deal.leave();
  }
  __syncwarp();
  say(kStop);
}

// A warp that gives the consumers their turns to add.
template <class T, int D>
__device__ void give_turns(const Work<T>& w, Memory<D>& m) {
  int32_t before = 0, last = kEnd;  // last: the block of the step before
  for (Stage now;; now.advance<kStages>()) {
    wait(&m.full[now.index], now.parity);
    const Step& step = m.step[now.index];
    const int32_t block = step.block;
    if (block == kStop) break;
    if (block != kEnd) {
      if (block != last || w.rows.head_group != nullptr)
        before = entries_before(w.rows, m.place.batch, step.head, block, m.place.key_block);
      if (threadIdx.x % 32 == 0) {
        m.before[now.index] = before;
        while (before > 0 && load_acquire(w.added + step.tile) != static_cast<uint32_t>(before)) {
        }
      }
    }
    last = block;
    release(&m.turn[now.index]);
    release(&m.empty[now.index]);
  }
}

// A thread that tells the other blocks what has been added.
template <class T, int D>
__device__ void publish(const Work<T>& w, Memory<D>& m) {
  for (Stage now;; now.advance<kStages>()) {
    wait(&m.full[now.index], now.parity);
    const Step step = m.step[now.index];
    if (step.block == kStop) break;
    wait(&m.added[now.index], now.parity);
    arrive(&m.empty[now.index]);
    if (step.block != kEnd) add_release(w.added + step.tile, (step.mask[0] != kNone) + (step.mask[1] != kNone));
  }
}

// ---- consumer ----

constexpr int kBothName = 1, kOneName = 2;  // of barriers: of both consumers, of the first one

// x += p b
template <class T, int D>
__device__ void gather(float (&x)[D / 2], const uint32_t (&p)[16], uint64_t b) {
#pragma unroll
  for (int i = 0; i < 4; i++) product_columns(x, p + 4 * i, b + bytes(i * 2048), true, T{});
}

template <class T, int D>
__device__ void consume(const Work<T>& w, Memory<D>& m, int me) {
  constexpr int kTileBytes = Memory<D>::kTileBytes;
  const float scale = w.p.scale * kLog2e;
  Stage now;
  int odd = 0;  // of the step
  for (uint32_t parity = 0;; parity ^= 1) {
    wait(&m.own_full, parity);
    const Place at = m.place;
    if (at.key_block < 0) break;
    const int32_t key_block = at.key_block + me;
    Left<T, D, false> k, v;
    k.load(m.own[me][0]);
    v.load(m.own[me][1]);
    // Keys that do not exist are not seen: their weights, exp2(0 - lse), might be infinite. Bits of the warp's 16 rows, twice.
    const int32_t left = static_cast<int32_t>(w.p.keys) - key_block * kTile;
    const uint32_t real = ((1u << max(0, min(16, left - (own_row() & ~15)))) - 1) * 0x10001u;
    float dk[D / 2], dv[D / 2];
#pragma unroll
    for (int i = 0; i < D / 2; i++) dk[i] = dv[i] = 0;

    // dq of the step, from ds of both consumers, for this one's half of the columns.
    const auto multiply_keys = [&](float(&dq)[D / 4]) {
      const uint64_t ds = columns_operand(m.ds[odd][0], kColumnBytes);
      const uint64_t keys = columns_operand(m.own[0][0] + me * kColumnBytes, kColumnBytes);
#pragma unroll
      for (int i = 0; i < 8; i++)
        product_columns(dq, ds + bytes(i * 2048), keys + bytes(i / 4 * 2 * kTileBytes + i % 4 * 2048), i > 0, T{});
    };
    const auto add = [&](const float(&dq)[D / 4], int stage) {
      wait(&m.turn[stage], now.parity);
      float* const to = w.sums + static_cast<int64_t>(m.step[stage].tile) * kTile * D + me * kTile * (D / 2) +
                        static_cast<int>(threadIdx.x) % kGroupThreads * 4;
      if (m.before[stage] == 0) {
#pragma unroll
        for (int i = 0; i < D / 16; i++)
          *reinterpret_cast<float4*>(to + i * kGroupThreads * 4) = make_float4(dq[4 * i], dq[4 * i + 1], dq[4 * i + 2], dq[4 * i + 3]);
      } else {
#pragma unroll
        for (int i = 0; i < D / 16; i++)
          add_four(to + i * kGroupThreads * 4, make_float4(dq[4 * i], dq[4 * i + 1], dq[4 * i + 2], dq[4 * i + 3]));
      }
      release(&m.added[stage]);
    };
    int stage;
    int32_t block, mask;
    const auto look = [&] {
      wait(&m.full[now.index], now.parity);
      stage = __shfl_sync(0xffffffffu, now.index, 0);  // tells the compiler that it is the same in all lanes
      block = m.step[stage].block;
      mask = m.step[stage].mask[me];
    };
    const auto pass = [&] {
      now.advance<kStages>();
      odd ^= 1;
      look();
    };
    look();
    while (block != kEnd) {
      float dq[D / 4];
      if (mask == kNone) {  // only the other consumer sees these queries
        constexpr uint32_t zero[4] = {};
#pragma unroll
        for (int i = 0; i < 4; i++) store_operand(zero, m.ds[odd][me], own_row() & ~15, i);
        stores_fence();
        meet(kBothName, kConsumers * kGroupThreads);
        products_begin();
        multiply_keys(dq);
        products_commit();
        products_wait<0>();
        touch(dq);
        add(dq, stage);
        release(&m.empty[stage]);
        pass();
        continue;
      }
      const char *q = m.tile[stage][0], *d_o = m.tile[stage][1];
      float s[32], dp[32];
      uint32_t p[16], ds[16];
      products_begin();
      k.template multiply<kTile>(s, rows_operand(q), kColumnBytes);
      products_commit();
      v.template multiply<kTile>(dp, rows_operand(d_o), kColumnBytes);
      products_commit();
      const uint32_t columns = read_columns(w.columns.masks, mask) & real;
      const auto statistics = [&](int t) { return *reinterpret_cast<const float4*>(&m.statistics[stage][t * 8 + own_column()]); };
      products_wait<1>();
      touch(s);
      if (mask != 0 || left < kTile) hide_columns(s, columns);
#pragma unroll
      for (int t = 0; t < 8; t++) {
        const float4 x = statistics(t);
#pragma unroll
        for (int i = 0; i < 4; i++) s[4 * t + i] = exp2_fast(fmaf(s[4 * t + i], scale, -(i % 2 == 0 ? x.x : x.z)));
      }
      pack(s, p, T{});
      products_begin();
      gather<T, D>(dv, p, columns_operand(d_o, kColumnBytes));
      products_commit();
      products_wait<1>();
      touch(dp);
#pragma unroll
      for (int t = 0; t < 8; t++) {
        const float4 x = statistics(t);
#pragma unroll
        for (int i = 0; i < 4; i++) dp[4 * t + i] = s[4 * t + i] * (dp[4 * t + i] - (i % 2 == 0 ? x.y : x.w));
      }
      pack(dp, ds, T{});
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const uint32_t part[4] = {ds[4 * i], ds[4 * i + 1], ds[4 * i + 2], ds[4 * i + 3]};
        store_operand(part, m.ds[odd][me], own_row() & ~15, i);
      }
      stores_fence();
      meet(kBothName, kConsumers * kGroupThreads);
      products_begin();
      multiply_keys(dq);
      products_commit();
      gather<T, D>(dk, ds, columns_operand(q, kColumnBytes));
      products_commit();
      products_wait<1>();
      touch(dq);
      touch(dv);
      add(dq, stage);
      const int last = stage;
      pass();  // while the last product runs
      products_wait<0>();
      touch(dk);
      release(&m.empty[last]);
    }
    release(&m.added[stage]);
    release(&m.empty[stage]);
    now.advance<kStages>();
    meet(kBothName, kConsumers * kGroupThreads);  // nobody reads k any more: the own tiles take the results
    put_tile<T, D>(m.own[me][0], dk, w.p.scale, w.p.scale, T{});
    put_tile<T, D>(m.own[me][1], dv, 1.0f, 1.0f, T{});
    stores_fence();
    meet(kOneName + me, kGroupThreads);
    if (leads()) {
      if (key_block < w.units) {
        send_tile<D>(m.own[me][0], &w.dk, key_block * kTile, at.kv_head, at.batch);
        send_tile<D>(m.own[me][1], &w.dv, key_block * kTile, at.kv_head, at.batch);
        stores_commit();
        stores_read();
      }
      arrive(&m.own_empty);
    }
  }
}

template <class T, int D>
__global__ void __launch_bounds__(kOnePassThreads, 1) hopper_gradients(const __grid_constant__ Work<T> w) {
  auto& m = shared_memory<Memory<D>>();
  if (threadIdx.x == 0) {
    constexpr uint32_t warps = kConsumers * 4;
    barrier_init(&m.own_full, 1);
    barrier_init(&m.own_empty, kConsumers);
    for (int i = 0; i < kStages; i++) {
      barrier_init(&m.full[i], 1);
      barrier_init(&m.empty[i], warps + 2);  // and the threads that give turns and publish
      barrier_init(&m.turn[i], 1);
      barrier_init(&m.added[i], warps);
    }
    barrier_fence();
  }
  __syncthreads();
  const int group = warpgroup();
  if (group == 0) {
    give_registers<kProducerRegisters>();
    if (threadIdx.x < 32) bring<T, D>(w, m);
    if (threadIdx.x / 32 == 1) give_turns<T, D>(w, m);
    if (threadIdx.x == 64) publish<T, D>(w, m);
  } else {
    take_registers<kConsumerRegisters>();
    consume<T, D>(w, m, group - 1);
  }
}

// ---- sums to dq ----

// A thread has 8 columns of rows g and g + 8 of a warp's 16: 64 bytes of sums, 16 of each row. A block: 64 queries.
template <class T, int D>
__global__ void __launch_bounds__(kThreads) round_sums(Heads<T> dq, Problem p, const float* sums, const uint32_t* added) {
  const int64_t block = blockIdx.x, h = blockIdx.y, b = blockIdx.z, tile = (b * p.heads + h) * p.query_blocks + block;
  const bool any = added[tile] != 0;
  for (int i = static_cast<int>(threadIdx.x); i < kTile * D / 16; i += kThreads) {
    const int pack = i % (D / 8), quad = i / (D / 8);  // of 8 columns; of threads, as the consumers were
    const float4* const from = reinterpret_cast<const float4*>(sums + tile * kTile * D + pack * kGroupThreads * 4) + quad * 4;
    float rows[2][8];
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const float4 x = any ? from[j] : make_float4(0, 0, 0, 0);
      rows[0][2 * j] = x.x * p.scale;
      rows[0][2 * j + 1] = x.y * p.scale;
      rows[1][2 * j] = x.z * p.scale;
      rows[1][2 * j + 1] = x.w * p.scale;
    }
    const int64_t query = block * kTile + quad / 8 * 16 + quad % 8;
#pragma unroll
    for (int r = 0; r < 2; r++) {
      if (query + 8 * r < p.queries) store_pack(dq.at(b, h, query + 8 * r), pack * 8, p.features, dq.vector, rows[r]);
    }
  }
}

constexpr int kFeatures = 128;

// Whether chunks of keys follow each other without waiting: where every block is seen, and where as many are as causal rows see. With other
// lists they wait for each other's sums: random blocks, half of them empty, took 1.3 times as long as in two passes on an H200,
// windows 1.06.
bool in_step(const Call& call, const Problem& p) {
  if (!call.has(6)) return true;
  const int64_t lists = call.t[6]->shape[0] * call.t[6]->shape[1];
  return p.query_blocks == p.key_blocks && call.t[7]->shape[0] == lists * p.query_blocks * (p.query_blocks + 1) / 2;
}

int64_t tiles_of(const Problem& p) { return p.batches * p.heads * p.query_blocks; }
}  // namespace

int64_t hopper_one_pass_bytes(const Call& call, const Problem& p) {
  static const std::string asked = std::getenv("HD_ATTENTION_BWD") == nullptr ? "" : std::getenv("HD_ATTENTION_BWD");
  if (asked == "two_pass" || (asked != "one_pass" && !in_step(call, p)) || !hopper_takes(call, p, 10) || p.features <= 64 ||
      p.features > kFeatures)
    return 0;
  return tiles_of(p) * (kTile * kFeatures * static_cast<int64_t>(sizeof(float)) + static_cast<int64_t>(sizeof(uint32_t)));
}

bool hopper_attention_bwd_one_pass(const Call& call, const Problem& p, const Lists& rows, const Lists& columns, const float2* statistics,
                                   void* sums, hd_status& status) {
  const int32_t mapped[6] = {0, 5, 1, 2, 15, 16};
  CUtensorMap maps[6];
  for (int i = 0; i < 6; i++) {
    if (!make_map(&maps[i], *call.t[mapped[i]])) return false;
  }
  const auto go = [&](auto type) {
    using T = decltype(type);
    constexpr int D = kFeatures;
    const auto group = static_cast<int32_t>(p.heads / p.kv_heads), units = static_cast<int32_t>(p.key_blocks);
    const int64_t tiles = tiles_of(p), pairs = p.batches * p.kv_heads, chunks = ceil_div(units, kConsumers);
    auto* const floats = static_cast<float*>(sums);
    auto* const added = reinterpret_cast<uint32_t*>(floats + tiles * kTile * D);
    const cudaError_t error = cudaMemsetAsync(added, 0, static_cast<size_t>(tiles) * sizeof(uint32_t), call.context.stream);
    if (error != cudaSuccess) return cuda_fail(error, "clearing counters");
    // q, do and the sums of one head per pair: heads of a group are walked side by side
    const Deal deal = {static_cast<int32_t>(pairs), static_cast<int32_t>(chunks), section_of(pairs, p.queries * D * 8), false,
                       call.context.tickets};
    const Work<T> w = {maps[0], maps[1], maps[2], maps[3], maps[4],    maps[5], p,    rows,
                       columns, deal,    group,   units,   statistics, floats,  added};
    const auto grid = static_cast<unsigned>(least(pairs * chunks, call.context.processors));
    const hd_status done =
        launch(call, hopper_gradients<T, D>, dim3(grid), dim3(kOnePassThreads), static_cast<int64_t>(sizeof(Memory<D>)), w);
    if (done != HD_OK) return done;
    const dim3 all(static_cast<unsigned>(p.query_blocks), static_cast<unsigned>(p.heads), static_cast<unsigned>(p.batches));
    return launch(call, round_sums<T, D>, all, kThreads, 0, Heads<T>(call, 14), p, floats, added);
  };
  status = call.t[0]->dtype == HD_BF16 ? go(bf16{}) : go(f16{});
  return true;
}
}  // namespace hd

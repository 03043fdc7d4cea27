// heddle_cuda_emulated_primitives: a small kernel of all that src/hopper/instructions.h has, against plain loops; then the same kernel with
// one fault at a time, each of which the emulation must find: by a message, or by a wrong result. Exit status: 0 all is as it should be.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "hopper/walk.h"

namespace {
using namespace hd;
using namespace hd::hopper;

enum class Fault {
  none,
  barrier_fence_missing,
  full_not_awaited,
  bytes_wrong,
  arrivals_wrong,
  stage_not_awaited,
  released_early,
  begin_missing,
  products_not_awaited,
  accumulators_read_early,
  accumulators_written_early,
  left_overwritten,
  operand_turned,
  operand_misplaced,
  swizzle_missing,
  store_fence_missing,
  meeting_missing,
  tile_overwritten,
  store_not_awaited,
  sums_not_awaited,
  turn_not_passed,
  meeting_too_large,
  registers_too_many,
};

constexpr int kTiles = 8, kStages = 2, kBlocks = 5, kConsumers = 2, kTileSize = kTile * kTile;
constexpr int kRows = kBlocks * kConsumers * kTile - 20;  // the last tile hangs over

struct Memory {
  alignas(1024) char a[kStages][kConsumers][kTileSize * 2], b[kStages][kTileSize * 2], out[kConsumers][kTileSize * 2];
  alignas(16) float sums[kConsumers][kTileSize];
  uint64_t full[kStages], empty[kStages];
};

// o [rows, 64] = sum over t of a [rows, 64 t..] times b [64 t.., 64], whose tiles lie as the kind of t says. Then the tiles of all blocks
// are added up, block after block; seen: the first sum that each block finds.
struct Work {
  CUtensorMap a, b, o;
  float *tiles, *sums, *seen;
  uint32_t* turn;
  Fault fault;

  bool has(Fault f) const { return fault == f; }
};

// Tiles of a are [m, k], and [k, m] for the last kind; those of b are [n, k] for the first two and [k, n] for the others.
enum Kind { both_shared, left_in_registers, columns, both_columns };
Kind kind_of(int t) { return static_cast<Kind>(t % 4); }

void bring(const Work& w, Memory& m) {
  Stage next;
  for (int t = 0; t < kTiles; t++) {
    if (!w.has(Fault::stage_not_awaited)) wait(&m.empty[next.index], next.parity ^ 1);
    uint64_t* const full = &m.full[next.index];
    arrive_expecting(full, (1 + kConsumers) * kTileSize * 2 + (w.has(Fault::bytes_wrong) ? 16 : 0));
    for (int me = 0; me < kConsumers; me++)
      copy_box(m.a[next.index][me], &w.a, full, t * kTile, (static_cast<int>(blockIdx.x) * kConsumers + me) * kTile, 0, 0);
    copy_box(m.b[next.index], &w.b, full, 0, t * kTile, 0, 0);
    next.advance<kStages>();
  }
}

void multiply(const Work& w, const char* a, const char* b, int t, float (&c)[32], uint32_t (&left)[16]) {
  if (w.has(Fault::operand_misplaced)) b += 128;
  for (int i = 0; i < 4; i++) {
    const uint64_t rows = rows_operand(b) + bytes(static_cast<uint32_t>(32 * i));
    const auto down = bytes(static_cast<uint32_t>(2048 * i));
    const Kind kind = w.has(Fault::operand_turned) && kind_of(t) == columns ? left_in_registers : kind_of(t);
    switch (kind) {
      case both_shared:
        product(c, rows_operand(a) + bytes(static_cast<uint32_t>(32 * i)), rows, t > 0 || i > 0, bf16{});
        break;
      case left_in_registers:
        product_rows(c, left + 4 * i, rows, true, bf16{});
        break;
      case columns:
        product_columns(c, left + 4 * i, columns_operand(b, kTileSize * 2) + down, true, bf16{});
        break;
      case both_columns:
        product_columns(c, columns_operand(a, kTileSize * 2) + down, columns_operand(b, kTileSize * 2) + down, true, bf16{});
        break;
    }
  }
}

void add_up(const Work& w, Memory& m, int me, const float (&c)[32]) {
  for (int i = 0; i < 32; i++) {
    const int at = (own_row() + i / 2 % 2 * 8) * kTile + i / 4 * 8 + own_column() + i % 2;
    m.sums[me][at] = c[i];
    w.tiles[(static_cast<int>(blockIdx.x) * kConsumers + me) * kTileSize + at] = c[i];
  }
  stores_fence();
  meet(1 + me, w.has(Fault::meeting_too_large) ? 3 * kGroupThreads : kGroupThreads);
  if (!leads()) return;
  while (load_acquire(w.turn + me) != blockIdx.x) {
  }
  w.seen[static_cast<int>(blockIdx.x) * kConsumers + me] = w.sums[me * kTileSize];
  if (me == 0) {
    add_floats(w.sums, m.sums[0], sizeof m.sums[0]);
    stores_commit();
  } else {
    for (int i = 0; i < kTileSize; i += 4) add_four(w.sums + kTileSize + i, *reinterpret_cast<const float4*>(&m.sums[1][i]));
  }
  if (w.has(Fault::sums_not_awaited)) {
    stores_read();
  } else {
    stores_done();
  }
  if (!w.has(Fault::turn_not_passed)) add_release(w.turn + me, 1);
}

void consume(const Work& w, Memory& m, int me) {
  Stage now;
  float c[32];
  uint32_t left[16];
  for (int t = 0; t < kTiles; t++) {
    if (!w.has(Fault::full_not_awaited)) wait(&m.full[now.index], now.parity);
    const char* const a = m.a[now.index][me];
    for (int i = 0; i < 4; i++) load_operand(left + 4 * i, a, own_row() & ~15, i);
    touch(c);
    if (!w.has(Fault::begin_missing)) products_begin();
    multiply(w, a, m.b[now.index], t, c, left);
    products_commit();
    if (w.has(Fault::released_early)) release(&m.empty[now.index]);
    if (w.has(Fault::left_overwritten)) left[5] ^= 1;
    if (w.has(Fault::accumulators_written_early)) c[3] = 1;
    if (w.has(Fault::accumulators_read_early)) w.tiles[threadIdx.x] += c[3];
    if (!w.has(Fault::products_not_awaited)) products_wait<0>();
    touch(c);
    if (!w.has(Fault::released_early)) release(&m.empty[now.index]);
    now.advance<kStages>();
  }
  put_tile<bf16, kTile>(m.out[me], c, 1, 1, bf16{});
  if (!w.has(Fault::store_fence_missing)) stores_fence();
  if (!w.has(Fault::meeting_missing)) meet(1 + me, kGroupThreads);
  if (leads()) {
    send_tile<kTile>(m.out[me], &w.o, (static_cast<int>(blockIdx.x) * kConsumers + me) * kTile, 0, 0);
    stores_commit();
    if (w.has(Fault::tile_overwritten)) std::memset(m.out[me], 0, 64);
    if (!w.has(Fault::store_not_awaited)) stores_read();
  }
  if (w.has(Fault::store_not_awaited)) return;
  add_up(w, m, me, c);
}

void kernel(const Work& w) {
  Memory& m = shared_memory<Memory>();
  if (threadIdx.x == 0) {
    for (int i = 0; i < kStages; i++) {
      barrier_init(&m.full[i], w.has(Fault::arrivals_wrong) ? 2 : 1);
      barrier_init(&m.empty[i], kConsumers * 4);
    }
    if (!w.has(Fault::barrier_fence_missing)) barrier_fence();
  }
  __syncthreads();
  const int group = warpgroup();
  if (group == 0) {
    give_registers<24>();
    if (threadIdx.x == 0) bring(w, m);
    return;
  }
  if (w.has(Fault::registers_too_many)) {
    take_registers<248>();
  } else {
    take_registers<240>();
  }
  consume(w, m, group - 1);
}

// ---- host ----

using Matrix = std::vector<bf16>;

CUtensorMap map_of(Matrix& x, int rows, int columns, bool swizzle) {
  CUtensorMap map;
  hd_tensor t{};
  t.data = reinterpret_cast<hd_address>(x.data());
  t.dtype = HD_BF16;
  t.rank = 4;
  const int64_t shape[4] = {1, 1, rows, columns}, stride[4] = {columns, columns, columns, 1};
  for (int d = 0; d < 4; d++) t.shape[d] = shape[d], t.stride[d] = stride[d];
  bool made = make_map(&map, t);
  if (!swizzle) {
    const cuuint64_t size[4] = {static_cast<cuuint64_t>(columns), static_cast<cuuint64_t>(rows), 1, 1};
    const cuuint64_t bytes[3] = {static_cast<cuuint64_t>(2 * columns), 16, 16};
    const cuuint32_t box[4] = {kTile, kTile, 1, 1}, step[4] = {1, 1, 1, 1};
    void* encode = nullptr;
    cudaDriverEntryPointQueryResult found;
    cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &encode, 12000, cudaEnableDefault, &found);
    made = reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(encode)(
               &map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 4, x.data(), size, bytes, box, step, CU_TENSOR_MAP_INTERLEAVE_NONE,
               CU_TENSOR_MAP_SWIZZLE_NONE, CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
  }
  if (!made) std::abort();
  return map;
}

// Whether every result is right.
bool run(Fault fault) {
  std::mt19937 engine(3);
  const auto random = [&](int n) {
    Matrix x(static_cast<size_t>(n));
    for (bf16& y : x) y = __float2bfloat16(static_cast<float>(static_cast<int>(engine() % 17) - 8));  // sums are exact
    return x;
  };
  Matrix a = random(kRows * kTiles * kTile), b = random(kTiles * kTile * kTile), o(kRows * kTile + kTile, __float2bfloat16(-1));
  std::vector<float> tiles(kBlocks * kConsumers * kTileSize), sums(kConsumers * kTileSize), seen(kBlocks * kConsumers);
  uint32_t turn[kConsumers] = {};
  const Work w = {map_of(a, kRows, kTiles * kTile, fault != Fault::swizzle_missing),
                  map_of(b, kTiles * kTile, kTile, true),
                  map_of(o, kRows, kTile, true),
                  tiles.data(),
                  sums.data(),
                  seen.data(),
                  turn,
                  fault};
  emulated_run(dim3(kBlocks), dim3((kConsumers + 1) * kGroupThreads), sizeof(Memory), [&] { kernel(w); });
  std::vector<float> total(sums.size());
  bool right = true;
  for (int row = 0; row < kBlocks * kConsumers * kTile; row++) {
    for (int n = 0; n < kTile; n++) {
      float x = 0;
      for (int k = 0; k < kTiles * kTile; k++) {
        const int t = k / kTile, j = k % kTile, turned = row / kTile * kTile + j;
        const bool a_lies = kind_of(t) == both_columns, b_lies = kind_of(t) == columns || a_lies;
        if ((a_lies ? turned : row) >= kRows) continue;  // zeros
        x += __bfloat162float(
                 a[static_cast<size_t>(a_lies ? turned * kTiles * kTile + t * kTile + row % kTile : row * kTiles * kTile + k)]) *
             __bfloat162float(b[static_cast<size_t>((t * kTile + (b_lies ? j : n)) * kTile + (b_lies ? n : j))]);
      }
      const int tile = row / kTile, me = tile % kConsumers, at = row % kTile * kTile + n;
      right = right && tiles[static_cast<size_t>(tile * kTileSize + at)] == x;
      if (at == 0) right = right && seen[static_cast<size_t>(tile)] == total[static_cast<size_t>(me * kTileSize)];
      total[static_cast<size_t>(me * kTileSize + at)] += x;
      if (row < kRows) right = right && __bfloat162float(o[static_cast<size_t>(row * kTile + n)]) == __bfloat162float(__float2bfloat16(x));
    }
  }
  for (size_t i = kRows * kTile; i < o.size(); i++) right = right && __bfloat162float(o[i]) == -1;  // past the tensor
  return right && total == sums;
}

struct Case {
  Fault fault;
  const char *name, *message;  // message: a part of what the emulation says; "": the result is wrong
};

// In a process of its own, because a fault ends it.
bool found(const Case& c) {
  int ends[2];
  if (pipe(ends) != 0) return false;
  const pid_t child = fork();
  if (child == 0) {
    dup2(ends[1], 2);
    _exit(run(c.fault) ? 0 : 1);
  }
  close(ends[1]);
  std::string said;
  char text[4096];
  for (ssize_t n; (n = read(ends[0], text, sizeof text)) > 0;) said.append(text, static_cast<size_t>(n));
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  const bool stopped = WIFSIGNALED(status);
  const bool good = *c.message == 0 ? !stopped && WEXITSTATUS(status) == 1 : stopped && said.find(c.message) != std::string::npos;
  std::printf("%s %s: %s\n", good ? "ok  " : "FAIL", c.name,
              stopped ? said.substr(0, said.find('\n', said.find("Waiting:") == std::string::npos ? 0 : said.find('\n') + 1)).c_str()
              : WEXITSTATUS(status) == 1 ? "the result is wrong"
                                         : "nothing was found");
  return good;
}
}  // namespace

int main() {
  if (!run(Fault::none)) return std::printf("FAIL without a fault the result is wrong\n"), 1;
  const Case cases[] = {
      {Fault::barrier_fence_missing, "barrier_fence missing", "without a barrier_fence"},
      {Fault::full_not_awaited, "full stage not awaited", "whose bytes are still on their way"},
      {Fault::bytes_wrong, "more bytes announced than come", "16 bytes announced"},
      {Fault::arrivals_wrong, "a barrier for too many arrivals", "1 arrivals missing"},
      {Fault::stage_not_awaited, "empty stage not awaited", "whose bytes are still on their way"},
      {Fault::released_early, "stage released before its products are done", ""},
      {Fault::begin_missing, "products_begin missing", "without products_begin"},
      {Fault::products_not_awaited, "products not awaited", "without waiting for its products"},
      {Fault::accumulators_read_early, "accumulators read before the wait", ""},
      {Fault::accumulators_written_early, "accumulators written before the wait", "accumulators were written"},
      {Fault::left_overwritten, "registers of a left operand overwritten", "registers that a product reads changed"},
      {Fault::operand_turned, "rows for columns", ""},
      {Fault::operand_misplaced, "an operand within the swizzle's pattern", "does not start in the first row"},
      {Fault::swizzle_missing, "a map without the swizzle", ""},
      {Fault::store_fence_missing, "stores_fence missing", "without a fence to the asynchronous proxy"},
      {Fault::meeting_missing, "a tile stored before all warps have written it", "of shared memory"},
      {Fault::tile_overwritten, "a tile overwritten while it is stored", "changed between a store and the wait"},
      {Fault::store_not_awaited, "a thread ends while its store reads", "still read shared memory"},
      {Fault::sums_not_awaited, "the turn passed before sums are in memory", ""},
      {Fault::turn_not_passed, "the turn not passed on", "device memory, which stays"},
      {Fault::meeting_too_large, "a named barrier for too many threads", "named barrier"},
      {Fault::registers_too_many, "more registers than the block has", "248 registers a thread"},
  };
  int bad = 0;
  for (const Case& c : cases) bad += !found(c);
  std::printf("%d faults, %d not found\n", static_cast<int>(sizeof cases / sizeof *cases), bad);
  return bad != 0;
}

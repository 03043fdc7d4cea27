// Barriers in shared memory, the copy engine and registers; see emulated_hopper.h. Products: emulated_products.cpp.
#include "emulated_hopper.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "fibers.h"

namespace emulated {

// ---- shared memory ----

char* checked(const void* p, int64_t bytes, int64_t alignment, const char* what) {
  char* const at = static_cast<char*>(const_cast<void*>(p));
  const int64_t from = at - block->shared;
  if (from < 0 || from + bytes > block->shared_bytes) fault(std::string(what) + ": not within the block's shared memory");
  if ((at - block->window) % alignment != 0)
    fault(std::string(what) + ": shared memory at byte " + number(from) + ", which is not aligned to " + number(alignment));
  return at;
}

char* swizzled(char* p, int width) {
  const auto at = static_cast<uint32_t>(p - block->window);
  const uint32_t mask = static_cast<uint32_t>(width / 16 - 1);
  return block->window + (at ^ (at >> 7 & mask) << 4);
}

uint16_t& dirty(const void* p) { return block->dirty[static_cast<size_t>(static_cast<const char*>(p) - block->window) / 16]; }

void visible(const void* p, const char* reader) {
  if (const uint16_t writer = dirty(p); writer != 0)
    fault(std::string(reader) + " reads byte " + number(static_cast<const char*>(p) - block->shared) + " of shared memory, which thread " +
          number(writer - 1) + " wrote without a fence to the asynchronous proxy since");
}

namespace {

// ---- tensor maps ----

struct Map {
  static constexpr uint64_t kMagic = 0x70616d5245444445;
  uint64_t magic;
  char* base;
  uint64_t stride[4];  // bytes
  uint64_t size[4];
  uint16_t box[4];
  uint8_t item, swizzle;  // bytes

  int64_t row_bytes() const { return box[0] * item; }
  int64_t bytes() const { return row_bytes() * box[1] * box[2] * box[3]; }
};
static_assert(sizeof(Map) <= sizeof(CUtensorMap));

const Map& map_of(const CUtensorMap& map) {
  const Map& m = reinterpret_cast<const Map&>(map);
  if (m.magic != Map::kMagic) fault("a tensor map that cuTensorMapEncodeTiled has not made");
  return m;
}

// f(offset in the box, address in the tensor or null outside) for each element.
template <class F>
void each_element(const Map& m, const int32_t (&at)[4], const F& f) {
  int64_t offset = 0;
  for (int i3 = 0; i3 < m.box[3]; i3++) {
    for (int i2 = 0; i2 < m.box[2]; i2++) {
      for (int i1 = 0; i1 < m.box[1]; i1++) {
        const int64_t x[4] = {0, int64_t{at[1]} + i1, int64_t{at[2]} + i2, int64_t{at[3]} + i3};
        bool inside = true;
        int64_t row = 0;
        for (int d = 1; d < 4; d++) {
          inside = inside && x[d] >= 0 && x[d] < static_cast<int64_t>(m.size[d]);
          row += x[d] * static_cast<int64_t>(m.stride[d]);
        }
        for (int i0 = 0; i0 < m.box[0]; i0++, offset += m.item) {
          const int64_t x0 = int64_t{at[0]} + i0;
          f(offset, inside && x0 >= 0 && x0 < static_cast<int64_t>(m.size[0]) ? m.base + row + x0 * m.item : nullptr);
        }
      }
    }
  }
}

// ---- barriers ----

Mbarrier& barrier_of(uint64_t* place) {
  checked(place, 8, 8, "barrier");
  for (Mbarrier& b : block->barriers) {
    if (b.place != place) continue;
    if (*place != reinterpret_cast<uint64_t>(place))
      fault("something was written over the barrier at byte " + number(reinterpret_cast<char*>(place) - block->shared));
    return b;
  }
  fault("the barrier at byte " + number(reinterpret_cast<char*>(place) - block->shared) + " of shared memory has not been initialised");
}

std::string name_of(const Mbarrier& b) {
  return "the barrier at byte " + number(reinterpret_cast<char*>(b.place) - block->shared) + " of shared memory (number " +
         number(&b - block->barriers.data()) + " in the order of barrier_init, " + number(b.arrivals) + " arrivals a phase)";
}

void complete(Mbarrier& b) {
  if (b.missing != 0 || b.bytes != 0 || !b.copies.empty()) return;
  b.phase++;
  b.missing = b.arrivals;
}

void perform(const BulkCopy& c) {
  if (c.from != nullptr) {
    std::memcpy(c.to, c.from, c.bytes);
    return;
  }
  const Map& m = map_of(c.map);
  each_element(m, c.at, [&](int64_t offset, const char* from) {
    char* const unit = swizzled(c.to + offset / 16 * 16, m.swizzle) + offset % 16;
    if (from != nullptr) {
      std::memcpy(unit, from, m.item);
    } else {
      std::memset(unit, 0, m.item);
    }
  });
}

struct Phase final : Condition {
  const size_t barrier;
  const uint32_t parity;

  Phase(size_t b, uint32_t p) : barrier(b), parity(p) {}
  Mbarrier& get() const { return block->barriers[barrier]; }
  bool holds() override { return (get().phase & 1) != parity; }
  bool happen() override {
    Mbarrier& b = get();
    if (b.missing != 0 || b.copies.empty()) return false;
    for (const BulkCopy& c : b.copies) {
      perform(c);
      b.bytes -= c.bytes;
    }
    b.copies.clear();
    complete(b);
    return true;
  }
  std::string name() const override {
    const Mbarrier& b = get();
    int64_t coming = 0;
    for (const BulkCopy& c : b.copies) coming += c.bytes;
    return name_of(b) + ", phase " + number(b.phase) + ": " + number(b.missing) + " arrivals missing, " + number(b.bytes) +
           " bytes announced, " + number(coming) + " on their way";
  }
};

void bring(uint64_t* place, BulkCopy copy) {
  Mbarrier& b = barrier_of(place);
  if (!b.fenced) fault(name_of(b) + " is used by the copy engine without a barrier_fence after its initialisation");
  for (int64_t i = 0; i < copy.bytes; i += 16) dirty(copy.to + i) = 0;
  std::memset(copy.to, 0xff, copy.bytes);  // NaN: a tile that others still read, or read too early, shows
  b.copies.push_back(std::move(copy));
}

// ---- stores ----

std::vector<BulkStore> finished;  // read, and not asked for since: in memory when the kernel ends

int swizzle_of(const BulkStore& s) { return s.to != nullptr ? 16 : map_of(s.map).swizzle; }

// Asked for: what is there now must still be there when the store is waited for.
void ask(BulkStore store) {
  store.read.resize(store.bytes);
  const int swizzle = swizzle_of(store);
  for (uint32_t i = 0; i < store.bytes; i += 16) {
    const char* const unit = swizzled(const_cast<char*>(store.from) + i, swizzle);
    visible(unit, "a store");
    std::memcpy(store.read.data() + i, unit, 16);
  }
  self->stores.push_back(std::move(store));
}

void read(const BulkStore& s) {
  const int swizzle = swizzle_of(s);
  for (uint32_t i = 0; i < s.bytes; i += 16) {
    const char* const unit = swizzled(const_cast<char*>(s.from) + i, swizzle);
    if (std::memcmp(s.read.data() + i, unit, 16) != 0)
      fault("byte " + number(unit - block->shared) + " of shared memory changed between a store and the wait for it");
  }
}

void write(const BulkStore& s) {
  if (s.to != nullptr) {
    for (uint32_t i = 0; i < s.bytes / 4; i++) {
      float x;
      std::memcpy(&x, s.read.data() + 4 * i, 4);
      s.to[i] += x;
    }
    return;
  }
  const Map& m = map_of(s.map);
  each_element(m, s.at, [&](int64_t offset, char* to) {
    if (to != nullptr) std::memcpy(to, s.read.data() + offset, m.item);
  });
}

// Until at most `left` groups are unread or, if `written`, not in memory.
struct Stores final : Condition {
  Fiber& fiber;
  const size_t left;
  const bool written;

  Stores(Fiber& f, int n, bool w) : fiber(f), left(static_cast<size_t>(n)), written(w) {}
  bool holds() override { return fiber.unread.size() + (written ? fiber.unwritten.size() : 0) <= left; }
  bool happen() override {
    while (fiber.unread.size() > left) {
      for (const BulkStore& s : fiber.unread.front()) read(s);
      fiber.unwritten.push_back(std::move(fiber.unread.front()));
      fiber.unread.pop_front();
    }
    while (written && fiber.unwritten.size() + fiber.unread.size() > left) {
      for (const BulkStore& s : fiber.unwritten.front()) write(s);
      fiber.unwritten.pop_front();
    }
    return true;
  }
  std::string name() const override { return "its stores"; }
};

// ---- registers ----

struct Registers final : Condition {
  const int count;

  explicit Registers(int n) : count(n) {}
  bool holds() override { return count - self->registers <= block->free_registers; }
  std::string name() const override {
    return number(count) + " registers a thread, when " + number(block->free_registers) + " are free in the block";
  }
};
}  // namespace

void set_up_hopper(Block& b) {
  b.barriers.clear();
  b.dirty.assign(256 * 1024 / 16, 0);
  b.products.assign((b.threads + 127) / 128, {});
  b.free_registers = 0;
  const auto each = static_cast<int>(std::min<size_t>(65536 / b.threads / 8 * 8, 256));  // what the compiler may give a thread
  for (size_t i = 0; i < b.threads; i++) {
    Fiber& f = b.fibers[i];
    f.registers = each;
    f.products_begun = false;
    f.products.clear();
    f.product_groups.clear();
    f.accumulators.clear();
    f.stores.clear();
    f.unread.clear();
    f.unwritten.clear();
    f.dirty.clear();
  }
}

void leave_hopper(Fiber& f) {
  if (!f.products.empty() || !f.product_groups.empty()) fault("a thread ends without waiting for its products");
  if (!f.stores.empty()) fault("a thread ends without stores_commit");
  if (!f.unread.empty()) fault("a thread ends while its stores still read shared memory");
  for (auto& group : f.unwritten) {
    for (BulkStore& s : group) finished.push_back(std::move(s));
  }
  f.unwritten.clear();
}

void finish_hopper() {
  for (const BulkStore& s : finished) write(s);
  finished.clear();
}

CUresult emulated_encode_tiled(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* base, const cuuint64_t* size,
                               const cuuint64_t* strides, const cuuint32_t* box, const cuuint32_t* step, CUtensorMapInterleave interleave,
                               CUtensorMapSwizzle swizzle, CUtensorMapL2promotion, CUtensorMapFloatOOBfill fill) {
  constexpr int kSwizzle[] = {16, 32, 64, 128};
  const bool known = (type == CU_TENSOR_MAP_DATA_TYPE_BFLOAT16 || type == CU_TENSOR_MAP_DATA_TYPE_FLOAT16) && rank == 4 &&
                     interleave == CU_TENSOR_MAP_INTERLEAVE_NONE && swizzle <= CU_TENSOR_MAP_SWIZZLE_128B &&
                     fill == CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
  if (!known) {
    std::fprintf(stderr, "emulated cuTensorMapEncodeTiled: only maps of rank 4 of 16-bit floats that fill with zeros\n");
    std::abort();
  }
  *map = {};
  Map& m = reinterpret_cast<Map&>(*map);
  m.magic = Map::kMagic;
  m.base = static_cast<char*>(base);
  m.item = 2;
  m.swizzle = static_cast<uint8_t>(kSwizzle[swizzle]);
  m.stride[0] = m.item;
  bool valid = reinterpret_cast<uintptr_t>(base) % 16 == 0;
  for (int d = 0; d < 4; d++) {
    valid = valid && size[d] > 0 && size[d] <= uint64_t{1} << 32 && box[d] > 0 && box[d] <= 256 && step[d] == 1;
    if (d > 0) valid = valid && strides[d - 1] % 16 == 0 && strides[d - 1] < uint64_t{1} << 40;
    m.size[d] = size[d];
    m.box[d] = static_cast<uint16_t>(box[d]);
    if (d > 0) m.stride[d] = strides[d - 1];
  }
  valid = valid && m.row_bytes() % 16 == 0 && (m.swizzle == 16 || m.row_bytes() <= m.swizzle);
  return valid ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}
}  // namespace emulated

using namespace emulated;

void emulated_barrier_init(uint64_t* barrier, uint32_t arrivals) {
  run_side_by_side();
  checked(barrier, 8, 8, "barrier");
  if (arrivals == 0 || arrivals > (1u << 20) - 1) fault("a barrier for " + number(arrivals) + " arrivals");
  for (const Mbarrier& b : block->barriers) {
    if (b.place == barrier) fault(name_of(b) + " is initialised twice");
  }
  *barrier = reinterpret_cast<uint64_t>(barrier);
  block->barriers.push_back({barrier, arrivals, arrivals, 0, 0, false, {}});
}

void emulated_barrier_fence() {
  for (Mbarrier& b : block->barriers) b.fenced = true;
}

void emulated_arrive(uint64_t* barrier, uint32_t bytes) {
  Mbarrier& b = barrier_of(barrier);
  if (b.missing == 0)
    fault(name_of(b) + ": an arrival after the last of phase " + number(b.phase) + ", whose bytes are still on their way");
  b.bytes += bytes;
  b.missing--;
  complete(b);
}

void emulated_barrier_wait(uint64_t* barrier, uint32_t parity) {
  Phase phase(static_cast<size_t>(&barrier_of(barrier) - block->barriers.data()), parity);
  wait_for(phase);
}

void emulated_copy_box(void* to, const CUtensorMap* map, uint64_t* barrier, const int32_t (&at)[4]) {
  const Map& m = map_of(*map);
  BulkCopy c{checked(to, m.bytes(), 128, "copy_box"), *map, {at[0], at[1], at[2], at[3]}, nullptr, static_cast<uint32_t>(m.bytes())};
  bring(barrier, std::move(c));
}

void emulated_copy_bytes(void* to, const void* from, uint32_t n, uint64_t* barrier) {
  if (n % 16 != 0 || reinterpret_cast<uintptr_t>(from) % 16 != 0) fault("copy_bytes: a source or size that is no multiple of 16 bytes");
  bring(barrier, {checked(to, n, 16, "copy_bytes"), {}, {}, static_cast<const char*>(from), n});
}

void emulated_store_box(const void* from, const CUtensorMap* map, const int32_t (&at)[4]) {
  const Map& m = map_of(*map);
  const char* const tile = checked(from, m.bytes(), 128, "store_box");
  ask({tile, *map, {at[0], at[1], at[2], at[3]}, nullptr, static_cast<uint32_t>(m.bytes()), {}});
}

void emulated_add_floats(float* to, const void* from, uint32_t n) {
  if (n % 16 != 0 || reinterpret_cast<uintptr_t>(to) % 16 != 0) fault("add_floats: a target or size that is no multiple of 16 bytes");
  ask({checked(from, n, 16, "add_floats"), {}, {}, to, n, {}});
}

void emulated_add_four(float* to, float4 x) {
  if (reinterpret_cast<uintptr_t>(to) % 16 != 0) fault("add_four: a target that is no multiple of 16 bytes");
  const float added[4] = {x.x, x.y, x.z, x.w};
  for (int i = 0; i < 4; i++) to[i] += added[i];
}

void emulated_stores_commit() {
  self->unread.push_back(std::move(self->stores));
  self->stores.clear();
}

void emulated_stores_wait(int left, bool written) {
  Stores stores(*self, left, written);
  wait_for(stores);
}

void emulated_stores_fence() {
  for (const uint32_t unit : self->dirty) {
    if (block->dirty[unit] == current + 1) block->dirty[unit] = 0;
  }
  self->dirty.clear();
}

void emulated_set_registers(int count, bool more) {
  if (count < 24 || count > 256 || count % 8 != 0) fault("setmaxnreg to " + number(count) + ": must be 24 to 256 and a multiple of 8");
  if (more ? count < self->registers : count > self->registers)
    fault(std::string(more ? "take" : "give") + "_registers from " + number(self->registers) + " to " + number(count));
  Registers enough(count);
  wait_for(enough);
  block->free_registers -= count - self->registers;
  self->registers = count;
}

void emulated_stmatrix(uintptr_t row, const uint32_t (&r)[4]) {
  const uint64_t mine = row;
  const uint64_t* rows = emulated_gather(&mine, 1);
  const int lane = emulated_lane();
  for (int matrix = 0; matrix < 4; matrix++) {
    unsigned banks = 0;
    for (int i = 0; i < 8; i++) banks |= 1u << rows[(matrix * 8 + i) * 4] / 16 % 8;
    if (banks != 0xff) fault("stmatrix: rows in the same banks");
    char* const to = checked(reinterpret_cast<void*>(rows[(matrix * 8 + lane / 4) * 4]), 16, 16, "stmatrix");
    std::memcpy(to + lane % 4 * 4, &r[matrix], 4);
    dirty(to) = static_cast<uint16_t>(current + 1);
    self->dirty.push_back(static_cast<uint32_t>((to - block->window) / 16));
  }
}

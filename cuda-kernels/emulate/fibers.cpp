// Threads as fibers, their barriers, and the scheduler. A barrier that cannot be reached any more ends the process with a message that
// names it: on a GPU the kernel would hang.
#include "fibers.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)
#define ASAN_UNPOISON_MEMORY_REGION(p, n)
#endif

EmulatedIndex emulated_thread, emulated_block;
dim3 emulated_block_size, emulated_grid;

namespace emulated {

Block* block;
Fiber* self;
size_t current;

namespace {

constexpr size_t kStack = 256 * 1024, kThreads = 1024, kWindow = 256 * 1024;
constexpr size_t kReserved = 1024;  // of the window, by the system
constexpr int kPatience = 1000;     // rounds in which threads only look at memory that nobody changes

Place scheduler;
const std::function<void()>* body;
bool side_by_side;

// xorshift64*
uint64_t draw() {
  static uint64_t state = [] {
    const char* seed = std::getenv("HD_EMULATED_SEED");
    return 0x9E3779B97F4A7C15ull * (1 + (seed == nullptr ? 0 : std::strtoull(seed, nullptr, 10)));
  }();
  state ^= state >> 12, state ^= state << 25, state ^= state >> 27;
  return state * 0x2545F4914F6CDD1Dull >> 16;
}

#ifdef __SANITIZE_ADDRESS__
void go(Place& from, Place& to) { swapcontext(&from.context, &to.context); }
#else
void go(Place& from, Place& to) {
  from.jumps = true;
  if (_setjmp(from.jump) != 0) return;
  if (to.jumps) _longjmp(to.jump, 1);
  setcontext(&to.context);
}
#endif

void entry() {
  (*body)();
  leave_hopper(*self);
  self->done = true;
  block->alive--;
  own_warp().alive--;
  go(self->place, scheduler);
}

char* reserve(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    std::perror("emulated kernel: no memory for a block");
    std::abort();
  }
  return static_cast<char*>(p);
}

// Blocks are kept for the next launch.
Block& block_at(size_t place) {
  static std::vector<std::unique_ptr<Block>> kept;
  while (kept.size() <= place) {
    auto b = std::make_unique<Block>();
    char* two = reserve(2 * kWindow);
    b->window = two + (kWindow - reinterpret_cast<uintptr_t>(two) % kWindow) % kWindow;
    b->shared = b->window + kReserved;
    b->stacks = reserve(kThreads * kStack);
    kept.push_back(std::move(b));
  }
  return *kept[place];
}

void start(Block& b, unsigned number, size_t threads, int64_t shared) {
  b.number = number;
  b.index = {number % emulated_grid.x, number / emulated_grid.x % emulated_grid.y, number / emulated_grid.x / emulated_grid.y};
  b.shared_bytes = shared;
  ASAN_UNPOISON_MEMORY_REGION(b.window, kWindow);
  std::memset(b.shared, 0xff, static_cast<size_t>(shared));  // NaN: what is read before it is written shows
  ASAN_POISON_MEMORY_REGION(b.shared + shared, kWindow - kReserved - static_cast<size_t>(shared));
  b.barrier = {};
  for (Barrier& n : b.named) n = {};
  b.warps.assign(threads / 32, {});
  b.threads = threads;
  b.alive = static_cast<int>(threads);
  if (b.fibers.size() < threads) b.fibers.resize(threads);
  for (size_t i = 0; i < threads; i++) {
    Fiber& f = b.fibers[i];
    f.done = false;
    f.turn = 0;
    f.waits = nullptr;
    f.open.clear();
    f.groups.clear();
    f.index = {static_cast<unsigned>(i % emulated_block_size.x), static_cast<unsigned>(i / emulated_block_size.x % emulated_block_size.y),
               static_cast<unsigned>(i / emulated_block_size.x / emulated_block_size.y)};
    b.warps[i / 32].alive++;
    f.place.jumps = false;
    getcontext(&f.place.context);
    f.place.context.uc_stack.ss_sp = b.stacks + i * kStack;
    f.place.context.uc_stack.ss_size = kStack;
    f.place.context.uc_link = nullptr;
    makecontext(&f.place.context, entry, 0);
  }
  set_up_hopper(b);
}

void enter(Block& b, size_t i) {
  block = &b;
  current = i;
  self = &b.fibers[i];
  emulated_thread = self->index;
  emulated_block = b.index;
}

struct Round {
  bool moved = false, asked = false;  // asked: threads look at memory again and again
};

void run_warp(Block& b, size_t warp, bool upwards, Round& round) {
  for (size_t k = 0; k < 32; k++) {
    const size_t i = warp * 32 + (upwards ? k : 31 - k);
    Fiber& f = b.fibers[i];
    if (f.done) continue;
    if (f.waits != nullptr) {
      enter(b, i);
      if (!f.waits->holds()) continue;
      if (f.waits->progress()) {
        round.moved = true;
      } else {
        round.asked = true;
      }
      f.waits = nullptr;
    } else {
      round.moved = true;
    }
    enter(b, i);
    go(scheduler, f.place);
  }
}

// Every thread that can goes on once.
Round run_all(const std::vector<Block*>& running) {
  static std::vector<std::pair<Block*, size_t>> order;
  order.clear();
  for (Block* b : running) {
    for (size_t w = 0; w < b->warps.size(); w++) {
      if (b->warps[w].alive > 0) order.emplace_back(b, w);
    }
  }
  for (size_t i = order.size(); i > 1; i--) std::swap(order[i - 1], order[draw() % i]);
  const bool upwards = draw() % 2 == 0;
  Round round;
  for (const auto& [b, warp] : order) run_warp(*b, warp, upwards, round);
  return round;
}

// One asynchronous thing that somebody waits for, drawn among all.
bool happen(const std::vector<Block*>& running) {
  static std::vector<std::pair<Block*, size_t>> waiting;
  waiting.clear();
  for (Block* b : running) {
    for (size_t i = 0; i < b->threads; i++) {
      if (!b->fibers[i].done && b->fibers[i].waits != nullptr) waiting.emplace_back(b, i);
    }
  }
  if (waiting.empty()) return false;
  const size_t first = draw() % waiting.size();
  for (size_t k = 0; k < waiting.size(); k++) {
    const auto& [b, i] = waiting[(first + k) % waiting.size()];
    enter(*b, i);
    if (self->waits->happen()) return true;
  }
  return false;
}

[[noreturn]] void deadlock(const std::vector<Block*>& running) {
  std::fprintf(stderr, "emulated kernel: no thread can go on. Waiting:\n");
  for (Block* b : running) {
    std::map<std::string, std::vector<size_t>> by_name;
    for (size_t i = 0; i < b->threads; i++) {
      enter(*b, i);
      if (!self->done && self->waits != nullptr) by_name[self->waits->name()].push_back(i);
    }
    for (const auto& [name, threads] : by_name)
      std::fprintf(stderr, "  block %u: %zu threads, the first is %zu, for %s\n", b->number, threads.size(), threads.front(), name.c_str());
  }
  std::abort();
}

// A barrier that `expected` threads must reach. Those that have left count as arrived, also if they leave while others wait.
struct Together final : Condition {
  Barrier& barrier;
  const int& expected;
  const unsigned round;
  const char* what;

  Together(Barrier& b, const int& n, const char* name) : barrier(b), expected(n), round(b.round), what(name) { b.arrived++; }
  bool holds() override {
    if (barrier.round == round && barrier.arrived >= expected) {
      barrier.arrived = 0;
      barrier.round++;
    }
    return barrier.round != round;
  }
  std::string name() const override {
    return std::string(what) + ", which " + std::to_string(barrier.arrived) + " of " + std::to_string(expected) + " threads have reached";
  }
};

// Only a turn for the others.
struct Turn final : Condition {
  bool holds() override { return true; }
  std::string name() const override { return "its turn"; }
};

// Looks at memory until it changes.
struct Look final : Condition {
  const volatile uint32_t* place;
  const uint32_t old;

  explicit Look(const uint32_t* p) : place(p), old(*p) {}
  bool holds() override { return true; }
  bool progress() override { return *place != old; }
  std::string name() const override {
    char text[96];
    std::snprintf(text, sizeof text, "the word at %p in device memory, which stays %u",
                  const_cast<const void*>(static_cast<const volatile void*>(place)), old);
    return text;
  }
};
}  // namespace

void wait_for(Condition& condition) {
  if (condition.holds() && condition.progress()) return;
  self->waits = &condition;
  go(self->place, scheduler);
}

void run_side_by_side() { side_by_side = true; }

void fault(const std::string& what) {
  std::fprintf(stderr, "emulated kernel: %s (thread %zu of block %u)\n", what.c_str(), current, block->number);
  std::abort();
}
}  // namespace emulated

using namespace emulated;

char* emulated_shared() { return block->shared; }
int emulated_lane() { return static_cast<int>(current % 32); }
void emulated_fault(const char* what) { fault(what); }

void __syncthreads() {
  Together all(block->barrier, block->alive, "__syncthreads");
  wait_for(all);
}

void __syncwarp() {
  Warp& warp = own_warp();
  Together all(warp.barrier, warp.alive, "its warp (__syncwarp or an exchange)");
  wait_for(all);
}

void emulated_meet(int32_t name, int32_t threads, bool stay) {
  if (name < 1 || name > 15) fault("barrier " + std::to_string(name) + ": named barriers are 1 to 15, and 0 is __syncthreads");
  if (threads <= 0 || threads % 32 != 0 || threads > static_cast<int32_t>(block->threads))
    fault("barrier " + std::to_string(name) + " for " + std::to_string(threads) + " threads: must be whole warps of the block");
  Barrier& barrier = block->named[name];
  if (barrier.arrived == 0) barrier.expected = threads;
  if (barrier.expected != threads)
    fault("barrier " + std::to_string(name) + " for " + std::to_string(threads) + " threads; others reached it as one for " +
          std::to_string(barrier.expected));
  const std::string text = "named barrier " + std::to_string(name);
  Together all(barrier, barrier.expected, text.c_str());
  if (stay) {
    wait_for(all);
  } else {
    all.holds();
  }
}

void emulated_pause() {
  if (!side_by_side) return;
  Turn turn;
  self->waits = &turn;
  go(self->place, scheduler);
}

uint32_t emulated_load_acquire(const uint32_t* from) {
  run_side_by_side();
  Look look(from);
  self->waits = &look;
  go(self->place, scheduler);
  return *static_cast<const volatile uint32_t*>(from);
}

namespace {
// Two sets of slots in turn: one barrier is enough, as nobody can be two exchanges ahead.
uint64_t* own_slots() { return own_warp().slots[self->turn++ % 2]; }
}  // namespace

uint64_t* emulated_exchange(uint64_t mine) {
  uint64_t* to = own_slots();
  to[current % 32] = mine;
  __syncwarp();
  return to;
}

const uint64_t* emulated_gather(const uint64_t* mine, int words) {
  uint64_t* to = own_slots();
  for (int i = 0; i < words; i++) to[current % 32 * 4 + static_cast<size_t>(i)] = mine[i];
  __syncwarp();
  return to;
}

void emulated_copy_async(uintptr_t to, const void* from, bool real) {
  if (to % 16 != 0 || (real && reinterpret_cast<uintptr_t>(from) % 16 != 0))
    emulated_fault("cp.async: an address that is not aligned to 16 bytes");
  std::memset(reinterpret_cast<void*>(to), 0xff, 16);  // NaN: a tile that others still read, or read too early, shows
  self->open.push_back({to, from, real});
}
void emulated_commit_copies() {
  self->groups.push_back(std::move(self->open));
  self->open.clear();
}
void emulated_wait_copies(int left) {
  for (; self->groups.size() > static_cast<size_t>(left); self->groups.pop_front()) {
    for (const Copy& c : self->groups.front()) {
      if (c.real) {
        std::memcpy(reinterpret_cast<void*>(c.to), c.from, 16);
      } else {
        std::memset(reinterpret_cast<void*>(c.to), 0, 16);
      }
    }
  }
}

void emulated_run(dim3 grid, dim3 size, int64_t shared, const std::function<void()>& kernel) {
  const size_t threads = static_cast<size_t>(size.x) * size.y * size.z;
  if (threads == 0 || threads > kThreads || threads % 32 != 0) {
    std::fprintf(stderr, "emulated kernel: a block of %zu threads\n", threads);
    std::abort();
  }
  if (shared > kSharedLimit) {
    std::fprintf(stderr, "emulated kernel: a block with %lld bytes of shared memory; it may have %lld\n", static_cast<long long>(shared),
                 static_cast<long long>(kSharedLimit));
    std::abort();
  }
  emulated_block_size = size;
  emulated_grid = grid;
  body = &kernel;
  side_by_side = false;
  const unsigned blocks = grid.x * grid.y * grid.z;
  unsigned next = 0;
  std::vector<Block*> running, idle;
  int patience = kPatience;
  for (;;) {
    while (next < blocks && running.size() < (side_by_side ? static_cast<size_t>(processors()) : 1)) {
      if (idle.empty()) idle.push_back(&block_at(running.size()));
      start(*idle.back(), next++, threads, shared);
      running.push_back(idle.back());
      idle.pop_back();
    }
    if (running.empty()) break;
    const Round round = run_all(running);
    const auto ended = std::stable_partition(running.begin(), running.end(), [](const Block* b) { return b->alive > 0; });
    idle.insert(idle.end(), ended, running.end());
    running.erase(ended, running.end());
    if (round.moved) {
      patience = kPatience;
    } else if (!happen(running) && (!round.asked || --patience == 0) &&
               !(side_by_side && next < blocks && running.size() < static_cast<size_t>(processors()))) {
      deadlock(running);
    }
  }
  finish_hopper();
}

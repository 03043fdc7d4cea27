// What the parts of the emulation share: fibers, the warps and blocks that they form, and what a fiber may wait for. The scheduler
// (fibers.cpp) runs every fiber that can go on; only when none can does it let one asynchronous thing happen (Condition::happen): copies,
// products and stores complete as late as the hardware allows, so a missing wait shows. The order of warps and lanes is drawn anew for
// every round, the same from run to run (HD_EMULATED_SEED draws another).
#pragma once
#include <cuda.h>
#include <setjmp.h>
#include <ucontext.h>

#include <deque>
#include <string>
#include <vector>

#include "emulate.h"
#include "emulated_hopper.h"
#include "emulated_mma.h"

namespace emulated {

// What a fiber waits for. It lives on the stack of the fiber, or longer.
struct Condition {
  virtual bool holds() = 0;
  virtual bool happen() { return false; }   // something asynchronous that it waits for; whether there was anything
  virtual bool progress() { return true; }  // false: the fiber asks for the same thing again and has not got it
  virtual std::string name() const = 0;     // for the message about a deadlock

 protected:
  ~Condition() = default;
};

struct Barrier {
  int arrived = 0, expected = 0;  // expected: of a named barrier, set by the first that arrives
  unsigned round = 0;
};

// cp.async
struct Copy {
  uintptr_t to;
  const void* from;
  bool real;
};

// ---- Hopper's asynchronous things; see emulated_hopper.cpp ----

struct BulkCopy {  // to shared memory; a box of a map, or bytes in a row
  char* to;
  CUtensorMap map;
  int32_t at[4];
  const char* from;  // null: a box
  uint32_t bytes;
};
struct BulkStore {  // from shared memory
  const char* from;
  CUtensorMap map;
  int32_t at[4];
  float* to;  // floats to add to; null: a box
  uint32_t bytes;
  std::vector<char> read;  // what shared memory held when it was asked for
};
struct Mbarrier {
  uint64_t* place;
  uint32_t arrivals, missing;
  int64_t bytes;  // announced and not arrived
  uint32_t phase;
  bool fenced;  // the copy engine may know it
  std::vector<BulkCopy> copies;
};
struct Accumulator {
  float* d;
  std::vector<float> value;
};

// swapcontext saves the signal mask, which costs two system calls; jumping costs none. AddressSanitizer knows only the former.
struct Place {
  ucontext_t context;
  jmp_buf jump;
  bool jumps = false;  // has left by a jump, so it is entered by one
};

struct Fiber {
  Place place;
  EmulatedIndex index;
  bool done;
  unsigned turn;  // exchanges so far
  Condition* waits;
  std::vector<Copy> open;                // copies of cp.async since the last commit
  std::deque<std::vector<Copy>> groups;  // committed, not yet arrived
  std::vector<EmulatedProduct> products;
  std::deque<std::vector<EmulatedProduct>> product_groups;
  std::vector<Accumulator> accumulators;  // of unfinished products; the registers hold NaN meanwhile
  bool products_begun;                    // wgmma.fence since the last wait
  std::vector<BulkStore> stores;
  std::deque<std::vector<BulkStore>> unread, unwritten;  // groups of stores
  std::vector<uint32_t> dirty;                           // see Block::dirty
  int registers;
};

struct Warp {
  Barrier barrier;
  int alive;
  uint64_t slots[2][32 * 4];
  size_t products;  // asked for, see Block::products
};

struct Block {
  unsigned number;
  EmulatedIndex index;
  std::vector<Fiber> fibers;
  std::vector<Warp> warps;
  size_t threads;
  int alive;
  Barrier barrier, named[16];
  char* window;  // what 18 bits of a shared address can name: 256 KiB, aligned to that
  char* shared;  // the block's part of it
  int64_t shared_bytes;
  char* stacks;
  std::vector<Mbarrier> barriers;
  // Per 16 bytes of the window: 1 + the number of the thread that wrote there (stmatrix) and has not told the asynchronous proxy since.
  std::vector<uint16_t> dirty;
  std::vector<std::vector<EmulatedProduct>> products;  // per warpgroup: what its first warp asked for
  int64_t free_registers;
};

extern Block* block;  // of the fiber that runs
extern Fiber* self;
extern size_t current;  // its number in the block

inline size_t warp_index() { return current / 32; }
inline Warp& own_warp() { return block->warps[current / 32]; }

void wait_for(Condition& condition);
// The launch has blocks that know of each other or use barriers in shared memory: as many as the device holds run side by side. Such
// kernels keep all of their shared memory in the dynamic part; static variables are shared by all blocks here.
void run_side_by_side();
[[noreturn]] void fault(const std::string& what);

// emulated_hopper.cpp
inline std::string number(int64_t n) { return std::to_string(n); }
char* checked(const void* p, int64_t bytes, int64_t alignment, const char* what);  // within the block's shared memory
char* swizzled(char* p, int width);  // where the 16 bytes at p lie in the swizzle of so many bytes: a function of the address
uint16_t& dirty(const void* p);
void visible(const void* p, const char* reader);  // the asynchronous proxy may read the 16 bytes at p
void set_up_hopper(Block& b);                     // before a block runs
void leave_hopper(Fiber& f);                      // a thread ends: nothing of it may be under way
void finish_hopper();                             // a launch ends: what has been stored is in memory
CUresult emulated_encode_tiled(CUtensorMap* map, CUtensorMapDataType type, cuuint32_t rank, void* base, const cuuint64_t* size,
                               const cuuint64_t* strides, const cuuint32_t* box, const cuuint32_t* step, CUtensorMapInterleave interleave,
                               CUtensorMapSwizzle swizzle, CUtensorMapL2promotion promotion, CUtensorMapFloatOOBfill fill);

// runtime.cpp
int processors();  // of the device: blocks that run side by side
}  // namespace emulated

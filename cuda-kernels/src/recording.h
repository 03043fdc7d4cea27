// What a context keeps for its recordings (hd_capture_begin): CUDA graphs of what was put on its stream.
#pragma once
#include <cstdint>
#include <map>
#include <vector>

#include "heddle/heddle.h"

namespace hd {

struct CudaContext;

// Memory for what is made within recordings. All of a context's share it: they never run at once, and nothing made within one outlives a
// replay. Blocks are handed out and taken back while recording, so replays find them where they were, and a graph is kernels alone: nodes
// that allocate would be the driver's way to the same.
class Arena {
 public:
  // 256-byte aligned, undefined; null when the GPU has none left.
  void* take(int64_t bytes);
  // False when it is not this arena's.
  bool give(void* data);
  int64_t held() const { return held_; }  // blocks not given back
  void drop();                            // frees all; waits for the GPU

 private:
  struct Block {
    int64_t bytes;
    bool used, first;  // first of its segment, which it does not grow beyond
  };
  using Blocks = std::map<char*, Block>;
  Blocks::iterator segment(int64_t bytes);
  void join_next(Blocks::iterator at);

  Blocks blocks_;
  int64_t held_ = 0, total_ = 0;
};

struct Recordings {
  Arena arena;
  bool open = false;              // between begin and end
  int64_t held_before = 0;        // blocks of the arena that were held when the open one began: a failed one may leave some
  int64_t kept = 0;               // not forgotten yet
  std::vector<void*> outgrown;    // workspaces that kept recordings write to
  std::vector<void*> given_back;  // memory of before that was freed while one was open
};

hd_status capture_begin(CudaContext& c);
hd_status capture_end(CudaContext& c, void** recording);
hd_status replay(CudaContext& c, void* recording);
hd_status forget(CudaContext& c, void* recording);
}  // namespace hd

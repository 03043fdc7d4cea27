// Host memory of tensors. Blocks are kept and reused: touching a fresh page costs far more than a kernel does on virtual machines.
#pragma once
#include <cstdint>

namespace hd {

// At least this many bytes, 64-byte aligned; null when there are none. From any thread, as is give_memory.
void* take_memory(int64_t bytes);

// Takes back what take_memory returned, for the next who asks.
void give_memory(void* data);

}  // namespace hd

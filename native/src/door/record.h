// HD_RECORD=dir: every hd_run of the process is written to dir, to be re-run without a JVM by tests/native/replay.
#pragma once
#include "door/backend.h"

namespace hd {
bool recording();
// Before the call: the inputs as they are. After it: the bytes of every tensor, so that a replay can compare.
void record_call(int32_t op, const hd_tensor* const* tensors, int32_t n, const void* params, int64_t bytes, bool after);
}  // namespace hd

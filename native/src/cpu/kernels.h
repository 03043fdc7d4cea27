// Declares the kernels of one tier: hd_status <op>(const Call&) for each row of ops.def. Weak, so that a tier without one answers
// 'unsupported' instead of failing to link.
#pragma once
#include "cpu/context.h"

namespace hd::HD_TIER {
#define HD_OP(name, Params, signature) hd_status name(const Call& call) __attribute__((weak));
#include "heddle/ops.def"
#undef HD_OP

Tier tier();
}  // namespace hd::HD_TIER

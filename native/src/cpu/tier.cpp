// The kernel table of one tier; compiled once per tier.
#include "cpu/kernels.h"

#define HD_TEXT_(x) #x
#define HD_TEXT(x) HD_TEXT_(x)

namespace hd::HD_TIER {
Tier tier() {
  static const Kernel kernels[] = {
#define HD_OP(name, Params, signature) name,
#include "heddle/ops.def"
#undef HD_OP
  };
  return {HD_TEXT(HD_TIER), kernels};
}
}  // namespace hd::HD_TIER

// dropout: y = keep ? x / (1 - p) : 0 (Srivastava et al. 2014), with a mask that is a function of (seed, offset, element index), so that
// the backward pass and every other backend draw the same one: see ops.def.
// Shapes: x, y [N..]. Work: a thread takes 16 bytes of the row-major order, so one or two Philox blocks; grid-stride.
// On chip: registers only; no spills (README.md has the counts).
// Numerics: x is multiplied by 1 / (1 - p) in f64 and rounded once, which gives the rounding of the exact quotient.
// Cost: reads and writes each element once; 10 Philox rounds (20 wide multiplications) per 4 elements: bandwidth-bound.
// Deterministic: the mask does not depend on how the work is split.
// Checked on: see README.md.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

struct Mask {
  uint64_t seed, offset;
  uint32_t threshold;
};

template <class T>
__global__ void __launch_bounds__(kThreads, 4) dropout_kernel(const T* x, T* y, Nest<2> n, Mask mask, double factor, bool vector) {
  constexpr int W = kWidth<T>;
  for (int64_t pack = first_item(); pack * W < n.count; pack += item_step()) {
    const int64_t from = pack * W;
    const bool whole = vector && from + W <= n.count;
    Bits<T> bits;
    if (whole) bits = *reinterpret_cast<const Bits<T>*>(x + from);  // under way while the mask is drawn
    uint32_t word[W];
#pragma unroll
    for (int g = 0; g < W / 4; g++) {
      const auto block = static_cast<uint64_t>(pack * (W / 4) + g);
      const uint4 r = philox(make_uint4(static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                                        static_cast<uint32_t>(mask.offset), static_cast<uint32_t>(mask.offset >> 32)),
                             mask.seed);
      word[4 * g] = r.x;
      word[4 * g + 1] = r.y;
      word[4 * g + 2] = r.z;
      word[4 * g + 3] = r.w;
    }
    if (whole) {
#pragma unroll
      for (int i = 0; i < W; i++) bits.item[i] = word[i] >= mask.threshold ? rounded<T>(to_f64(bits.item[i]) * factor) : rounded<T>(0.0f);
      *reinterpret_cast<Bits<T>*>(y + from) = bits;
      continue;
    }
#pragma unroll
    for (int i = 0; i < W; i++) {
      if (from + i >= n.count) continue;
      int64_t at[2];
      n.at(from + i, at);
      y[at[0]] = word[i] >= mask.threshold ? rounded<T>(to_f64(x[at[1]]) * factor) : rounded<T>(0.0f);
    }
  }
}
}  // namespace

hd_status dropout(const Call& call) {
  const hd_DropoutParams& p = call.params<hd_DropoutParams>();
  Check check(call);
  check.floats(0, 1).same_shape(1, 0).dense(0, 1).output(1).require(p.p >= 0 && p.p < 1, "p must lie in [0, 1)");
  if (check.failed()) return check.status();
  const hd_tensor* const tensors[] = {call.t[1], call.t[0]};
  const Nest<2> n = nest(tensors, false);
  if (n.count == 0) return HD_OK;
  const Mask mask{static_cast<uint64_t>(p.seed), static_cast<uint64_t>(p.offset), philox_threshold(p.p)};
  return with_float(call.t[0]->dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = call.data<const T>(0);
    T* y = call.data<T>(1);
    return launch(call, dropout_kernel<T>, grid_for(ceil_div(n.count, kWidth<T>)), kThreads, 0, x, y, n, mask,
                  1.0 / (1.0 - static_cast<double>(p.p)), n.dense() && aligned(x) && aligned(y));
  });
}
}  // namespace hd

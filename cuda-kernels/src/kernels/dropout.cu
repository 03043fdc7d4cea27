// dropout: y = keep ? x / (1 - p) : 0 (Srivastava et al. 2014), with a mask that is a function of (seed, offset, element index), so that
// the backward pass and every other backend draw the same one: see ops.def.
// Shapes: x, y [N..]. Work: a thread takes 16 bytes of the row-major order, so one or two Philox blocks, two such packs at a time where x
// and y are dense: both loads are under way while the mask is drawn. Else an element at a time of the same four or eight. On chip:
// registers only; no spills (README.md has the counts). Numerics: x is multiplied by 1 / (1 - p) in f64 and rounded once, which gives the
// rounding of the exact quotient. Cost: reads and writes each element once; 10 Philox rounds (20 wide multiplications) per 4 elements:
// bandwidth-bound. Deterministic: the mask does not depend on how the work is split. Checked on: see README.md.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

struct Mask {
  uint64_t seed, offset;
  uint32_t threshold;
  const int64_t* added;  // to the offset; may be null
};

// Asked once by a thread: stores to y keep the compiler from doing so.
__device__ uint64_t offset_of(const Mask& mask) {
  return mask.added == nullptr ? mask.offset : mask.offset + static_cast<uint64_t>(*mask.added);
}

// Which elements of the pack are kept.
template <class T>
__device__ void draw(const Mask& mask, uint64_t offset, int64_t pack, bool (&keep)[kWidth<T>]) {
  constexpr int kBlocks = kWidth<T> / 4;
#pragma unroll
  for (int g = 0; g < kBlocks; g++) {
    const auto block = static_cast<uint64_t>(pack * kBlocks + g);
    const uint4 r = philox(make_uint4(static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), static_cast<uint32_t>(offset),
                                      static_cast<uint32_t>(offset >> 32)),
                           mask.seed);
    const uint32_t word[4] = {r.x, r.y, r.z, r.w};
#pragma unroll
    for (int i = 0; i < 4; i++) keep[4 * g + i] = word[i] >= mask.threshold;
  }
}

template <class T>
__device__ T dropped(T x, bool keep, double factor) {
  return keep ? rounded<T>(to_f64(x) * factor) : rounded<T>(0.0f);
}

constexpr int kBatch = 2;  // packs of a thread under way

template <class T>
__global__ void __launch_bounds__(kThreads, 4) dropout_dense(const T* x, T* y, int64_t n, Mask mask, double factor) {
  constexpr int W = kWidth<T>;
  const int64_t packs = n / W;
  const uint64_t offset = offset_of(mask);
  for (int64_t tile = blockIdx.x; tile * kThreads * kBatch < packs; tile += gridDim.x) {
    const int64_t first = tile * kThreads * kBatch + threadIdx.x;
    Bits<T> bits[kBatch];
#pragma unroll
    for (int k = 0; k < kBatch; k++) bits[k] = reinterpret_cast<const Bits<T>*>(x)[least(first + k * kThreads, packs - 1)];
#pragma unroll
    for (int k = 0; k < kBatch; k++) {  // without a branch, so that the packs share the rounds' keys
      bool keep[W];
      draw<T>(mask, offset, first + k * kThreads, keep);
#pragma unroll
      for (int i = 0; i < W; i++) bits[k].item[i] = dropped(bits[k].item[i], keep[i], factor);
    }
#pragma unroll
    for (int k = 0; k < kBatch; k++) {
      if (first + k * kThreads < packs) reinterpret_cast<Bits<T>*>(y)[first + k * kThreads] = bits[k];
    }
  }
  if (blockIdx.x != 0 || threadIdx.x != 0 || packs * W == n) return;
  bool keep[W];
  draw<T>(mask, offset, packs, keep);
#pragma unroll
  for (int i = 0; i < W; i++) {  // the last elements, less than a pack
    if (packs * W + i < n) y[packs * W + i] = dropped(x[packs * W + i], keep[i], factor);
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) dropout_kernel(const T* x, T* y, NestWalk<2> n, Mask mask, double factor) {
  constexpr int W = kWidth<T>;
  const uint64_t offset = offset_of(mask);
  for (int64_t pack = first_item(); pack * W < n.count; pack += item_step()) {
    bool keep[W];
    draw<T>(mask, offset, pack, keep);
#pragma unroll
    for (int i = 0; i < W; i++) {
      if (pack * W + i >= n.count) continue;
      int64_t at[2];
      n.at(pack * W + i, at);
      y[at[0]] = dropped(x[at[1]], keep[i], factor);
    }
  }
}
}  // namespace

hd_status dropout(const Call& call) {
  const hd_DropoutParams& p = call.params<hd_DropoutParams>();
  Check check(call);
  check.floats(0, 2).dtype(1, HD_I64).count(1, 1, "one number").same_shape(2, 0).dense(0, 2).output(2);
  check.require(p.p >= 0 && p.p < 1, "p must lie in [0, 1)");
  if (check.failed()) return check.status();
  const hd_tensor* const tensors[] = {call.t[2], call.t[0]};
  const Nest<2> n = nest(tensors, false);
  if (n.count == 0) return HD_OK;
  const Mask mask{static_cast<uint64_t>(p.seed), static_cast<uint64_t>(p.offset), philox_threshold(p.p), call.data<const int64_t>(1)};
  return with_float(call.t[0]->dtype, [&](auto type) {
    using T = decltype(type);
    const T* x = call.data<const T>(0);
    T* y = call.data<T>(2);
    const double factor = 1.0 / (1.0 - static_cast<double>(p.p));
    if (n.dense() && aligned(x) && aligned(y))
      return launch(call, dropout_dense<T>, grid_for(ceil_div(n.count, kBatch * kWidth<T>)), kThreads, 0, x, y, n.count, mask, factor);
    return launch(call, dropout_kernel<T>, grid_for(ceil_div(n.count, kWidth<T>)), kThreads, 0, x, y, n, mask, factor);
  });
}
}  // namespace hd

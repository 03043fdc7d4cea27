// dropout: y = keep ? x / (1 - p) : 0 (Srivastava et al. 2014), with a mask that is a function of (seed, offset, element index), so that
// the backward pass and every other backend draw the same one: see ops.def and philox.h.
// Shapes: x, y [N..]. Work: pieces of the row-major element order; kLanes Philox blocks (4 kLanes words) at a time.
// Numerics: x is multiplied by 1 / (1 - p) in f64 and rounded once, which gives the rounding of the exact quotient.
// Cost: 10 Philox rounds per 4 elements: about 2 instructions per element and tier of 16 lanes; reads and writes each element once.
// Deterministic: the mask does not depend on how the work is split.
#include "check.h"
#include "cpu/kernels.h"
#include "philox.h"
#include "wide.h"

namespace hd::HD_TIER {
namespace {

struct Mask32 {
  uint64_t seed, offset;
  uint32_t threshold;  // words at or above it are kept
};

struct Strides {
  int64_t x, y;
};

// Elements [index, index + n) of the stream.
template <class T>
void drop(const T* x, T* y, Strides stride, int64_t index, int64_t n, const Mask32& mask32, wide factor) {
  uint32_t words[kPhiloxWords + kLanes] = {};  // a vector may start at the last word
  T buffer[2][kPhiloxWords];
  int64_t block = index / 4;
  int64_t skip = index % 4;
  for (int64_t done = 0; done < n; block += kLanes, skip = 0) {
    philox_words(static_cast<uint64_t>(block), mask32.offset, mask32.seed, words);
    const int64_t count = least(n - done, kPhiloxWords - skip);
    const T* from = dense(x + done * stride.x, stride.x, count, buffer[0]);
    T* to = stride.y == 1 ? y + done : buffer[1];
    vectors(0, count, [&](int64_t i, auto mask) {
      vu word;
      std::memcpy(&word, words + skip + i, sizeof word);
      const vi keep = word >= mask32.threshold;
      const wide scaled = get_wide(from + i, mask) * factor;
      const vf rounded = sizeof(T) == 4 ? narrow(scaled) : narrow_odd(scaled);
      put(to + i, as_float(as_int(rounded) & keep), mask);
    });
    scatter(to, y + done * stride.y, stride.y, count);
    done += count;
  }
}

template <class T>
hd_status run(const Call& call) {
  const hd_DropoutParams& p = call.params<hd_DropoutParams>();
  const hd_tensor* const tensors[] = {call.t[2], call.t[0]};
  const Nest<2> n = nest(tensors, false);
  const double threshold = __builtin_ceil(static_cast<double>(p.p) * 4294967296.0);
  const int64_t* added = call.data<const int64_t>(1);
  const Mask32 mask{static_cast<uint64_t>(p.seed), static_cast<uint64_t>(p.offset + (added == nullptr ? 0 : *added)),
                    static_cast<uint32_t>(threshold)};
  const wide factor = splat_wide(1.0 / (1.0 - static_cast<double>(p.p)));
  const T* x = call.data<const T>(0);
  T* y = call.data<T>(2);
  const Strides stride{n.step(1), n.step(0)};
  parallel_pieces(call.context, n.runs, n.length, [&](int64_t first, int64_t end, int64_t from, int64_t to) {
    each_run(n, first, end, [&](int64_t r, const int64_t* at) {
      drop(x + at[1] + from * stride.x, y + at[0] + from * stride.y, stride, r * n.length + from, to - from, mask, factor);
    });
  });
  return HD_OK;
}
}  // namespace

hd_status dropout(const Call& call) {
  const float p = call.params<hd_DropoutParams>().p;
  Check check(call);
  check.floats(0, 2)
      .dtype(1, HD_I64)
      .count(1, 1, "one number")
      .same_shape(2, 0)
      .dense(0, 2)
      .output(2)
      .require(p >= 0 && p < 1, "p must lie in [0, 1)");
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) { return run<decltype(type)>(call); });
}
}  // namespace hd::HD_TIER

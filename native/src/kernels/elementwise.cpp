// binary, unary: element-wise work on tensors of any strides.
// Shapes: a, b, x have the shape of y; what broadcasts has stride 0.
// Work: dimensions are sorted by the strides of y, merged where all strides allow, and cut into pieces of runs along the innermost one.
// Runs that are not dense are gathered to (and scattered from) a buffer in L1, so that the arithmetic is always on vectors.
// Numerics: binary is rounded once: with factors of +-1 f32 arithmetic rounds f32 once, and is wide enough that the second rounding to
// 16 bits does no harm (Figueroa 1995); other factors go through f64. max and min keep NaN.
// Cost: bandwidth.
// Deterministic: elements are independent.
#include <cmath>

#include "check.h"
#include "cpu/kernels.h"
#include "wide.h"

namespace hd::HD_TIER {
namespace {

constexpr int64_t kBlock = 512;  // elements gathered at a time

// ---- binary ----

struct Add {
  template <class V>
  static V of(V a, V b) {
    return a + b;
  }
};
struct Subtract {
  template <class V>
  static V of(V a, V b) {
    return a - b;
  }
};
struct Multiply {
  template <class V>
  static V of(V a, V b) {
    return a * b;
  }
};
struct Divide {
  template <class V>
  static V of(V a, V b) {
    return a / b;
  }
};
struct Larger {
  template <class V>
  static V of(V a, V b) {
    return ((a > b) | (a != a)) ? a : b;
  }
  static wide of(wide a, wide b) { return {of(a.lo, b.lo), of(a.hi, b.hi)}; }
};
struct Smaller {
  template <class V>
  static V of(V a, V b) {
    return ((a < b) | (a != a)) ? a : b;
  }
  static wide of(wide a, wide b) { return {of(a.lo, b.lo), of(a.hi, b.hi)}; }
};

template <class F>
hd_status with_binary(int32_t kind, const F& f) {
  switch (kind) {
    case 0:
      return f(Add{});
    case 1:
      return f(Subtract{});
    case 2:
      return f(Multiply{});
    case 3:
      return f(Divide{});
    case 4:
      return f(Larger{});
    case 5:
      return f(Smaller{});
    default:
      return fail(HD_INVALID, "kind is %d, expected 0 to 5 (add, sub, mul, div, max, min)", kind);
  }
}

template <class T, class Op>
void binary_run(const T* a, const T* b, T* y, int64_t n, float alpha, float beta) {
  if constexpr (sizeof(T) != 8) {
    if (std::fabs(alpha) == 1.0f && std::fabs(beta) == 1.0f) {
      vectors(0, n, [&](int64_t i, auto mask) { put(y + i, Op::of(get(a + i, mask) * alpha, get(b + i, mask) * beta), mask); });
      return;
    }
  }
  const wide wide_alpha = splat_wide(static_cast<double>(alpha)), wide_beta = splat_wide(static_cast<double>(beta));
  vectors(0, n, [&](int64_t i, auto mask) {
    put_wide(y + i, Op::of(get_wide(a + i, mask) * wide_alpha, get_wide(b + i, mask) * wide_beta), mask);
  });
}

template <class T, class Op>
hd_status run_binary(const Call& call) {
  const hd_BinaryParams& p = call.params<hd_BinaryParams>();
  const hd_tensor* const tensors[] = {call.t[2], call.t[0], call.t[1]};
  const Nest<3> n = nest(tensors, true);
  const T *a = call.data<const T>(0), *b = call.data<const T>(1);
  T* y = call.data<T>(2);
  const int64_t sy = n.step(0), sa = n.step(1), sb = n.step(2);
  const int64_t block = sy == 1 && sa == 1 && sb == 1 ? kGrain : kBlock;
  parallel_pieces(call.context, n.runs, n.length, [&](int64_t first, int64_t end, int64_t from, int64_t to) {
    T buffer[3][kBlock];
    each_run(n, first, end, [&](int64_t, const int64_t* at) {
      for (int64_t i = from; i < to; i += block) {
        const int64_t count = least(block, to - i);
        T* out = y + at[0] + i * sy;
        T* dense_out = sy == 1 ? out : buffer[0];
        const T* left = dense(a + at[1] + i * sa, sa, count, buffer[1]);
        const T* right = dense(b + at[2] + i * sb, sb, count, buffer[2]);
        binary_run<T, Op>(left, right, dense_out, count, p.alpha, p.beta);
        scatter(dense_out, out, sy, count);
      }
    });
  });
  return HD_OK;
}

// ---- unary ----

struct Identity {
  static vf of(vf x) { return x; }
  static double of(double x) { return x; }
};
struct Exp {
  static vf of(vf x) { return exp(x); }
  static double of(double x) { return std::exp(x); }
};
struct Log {
  static vf of(vf x) { return log(x); }
  static double of(double x) { return std::log(x); }
};
struct Sqrt {
  static vf of(vf x) { return sqrt(x); }
  static double of(double x) { return std::sqrt(x); }
};
struct Reciprocal {
  template <class V>
  static V of(V x) {
    return 1.0f / x;
  }
};
struct Square {
  template <class V>
  static V of(V x) {
    return x * x;
  }
};
struct Abs {
  static vf of(vf x) { return abs(x); }
  static double of(double x) { return std::fabs(x); }
};
struct Tanh {
  static vf of(vf x) { return tanh(x); }
  static double of(double x) { return std::tanh(x); }
};
struct Sigmoid {
  static vf of(vf x) { return sigmoid(x); }
  static double of(double x) { return 1.0 / (1.0 + std::exp(-x)); }
};
struct Relu {
  static vf of(vf x) { return x < 0.0f ? splat(0.0f) : x; }
  static double of(double x) { return x < 0.0 ? 0.0 : x; }
};

template <class F>
hd_status with_unary(int32_t kind, const F& f) {
  switch (kind) {
    case 0:
      return f(Identity{});
    case 1:
      return f(Exp{});
    case 2:
      return f(Log{});
    case 3:
      return f(Sqrt{});
    case 4:
      return f(Reciprocal{});
    case 5:
      return f(Square{});
    case 6:
      return f(Abs{});
    case 7:
      return f(Tanh{});
    case 8:
      return f(Sigmoid{});
    case 9:
      return f(Relu{});
    default:
      return fail(HD_INVALID, "kind is %d, expected 0 to 9 (see Unary in params.def)", kind);
  }
}

template <class T, class Op>
void unary_run(const T* x, T* y, int64_t n, float scale, float shift) {
  if constexpr (sizeof(T) == 8) {
    for (int64_t i = 0; i < n; i++) y[i] = Op::of(x[i] * static_cast<double>(scale) + static_cast<double>(shift));
  } else {
    vectors(0, n, [&](int64_t i, auto mask) { put(y + i, Op::of(get(x + i, mask) * scale + shift), mask); });
  }
}

template <class T, class Op>
hd_status run_unary(const Call& call) {
  const hd_UnaryParams& p = call.params<hd_UnaryParams>();
  const hd_tensor* const tensors[] = {call.t[1], call.t[0]};
  const Nest<2> n = nest(tensors, true);
  const T* x = call.data<const T>(0);
  T* y = call.data<T>(1);
  const int64_t sy = n.step(0), sx = n.step(1), block = sy == 1 && sx == 1 ? kGrain : kBlock;
  parallel_pieces(call.context, n.runs, n.length, [&](int64_t first, int64_t end, int64_t from, int64_t to) {
    T buffer[2][kBlock];
    each_run(n, first, end, [&](int64_t, const int64_t* at) {
      for (int64_t i = from; i < to; i += block) {
        const int64_t count = least(block, to - i);
        T* out = y + at[0] + i * sy;
        T* dense_out = sy == 1 ? out : buffer[0];
        unary_run<T, Op>(dense(x + at[1] + i * sx, sx, count, buffer[1]), dense_out, count, p.scale, p.shift);
        scatter(dense_out, out, sy, count);
      }
    });
  });
  return HD_OK;
}
}  // namespace

hd_status binary(const Call& call) {
  Check check(call);
  check.require(call.t[2]->dtype <= HD_F64, "y must be a float tensor").alike(0, 2).alike(1, 2).same_shape(0, 2).same_shape(1, 2).output(2);
  if (check.failed()) return check.status();
  return with_binary(call.params<hd_BinaryParams>().kind, [&](auto op) {
    return with_any_float(call.t[2]->dtype, [&](auto type) { return run_binary<decltype(type), decltype(op)>(call); });
  });
}

hd_status unary(const Call& call) {
  Check check(call);
  check.require(call.t[1]->dtype <= HD_F64, "y must be a float tensor").alike(0, 1).same_shape(0, 1).output(1);
  if (check.failed()) return check.status();
  return with_unary(call.params<hd_UnaryParams>().kind, [&](auto op) {
    return with_any_float(call.t[1]->dtype, [&](auto type) { return run_unary<decltype(type), decltype(op)>(call); });
  });
}
}  // namespace hd::HD_TIER

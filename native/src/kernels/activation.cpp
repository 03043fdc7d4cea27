// bias_act_fwd, bias_act_bwd, glu_fwd, glu_bwd: y = f(x + bias), and gated units y = f(g + bias_g) * (u + bias_u) (Shazeer 2020), with
// their gradients. f: identity, relu, gelu by erf or by tanh (Hendrycks & Gimpel 2016), silu, tanh, sigmoid.
// Shapes: x, y, dy, dx [N.., F] (glu: x, dx [N.., 2F] = (g, u)); bias, dbias [F] (glu [2F]).
// Work: forward in pieces of rows; backward in chunks of rows x tiles of columns, each with its own partial dbias (column_sums.h).
// Numerics: f32 throughout, one rounding at the store; dbias sums the unrounded dx. Slopes are taken at x clamped to +-100, where
// they have reached their limits, so that infinities do not give inf * 0.
// Cost: bandwidth, except gelu by erf in f32 (about 40 instructions per vector): reads and writes every element once.
// Deterministic: chunks and tiles depend on the shape alone.
#include "check.h"
#include "column_sums.h"
#include "cpu/kernels.h"

namespace hd::HD_TIER {
namespace {

using Params = hd_ActivationParams;

// Argument order keeps NaN: a comparison with it is false, and the second operand is taken.
inline vf bounded(vf x) { return max(splat(-100.0f), min(splat(100.0f), x)); }

struct Identity {
  static vf value(vf x) { return x; }
  static vf slope(vf) { return splat(1.0f); }
};
struct Relu {
  static vf value(vf x) { return x < 0.0f ? splat(0.0f) : x; }
  static vf slope(vf x) { return x <= 0.0f ? splat(0.0f) : splat(1.0f); }
};
struct GeluErf {
  static vf normal(vf x) { return 0.5f + 0.5f * erf(x * 0.70710678f); }
  static vf value(vf x) { return x * normal(x); }
  static vf slope(vf x) {
    const vf b = bounded(x);
    return normal(b) + b * 0.39894228f * exp(-0.5f * b * b);
  }
};
// 0.5 (1 + tanh(u)) = sigmoid(2 u), which keeps its relative accuracy for negative u.
struct GeluTanh {
  static constexpr float kTwice = 1.5957691216f;  // 2 sqrt(2 / pi)
  static constexpr float kCube = 0.044715f;
  static vf gate(vf x) { return sigmoid(kTwice * x * (1.0f + kCube * x * x)); }
  static vf value(vf x) { return x * gate(x); }
  static vf slope(vf x) {
    const vf b = bounded(x), s = gate(b);
    return s + b * s * (1.0f - s) * kTwice * (1.0f + 3.0f * kCube * b * b);
  }
};
struct Silu {
  static vf value(vf x) { return x * sigmoid(x); }
  static vf slope(vf x) {
    const vf b = bounded(x), s = sigmoid(b);
    return s + b * s * (1.0f - s);
  }
};
struct Tanh {
  static vf value(vf x) { return tanh(x); }
  static vf slope(vf x) {
    const vf t = tanh(x);
    return 1.0f - t * t;
  }
};
struct Sigmoid {
  static vf value(vf x) { return sigmoid(x); }
  static vf slope(vf x) {
    const vf s = sigmoid(x);
    return s * (1.0f - s);
  }
};

template <class F>
hd_status with_activation(int32_t kind, const F& f) {
  switch (kind) {
    case 0:
      return f(Identity{});
    case 1:
      return f(Relu{});
    case 2:
      return f(GeluErf{});
    case 3:
      return f(GeluTanh{});
    case 4:
      return f(Silu{});
    case 5:
      return f(Tanh{});
    case 6:
      return f(Sigmoid{});
    default:
      return fail(HD_INVALID, "kind is %d, expected 0 to 6 (identity, relu, gelu, gelu_tanh, silu, tanh, sigmoid)", kind);
  }
}

// f(element type, activation)
template <class F>
hd_status with_both(const Call& call, const F& f) {
  return with_activation(call.params<Params>().kind,
                         [&](auto act) { return with_float(call.t[0]->dtype, [&](auto type) { return f(type, act); }); });
}

template <class T, class Mask>
inline vf biased(const T* x, const T* bias, int64_t i, Mask mask) {
  return bias == nullptr ? get(x + i, mask) : get(x + i, mask) + get(bias + i, mask);
}

template <class T, class Act>
hd_status bias_forward(const Call& call) {
  const View<const T> x(call, 0);
  const View<T> y(call, 2);
  const T* bias = call.data<const T>(1);
  parallel_pieces(call.context, x.rows.count, last(*call.t[0]), [&](int64_t first, int64_t end, int64_t from, int64_t to) {
    for (int64_t r = first; r < end; r++) {
      const T* in = x.row(r);
      T* out = y.row(r);
      vectors(from, to, [&](int64_t i, auto mask) { put(out + i, Act::value(biased(in, bias, i, mask)), mask); });
    }
  });
  return HD_OK;
}

template <class T, class Act>
hd_status glu_forward(const Call& call) {
  const View<const T> x(call, 0);
  const View<T> y(call, 2);
  const int64_t n = last(*call.t[2]);
  const T* bias = call.data<const T>(1);
  const T* up_bias = bias == nullptr ? nullptr : bias + n;
  parallel_pieces(call.context, y.rows.count, n, [&](int64_t first, int64_t end, int64_t from, int64_t to) {
    for (int64_t r = first; r < end; r++) {
      const T *gate = x.row(r), *up = gate + n;
      T* out = y.row(r);
      vectors(from, to,
              [&](int64_t i, auto mask) { put(out + i, Act::value(biased(gate, bias, i, mask)) * biased(up, up_bias, i, mask), mask); });
    }
  });
  return HD_OK;
}

// Runs body(row, from, to, partial sums of its chunk or null) over chunks of rows x tiles of `columns`, then finishes dbias.
// `width` is the length of dbias.
template <class T, class Body>
hd_status backward(const Call& call, int64_t rows, int64_t columns, int64_t width, const Body& body) {
  const int64_t chunks = row_chunks(rows), tiles = ceil_div(columns, kGrain);
  ColumnSums dbias{nullptr, chunks, width};
  if (call.has(4)) {
    dbias.data = scratch<float>(chunks * width);
    if (dbias.data == nullptr) return fail(HD_NO_MEMORY, "no memory for %lld partial sums", static_cast<long long>(chunks * width));
    std::memset(dbias.data, 0, static_cast<size_t>(chunks * width) * 4);
  }
  parallel(call.context, chunks * tiles, [&](int64_t task) {
    const int64_t c = task / tiles, from = task % tiles * kGrain, to = least(columns, from + kGrain);
    for (int64_t r = chunk_begin(rows, chunks, c); r < chunk_begin(rows, chunks, c + 1); r++) body(r, from, to, dbias.chunk(c));
  });
  finish<T>(call, 4, dbias, call.params<Params>().accumulate != 0);
  return HD_OK;
}

template <class T, class Act>
hd_status bias_backward(const Call& call) {
  const View<const T> dy(call, 0), x(call, 1);
  const View<T> dx(call, 3);
  const T* bias = call.data<const T>(2);
  const int64_t n = last(*call.t[1]);
  return backward<T>(call, x.rows.count, n, n, [&](int64_t r, int64_t from, int64_t to, float* dbias) {
    const T *in = x.row(r), *grad = dy.row(r);
    T* out = dx.row(r);
    vectors(from, to, [&](int64_t i, auto mask) {
      const vf d = get(grad + i, mask) * Act::slope(biased(in, bias, i, mask));
      put(out + i, d, mask);
      if (dbias != nullptr) put(dbias + i, get(dbias + i, mask) + d, mask);
    });
  });
}

template <class T, class Act>
hd_status glu_backward(const Call& call) {
  const View<const T> dy(call, 0), x(call, 1);
  const View<T> dx(call, 3);
  const int64_t n = last(*call.t[0]);
  const T* bias = call.data<const T>(2);
  const T* up_bias = bias == nullptr ? nullptr : bias + n;
  return backward<T>(call, dy.rows.count, n, 2 * n, [&](int64_t r, int64_t from, int64_t to, float* dbias) {
    const T *gate = x.row(r), *up = gate + n, *grad = dy.row(r);
    T *dgate = dx.row(r), *dup = dgate + n;
    vectors(from, to, [&](int64_t i, auto mask) {
      const vf g = biased(gate, bias, i, mask), u = biased(up, up_bias, i, mask), d = get(grad + i, mask);
      const vf dg = d * u * Act::slope(g), du = d * Act::value(g);
      put(dgate + i, dg, mask);
      put(dup + i, du, mask);
      if (dbias == nullptr) return;
      put(dbias + i, get(dbias + i, mask) + dg, mask);
      put(dbias + n + i, get(dbias + n + i, mask) + du, mask);
    });
  });
}

// wide has the dimensions of slim, but twice the last one.
bool is_double(const hd_tensor& wide_one, const hd_tensor& slim) {
  return wide_one.rank == slim.rank && slim.rank > 0 && has_shape_of(wide_one, slim, slim.rank - 1) && last(wide_one) == 2 * last(slim);
}
}  // namespace

hd_status bias_act_fwd(const Call& call) {
  Check check(call);
  check.floats(0, 1, 2).same_shape(2, 0).vector(1, last(*call.t[0]), "the last dimension of x").dense(0, 1, 2).output(2);
  if (check.failed()) return check.status();
  return with_both(call, [&](auto type, auto act) { return bias_forward<decltype(type), decltype(act)>(call); });
}

hd_status bias_act_bwd(const Call& call) {
  const int64_t features = last(*call.t[1]);
  Check check(call);
  check.floats(0, 1, 2, 3).f32_or_alike(4, 0).same_shape(0, 1).same_shape(3, 1);
  check.vector(2, features, "the last dimension of x").vector(4, features, "the last dimension of x").dense(0, 1, 2, 3, 4).output(3);
  if (check.failed()) return check.status();
  return with_both(call, [&](auto type, auto act) { return bias_backward<decltype(type), decltype(act)>(call); });
}

hd_status glu_fwd(const Call& call) {
  Check check(call);
  check.floats(0, 1, 2).require(is_double(*call.t[0], *call.t[2]), "the last dimension of x must be twice that of y, the others alike");
  check.vector(1, last(*call.t[0]), "the last dimension of x").dense(0, 1, 2).output(2);
  if (check.failed()) return check.status();
  return with_both(call, [&](auto type, auto act) { return glu_forward<decltype(type), decltype(act)>(call); });
}

hd_status glu_bwd(const Call& call) {
  const int64_t features = last(*call.t[1]);
  Check check(call);
  check.floats(0, 1, 2, 3).f32_or_alike(4, 0).same_shape(3, 1);
  check.require(is_double(*call.t[1], *call.t[0]), "the last dimension of x must be twice that of dy, the others alike");
  check.vector(2, features, "the last dimension of x").vector(4, features, "the last dimension of x").dense(0, 1, 2, 3, 4).output(3);
  if (check.failed()) return check.status();
  return with_both(call, [&](auto type, auto act) { return glu_backward<decltype(type), decltype(act)>(call); });
}
}  // namespace hd::HD_TIER

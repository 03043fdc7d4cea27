// The functions of cuDNN 9 that the Java side calls for recurrent layers, on the host: with the emulated plugin it lets the tests of those
// layers run where there is no GPU. Built as libcudnn_adv.so.9, beside empty libraries with the names of its neighbours. Formulas as
// NVIDIA's documentation of cudnnRNNForward gives them; the block of weights has gaps and its biases in front, so that who asks where
// things lie can be told from who guesses. Refused is what the real one refuses: lengths that are not in memory, blocks that are too small,
// gradients of weights before those of data.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "library_floats.h"

#define API extern "C" __attribute__((visibility("default")))

namespace {

enum Status { kSuccess = 0, kBadParam = 2000 };
constexpr int kBf16 = 9;
enum Cell { kLstm = 2, kGru = 3 };
enum Bias { kSingleInput = 1, kDouble = 2 };
constexpr int kTraining = 1, kAdd = 0, kKept = 9;  // numbers kept of a feature: 4 activations, cell, up to 4 gradients

constexpr auto load = Floats<kBf16>::load;
constexpr auto store = Floats<kBf16>::store;

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Layer {
  int cell, bias, type;
  int64_t inputs, features;

  int64_t gates() const { return cell == kLstm ? 4 : 3; }
  int64_t bytes() const { return type == kF32 ? 4 : 2; }
  // In numbers: biases, a gap, W with a gap after each gate, R without.
  int64_t bias_at(int64_t matrix) const { return matrix * features; }
  int64_t matrix_at(int64_t matrix) const {
    const int64_t start = 2 * gates() * features + 8, w = features * inputs + 8;
    return matrix < gates() ? start + matrix * w : start + gates() * w + (matrix - gates()) * features * features;
  }
  bool has_bias(int64_t matrix) const { return bias == kDouble || matrix < gates(); }
  int64_t weight_bytes() const { return matrix_at(2 * gates()) * bytes(); }
};

struct Sequence {
  int type;
  int64_t steps, rows, width;
};

struct Pass {
  const Layer& l;
  const Sequence& x;
  const void* weights;
  float* kept;  // [T][B][kKept][F]

  double weight(int64_t matrix, int64_t row, int64_t column) const {
    return load(l.type, weights, l.matrix_at(matrix) + row * (matrix < l.gates() ? l.inputs : l.features) + column);
  }
  double bias(int64_t matrix, int64_t row) const { return l.has_bias(matrix) ? load(l.type, weights, l.bias_at(matrix) + row) : 0; }
  float& keep(int64_t t, int64_t b, int64_t what, int64_t j) const { return kept[((t * x.rows + b) * kKept + what) * l.features + j]; }

  void forward(const void* in, void* y, const void* h0, void* hn, const void* c0, void* cn) const {
    const int64_t F = l.features, B = x.rows, G = l.gates();
    std::vector<double> h(static_cast<size_t>(B * F)), c(h.size());
    for (size_t i = 0; i < h.size(); i++) {
      h[i] = h0 == nullptr ? 0 : load(l.type, h0, static_cast<int64_t>(i));
      c[i] = c0 == nullptr ? 0 : load(l.type, c0, static_cast<int64_t>(i));
    }
    for (int64_t t = 0; t < x.steps; t++) {
      std::vector<double> next(h.size());
      for (int64_t b = 0; b < B; b++) {
        for (int64_t j = 0; j < F; j++) {
          double w[4], r[4], a[4];
          for (int64_t g = 0; g < G; g++) {
            w[g] = bias(g, j), r[g] = bias(G + g, j);
            for (int64_t k = 0; k < l.inputs; k++) w[g] += weight(g, j, k) * load(l.type, in, (t * B + b) * l.inputs + k);
            for (int64_t k = 0; k < F; k++) r[g] += weight(G + g, j, k) * h[static_cast<size_t>(b * F + k)];
          }
          const size_t at = static_cast<size_t>(b * F + j);
          a[0] = sigmoid(w[0] + r[0]), a[1] = sigmoid(w[1] + r[1]);
          if (l.cell == kLstm) {
            a[2] = std::tanh(w[2] + r[2]), a[3] = sigmoid(w[3] + r[3]);
            c[at] = a[1] * c[at] + a[0] * a[2];
            next[at] = a[3] * std::tanh(c[at]);
          } else {
            a[2] = std::tanh(w[2] + a[0] * r[2]), a[3] = r[2];
            next[at] = (1 - a[1]) * a[2] + a[1] * h[at];
          }
          store(l.type, y, (t * B + b) * F + j, next[at]);
          if (kept == nullptr) continue;
          for (int64_t g = 0; g < 4; g++) keep(t, b, g, j) = static_cast<float>(a[g]);
          keep(t, b, 4, j) = static_cast<float>(c[at]);
        }
      }
      h = next;
    }
    for (size_t i = 0; i < h.size(); i++) {
      if (hn != nullptr) store(l.type, hn, static_cast<int64_t>(i), h[i]);
      if (cn != nullptr) store(l.type, cn, static_cast<int64_t>(i), c[i]);
    }
  }

  // Of the products with x (which: 0) and with h (1): they differ in a GRU's last gate.
  double gradient(int64_t t, int64_t b, int64_t g, int64_t j, int which) const {
    const double d = keep(t, b, 5 + g, j);
    return which == 1 && g == 2 && l.cell == kGru ? d * keep(t, b, 0, j) : d;
  }

  void data(const void* y, const void* dy, void* dx, const void* h0, const void* dhn, void* dh0, const void* c0, const void* dcn,
            void* dc0) const {
    const int64_t F = l.features, B = x.rows, G = l.gates();
    std::vector<double> dh(static_cast<size_t>(B * F)), dc(dh.size());
    for (size_t i = 0; i < dh.size(); i++) {
      dh[i] = dhn == nullptr ? 0 : load(l.type, dhn, static_cast<int64_t>(i));
      dc[i] = dcn == nullptr ? 0 : load(l.type, dcn, static_cast<int64_t>(i));
    }
    for (int64_t t = x.steps - 1; t >= 0; t--) {
      std::vector<double> before(dh.size());
      for (int64_t b = 0; b < B; b++) {
        for (int64_t j = 0; j < F; j++) {
          const size_t at = static_cast<size_t>(b * F + j);
          const auto first = [&](const void* state) {
            return state == nullptr ? 0.0 : static_cast<double>(load(l.type, state, b * F + j));
          };
          const double d = dh[at] + load(l.type, dy, (t * B + b) * F + j), a = keep(t, b, 0, j), f = keep(t, b, 1, j), n = keep(t, b, 2, j),
                       o = keep(t, b, 3, j);
          double grad[4];
          if (l.cell == kLstm) {
            const double now = std::tanh(keep(t, b, 4, j)), old = t > 0 ? keep(t - 1, b, 4, j) : first(c0);
            const double cell = dc[at] + d * o * (1 - now * now);
            grad[0] = cell * n * a * (1 - a), grad[1] = cell * old * f * (1 - f), grad[2] = cell * a * (1 - n * n),
            grad[3] = d * now * o * (1 - o);
            dc[at] = cell * f;
          } else {
            const double old = t > 0 ? load(l.type, y, ((t - 1) * B + b) * F + j) : first(h0), dn = d * (1 - f) * (1 - n * n);
            grad[0] = dn * o * a * (1 - a), grad[1] = d * (old - n) * f * (1 - f), grad[2] = dn;
            before[at] = d * f;
          }
          for (int64_t g = 0; g < G; g++) keep(t, b, 5 + g, j) = static_cast<float>(grad[g]);
        }
        for (int64_t k = 0; k < F; k++) {
          for (int64_t g = 0; g < G; g++) {
            for (int64_t j = 0; j < F; j++) before[static_cast<size_t>(b * F + k)] += gradient(t, b, g, j, 1) * weight(G + g, j, k);
          }
        }
        for (int64_t k = 0; k < l.inputs; k++) {
          double sum = 0;
          for (int64_t g = 0; g < G; g++) {
            for (int64_t j = 0; j < F; j++) sum += gradient(t, b, g, j, 0) * weight(g, j, k);
          }
          store(l.type, dx, (t * B + b) * l.inputs + k, sum);
        }
      }
      dh = before;
    }
    for (size_t i = 0; i < dh.size(); i++) {
      if (dh0 != nullptr) store(l.type, dh0, static_cast<int64_t>(i), dh[i]);
      if (dc0 != nullptr) store(l.type, dc0, static_cast<int64_t>(i), dc[i]);
    }
  }

  void weights_of(const void* in, const void* h0, const void* y, void* to) const {
    const int64_t F = l.features, B = x.rows, G = l.gates();
    for (int64_t m = 0; m < 2 * G; m++) {
      const int which = m < G ? 0 : 1;
      const int64_t width = which == 0 ? l.inputs : F;
      for (int64_t j = 0; j < F; j++) {
        for (int64_t k = -1; k < width; k++) {  // -1: the bias
          if (k < 0 && !l.has_bias(m)) continue;
          double sum = 0;
          for (int64_t t = 0; t < x.steps; t++) {
            for (int64_t b = 0; b < B; b++) {
              const double d = gradient(t, b, m % G, j, which);
              if (k < 0) {
                sum += d;
              } else if (which == 0) {
                sum += d * load(l.type, in, (t * B + b) * l.inputs + k);
              } else if (t > 0) {
                sum += d * load(l.type, y, ((t - 1) * B + b) * F + k);
              } else if (h0 != nullptr) {
                sum += d * load(l.type, h0, b * F + k);
              }
            }
          }
          const int64_t at = k < 0 ? l.bias_at(m) + j : l.matrix_at(m) + j * width + k;
          store(l.type, to, at, load(l.type, to, at) + sum);
        }
      }
    }
  }
};

int64_t reserve_bytes(const Layer& l, const Sequence& x) { return x.steps * x.rows * kKept * l.features * 4; }

bool fits(const Layer* l, const int32_t* lengths, const Sequence* x, size_t weights, size_t reserve, bool training) {
  for (int64_t b = 0; b < x->rows; b++) {
    if (lengths == nullptr || lengths[b] != x->steps) return false;
  }
  return x->type == l->type && x->width == l->inputs && static_cast<int64_t>(weights) == l->weight_bytes() &&
         (!training || static_cast<int64_t>(reserve) == reserve_bytes(*l, *x));
}

template <class T>
int make(T** to) {
  *to = new T{};
  return kSuccess;
}
template <class T>
int destroy(T* it) {
  delete it;
  return kSuccess;
}
struct Empty {};
}  // namespace

API size_t cudnnGetVersion() { return 90000; }
API const char* cudnnGetErrorString(int status) {
  return status == kSuccess ? "CUDNN_STATUS_SUCCESS" : "CUDNN_STATUS_BAD_PARAM (emulated)";
}
API int cudnnCreate(Empty** handle) { return make(handle); }
API int cudnnDestroy(Empty* handle) { return destroy(handle); }
API int cudnnSetStream(Empty*, void*) { return kSuccess; }
API int cudnnCreateTensorDescriptor(Empty** d) { return make(d); }
API int cudnnDestroyTensorDescriptor(Empty* d) { return destroy(d); }
API int cudnnSetTensorNdDescriptor(Empty*, int, int n, const int*, const int*) { return n == 3 ? kSuccess : kBadParam; }
API int cudnnCreateDropoutDescriptor(Empty** d) { return make(d); }
API int cudnnDestroyDropoutDescriptor(Empty* d) { return destroy(d); }
API int cudnnSetDropoutDescriptor(Empty*, Empty*, float p, void*, size_t, unsigned long long) { return p == 0 ? kSuccess : kBadParam; }
API int cudnnCreateRNNDescriptor(Layer** d) { return make(d); }
API int cudnnDestroyRNNDescriptor(Layer* d) { return destroy(d); }
API int cudnnSetRNNDescriptor_v8(Layer* d, int algorithm, int cell, int bias, int direction, int input, int type, int precision, int,
                                 int inputs, int features, int projected, int layers, Empty*, unsigned) {
  *d = {cell, bias, type, inputs, features};
  const bool known = (cell == kLstm || cell == kGru) && (bias == kSingleInput || bias == kDouble) && precision == kF32;
  return known && algorithm == 0 && direction == 0 && input == 0 && projected == features && layers == 1 ? kSuccess : kBadParam;
}
API int cudnnCreateRNNDataDescriptor(Sequence** d) { return make(d); }
API int cudnnDestroyRNNDataDescriptor(Sequence* d) { return destroy(d); }
API int cudnnSetRNNDataDescriptor(Sequence* d, int type, int layout, int steps, int rows, int width, const int* lengths, void*) {
  *d = {type, steps, rows, width};
  for (int b = 0; b < rows; b++) {
    if (lengths[b] != steps) return kBadParam;
  }
  return layout == 0 ? kSuccess : kBadParam;
}
API int cudnnGetRNNWeightSpaceSize(Empty*, Layer* l, size_t* bytes) {
  *bytes = static_cast<size_t>(l->weight_bytes());
  return kSuccess;
}
API int cudnnGetRNNTempSpaceSizes(Empty*, Layer* l, int mode, Sequence* x, size_t* work, size_t* reserve) {
  *work = 64;
  *reserve = mode == kTraining ? static_cast<size_t>(reserve_bytes(*l, *x)) : 0;
  return kSuccess;
}
API int cudnnGetRNNWeightParams(Empty*, Layer* l, int32_t layer, size_t, char* space, int32_t matrix, Empty*, void** weight, Empty*,
                                void** bias) {
  *weight = space + l->matrix_at(matrix) * l->bytes();
  *bias = l->has_bias(matrix) ? space + l->bias_at(matrix) * l->bytes() : nullptr;
  return layer == 0 && matrix < 2 * l->gates() ? kSuccess : kBadParam;
}
API int cudnnRNNForward(Empty*, Layer* l, int mode, const int32_t* lengths, Sequence* x, const void* in, Sequence* y, void* out, Empty*,
                        const void* h0, void* hn, Empty*, const void* c0, void* cn, size_t weight_bytes, const void* weights, size_t, void*,
                        size_t reserve, void* kept) {
  if (!fits(l, lengths, x, weight_bytes, reserve, mode == kTraining) || y->width != l->features) return kBadParam;
  Pass{*l, *x, weights, mode == kTraining ? static_cast<float*>(kept) : nullptr}.forward(in, out, h0, hn, c0, cn);
  return kSuccess;
}
API int cudnnRNNBackwardData_v8(Empty*, Layer* l, const int32_t* lengths, Sequence*, const void* y, const void* dy, Sequence* x, void* dx,
                                Empty*, const void* h0, const void* dhn, void* dh0, Empty*, const void* c0, const void* dcn, void* dc0,
                                size_t weight_bytes, const void* weights, size_t, void*, size_t reserve, void* kept) {
  if (!fits(l, lengths, x, weight_bytes, reserve, true)) return kBadParam;
  Pass{*l, *x, weights, static_cast<float*>(kept)}.data(y, dy, dx, h0, dhn, dh0, c0, dcn, dc0);
  return kSuccess;
}
API int cudnnRNNBackwardWeights_v8(Empty*, Layer* l, int mode, const int32_t* lengths, Sequence* x, const void* in, Empty*, const void* h0,
                                   Sequence*, const void* y, size_t weight_bytes, void* gradients, size_t, void*, size_t reserve,
                                   void* kept) {
  if (!fits(l, lengths, x, weight_bytes, reserve, true) || mode != kAdd) return kBadParam;
  Pass{*l, *x, nullptr, static_cast<float*>(kept)}.weights_of(in, h0, y, gradients);
  return kSuccess;
}

// The few functions of cuBLASLt that the Java side calls, on the host: with the emulated plugin it lets the tests of matrix products run
// where there is no GPU. Built as libcublasLt.so.13, beside two empty libraries with the names of its neighbours. Stricter than the
// library: a product whose pointers have not the alignment that was promised to the heuristic fails.
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "emulated_stream.h"
#include "library_floats.h"

#define API extern "C" __attribute__((visibility("default")))

namespace {

enum Status { kSuccess = 0, kInvalid = 7, kNotSupported = 15 };
enum DescAttribute { kTransA = 3, kTransB = 4, kEpilogue = 7, kBias = 8 };
enum LayoutAttribute { kBatchCount = 5, kBatchStride = 6 };
enum PreferenceAttribute { kWorkspace = 1, kAlignA = 5, kAlignD = 8 };
constexpr int kBf16 = 14;
constexpr int kBiasEpilogue = 4;

struct Desc {
  int transposed[2] = {0, 0};
  int epilogue = 1;
  const void* bias = nullptr;
};
struct Layout {
  int type;
  int64_t rows, columns, leading;
  int32_t batch = 1;
  int64_t stride = 0;
};
struct Preference {
  uint64_t workspace = 0;
  uint32_t alignment[4] = {256, 256, 256, 256};
};
struct Algorithm {  // what fits into the library's opaque 64 bytes
  uint32_t alignment[4];
  uint64_t number, rest[5];
};
constexpr int kAlgorithms = 3;  // they differ in name only
struct Heuristic {
  Algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

constexpr auto load = Floats<kBf16>::load;
constexpr auto store = Floats<kBf16>::store;

bool fits(const Layout& l) {
  return l.rows > 0 && l.columns > 0 && l.leading >= l.rows && (l.type == kF32 || l.type == kF16 || l.type == kBf16);
}

bool aligned(const void* p, uint32_t to) { return reinterpret_cast<uintptr_t>(p) % to == 0; }

}  // namespace

API size_t cublasLtGetVersion() { return 130000; }
API const char* cublasLtGetStatusName(int status) { return status == kSuccess ? "CUBLAS_STATUS_SUCCESS" : "CUBLAS_STATUS_EMULATED"; }
API const char* cublasLtGetStatusString(int) { return "of the emulation"; }
API int cublasLtCreate(void** handle) { return *handle = new int(0), kSuccess; }
API int cublasLtDestroy(void* handle) { return delete static_cast<int*>(handle), kSuccess; }
API int cublasLtMatmulDescCreate(Desc** d, int, int) { return *d = new Desc, kSuccess; }
API int cublasLtMatmulDescDestroy(Desc* d) { return delete d, kSuccess; }

API int cublasLtMatmulDescSetAttribute(Desc* d, int attribute, const void* value, size_t) {
  switch (attribute) {
    case kTransA:
    case kTransB:
      std::memcpy(&d->transposed[attribute - kTransA], value, 4);
      return kSuccess;
    case kEpilogue:
      std::memcpy(&d->epilogue, value, 4);
      return kSuccess;
    case kBias:
      std::memcpy(&d->bias, value, 8);
      return kSuccess;
    default:
      return kInvalid;
  }
}

API int cublasLtMatrixLayoutCreate(Layout** l, int type, uint64_t rows, uint64_t columns, int64_t leading) {
  *l = new Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), leading};
  return kSuccess;
}
API int cublasLtMatrixLayoutDestroy(Layout* l) { return delete l, kSuccess; }

API int cublasLtMatrixLayoutSetAttribute(Layout* l, int attribute, const void* value, size_t) {
  if (attribute == kBatchCount) return std::memcpy(&l->batch, value, 4), kSuccess;
  if (attribute == kBatchStride) return std::memcpy(&l->stride, value, 8), kSuccess;
  return kInvalid;
}

API int cublasLtMatmulPreferenceCreate(Preference** p) { return *p = new Preference, kSuccess; }
API int cublasLtMatmulPreferenceDestroy(Preference* p) { return delete p, kSuccess; }

API int cublasLtMatmulPreferenceSetAttribute(Preference* p, int attribute, const void* value, size_t) {
  if (attribute == kWorkspace) return std::memcpy(&p->workspace, value, 8), kSuccess;
  if (attribute < kAlignA || attribute > kAlignD) return kInvalid;
  return std::memcpy(&p->alignment[attribute - kAlignA], value, 4), kSuccess;
}

API int cublasLtMatmulAlgoGetHeuristic(void*, const Desc* d, const Layout* a, const Layout* b, const Layout* c, const Layout* e,
                                       const Preference* p, int wanted, Heuristic* found, int* count) {
  *count = 0;
  const int64_t inner = d->transposed[0] ? a->rows : a->columns;
  const bool shapes = (d->transposed[0] ? a->columns : a->rows) == e->rows && (d->transposed[1] ? b->columns : b->rows) == inner &&
                      (d->transposed[1] ? b->rows : b->columns) == e->columns && c->rows == e->rows && c->columns == e->columns;
  if (wanted < 1 || !shapes || !fits(*a) || !fits(*b) || !fits(*e) || a->type != b->type || p->workspace == 0) return kNotSupported;
  *count = wanted < kAlgorithms ? wanted : kAlgorithms;
  for (int i = 0; i < *count; i++) {
    found[i] = {};
    std::memcpy(found[i].algorithm.alignment, p->alignment, sizeof p->alignment);
    found[i].algorithm.number = static_cast<uint64_t>(i);
  }
  return kSuccess;
}

namespace {
struct Operand {
  void* data;
  Layout layout;

  float at(int64_t batch, int64_t i) const { return load(layout.type, data, batch * layout.stride + i); }
};

void product(const Desc& d, float alpha, const Operand& a, const Operand& b, float beta, const Operand& c, const Operand& e) {
  const bool bias = d.epilogue == kBiasEpilogue;
  const int64_t inner = d.transposed[0] ? a.layout.rows : a.layout.columns;
  for (int64_t batch = 0; batch < e.layout.batch; batch++) {
    for (int64_t j = 0; j < e.layout.columns; j++) {
      for (int64_t i = 0; i < e.layout.rows; i++) {
        double sum = 0;
        for (int64_t k = 0; k < inner; k++) {
          const int64_t at = d.transposed[0] ? i * a.layout.leading + k : k * a.layout.leading + i;
          const int64_t bt = d.transposed[1] ? k * b.layout.leading + j : j * b.layout.leading + k;
          sum += static_cast<double>(a.at(batch, at)) * static_cast<double>(b.at(batch, bt));
        }
        double x = static_cast<double>(alpha) * sum;
        if (beta != 0) x += static_cast<double>(beta) * static_cast<double>(c.at(batch, j * c.layout.leading + i));
        if (bias) x += static_cast<double>(load(e.layout.type, d.bias, i));
        store(e.layout.type, e.data, batch * e.layout.stride + j * e.layout.leading + i, static_cast<float>(x));
      }
    }
  }
}
}  // namespace

// What the call is given is taken when it is made, as the library does; only the matrices are read when their turn comes.
API int cublasLtMatmul(void*, const Desc* d, const float* alpha, const void* a, const Layout* la, const void* b, const Layout* lb,
                       const float* beta, const void* c, const Layout* lc, void* e, const Layout* le, const Algorithm* algorithm, void*,
                       size_t, EmulatedStream* stream) {
  const uint32_t* promised = algorithm->alignment;
  if (!aligned(a, promised[0]) || !aligned(b, promised[1]) || !aligned(c, promised[2]) || !aligned(e, promised[3])) return kInvalid;
  if (d->epilogue == kBiasEpilogue && (d->bias == nullptr || !aligned(d->bias, promised[3]))) return kInvalid;
  if (la->batch != le->batch || lb->batch != le->batch || lc->batch != le->batch) return kInvalid;
  const auto operand = [](const void* data, const Layout* l) { return Operand{const_cast<void*>(data), *l}; };
  stream->take([desc = *d, by = *alpha, plus = *beta, x = operand(a, la), y = operand(b, lb), z = operand(c, lc), out = operand(e, le)] {
    product(desc, by, x, y, plus, z, out);
  });
  return kSuccess;
}

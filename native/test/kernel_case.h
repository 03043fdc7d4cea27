// What a kernel test is written with: tensors between guard pages, a call through the door on one and two threads, and comparisons.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "heddle/heddle.h"
#include "heddle/params.h"

namespace test {

inline int failures = 0;
inline int checks = 0;
inline std::string context;  // what is being tested, for messages

inline void report(const std::string& text) {
  if (failures++ < 40) std::printf("FAILED %s: %s\n", context.c_str(), text.c_str());
}
inline void expect(bool good, const std::string& text) {
  checks++;
  if (!good) report(text);
}

// ---- numbers ----
inline int64_t bytes_of(int dtype) {
  const int64_t size[] = {4, 2, 2, 8, 4, 8, 1};
  return size[dtype];
}
inline double epsilon(int dtype) {
  const int digits[] = {24, 8, 11, 53};
  return std::ldexp(1.0, 1 - digits[dtype]);
}
// The nearest value of a float dtype, ties to even.
inline double round_to(int dtype, double x) {
  if (dtype == HD_F64 || x == 0 || !std::isfinite(x)) return x;
  const int digits[] = {24, 8, 11}, lowest[] = {-149, -133, -24};
  const double largest[] = {0x1.fffffep127, 0x1.fep127, 65504.0};
  int e;
  std::frexp(x, &e);
  const double quantum = std::ldexp(1.0, std::max(e - digits[dtype], lowest[dtype]));
  const double y = std::nearbyint(x / quantum) * quantum;
  if (std::fabs(y) > largest[dtype]) return std::copysign(std::numeric_limits<double>::infinity(), x);
  return std::copysign(y, x);
}
inline double read(const char* p, int dtype) {
  uint16_t h;
  std::memcpy(&h, p, 2 <= bytes_of(dtype) ? 2 : 1);
  float f;
  switch (dtype) {
    case HD_F32:
      std::memcpy(&f, p, 4);
      return static_cast<double>(f);
    case HD_BF16: {
      const uint32_t bits = static_cast<uint32_t>(h) << 16;
      std::memcpy(&f, &bits, 4);
      return static_cast<double>(f);
    }
    case HD_F16: {
      const int e = (h >> 10) & 31, m = h & 1023;
      double y = e == 0 ? std::ldexp(m, -24) : std::ldexp(1024 + m, e - 25);
      if (e == 31) y = m == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
      return (h & 0x8000) != 0 ? -y : y;
    }
    case HD_F64: {
      double d;
      std::memcpy(&d, p, 8);
      return d;
    }
    case HD_I32: {
      int32_t i;
      std::memcpy(&i, p, 4);
      return i;
    }
    case HD_I64: {
      int64_t i;
      std::memcpy(&i, p, 8);
      return static_cast<double>(i);
    }
    default:
      return static_cast<double>(static_cast<unsigned char>(*p));
  }
}
inline void write(char* p, int dtype, double x) {
  const float f = static_cast<float>(round_to(dtype <= HD_F64 ? dtype : HD_F64, x));
  uint32_t bits;
  std::memcpy(&bits, &f, 4);
  switch (dtype) {
    case HD_F32:
      std::memcpy(p, &f, 4);
      return;
    case HD_BF16: {
      const uint16_t h = static_cast<uint16_t>(bits >> 16);
      std::memcpy(p, &h, 2);
      return;
    }
    case HD_F16: {
      const double a = std::fabs(static_cast<double>(f));
      uint16_t h;
      if (a != a) {
        h = 0x7e00;
      } else if (std::isinf(a)) {
        h = 0x7c00;
      } else if (a < 0x1p-14) {
        h = static_cast<uint16_t>(a * 0x1p24);
      } else {
        int e;
        const double m = std::frexp(a, &e);
        h = static_cast<uint16_t>((e + 14) * 1024 + static_cast<int>(m * 2048) - 1024);
      }
      h = static_cast<uint16_t>(h | ((bits >> 16) & 0x8000));
      std::memcpy(p, &h, 2);
      return;
    }
    case HD_F64:
      std::memcpy(p, &x, 8);
      return;
    case HD_I32: {
      const int32_t i = static_cast<int32_t>(x);
      std::memcpy(p, &i, 4);
      return;
    }
    case HD_I64: {
      const int64_t i = static_cast<int64_t>(x);
      std::memcpy(p, &i, 8);
      return;
    }
    default:
      *p = static_cast<char>(static_cast<unsigned char>(x));
  }
}

inline uint64_t random_state = 1;
inline double uniform() {  // [-1, 1)
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return static_cast<double>(static_cast<int64_t>(random_state) >> 11) * 0x1p-52;
}

// Philox4x32-10 as its authors write it.
inline void philox(uint32_t c[4], uint32_t k0, uint32_t k1) {
  for (int round = 0; round < 10; round++, k0 += 0x9E3779B9u, k1 += 0xBB67AE85u) {
    const uint64_t a = uint64_t{0xD2511F53u} * c[0], b = uint64_t{0xCD9E8D57u} * c[2];
    const uint32_t next[] = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(b),
                             static_cast<uint32_t>(a >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(a)};
    std::memcpy(c, next, sizeof next);
  }
}

// ---- tensors ----
enum class Layout { dense, padded, transposed };

class Tensor {
 public:
  // Padded: a gap of 3 elements between rows. Transposed: the first dimension is the dense one. The data ends at a guard page and,
  // when it fills whole pages, starts at one.
  Tensor(int dtype, std::vector<int64_t> shape, Layout layout = Layout::dense) {
    desc.dtype = dtype;
    desc.rank = static_cast<int32_t>(shape.size());
    desc.device = -1;
    int64_t span = 1;
    for (size_t k = 0; k < shape.size(); k++) {
      const size_t d = layout == Layout::transposed ? k : shape.size() - 1 - k;
      desc.shape[d] = shape[d];
      desc.stride[d] = span;
      span *= std::max<int64_t>(shape[d], 1);
      if (layout == Layout::padded && k == 0) span += 3;
    }
    const int64_t page = 4096, used = span * bytes_of(dtype), size = (used + page - 1) / page * page;
    mapped_ = size + 2 * page;
    map_ = static_cast<char*>(mmap(nullptr, static_cast<size_t>(mapped_), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    mprotect(map_, static_cast<size_t>(page), PROT_NONE);
    mprotect(map_ + page + size, static_cast<size_t>(page), PROT_NONE);
    raw_bytes_ = used;
    raw_ = map_ + page + size - used;
    std::memset(raw_, 0xA5, static_cast<size_t>(used));
    int64_t last = 0;  // leave no gap at the end: the last element touches the guard page
    for (int32_t d = 0; d < desc.rank; d++) last += std::max<int64_t>(desc.shape[d] - 1, 0) * desc.stride[d];
    desc.data = reinterpret_cast<hd_address>(raw_ + used - (last + 1) * bytes_of(dtype));
  }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;
  ~Tensor() { munmap(map_, static_cast<size_t>(mapped_)); }

  int64_t count() const {
    int64_t n = 1;
    for (int32_t d = 0; d < desc.rank; d++) n *= desc.shape[d];
    return n;
  }
  char* at(int64_t index) const {
    int64_t offset = 0;
    for (int32_t d = desc.rank - 1; d >= 0; d--) {
      offset += index % desc.shape[d] * desc.stride[d];
      index /= desc.shape[d];
    }
    return reinterpret_cast<char*>(desc.data) + offset * bytes_of(desc.dtype);
  }
  double operator[](int64_t index) const { return read(at(index), desc.dtype); }
  void set(int64_t index, double x) { write(at(index), desc.dtype, x); }
  Tensor& random(double scale = 1, double shift = 0) {
    for (int64_t i = 0, n = count(); i < n; i++) set(i, scale * uniform() + shift);
    return *this;
  }
  Tensor& fill(double x) {
    for (int64_t i = 0, n = count(); i < n; i++) set(i, x);
    return *this;
  }
  std::vector<double> values() const {
    std::vector<double> all(static_cast<size_t>(count()));
    for (size_t i = 0; i < all.size(); i++) all[i] = (*this)[static_cast<int64_t>(i)];
    return all;
  }
  std::vector<char> bytes() const { return {raw_, raw_ + raw_bytes_}; }
  void restore(const std::vector<char>& from) { std::memcpy(raw_, from.data(), from.size()); }
  // True if no byte outside the elements differs from `before`.
  bool gaps_kept(const std::vector<char>& before) const {
    std::vector<char> now = bytes(), mask(now.size(), 0);
    for (int64_t i = 0, n = count(); i < n; i++) std::memset(mask.data() + (at(i) - raw_), 1, static_cast<size_t>(bytes_of(desc.dtype)));
    for (size_t i = 0; i < now.size(); i++) {
      if (mask[i] == 0 && now[i] != before[i]) return false;
    }
    return true;
  }

  hd_tensor desc{};

 private:
  char *map_, *raw_;
  int64_t mapped_, raw_bytes_;
};

// ---- calls ----
inline int op_index(const std::string& name) {
  char text[64];
  for (int i = 0; i < hd_op_count(); i++) {
    hd_op_name(i, reinterpret_cast<hd_address>(text), sizeof text);
    if (name == text) return i;
  }
  std::printf("no op %s\n", name.c_str());
  std::exit(2);
}
inline hd_address context_of(int threads) {
  static const hd_address contexts[] = {hd_open(0, -1, 1), hd_open(0, -1, 2)};
  return contexts[threads - 1];
}
inline std::string last_error() {
  char text[2048];
  hd_last_error(reinterpret_cast<hd_address>(text), sizeof text);
  return text;
}
template <class P>
int32_t call_once(const std::string& op, const std::vector<Tensor*>& tensors, const P& params, int threads) {
  std::vector<hd_address> list;
  for (Tensor* t : tensors) list.push_back(t == nullptr ? 0 : reinterpret_cast<hd_address>(&t->desc));
  return hd_run(context_of(threads), op_index(op), reinterpret_cast<hd_address>(list.data()), static_cast<int32_t>(list.size()),
                reinterpret_cast<hd_address>(&params), sizeof params);
}

// Runs on one thread and on two: both must succeed, agree in every bit, and keep the gaps between rows.
template <class P>
void run(const std::string& op, const std::vector<Tensor*>& tensors, const P& params) {
  std::vector<std::vector<char>> before, after;
  for (Tensor* t : tensors) before.push_back(t == nullptr ? std::vector<char>() : t->bytes());
  if (call_once(op, tensors, params, 1) != HD_OK) return report(last_error());
  for (size_t i = 0; i < tensors.size(); i++) {
    after.push_back(tensors[i] == nullptr ? std::vector<char>() : tensors[i]->bytes());
    if (tensors[i] == nullptr) continue;
    expect(tensors[i]->gaps_kept(before[i]), "tensor " + std::to_string(i) + " was written between its rows");
  }
  for (size_t i = 0; i < tensors.size(); i++) {
    if (tensors[i] != nullptr) tensors[i]->restore(before[i]);
  }
  if (call_once(op, tensors, params, 2) != HD_OK) return report(last_error());
  for (size_t i = 0; i < tensors.size(); i++) {
    if (tensors[i] != nullptr) expect(tensors[i]->bytes() == after[i], "tensor " + std::to_string(i) + " differs between 1 and 2 threads");
  }
}
template <class P>
void expect_error(const std::string& op, const std::vector<Tensor*>& tensors, const P& params, const std::string& text) {
  const int32_t status = call_once(op, tensors, params, 2);
  expect(status == HD_INVALID, "expected an error with '" + text + "'");
  if (status != HD_OK) expect(last_error().find(text) != std::string::npos, "expected '" + text + "' in: " + last_error());
}

// ---- comparisons ----
inline void close(const char* name, int64_t i, double got, double want, double tolerance) {
  checks++;
  if (std::isnan(want) ? std::isnan(got) : got == want || std::fabs(got - want) <= tolerance) return;
  char text[200];
  std::snprintf(text, sizeof text, "%s[%lld] is %.9g, expected %.9g (+- %.2g)", name, static_cast<long long>(i), got, want, tolerance);
  report(text);
}
// Within half an ulp of the dtype (its rounding) plus `ulps` f32 roundings of magnitude max(|want|, size).
inline void near(const char* name, int64_t i, const Tensor& t, double want, double size = 1, double ulps = 8) {
  const int dtype = t.desc.dtype;
  const double rounding = std::max(0.51 * epsilon(dtype) * std::fabs(want), dtype == HD_F16 ? 0x1p-24 : 0.0);
  if (std::isinf(round_to(dtype, want))) want = round_to(dtype, want);
  close(name, i, t[i], want, rounding + ulps * epsilon(HD_F32) * std::max(std::fabs(want), size));
}
inline void exact(const char* name, int64_t i, const Tensor& t, double want) { close(name, i, t[i], round_to(t.desc.dtype, want), 0); }
}  // namespace test

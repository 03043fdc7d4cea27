// Argument checks of the kernels. A Check remembers the first problem; absent optional tensors pass. The door has already checked
// that required tensors are there and that ranks, dtypes and dimensions are sane.
#pragma once
#include <string>

#include "context.h"
#include "door/backend.h"

namespace hd {

inline int64_t elements(const hd_tensor& t) {
  int64_t n = 1;
  for (int32_t d = 0; d < t.rank; d++) n *= t.shape[d];
  return n;
}

inline int64_t last(const hd_tensor& t) { return t.rank == 0 ? 1 : t.shape[t.rank - 1]; }

inline bool is_contiguous(const hd_tensor& t) {
  if (elements(t) == 0) return true;  // whatever its strides
  int64_t expected = 1;
  for (int32_t d = t.rank - 1; d >= 0; d--) {
    if (t.shape[d] != 1 && t.stride[d] != expected) return false;
    expected *= t.shape[d];
  }
  return true;
}

inline bool has_shape_of(const hd_tensor& a, const hd_tensor& b, int32_t dims) {
  for (int32_t d = 0; d < dims; d++) {
    if (a.shape[d] != b.shape[d]) return false;
  }
  return true;
}

class Check {
 public:
  explicit Check(const Call& call) : call_(call) {}
  bool failed() const { return status_ != HD_OK; }
  hd_status status() const { return status_; }

  // The dtype of each is f32, bf16 or f16, and that of the first.
  template <class... More>
  Check& floats(int32_t first, More... more) {
    if (open(first) && dtype_of(first) > HD_F16) {
      reject("%s is %s, expected f32, bf16 or f16", name(first).c_str(), dtype_name(dtype_of(first)));
    }
    (alike(more, first), ...);
    return *this;
  }
  Check& alike(int32_t i, int32_t model) {
    if (open(i) && open(model) && dtype_of(i) != dtype_of(model)) {
      reject("%s is %s, expected %s like %s", name(i).c_str(), dtype_name(dtype_of(i)), dtype_name(dtype_of(model)), name(model).c_str());
    }
    return *this;
  }
  Check& f32_or_alike(int32_t i, int32_t model) {
    if (open(i) && dtype_of(i) != HD_F32) alike(i, model);
    return *this;
  }
  Check& dtype(int32_t i, int32_t expected) {
    if (open(i) && dtype_of(i) != expected) {
      reject("%s is %s, expected %s", name(i).c_str(), dtype_name(dtype_of(i)), dtype_name(expected));
    }
    return *this;
  }
  Check& rank(int32_t i, int32_t expected) {
    if (open(i) && call_.t[i]->rank != expected) {
      reject("%s has %d dimensions, expected %d", name(i).c_str(), call_.t[i]->rank, expected);
    }
    return *this;
  }
  Check& same_shape(int32_t i, int32_t model) {
    if (open(i) && open(model)) {
      const hd_tensor &a = *call_.t[i], &b = *call_.t[model];
      if (a.rank != b.rank || !has_shape_of(a, b, a.rank)) mismatch(i, model, "expected the shape of");
    }
    return *this;
  }
  // i has the dimensions of model without the last one.
  Check& rows_of(int32_t i, int32_t model) {
    if (open(i) && open(model)) {
      const hd_tensor &a = *call_.t[i], &b = *call_.t[model];
      if (a.rank != b.rank - 1 || !has_shape_of(a, b, a.rank)) mismatch(i, model, "expected all dimensions but the last of");
    }
    return *this;
  }
  // what: where the expected number comes from.
  Check& vector(int32_t i, int64_t n, const char* what) {
    if (open(i) && (call_.t[i]->rank != 1 || call_.t[i]->shape[0] != n)) {
      reject("%s has %lld elements in %d dimensions, expected %lld in one (%s)", name(i).c_str(),
             static_cast<long long>(elements(*call_.t[i])), call_.t[i]->rank, static_cast<long long>(n), what);
    }
    return *this;
  }
  Check& count(int32_t i, int64_t n, const char* what) {
    if (open(i) && elements(*call_.t[i]) != n) {
      reject("%s has %lld elements, expected %lld (%s)", name(i).c_str(), static_cast<long long>(elements(*call_.t[i])),
             static_cast<long long>(n), what);
    }
    return *this;
  }
  // The last dimension of each is dense: rows can be read as vectors.
  template <class... All>
  Check& dense(All... all) {
    (dense_one(all), ...);
    return *this;
  }
  template <class... All>
  Check& contiguous(All... all) {
    (contiguous_one(all), ...);
    return *this;
  }
  // An output must have one place per element.
  Check& output(int32_t i) {
    if (!open(i)) return *this;
    const hd_tensor& t = *call_.t[i];
    for (int32_t d = 0; d < t.rank; d++) {
      if (t.shape[d] > 1 && t.stride[d] == 0) reject("%s is an output and must not broadcast dimension %d", name(i).c_str(), d);
    }
    return *this;
  }
  Check& require(bool good, const char* message) {
    if (!failed() && !good) reject("%s", message);
    return *this;
  }

 private:
  bool open(int32_t i) const { return !failed() && call_.has(i); }
  int32_t dtype_of(int32_t i) const { return call_.t[i]->dtype; }
  std::string name(int32_t i) const {
    std::string text = tensor_name(call_.op, i, call_.n);
    if (!text.empty() && (text.back() == '?' || text.back() == '*')) text.pop_back();
    return text;
  }
  void dense_one(int32_t i) {
    if (!open(i)) return;
    const hd_tensor& t = *call_.t[i];
    if (last(t) > 1 && t.stride[t.rank - 1] != 1) {
      reject("%s has stride %lld in its last dimension, expected 1; copy it first", name(i).c_str(),
             static_cast<long long>(t.stride[t.rank - 1]));
    }
  }
  void contiguous_one(int32_t i) {
    if (open(i) && !is_contiguous(*call_.t[i])) reject("%s is not contiguous; copy it first", name(i).c_str());
  }
  void mismatch(int32_t i, int32_t model, const char* what) {
    reject("%s is %s, %s %s: %s", name(i).c_str(), describe(*call_.t[i]).c_str(), what, name(model).c_str(),
           describe(*call_.t[model]).c_str());
  }
  template <class... Values>
  void reject(const char* format, Values... values) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-security"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    status_ = fail(HD_INVALID, format, values...);
#pragma GCC diagnostic pop
  }

  const Call& call_;
  hd_status status_ = HD_OK;
};
}  // namespace hd

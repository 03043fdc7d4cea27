// What the checks share: tensors in host memory, an op run on one of the two backends, and the comparison.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "heddle/heddle.h"
#include "heddle/params.h"

int64_t bytes_of(int32_t dtype);
double get(const char* p, int32_t dtype);
void set(char* p, int32_t dtype, double x);

struct Box {
  hd_tensor t{};
  std::vector<char> memory;
  int64_t span = 0;

  double at(const std::vector<int64_t>& index) const {
    int64_t offset = 0;
    for (size_t d = 0; d < index.size(); d++) offset += index[d] * t.stride[d];
    return get(reinterpret_cast<const char*>(t.data) + offset * bytes_of(t.dtype), t.dtype);
  }
};
using Tensor = std::shared_ptr<Box>;

// pad: so many elements between the rows, which also breaks 16-byte alignment when odd.
Tensor make(int32_t dtype, std::vector<int64_t> shape, int64_t pad = 0, const std::function<double(int64_t)>& value = nullptr);
Tensor twin(const Tensor& x, int32_t device);  // a copy on that device

extern hd_address cpu, gpu;
extern int failures;

// The tensors after the op; none if it failed.
std::vector<Tensor> run_on(hd_address context, int32_t device, const char* op, const void* params, int64_t bytes,
                           const std::vector<Tensor>& tensors);
// All of the memory, gaps too.
void compare(const char* op, const std::string& what, const Box& expected, const Box& got, double tolerance);

// check_attention.cpp; only: the head size to check, or 0 for all.
void check_attention(int64_t only);
void check_hopper(int64_t only);

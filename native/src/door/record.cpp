// Recorded door calls: one file per call, <dir>/<number>-<op>.hdr. Layout (little-endian):
//   "HDREC1\n\0", i32 op-name length + bytes, i32 n, i64 params bytes + params,
//   n x { i32 present, hd_tensor, i64 span bytes, i64 lead bytes, input span, output span }
// A span is the smallest run of bytes that holds every element of the view; lead is the offset of element 0 in it (negative strides).
// replay.cpp reads it.
#include "door/record.h"

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

namespace hd {
namespace {

struct Span {
  const char* begin;
  int64_t bytes;
  int64_t lead;
};

Span span_of(const hd_tensor& t) {
  int64_t low = 0;
  int64_t high = 0;
  for (int32_t d = 0; d < t.rank; d++) {
    if (t.shape[d] == 0) return {reinterpret_cast<const char*>(t.data), 0, 0};
    const int64_t reach = (t.shape[d] - 1) * t.stride[d];
    (reach < 0 ? low : high) += reach;
  }
  const int64_t size = dtype_bytes(t.dtype);
  return {reinterpret_cast<const char*>(t.data) + low * size, (high - low + 1) * size, -low * size};
}

// The spans before the call, kept by the calling thread until the call is over.
thread_local std::vector<std::vector<char>> before;
std::atomic<int64_t> calls{0};

const char* folder() {
  static const char* const dir = std::getenv("HD_RECORD");
  return dir;
}

template <class T>
void put(std::FILE* file, const T& value) {
  std::fwrite(&value, sizeof value, 1, file);
}

}  // namespace

bool recording() { return folder() != nullptr; }

void record_call(int32_t op, const hd_tensor* const* tensors, int32_t n, const void* params, int64_t bytes, bool after) {
  if (!after) {
    before.assign(static_cast<size_t>(n), {});
    for (int32_t i = 0; i < n; i++) {
      if (tensors[i] == nullptr || tensors[i]->device >= 0) continue;
      const Span span = span_of(*tensors[i]);
      before[static_cast<size_t>(i)].assign(span.begin, span.begin + span.bytes);
    }
    return;
  }
  char name[64];
  hd_op_name(op, reinterpret_cast<hd_address>(name), sizeof name);
  char path[4096];
  std::snprintf(path, sizeof path, "%s/%08lld-%s.hdr", folder(), static_cast<long long>(calls++), name);
  std::FILE* file = std::fopen(path, "wb");
  if (file == nullptr) return;  // recording is a debugging aid: it never fails the call it watches
  std::fwrite("HDREC1\n\0", 8, 1, file);
  const int32_t length = static_cast<int32_t>(std::strlen(name));
  put(file, length);
  std::fwrite(name, static_cast<size_t>(length), 1, file);
  put(file, n);
  put(file, bytes);
  std::fwrite(params, static_cast<size_t>(bytes), 1, file);
  for (int32_t i = 0; i < n; i++) {
    const int32_t present = tensors[i] != nullptr && tensors[i]->device < 0;
    put(file, present);
    if (!present) continue;
    const Span span = span_of(*tensors[i]);
    put(file, *tensors[i]);
    put(file, span.bytes);
    put(file, span.lead);
    std::fwrite(before[static_cast<size_t>(i)].data(), 1, static_cast<size_t>(span.bytes), file);
    std::fwrite(span.begin, 1, static_cast<size_t>(span.bytes), file);
  }
  std::fclose(file);
}

}  // namespace hd

// What a backend gives to the door. The CPU backend is linked in; a plugin library exports hd_plugin() and returns its table.
#pragma once
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <string>

#include "heddle/heddle.h"
#include "heddle/params.h"

enum hd_op : int32_t {
#define HD_OP(name, Params, signature) HD_OP_##name,
#include "heddle/ops.def"
#undef HD_OP
  HD_OP_COUNT
};

// The calling thread's stack of causes; the innermost is first. Shared with plugins through the host table below.
struct hd_host {
  int32_t abi;
  hd_status (*fail)(hd_status status, const char* format, va_list arguments);
};

struct hd_backend {
  int32_t abi;                                        // HD_ABI_VERSION
  const char* name;                                   // "cpu", "cuda"
  hd_status (*probe)(char* text, int64_t capacity);   // HD_OK, or the reason in text
  int64_t (*describe)(char* text, int64_t capacity);  // JSON object
  void* (*open)(int32_t device, int32_t threads);     // null on failure, after fail()
  void (*close)(void* context);
  void (*use_threads)(void* context);            // see hd_use_threads; may be null
  void* (*stream)(void* context);                // see hd_stream; may be null
  void* (*alloc)(void* context, int64_t bytes);  // null on failure, after fail()
  hd_status (*free)(void* context, void* data);
  hd_status (*copy)(void* context, void* to, const void* from, int64_t bytes);
  hd_status (*fill)(void* context, void* data, int32_t byte, int64_t bytes);
  hd_status (*sync)(void* context);
  int32_t (*supported)(int32_t op);
  hd_status (*run)(void* context, int32_t op, const hd_tensor* const* tensors, int32_t n, const void* params);
  // See hd_capture_begin; all null where a backend cannot record. end: recording null forgets.
  hd_status (*capture_begin)(void* context);
  hd_status (*capture_end)(void* context, void** recording);
  hd_status (*replay)(void* context, void* recording);
  hd_status (*forget)(void* context, void* recording);
};

namespace hd {
// Starts a new stack of causes on this thread and returns status, so that kernels write: return fail(HD_INVALID, "...", ...).
hd_status fail(hd_status status, const char* format, ...) __attribute__((format(printf, 2, 3)));
hd_status vfail(hd_status status, const char* format, va_list arguments);
// Adds a cause on top of the present stack.
void append_cause(const char* format, ...) __attribute__((format(printf, 1, 2)));

int64_t copy_text(const std::string& text, hd_address to, int64_t capacity);
const char* dtype_name(int32_t dtype);
// 0 for what is no dtype.
inline int64_t dtype_bytes(int32_t dtype) {
  constexpr int8_t bytes[] = {4, 2, 2, 8, 4, 8, 1};
  return dtype >= 0 && dtype <= HD_U8 ? bytes[dtype] : 0;
}
std::string describe(const hd_tensor& t);  // "f32 [2, 3]"
std::string tensor_name(int32_t op, int32_t index, int32_t n);

const hd_backend* cpu_backend();
}  // namespace hd

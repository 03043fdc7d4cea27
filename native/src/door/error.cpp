// The per-thread stack of causes behind hd_last_error, and the words used in it.
#include <string>
#include <vector>

#include "door/backend.h"

namespace hd {
namespace {
thread_local std::string causes;

std::string format_text(const char* format, va_list arguments) {
  char text[1024];
  std::vsnprintf(text, sizeof text, format, arguments);
  return text;
}
}  // namespace

hd_status vfail(hd_status status, const char* format, va_list arguments) {
  causes = format_text(format, arguments);
  return status;
}

hd_status fail(hd_status status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfail(status, format, arguments);
  va_end(arguments);
  return status;
}

void append_cause(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  causes += '\n' + format_text(format, arguments);
  va_end(arguments);
}

int64_t copy_text(const std::string& text, hd_address to, int64_t capacity) {
  if (to != 0 && capacity > 0) {
    std::snprintf(reinterpret_cast<char*>(to), static_cast<size_t>(capacity), "%s", text.c_str());
  }
  return static_cast<int64_t>(text.size());
}

const char* dtype_name(int32_t dtype) {
  static const char* const names[] = {"f32", "bf16", "f16", "f64", "i32", "i64", "u8"};
  return dtype >= 0 && dtype <= HD_U8 ? names[dtype] : "unknown dtype";
}

std::string describe(const hd_tensor& t) {
  std::string text = std::string(dtype_name(t.dtype)) + " [";
  for (int32_t i = 0; i < t.rank && i < HD_MAX_RANK; i++) {
    text += (i == 0 ? "" : ", ") + std::to_string(t.shape[i]);
  }
  return text + "]";
}
}  // namespace hd

extern "C" int64_t hd_last_error(hd_address text, int64_t capacity) { return hd::copy_text(hd::causes, text, capacity); }

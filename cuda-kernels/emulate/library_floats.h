// Numbers as the emulated libraries (cuBLASLt, cuDNN) are told of them: type 0 is f32, 2 is f16 for both, and each has a number of its own
// for bf16.
#pragma once
#include <cstdint>
#include <cstring>

constexpr int kF32 = 0, kF16 = 2;

template <int Bf16>
struct Floats {
  static float load(int type, const void* data, int64_t i) {
    if (type == kF32) return static_cast<const float*>(data)[i];
    const uint16_t bits = static_cast<const uint16_t*>(data)[i];
    if (type == Bf16) {
      const uint32_t wide = static_cast<uint32_t>(bits) << 16;
      float f;
      std::memcpy(&f, &wide, 4);
      return f;
    }
    _Float16 h;
    std::memcpy(&h, &bits, 2);
    return static_cast<float>(h);
  }

  static void store(int type, void* data, int64_t i, double value) {
    const float x = static_cast<float>(value);
    if (type == kF32) {
      static_cast<float*>(data)[i] = x;
    } else if (type == Bf16) {
      uint32_t bits;
      std::memcpy(&bits, &x, 4);
      if (x == x) bits += 0x7fff + (bits >> 16 & 1);
      static_cast<uint16_t*>(data)[i] = static_cast<uint16_t>(bits >> 16);
    } else {
      const auto h = static_cast<_Float16>(x);
      std::memcpy(static_cast<char*>(data) + 2 * i, &h, 2);
    }
  }
};

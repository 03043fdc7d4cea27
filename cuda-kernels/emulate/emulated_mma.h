// The warp-level instructions of mma.h on fibers. Every lane-to-element map below is that of the PTX ISA ("Matrix Fragments for
// mma.m16n8k16 with floating point type", "ldmatrix"), not that of the kernels, so that a kernel with another map in mind computes
// something else here too. Stricter than a GPU: bank conflicts and misaligned rows of ldmatrix end the run, and what cp.async copies
// arrives only when a wait says that it must.
#pragma once
#include "emulate.h"

// Slots of four 8-byte words per lane; holds until the next exchange but one.
const uint64_t* emulated_gather(const uint64_t* mine, int words);
void emulated_copy_async(uintptr_t to, const void* from, bool real);
void emulated_commit_copies();
void emulated_wait_copies(int left);
[[noreturn]] void emulated_fault(const char* what);

inline void emulated_ldmatrix(uintptr_t row, bool transposed, uint32_t (&r)[4]) {
  const uint64_t mine = row;
  const uint64_t* rows = emulated_gather(&mine, 1);
  const int lane = emulated_lane();
  for (int matrix = 0; matrix < 4; matrix++) {
    const uint16_t* element[8];
    unsigned banks = 0;
    for (int i = 0; i < 8; i++) {
      const uint64_t address = rows[(matrix * 8 + i) * 4];
      if (address % 16 != 0) emulated_fault("ldmatrix: a row that is not aligned to 16 bytes");
      banks |= 1u << address / 16 % 8;  // 32 banks of 4 bytes: the eight rows take all of them, or some twice
      element[i] = reinterpret_cast<const uint16_t*>(address);
    }
    if (banks != 0xff) emulated_fault("ldmatrix: rows in the same banks");
    const int group = lane / 4, in_group = lane % 4;
    const uint32_t low = transposed ? element[2 * in_group][group] : element[group][2 * in_group],
                   high = transposed ? element[2 * in_group + 1][group] : element[group][2 * in_group + 1];
    r[matrix] = low | high << 16;
  }
}

template <class F>
void emulated_mma(float (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, const F& value) {
  const uint64_t mine[4] = {a[0] | static_cast<uint64_t>(a[1]) << 32, a[2] | static_cast<uint64_t>(a[3]) << 32,
                            b0 | static_cast<uint64_t>(b1) << 32, 0};
  const uint64_t* all = emulated_gather(mine, 3);
  // Element i of the fragment of a lane: registers hold two elements, words two registers.
  const auto element = [&](int lane, int word, int i) {
    return value(static_cast<uint16_t>(all[lane * 4 + word + i / 4] >> (i % 4 * 16)));
  };
  const int own = emulated_lane() >> 2, first = emulated_lane() % 4 * 2;
  float left[16][16], right[16][8];  // the rows and columns that this lane's results need; the others are not filled in
  for (int lane = 0; lane < 32; lane++) {
    const int group = lane >> 2, in_group = lane % 4;
    for (int i = 0; i < 8 && group == own; i++) {
      const int row = (0 <= i && i < 2) || (4 <= i && i < 6) ? group : group + 8;
      const int column = i < 4 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8;
      left[row][column] = element(lane, 0, i);
    }
    for (int i = 0; i < 4 && (group == first || group == first + 1); i++) {
      const int row = i < 2 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8;
      right[row][group] = element(lane, 2, i);
    }
  }
  for (int i = 0; i < 4; i++) {
    const int row = i < 2 ? own : own + 8, column = first + (i & 1);
    double sum = static_cast<double>(d[i]);
    for (int k = 0; k < 16; k++) sum += static_cast<double>(left[row][k]) * static_cast<double>(right[k][column]);
    d[i] = static_cast<float>(sum);
  }
}

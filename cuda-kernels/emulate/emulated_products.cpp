// Asynchronous products of warpgroups; see emulated_hopper.h. A warp forms its 16 rows by itself.
#include <algorithm>
#include <cstdio>

#include "fibers.h"

namespace emulated {
namespace {

constexpr uint32_t kUnfinished = 0xffa0baadu;  // a signalling NaN: arithmetic makes another one of it

// The 16-byte unit at `offset` of an operand, as 8 elements.
const uint16_t* unit_of(uint64_t operand, int64_t offset) {
  constexpr int kWidth[] = {0, 128, 64, 32};
  const int width = kWidth[operand >> 62];
  if (width == 0) fault("a product with an operand without a swizzle, which the emulation does not know");
  char* const start = block->window + (operand & 0x3fff) * 16;
  if (((start - block->window) & (8 * width - 1) & ~(width - 1)) != 0 || (operand >> 49 & 7) != 0)
    fault("a product's operand that does not start in the first row of its swizzle's pattern");
  char* const unit = swizzled(start + offset, width);
  checked(unit, 16, 16, "a product's operand");
  visible(unit, "a product");
  return reinterpret_cast<const uint16_t*>(unit);
}
int width_of(uint64_t operand) { return 256 >> (operand >> 62); }
int64_t leading(uint64_t operand) { return static_cast<int64_t>(operand >> 16 & 0x3fff) * 16; }
int64_t stride(uint64_t operand) { return static_cast<int64_t>(operand >> 32 & 0x3fff) * 16; }

struct Halves {
  float value[65536];
  Halves() {
    for (uint32_t i = 0; i < 65536; i++) {
      const uint32_t sign = i >> 15 << 31, exponent = i >> 10 & 31, fraction = i & 1023;
      if (exponent == 0) {
        value[i] = std::ldexp(static_cast<float>(fraction), -24) * (sign != 0 ? -1.0f : 1.0f);
      } else {
        const uint32_t bits = sign | (exponent == 31 ? 0xffu : exponent + 112) << 23 | fraction << 13;
        std::memcpy(&value[i], &bits, 4);
      }
    }
  }
};
float float_of(uint16_t bits, bool half) {
  static const Halves halves;
  if (half) return halves.value[bits];
  const uint32_t wide = static_cast<uint32_t>(bits) << 16;
  float x;
  std::memcpy(&x, &wide, 4);
  return x;
}

constexpr int kMost = 256;  // n of a product

// Rows of 8 (of M or N) follow each other by the stride; a row holds `width` bytes of k.
void read_rows(uint64_t operand, int first, int rows, bool half, float* to, int64_t row_step, int64_t k_step) {
  for (int r = 0; r < rows; r++) {
    const int row = first + r;
    for (int unit = 0; unit < 2; unit++) {
      const uint16_t* from = unit_of(operand, row / 8 * stride(operand) + row % 8 * width_of(operand) + unit * 16);
      for (int k = 0; k < 8; k++) to[r * row_step + (unit * 8 + k) * k_step] = float_of(from[k], half);
    }
  }
}
// Rows are k: 8 of them follow each other by the stride, and stretches of `width` bytes of n by the leading dimension.
void read_columns(uint64_t operand, int n, bool half, float* to) {
  const int width = width_of(operand);
  for (int k = 0; k < 16; k++) {
    for (int c = 0; c < n; c += 8) {
      const uint16_t* from = unit_of(operand, k / 8 * stride(operand) + k % 8 * width + c * 2 / width * leading(operand) + c * 2 % width);
      for (int i = 0; i < 8; i++) to[k * kMost + c + i] = float_of(from[i], half);
    }
  }
}

// A warp's part of a product: 16 rows.
struct Tile {
  float a[16][16], b[16][kMost], d[16][kMost];
};

int64_t products_done = 0;

Accumulator& accumulator_of(Fiber& f, const float* d) {
  for (Accumulator& a : f.accumulators) {
    if (a.d == d) return a;
  }
  fault("a product's accumulators are not known");
}

// Lane l has rows l / 4 and l / 4 + 8, columns 8 i + l % 4 * 2 and the one after it.
template <class F>
void each_register(int n, const F& f) {
  for (int lane = 0; lane < 32; lane++) {
    for (int i = 0; i < n / 2; i++) f(lane, i, lane / 4 + i / 2 % 2 * 8, i / 4 * 8 + lane % 4 * 2 + i % 2);
  }
}

std::string text_of(const EmulatedProduct& p) {
  char text[160];
  std::snprintf(text, sizeof text, "n %d, a %llx, b %llx, columns %d, add %d, half %d", p.n,
                static_cast<unsigned long long>(p.a == nullptr ? p.a_operand : 0), static_cast<unsigned long long>(p.b_operand), p.columns,
                p.add, p.half);
  return text;
}

bool same(const EmulatedProduct& p, const EmulatedProduct& q) {
  return p.n == q.n && p.a_operand == q.a_operand && p.b_operand == q.b_operand && (p.a == nullptr) == (q.a == nullptr) &&
         p.a_columns == q.a_columns && p.columns == q.columns && p.add == q.add && p.half == q.half;
}

// All warps of a warpgroup ask for the same products.
void agree(size_t warp, const EmulatedProduct& p) {
  std::vector<EmulatedProduct>& asked = block->products[warp / 4];
  size_t& place = block->warps[warp].products;
  if (place == asked.size()) asked.push_back(p);
  if (!same(asked[place], p)) fault("the warps of a warpgroup ask for different products: " + text_of(asked[place]) + " and " + text_of(p));
  place++;
}

void multiply(size_t warp, size_t group, size_t index, Tile& t, const float*& held) {
  Fiber* const lanes = &block->fibers[warp * 32];
  const EmulatedProduct& p = lanes[0].product_groups[group][index];
  const auto store = [&](const float* d0, int n, bool back) {
    // Accumulators are named by lane 0's registers; the others' are those of their own product of that number.
    std::vector<float>* values[32];
    for (int l = 0; l < 32; l++) {
      size_t which = 0;
      while (lanes[0].accumulators[which].d != d0) which++;
      if (which >= lanes[l].accumulators.size()) fault("lanes of a warp use different accumulators");
      values[l] = &lanes[l].accumulators[which].value;
    }
    each_register(n, [&](int lane, int i, int row, int column) {
      float& x = (*values[lane])[static_cast<size_t>(i)];
      if (back) {
        x = t.d[row][column];
      } else {
        t.d[row][column] = x;
      }
    });
  };
  accumulator_of(lanes[0], p.d);
  if (held != p.d) {
    store(p.d, p.n, false);
    held = p.d;
  }
  for (int l = 0; l < 32; l++) {
    const EmulatedProduct& other = lanes[l].product_groups[group][index];
    if (!same(p, other)) fault("lanes of a warp ask for different products: " + text_of(p) + " and " + text_of(other));
    if (p.a == nullptr) continue;
    if (std::memcmp(other.a, other.a_then, sizeof other.a_then) != 0)
      fault("registers that a product reads changed before it was waited for");
    for (int i = 0; i < 8; i++) {
      const auto bits = static_cast<uint16_t>(other.a[i / 2] >> i % 2 * 16);
      t.a[l / 4 + i / 2 % 2 * 8][l % 4 * 2 + i % 2 + i / 4 * 8] = float_of(bits, p.half);
    }
  }
  if (p.a == nullptr && p.a_columns) {
    float a[16][kMost];
    read_columns(p.a_operand, 64, p.half, a[0]);
    for (int r = 0; r < 16; r++) {
      for (int k = 0; k < 16; k++) t.a[r][k] = a[k][warp % 4 * 16 + static_cast<size_t>(r)];
    }
  } else if (p.a == nullptr) {
    read_rows(p.a_operand, static_cast<int>(warp % 4) * 16, 16, p.half, t.a[0], 16, 1);
  }
  if (p.columns) {
    read_columns(p.b_operand, p.n, p.half, t.b[0]);
  } else {
    read_rows(p.b_operand, 0, p.n, p.half, t.b[0], 1, kMost);
  }
  for (int r = 0; r < 16; r++) {
    float* const d = t.d[r];
    if (!p.add) std::fill(d, d + p.n, 0.0f);
    for (int k = 0; k < 16; k++) {
      const float a = t.a[r][k];
      const float* const b = t.b[k];
      for (int c = 0; c < p.n; c++) d[c] += a * b[c];
    }
  }
  store(p.d, p.n, true);
  agree(warp, p);
  products_done++;
}

// The registers of finished accumulators get their values.
void deliver(Fiber& f) {
  const auto used = [&](const float* d) {
    const auto in = [&](const std::vector<EmulatedProduct>& list) {
      return std::any_of(list.begin(), list.end(), [&](const EmulatedProduct& p) { return p.d == d; });
    };
    return in(f.products) || std::any_of(f.product_groups.begin(), f.product_groups.end(), in);
  };
  for (size_t i = 0; i < f.accumulators.size();) {
    Accumulator& a = f.accumulators[i];
    if (used(a.d)) {
      i++;
      continue;
    }
    for (size_t k = 0; k < a.value.size(); k++) {
      uint32_t bits;
      std::memcpy(&bits, a.d + k, 4);
      if (bits != kUnfinished) fault("accumulators were written while products on them were unfinished");
      a.d[k] = a.value[k];
    }
    f.accumulators.erase(f.accumulators.begin() + static_cast<std::ptrdiff_t>(i));
  }
}

struct Products final : Condition {
  const size_t warp;
  const size_t left;

  Products(size_t w, int n) : warp(w), left(static_cast<size_t>(n)) {}
  bool holds() override { return block->fibers[current].product_groups.size() <= left; }
  // All lanes are here: they have met before.
  bool happen() override {
    static Tile tile;
    Fiber* const lanes = &block->fibers[warp * 32];
    const size_t groups = lanes[0].product_groups.size();
    for (int l = 1; l < 32; l++) {
      if (lanes[l].product_groups.size() != groups) fault("lanes of a warp have committed different products");
    }
    const float* held = nullptr;
    for (size_t g = 0; g + left < groups; g++) {
      for (int l = 1; l < 32; l++) {
        if (lanes[l].product_groups[g].size() != lanes[0].product_groups[g].size())
          fault("lanes of a warp have committed different products");
      }
      for (size_t i = 0; i < lanes[0].product_groups[g].size(); i++) multiply(warp, g, i, tile, held);
    }
    for (int l = 0; l < 32; l++) {
      while (lanes[l].product_groups.size() > left) lanes[l].product_groups.pop_front();
      deliver(lanes[l]);
    }
    return true;
  }
  std::string name() const override { return "its products"; }
};
}  // namespace
}  // namespace emulated

using namespace emulated;

int64_t emulated_product_count() { return products_done; }

void emulated_products_begin() { self->products_begun = true; }

void emulated_product(EmulatedProduct p) {
  if (!self->products_begun) fault("a product without products_begin since the last products_wait");
  if (p.a != nullptr) std::memcpy(p.a_then, p.a, sizeof p.a_then);
  const auto known = [&](const Accumulator& a) { return a.d == p.d; };
  if (std::none_of(self->accumulators.begin(), self->accumulators.end(), known)) {
    self->accumulators.push_back({p.d, std::vector<float>(p.d, p.d + p.n / 2)});
    for (int i = 0; i < p.n / 2; i++) std::memcpy(p.d + i, &kUnfinished, 4);
  }
  self->products.push_back(p);
}

void emulated_products_commit() {
  self->product_groups.push_back(std::move(self->products));
  self->products.clear();
}

void emulated_products_wait(int left) {
  self->products_begun = false;
  __syncwarp();
  Products products(warp_index(), left);
  wait_for(products);
}

// inner_products, magnitude_cuts and sparse_combination against their formulas, bit for bit.
#include <algorithm>
#include <bit>
#include <numeric>

#include "kernel_case.h"

void merging();

namespace {
using namespace test;

constexpr int kTypes[] = {HD_F32, HD_BF16, HD_F16, HD_F64};

struct Operands {
  Tensor base;
  std::vector<std::unique_ptr<Tensor>> source;
  bool with_base;

  // The last source has another dtype where `mixed`. Few different numbers where `coarse`: many differences are equal, or zero.
  Operands(int dtype, int64_t n, int count, bool with_base_, bool mixed, bool coarse) : base(dtype, {n}), with_base(with_base_) {
    const auto number = [&] { return coarse ? std::round(2 * uniform()) / 4 : uniform(); };
    for (int64_t i = 0; i < n; i++) base.set(i, number());
    for (int k = 0; k < count; k++) {
      source.push_back(std::make_unique<Tensor>(mixed && k == count - 1 ? kTypes[(dtype + 1) % 4] : dtype, std::vector<int64_t>{n}));
      for (int64_t i = 0; i < n; i++) source.back()->set(i, number());
    }
  }
  double difference(size_t k, int64_t i) const { return with_base ? (*source[k])[i] - base[i] : (*source[k])[i]; }
  std::vector<Tensor*> call(const std::vector<Tensor*>& numbers, Tensor& out) {
    std::vector<Tensor*> all = {with_base ? &base : nullptr};
    all.insert(all.end(), numbers.begin(), numbers.end());
    for (auto& s : source) all.push_back(s.get());
    all.push_back(&out);
    return all;
  }
};

std::string named(const char* op, int dtype, int count, int64_t n, int option) {
  return std::string(op) + " dtype " + std::to_string(dtype) + ", " + std::to_string(count) + " sources of " + std::to_string(n) +
         ", option " + std::to_string(option);
}

// The order of inner_products' sums.
template <class F>
double ordered_sum(size_t n, const F& term) {
  double sums[128] = {};
  for (size_t k = 0; k < n; k++) sums[k % 128] += term(k);
  for (size_t half = 64; half > 0; half /= 2) {
    for (size_t s = 0; s < half; s++) sums[s] += sums[s + half];
  }
  return sums[0];
}

void inner_products() {
  for (int option = 0; option < 32; option++) {
    const int dtype = kTypes[option % 4], count = option % 5 + 1;
    for (const int64_t n : {0, 1, 2, 4095, 4096, 8195, 16 * 4096, 70001}) {
      context = named("inner_products", dtype, count, n, option);
      Operands o(dtype, n, count, option / 4 % 2 == 0, option / 8 % 2 == 1, false);
      Tensor y(HD_F64, {count * (count + 1) / 2});
      run("inner_products", o.call({}, y), hd_NoneParams{0});
      std::vector<std::vector<double>> d(static_cast<size_t>(count));
      for (size_t k = 0; k < d.size(); k++) {
        for (int64_t i = 0; i < n; i++) d[k].push_back(o.difference(k, i));
      }
      int64_t at = 0;
      for (size_t j = 0; j < d.size(); j++) {
        for (size_t i = 0; i <= j; i++, at++) {
          const double want = ordered_sum((d[0].size() + 4095) / 4096, [&](size_t run) {
            return ordered_sum(std::min<size_t>(4096, d[0].size() - run * 4096),
                               [&](size_t k) { return d[i][run * 4096 + k] * d[j][run * 4096 + k]; });
          });
          exact("y", at, y, want);
        }
      }
    }
  }
  context = "inner_products errors";
  Tensor x(HD_F32, {4}), other(HD_F32, {5}), y(HD_F64, {3}), one(HD_F64, {1});
  expect_error("inner_products", {nullptr, &x, &other, &y}, hd_NoneParams{0}, "expected 4");
  expect_error("inner_products", {nullptr, &x, &x, &one}, hd_NoneParams{0}, "one per pair");
}

void cuts_of(Operands& o, int64_t n, const std::vector<int64_t>& ranks) {
  const auto count = static_cast<int64_t>(o.source.size()), each = static_cast<int64_t>(ranks.size());
  Tensor wanted(HD_I64, {count, each}), cuts(HD_F64, {count, each, 2});
  for (int64_t i = 0; i < count * each; i++) std::memcpy(wanted.at(i), &ranks[static_cast<size_t>(i % each)], 8);
  run("magnitude_cuts", o.call({&wanted}, cuts), hd_NoneParams{0});
  for (int64_t k = 0; k < count; k++) {
    std::vector<double> size;
    for (int64_t i = 0; i < n; i++) size.push_back(std::fabs(o.difference(static_cast<size_t>(k), i)));
    std::vector<int64_t> order(size.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int64_t a, int64_t b) { return size[static_cast<size_t>(a)] < size[static_cast<size_t>(b)]; });
    for (int64_t c = 0; c < each; c++) {
      const int64_t rank = ranks[static_cast<size_t>(c)];
      double threshold = 0, element = 0;
      if (rank > 0 && rank == n) {
        threshold = std::numeric_limits<double>::infinity(), element = static_cast<double>(n);
      } else if (rank > 0) {
        const int64_t at = order[static_cast<size_t>(rank)];
        threshold = size[static_cast<size_t>(at)];
        element = threshold == 0 ? 0 : static_cast<double>(at);
      }
      exact("threshold", (k * each + c) * 2, cuts, threshold);
      exact("element", (k * each + c) * 2 + 1, cuts, element);
    }
  }
}

void magnitude_cuts() {
  for (int option = 0; option < 32; option++) {
    const int dtype = kTypes[option % 4], count = option % 3 + 1;
    for (const int64_t n : {0, 1, 17, 1000, 20000, 70001}) {
      context = named("magnitude_cuts", dtype, count, n, option);
      Operands o(dtype, n, count, option / 4 % 2 == 0, option / 8 % 2 == 1, option / 16 == 1);
      cuts_of(o, n, {0, n, n / 2, n / 5, n - n / 50 - (n > 0 ? 1 : 0), n > 0 ? 1 : 0});
    }
  }
  const int64_t n = 1400000;  // more equal ones than are ever taken as they are
  context = named("magnitude_cuts, many equal", HD_BF16, 1, n, 0);
  Operands o(HD_BF16, n, 1, true, false, true);
  cuts_of(o, n, {n / 10, n / 2, n - 7});
  context = "magnitude_cuts errors";
  Tensor x(HD_F32, {4}), ranks(HD_I64, {1, 1}), cuts(HD_F64, {1, 1, 2}), flat(HD_F64, {2, 1, 2});
  ranks.set(0, 5);
  expect_error("magnitude_cuts", {nullptr, &ranks, &x, &cuts}, hd_NoneParams{0}, "ranks[0] is 5, expected 0 to 4");
  ranks.set(0, 2);
  expect_error("magnitude_cuts", {nullptr, &ranks, &x, &flat}, hd_NoneParams{0}, "cuts must have the shape of ranks");
}

double thinned(double d, int64_t element, const double* cuts, bool random, double keep, uint64_t key, bool rescale) {
  const auto below = [&](const double* cut) {
    return std::fabs(d) < cut[0] || (std::fabs(d) == cut[0] && element < static_cast<int64_t>(cut[1]));
  };
  if (cuts != nullptr && (below(cuts) || !below(cuts + 2))) d = 0;
  if (!random || keep == 1) return d;
  const int64_t block = element / 4;
  uint32_t c[] = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), 0, 0};
  philox(c, static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32));
  if (c[element % 4] >= static_cast<uint64_t>(keep * 0x1p32)) return 0;
  return rescale ? d / keep : d;
}

void sparse_case(int option, int64_t n) {
  const int dtype = kTypes[option % 4], to = kTypes[option / 64 % 4], count = option % 5 + 1;
  const bool with_cuts = option & 4, random = option & 8, elect = option & 16, normalize = option & 32, rescale = option % 3 != 0;
  context = named("sparse_combination", dtype, count, n, option);
  Operands o(dtype, n, count, true, option % 7 == 0, option % 2 == 0);
  const int64_t first = option % 5 == 0 ? (int64_t{1} << 33) + 8 : 0;
  const hd_SparseCombinationParams p{first, 0.7, elect, normalize, rescale, 0};
  Tensor weights(HD_F64, {count}), cuts(HD_F64, {count, 2, 2}), keys(HD_I64, {count}), keep(HD_F64, {count}), y(to, {n});
  std::vector<uint64_t> key;
  for (int k = 0; k < count; k++) {
    weights.set(k, k == 1 ? -0.4 : 0.3 + k);
    cuts.set(4 * k, 0.25), cuts.set(4 * k + 1, static_cast<double>(first + n / 2)), cuts.set(4 * k + 2, 0.75),
        cuts.set(4 * k + 3, static_cast<double>(first + n / 3));
    keep.set(k, k == 2 ? 1 : k == 3 ? 0 : k == 1 ? 0.5 : 0.37);
    key.push_back(0x9123456789abcdefu * static_cast<uint64_t>(k + 1));
    std::memcpy(keys.at(k), &key.back(), 8);
  }
  Tensor* const r[] = {random ? &keys : nullptr, random ? &keep : nullptr};
  run("sparse_combination", o.call({&weights, with_cuts ? &cuts : nullptr, r[0], r[1]}, y), p);
  for (int64_t i = 0; i < n; i++) {
    std::vector<double> term;
    double total = 0, divisor = 0;
    for (int k = 0; k < count; k++) {
      const double limits[] = {cuts[4 * k], cuts[4 * k + 1], cuts[4 * k + 2], cuts[4 * k + 3]};
      const auto at = static_cast<size_t>(k);
      term.push_back(weights[k] * thinned(o.difference(at, i), first + i, with_cuts ? limits : nullptr, random, keep[k], key[at], rescale));
      total += term.back();
      divisor += weights[k];
    }
    if (std::fabs(divisor) < 1e-8) divisor = 1;
    if (elect) {
      const bool negative = std::signbit(total);
      total = 0, divisor = 0;
      for (int k = 0; k < count; k++) {
        const double t = term[static_cast<size_t>(k)];
        if (t == 0 || std::signbit(t) != negative) continue;
        total += t;
        divisor += weights[k];
      }
      if (divisor == 0) divisor = 1;
    }
    exact("y", i, y, o.base[i] + 0.7 * (normalize ? total / divisor : total));
  }
}

void sparse_combination() {
  for (int option = 0; option < 256; option++) {
    for (const int64_t n : {0, 1, 100, 777}) sparse_case(option, n);
  }
  sparse_case(52, 40000), sparse_case(25, 40000);
  context = "sparse_combination errors";
  Tensor x(HD_F32, {4}), w(HD_F64, {1}), two(HD_F64, {2}), keep(HD_F64, {1}), keys(HD_I64, {1});
  expect_error("sparse_combination", {&x, &two, nullptr, nullptr, nullptr, &x, &x}, hd_SparseCombinationParams{}, "one per source");
  expect_error("sparse_combination", {&x, &w, nullptr, nullptr, &keep, &x, &x}, hd_SparseCombinationParams{}, "come together");
  expect_error("sparse_combination", {&x, &w, nullptr, nullptr, nullptr, &x, &x}, hd_SparseCombinationParams{2, 1, 0, 0, 0, 0},
               "multiple of 4");
  keep.set(0, 1.5);
  expect_error("sparse_combination", {&x, &w, nullptr, &keys, &keep, &x, &x}, hd_SparseCombinationParams{}, "expected a probability");
}
}  // namespace

void merging() { inner_products(), magnitude_cuts(), sparse_combination(); }

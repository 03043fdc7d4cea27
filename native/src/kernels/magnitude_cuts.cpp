// magnitude_cuts: for each source the elements at given ranks in the order of |source - base|, equal ones in the order of the elements: the
// selection of TIES (Yadav et al. 2023) and Breadcrumbs (Davari & Belilovsky 2023), in time that grows with N alone.
// Shapes: base, sources contiguous, of one size N, of any float dtypes; ranks i64 [n, C]; cuts f64 [n, C, 2].
// Work: counts of 16 bits of the magnitudes at a time, the highest first, each pass inside the bucket where the last one ended. What is
// left there, usually after one pass, is taken as it is in one more, with the elements' numbers, and its element at the rank found by
// selection (Hoare 1961). Equal magnitudes beyond that many are known to the last bit after four passes, and the last one's counts tell
// where to look for the element. Each thread counts a stretch of its own, in two tables in turn, as equal buckets follow each other.
// Numerics: exact: magnitudes are compared as the bits of f64.
// Cost: two passes over base and source, up to four and a part of one where many are equal. Bound by the counting, about one element per
// ns. Deterministic.
#include <algorithm>
#include <limits>
#include <memory>
#include <new>
#include <vector>

#include "sources.h"

namespace hd::HD_TIER {
namespace {

constexpr int kDigits = 4;
constexpr int kShift[kDigits] = {47, 31, 15, 0};
constexpr int64_t kBuckets = 1 << 16;
constexpr int64_t kFew = 1 << 18;    // elements that are taken as they are
constexpr int64_t kSmall = 1 << 14;  // the same before anything was counted
constexpr int64_t kBlock = 1024;
constexpr int64_t kStretch = 1 << 30;  // most elements of a stretch: its counts have 32 bits

struct Item {
  int64_t bits, element;
  bool operator<(const Item& other) const { return bits < other.bits || (bits == other.bits && element < other.element); }
};

// An element on its way to be found.
struct Cut {
  int64_t rank;
  int64_t prefix = 0;     // the bits of its magnitude that are known
  int64_t below = 0;      // elements known to be less
  int64_t inside;         // elements that have the prefix
  int64_t equal_to = -1;  // stretch that has the element, where all bits are known
  int64_t skip = 0;       // equal ones before it there
};

class Search {
 public:
  Search(const Call& call, const hd_tensor& source, int64_t n) : context_(call.context), base_(call.t[0]), source_(source), n_(n) {
    const int64_t wanted = most(least(context_.threads, n / kSmall), 1);
    stretch_ = least(kStretch, ceil_div(ceil_div(n, wanted), kBlock) * kBlock);
    stretches_ = ceil_div(n, most(1, stretch_));
  }

  bool find(int64_t rank, double to[2]) {
    if (rank == 0 || rank == n_) {
      to[0] = rank == 0 ? 0.0 : std::numeric_limits<double>::infinity(), to[1] = static_cast<double>(rank);
      return true;
    }
    Cut cut{rank, 0, 0, n_};
    int digit = 0;
    for (; digit < kDigits && cut.inside > (digit == 0 ? kSmall : kFew); digit++) {
      if (!count(cut, digit)) return false;
      narrow(cut, digit);
    }
    const Item at = digit < kDigits ? taken(cut, digit) : Item{cut.prefix, element(cut)};
    std::memcpy(to, &at.bits, sizeof at.bits);
    to[1] = at.bits == 0 ? 0.0 : static_cast<double>(at.element);
    return true;
  }

 private:
  // f(bits, number) for the magnitudes of a stretch, a block at a time.
  template <class F>
  void blocks(int64_t stretch, const F& f) const {
    int64_t bits[kBlock];
    const int64_t end = least(n_, (stretch + 1) * stretch_);
    for (int64_t at = stretch * stretch_; at < end; at += kBlock) {
      const int64_t length = least(kBlock, end - at);
      vectors(0, length, [&](int64_t i, auto mask) {
        wide d = get_difference(base_, source_, at + i, mask);
        d = {(vd)((vl)d.lo & kMagnitude), (vd)((vl)d.hi & kMagnitude)};
        put_wide(reinterpret_cast<double*>(bits) + i, d, mask);
      });
      f(bits, at, length);
    }
  }

  static int64_t known(int digit) { return digit == 0 ? 0 : static_cast<int64_t>(~uint64_t{0} << kShift[digit - 1]) & kMagnitude; }

  bool count(const Cut& cut, int digit) {
    const bool kept = digit == 0 && have_first_;  // the first digit's counts serve all cuts
    if (kept) {
      totals_ = first_;
      return true;
    }
    if (tables_ == nullptr) tables_.reset(new (std::nothrow) uint32_t[static_cast<size_t>(stretches_ * 2 * kBuckets)]);
    if (tables_ == nullptr) return false;
    parallel(context_, stretches_, [&](int64_t s) {
      uint32_t* even = tables_.get() + s * 2 * kBuckets;
      uint32_t* odd = even + kBuckets;
      std::memset(even, 0, 2 * kBuckets * sizeof *even);
      const int shift = kShift[digit];
      const int64_t mask = digit == kDigits - 1 ? kBuckets / 2 - 1 : kBuckets - 1, bits_known = known(digit);
      blocks(s, [&](const int64_t* bits, int64_t, int64_t length) {
        if (digit == 0) {
          for (int64_t i = 0; i + 1 < length; i += 2) even[bits[i] >> shift]++, odd[bits[i + 1] >> shift]++;
          if (length % 2 != 0) even[bits[length - 1] >> shift]++;
          return;
        }
        for (int64_t i = 0; i < length; i++) {
          if ((bits[i] & bits_known) == cut.prefix) even[bits[i] >> shift & mask]++;
        }
      });
    });
    totals_.assign(static_cast<size_t>(kBuckets), 0);
    constexpr int64_t kPart = 4096;
    parallel(context_, kBuckets / kPart, [&](int64_t part) {
      for (int64_t t = 0; t < 2 * stretches_; t++) {
        const uint32_t* table = tables_.get() + t * kBuckets;
        for (int64_t b = part * kPart; b < (part + 1) * kPart; b++) totals_[static_cast<size_t>(b)] += table[b];
      }
    });
    if (digit == 0) first_ = totals_, have_first_ = true;
    return true;
  }

  void narrow(Cut& cut, int digit) const {
    int64_t bucket = 0;
    while (cut.below + totals_[static_cast<size_t>(bucket)] <= cut.rank) cut.below += totals_[static_cast<size_t>(bucket++)];
    cut.prefix |= bucket << kShift[digit];
    cut.inside = totals_[static_cast<size_t>(bucket)];
    if (digit < kDigits - 1) return;
    cut.skip = cut.rank - cut.below;
    for (cut.equal_to = 0;; cut.equal_to++) {
      const uint32_t* table = tables_.get() + cut.equal_to * 2 * kBuckets;
      const int64_t here = int64_t{table[bucket]} + table[kBuckets + bucket];
      if (cut.skip < here) return;
      cut.skip -= here;
    }
  }

  // The element at the rank among those that have the prefix, which are few.
  Item taken(const Cut& cut, int digit) const {
    std::vector<std::vector<Item>> parts(static_cast<size_t>(stretches_));
    const int64_t bits_known = known(digit);
    parallel(context_, stretches_, [&](int64_t s) {
      std::vector<Item>& part = parts[static_cast<size_t>(s)];
      blocks(s, [&](const int64_t* bits, int64_t at, int64_t length) {
        for (int64_t i = 0; i < length; i++) {
          if ((bits[i] & bits_known) == cut.prefix) part.push_back({bits[i], at + i});
        }
      });
    });
    std::vector<Item> all;
    all.reserve(static_cast<size_t>(cut.inside));
    for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
    const auto wanted = all.begin() + (cut.rank - cut.below);
    std::nth_element(all.begin(), wanted, all.end());
    return *wanted;
  }

  // Of the elements that equal the prefix, which has all bits, the one at the rank.
  int64_t element(const Cut& cut) const {
    if (cut.prefix == 0) return 0;
    int64_t left = cut.skip, found = 0;
    bool done = false;
    blocks(cut.equal_to, [&](const int64_t* bits, int64_t at, int64_t length) {
      for (int64_t i = 0; i < length && !done; i++) {
        if (bits[i] != cut.prefix || left-- > 0) continue;
        found = at + i;
        done = true;
      }
    });
    return found;
  }

  const CpuContext& context_;
  const hd_tensor* const base_;
  const hd_tensor& source_;
  const int64_t n_;
  int64_t stretch_, stretches_;
  std::unique_ptr<uint32_t[]> tables_;  // two of kBuckets for each stretch
  std::vector<int64_t> totals_, first_;
  bool have_first_ = false;
};
}  // namespace

hd_status magnitude_cuts(const Call& call) {
  const int32_t count = call.n - 3, cuts = call.n - 1;
  Check check(call);
  check.require(count >= 1 && call.has(2), "there must be a source");
  check.dtype(1, HD_I64).rank(1, 2).contiguous(1).dtype(cuts, HD_F64).rank(cuts, 3).contiguous(cuts);
  if (check.failed()) return check.status();
  const int64_t n = elements(*call.t[2]), each = call.t[1]->shape[1];
  check_sources(check, call, 2, count, n);
  check.require(call.t[1]->shape[0] == count, "ranks must have one row per source");
  check.require(call.t[cuts]->shape[0] == count && call.t[cuts]->shape[1] == each && call.t[cuts]->shape[2] == 2,
                "cuts must have the shape of ranks and two numbers for each");
  if (check.failed()) return check.status();
  const auto ranks = call.data<const int64_t>(1);
  for (int64_t i = 0; i < count * each; i++) {
    if (ranks[i] < 0 || ranks[i] > n) {
      return fail(HD_INVALID, "ranks[%lld] is %lld, expected 0 to %lld", static_cast<long long>(i), static_cast<long long>(ranks[i]),
                  static_cast<long long>(n));
    }
  }
  for (int32_t s = 0; s < count; s++) {
    Search search(call, *call.t[2 + s], n);
    for (int64_t c = 0; c < each; c++) {
      const int64_t i = s * each + c;
      if (!search.find(ranks[i], call.data<double>(cuts) + 2 * i)) return fail(HD_NO_MEMORY, "no memory to count magnitudes");
    }
  }
  return HD_OK;
}
}  // namespace hd::HD_TIER

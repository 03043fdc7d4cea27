// sparse_combination: y = base + lambda sum_i t_i, t_i = w_i thin_i(source_i - base), signs elected or not: TIES (Yadav et al. 2023), DARE
// (Yu et al. 2023), Breadcrumbs (Davari & Belilovsky 2023) in one pass, once magnitude_cuts has found where the cuts are. Shapes: base,
// sources, y contiguous, of one size, of any float dtypes; weights f64 [n]; cuts f64 [n, 2, 2]; keys i64 [n]; keep f64 [n]. Work: up to
// four sources of the dtype of y: 16-byte packs, a thread's next one under way, four elements at a time, their terms in registers between
// the sum and the election. Else an element per thread, whose terms are made twice. On chip: registers (README.md has the counts), and in
// shared memory weights, cuts and what the weights of each choice of sources sum up to, with its reciprocal: three instructions then
// divide, where the general division is a call that spills. Numerics: f64, each step rounded separately, one rounding to the dtype of y:
// the same bits as on the CPU. Cost: reads (n + 1) and writes 1 N elements: bandwidth-bound; for random thinning Philox's ten rounds come
// to about as much. Deterministic: elements are independent. Checked on: see README.md.
#include "sources.h"

namespace hd {
namespace {

constexpr int kInline = 4;  // sources whose terms stay in registers

// Blocks of a processor for so many sources.
constexpr int resident(int sources) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
  if (sources > 3) return 1;  // with more, registers spill there
#endif
  return sources == 1 ? 3 : 2;
}

struct Combination {
  Sources s;
  hd_SparseCombinationParams params;
  const double *weights, *cuts, *keep;
  const uint64_t* keys;
  void* y;
  int32_t to;

  __device__ bool random(int k) const { return keep != nullptr && keep[k] != 1.0; }
};

__device__ bool is_below(const double* cut, double size, int64_t element) {
  return size < cut[0] || (size == cut[0] && element < static_cast<int64_t>(cut[1]));
}

// a / b rounded to nearest, by the reciprocal of b rounded to nearest (Markstein, IBM Journal of Research and Development 34, 1990), where
// nothing on the way is too large or too small.
__device__ double divided(double a, double b, double inverse) {
  const double q = __dmul_rn(a, inverse);
  return __fma_rn(__fma_rn(-q, b, a), inverse, q);
}

// Words below it are kept.
__device__ uint32_t threshold_of(double keep) { return static_cast<uint32_t>(static_cast<int64_t>(keep * 4294967296.0)); }

// word: the element's own, where the source is random
__device__ double thinned(const Combination& c, int k, double d, int64_t element, uint32_t word) {
  if (c.cuts != nullptr) {
    const double size = fabs(d);
    if (is_below(c.cuts + 4 * k, size, element) || !is_below(c.cuts + 4 * k + 2, size, element)) d = 0;
  }
  if (c.random(k)) {
    d = word < threshold_of(c.keep[k]) ? (c.params.rescale != 0 ? __ddiv_rn(d, c.keep[k]) : d) : 0.0;
  }
  return d;
}

__device__ uint4 words_of(const Combination& c, int k, int64_t four) {
  return philox(make_uint4(static_cast<uint32_t>(four), static_cast<uint32_t>(four >> 32), 0, 0), c.keys[k]);
}
__device__ uint32_t word_of(const uint4& words, int i) { return i == 0 ? words.x : i == 1 ? words.y : i == 2 ? words.z : words.w; }

// A sum on its way: of all terms, then, with an election, of those that have its sign.
struct Sum {
  double total = 0, elected = 0;

  __device__ void add(double term) { total = __dadd_rn(total, term); }
  // Whether the term counts.
  __device__ bool elect(double term) {
    const bool counts = term != 0.0 && ((__double_as_longlong(term) ^ __double_as_longlong(total)) >= 0);
    if (counts) elected = __dadd_rn(elected, term);
    return counts;
  }
};

// What the sum is divided by, of the weights' sum.
__device__ double divisor_of(const hd_SparseCombinationParams& p, double weights) {
  return p.elect != 0 ? (weights == 0.0 ? 1.0 : weights) : fabs(weights) < 1e-8 ? 1.0 : weights;
}

__device__ double element_of(const Combination& c, int64_t i) {
  const int64_t element = c.params.first + i;
  const auto term = [&](int k) {
    const uint32_t word = c.random(k) ? word_of(words_of(c, k, element / 4), static_cast<int>(element % 4)) : 0;
    const double d = thinned(c, k, load_difference(c.s, k, i), element, word);
    return __dmul_rn(c.weights[k], d);
  };
  const bool elects = c.params.elect != 0;
  Sum sum;
  double weights = 0;
  for (int k = 0; k < c.s.count; k++) {
    sum.add(term(k));
    if (!elects) weights = __dadd_rn(weights, c.weights[k]);
  }
  for (int k = 0; k < c.s.count && elects; k++) {
    if (sum.elect(term(k))) weights = __dadd_rn(weights, c.weights[k]);
  }
  double total = elects ? sum.elected : sum.total;
  if (c.params.normalize != 0) total = __ddiv_rn(total, divisor_of(c.params, weights));
  return __dadd_rn(load_double(c.s.base, c.s.base_dtype, i), __dmul_rn(c.params.lambda, total));
}

// What is the same for all elements, once for each block: weights, cuts, and what is divided by, with reciprocals.
struct Numbers {
  double weight[kInline], cuts[kInline][4];
  double keep[kInline], by_keep[kInline];
  double sum[1 << kInline], by_sum[1 << kInline];  // of the weights of the sources whose bits are set
  int64_t threshold[kInline];                      // words below it are kept; -1: the source is not thinned at random
  int64_t safe;                                    // all so that `divided` is right for differences of f32 and narrower types
};

__global__ void __launch_bounds__(32) fill_numbers(const __grid_constant__ Combination c, Numbers* numbers) {
  const int bits = static_cast<int>(threadIdx.x);
  bool safe = true;
  if (bits < (1 << c.s.count)) {
    double total = 0;
    for (int k = 0; k < c.s.count; k++) {
      if ((bits >> k & 1) != 0) total = __dadd_rn(total, c.weights[k]);
    }
    const double divisor = divisor_of(c.params, total), size = fabs(divisor);
    numbers->sum[bits] = divisor;
    numbers->by_sum[bits] = __ddiv_rn(1.0, divisor);
    safe = size > 0x1p-300 && size < 0x1p300;
  }
  if (bits < c.s.count) {
    const double weight = fabs(c.weights[bits]), p = c.keep == nullptr ? 1.0 : c.keep[bits];
    numbers->weight[bits] = c.weights[bits];
    for (int i = 0; i < 4 && c.cuts != nullptr; i++) numbers->cuts[bits][i] = c.cuts[4 * bits + i];
    numbers->keep[bits] = p;
    numbers->by_keep[bits] = p == 0.0 ? 0.0 : __ddiv_rn(1.0, p);
    numbers->threshold[bits] = c.random(bits) ? static_cast<int64_t>(threshold_of(p)) : -1;
    safe = safe && (weight == 0.0 || (weight > 0x1p-300 && weight < 0x1p300)) && (p == 0.0 || p > 0x1p-300);
  }
  const unsigned unsafe = __ballot_sync(0xffffffffu, !safe);
  if (bits == 0) numbers->safe = unsafe == 0;
}

// Elements from `from` on, or all, where there are divisors that are not safe.
__global__ void __launch_bounds__(kThreads) sparse_any(const __grid_constant__ Combination c, const Numbers* numbers, int64_t from) {
  const int64_t first = numbers != nullptr && numbers->safe == 0 ? 0 : from;
  for (int64_t i = first + first_item(); i < c.s.n; i += item_step()) store_double(c.y, c.to, i, element_of(c, i));
}

// Which of four elements from `first` on come before the cut's own.
__device__ int before(double cut_element, int64_t first) {
  return static_cast<int>(most(0, least(4, static_cast<int64_t>(cut_element) - first)));
}

// Zeroes what the cuts take from the differences of four elements of a source.
__device__ void cut(const double (&cuts)[4], int64_t first, double (&d)[4]) {
  const int low = before(cuts[1], first);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const double size = fabs(d[i]);
    if (size < cuts[0] || (size == cuts[0] && i < low)) d[i] = 0;
  }
  if (__double_as_longlong(cuts[2]) == 0x7ff0000000000000LL) return;  // infinity: all that is finite lies below it
  const int high = before(cuts[3], first);
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const double size = fabs(d[i]);
    if (!(size < cuts[2] || (size == cuts[2] && i < high))) d[i] = 0;
  }
}

// The sum over N sources for four elements; what is asked once for all of them is not asked for each.
template <int N>
__device__ void sum_four(const Combination& c, const Numbers& numbers, double (&d)[N][4], double (&total)[4]) {
#pragma unroll
  for (int i = 0; i < 4; i++) total[i] = 0;
#pragma unroll
  for (int k = 0; k < N; k++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      d[k][i] = __dmul_rn(numbers.weight[k], d[k][i]);
      total[i] = __dadd_rn(total[i], d[k][i]);
    }
  }
  int bits[4];  // sources that count
#pragma unroll
  for (int i = 0; i < 4; i++) bits[i] = (1 << N) - 1;
  if (c.params.elect != 0) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      Sum sum{total[i], 0};
      bits[i] = 0;
#pragma unroll
      for (int k = 0; k < N; k++) bits[i] |= static_cast<int>(sum.elect(d[k][i])) << k;
      total[i] = sum.elected;
    }
  }
  if (c.params.normalize != 0) {
#pragma unroll
    for (int i = 0; i < 4; i++) total[i] = divided(total[i], numbers.sum[bits[i]], numbers.by_sum[bits[i]]);
  }
}

// N sources of type T: a thread's next pack is under way while it works on one.
template <class T, int N>
__global__ void __launch_bounds__(kThreads, resident(N)) sparse_dense(const __grid_constant__ Combination c, const Numbers* filled) {
  constexpr int W = kWidth<T>;
  __shared__ Numbers numbers;
  constexpr int kNumbers = static_cast<int>(sizeof(Numbers) / sizeof(double));
  static_assert(kNumbers <= kThreads);
  if (threadIdx.x < kNumbers) reinterpret_cast<int64_t*>(&numbers)[threadIdx.x] = reinterpret_cast<const int64_t*>(filled)[threadIdx.x];
  __syncthreads();
  if (numbers.safe == 0) return;
  const int64_t packs = c.s.n / W;
  struct Packs {
    Bits<T> base, x[N];
  } now{}, next{};
  const auto load = [&](Packs& to, int64_t pack) {
    to.base = whole_pack(static_cast<const T*>(c.s.base), pack);
#pragma unroll
    for (int k = 0; k < N; k++) to.x[k] = whole_pack(static_cast<const T*>(c.s.data[k]), pack);
  };
  int64_t pack = first_item();
  if (pack < packs) load(now, pack);
  for (; pack < packs; pack += item_step()) {
    if (pack + item_step() < packs) load(next, pack + item_step());
    const int64_t first = c.params.first + pack * W;
    Bits<T> out;
#pragma unroll
    for (int four = 0; four < W; four += 4) {
      double base[4], d[N][4], total[4];
#pragma unroll
      for (int i = 0; i < 4; i++) {
        base[i] = to_f64(now.base.item[four + i]);
#pragma unroll
        for (int k = 0; k < N; k++) d[k][i] = __dadd_rn(to_f64(now.x[k].item[four + i]), -base[i]);
      }
#pragma unroll
      for (int k = 0; k < N; k++) {
        if (c.cuts != nullptr) cut(numbers.cuts[k], first + four, d[k]);
        if (numbers.threshold[k] < 0) continue;
        const uint4 words = words_of(c, k, (first + four) / 4);
        const auto threshold = static_cast<uint32_t>(numbers.threshold[k]);
#pragma unroll
        for (int i = 0; i < 4; i++) {
          const double kept = c.params.rescale != 0 ? divided(d[k][i], numbers.keep[k], numbers.by_keep[k]) : d[k][i];
          d[k][i] = word_of(words, i) < threshold ? kept : 0.0;
        }
      }
      sum_four<N>(c, numbers, d, total);
#pragma unroll
      for (int i = 0; i < 4; i++) put(out.item[four + i], __dadd_rn(base[i], __dmul_rn(c.params.lambda, total[i])));
    }
    store_whole(static_cast<T*>(c.y), pack, out);
    now = next;
  }
}

template <class T>
hd_status run_dense(const Call& call, const Combination& c) {
  void (*const kernels[kInline])(Combination, const Numbers*) = {sparse_dense<T, 1>, sparse_dense<T, 2>, sparse_dense<T, 3>,
                                                                 sparse_dense<T, 4>};
  const auto numbers = static_cast<Numbers*>(workspace(call, static_cast<int64_t>(sizeof(Numbers))));
  if (numbers == nullptr) return HD_NO_MEMORY;
  const int64_t packs = c.s.n / kWidth<T>;
  const auto grid = static_cast<unsigned>(least(ceil_div(packs, kThreads), int64_t{resident(c.s.count)} * call.context.processors));
  hd_status status = launch(call, fill_numbers, 1, 32, 0, c, numbers);
  if (status == HD_OK && packs > 0) status = launch(call, kernels[c.s.count - 1], grid, kThreads, 0, c, numbers);
  const auto blocks = static_cast<unsigned>(least(ceil_div(c.s.n, kThreads), int64_t{8} * call.context.processors));
  if (status == HD_OK) status = launch(call, sparse_any, blocks, kThreads, 0, c, numbers, packs * kWidth<T>);
  return status;
}
}  // namespace

hd_status sparse_combination(const Call& call) {
  const int32_t count = call.n - 6, y = call.n - 1;
  const auto& params = call.params<hd_SparseCombinationParams>();
  const int64_t n = elements(*call.t[y]);
  Check check(call);
  check_sources(check, call, 5, count, n);
  check.dtype(1, HD_F64).vector(1, count, "one per source").contiguous(1);
  check.dtype(2, HD_F64).count(2, 4 * static_cast<int64_t>(count), "two cuts per source").contiguous(2);
  check.dtype(3, HD_I64).vector(3, count, "one per source").contiguous(3).dtype(4, HD_F64).vector(4, count, "one per source").contiguous(4);
  check.require(call.has(3) == call.has(4), "keys and keep come together");
  check.require(params.first >= 0 && params.first % 4 == 0, "first must be a multiple of 4");
  check.require(call.t[y]->dtype <= HD_F64, "y must be a float").contiguous(y);
  for (int32_t i = 0; i < call.n - 1; i++) {
    if (i >= 1 && i <= 4) continue;
    check.require(call.t[i]->data != call.t[y]->data || dtype_bytes(call.t[i]->dtype) == dtype_bytes(call.t[y]->dtype) || n == 0,
                  "y may only lie over an input whose elements have the size of its own");
  }
  if (check.failed()) return check.status();
  if (n == 0) return HD_OK;
  const Combination c{sources_of(call, 5, count, n),
                      params,
                      call.data<const double>(1),
                      call.data<const double>(2),
                      call.data<const double>(4),
                      call.data<const uint64_t>(3),
                      call.data<void>(y),
                      call.t[y]->dtype};
  if (!c.s.dense || count > kInline || c.to != c.s.base_dtype || c.to == HD_F64 || !aligned(c.y))
    return launch(call, sparse_any, grid_for(n), kThreads, 0, c, nullptr, 0);
  return with_float(c.to, [&](auto type) { return run_dense<decltype(type)>(call, c); });
}
}  // namespace hd

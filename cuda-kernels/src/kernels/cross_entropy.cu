// cross_entropy: softmax cross-entropy with label smoothing (Szegedy et al. 2016), and its gradient from the same call.
// loss = log(sum exp z) - (1 - e) z[target] - e mean(z), z = logits - max; dlogits = grad_scale * (softmax - t).
// Shapes: logits, dlogits [N, V]; targets i32 [N]; loss f32 [N]. A target out of range is noted (report_fault), its row gives NaN.
// Work: a block per row. The row's packs are sent to shared memory all at once, a pass over them forms maximum and sum together as they
// come in, a quarter at a time (online softmax, Milakov & Gimelshein 2018), a second one the gradient. Packs are aligned in memory, not to
// the row: vocabularies like 50257 start most rows in the middle of one. The first and the last pack, which may be a part of one, are read
// and written by elements, each by one thread; those between go through loops that check nothing per pack, as instructions are what this
// kernel has least of. On chip: the row (100 KiB for 50257 bf16: two blocks to a processor); a row that does not fit is read twice, the
// second time from L2. No spills (README.md has the counts). Numerics: f32 sums per thread, joined in a fixed order; the loss is put
// together in f64. exp(z - m) is 2^(z L - c), one FMA and one exponential, where L is log2(e) and c m L as f32 has them: what c's rounding
// takes from the sum, m = c / L gives back to the loss. The sum of logits is taken about the first one of the row, so that a common offset
// does not cost digits. Cost: reads N V and writes it: bandwidth-bound; 2 exponentials and about 10 instructions per element.
// Deterministic. Checked on: see README.md.
#include "check.h"
#include "mma.h"
#include "rows.h"

namespace hd {
namespace {

template <class T>
struct Work {
  Flat<const T> logits;
  Flat<const int32_t> targets;
  Flat<float> loss;
  Flat<T> dlogits;
  int64_t n;
  hd_CrossEntropyParams p;
  unsigned long long* fault;
};

constexpr int kBatch = 4;   // packs that a thread has under way
constexpr int kGroups = 4;  // of copies to shared memory, kBatch packs of a thread each, the last one what is left

// A row as aligned packs, of which [first, end) are whole; `lead` elements of pack 0 come before the row.
template <class T, bool kStaged>
struct Packs {
  static constexpr int W = kWidth<T>;
  const T* row;
  Shared stage;
  int lead, n, first, end;

  __device__ Packs(const T* x, int64_t length)
      : row(x),
        stage(shared_address(dynamic_shared())),
        lead(static_cast<int>(reinterpret_cast<uintptr_t>(x) % 16 / sizeof(T))),
        n(static_cast<int>(length)),
        first(lead > 0 ? 1 : 0),
        end((lead + n) / W) {}

  __device__ const T* address(int pack) const { return row + (pack * W - lead); }
  // The pack that is not whole and the thread's to do, or -1: the first of them is thread 0's, the last one the last thread's.
  __device__ int edge() const {
    if (threadIdx.x == 0 && first > 0) return 0;
    return threadIdx.x == blockDim.x - 1 && end >= first && end * W < lead + n ? end : -1;
  }
  // Places outside the row read as -inf.
  __device__ Bits<T> edge_bits(int pack) const {
    Bits<T> bits;
#pragma unroll
    for (int i = 0; i < W; i++) {
      const int at = pack * W - lead + i;
      bits.item[i] = at >= 0 && at < n ? row[at] : rounded<T>(-INFINITY);
    }
    return bits;
  }
  // Every thread reads the packs that it has put there itself: no barrier is needed. One group of copies for each batch.
  __device__ void fetch() const {
    const int step = static_cast<int>(blockDim.x);
    int pack = first + static_cast<int>(threadIdx.x);
#pragma unroll 1
    for (int group = 0; group < kGroups - 1; group++) {
#pragma unroll
      for (int u = 0; u < kBatch; u++, pack += step) {
        if (pack < end) copy_async(stage + 16 * static_cast<Shared>(pack), address(pack), true);
      }
      commit_copies();
    }
    for (; pack < end; pack += step) copy_async(stage + 16 * static_cast<Shared>(pack), address(pack), true);
    commit_copies();
  }
  __device__ Bits<T> get(int pack) const {
    const uint4 word = kStaged ? load_shared_16(stage + 16 * static_cast<Shared>(pack)) : *reinterpret_cast<const uint4*>(address(pack));
    Bits<T> bits;
    memcpy(&bits, &word, sizeof bits);
    return bits;
  }
  // f(the first pack, the bits of several, how many) over the thread's packs from `pack` on up to `limit`; they are blockDim.x apart.
  template <class F>
  __device__ void some(int pack, int limit, const F& f) const {
    const int step = static_cast<int>(blockDim.x);
    for (; pack + (kBatch - 1) * step < limit; pack += kBatch * step) {
      Bits<T> bits[kBatch];
#pragma unroll
      for (int u = 0; u < kBatch; u++) bits[u] = get(pack + u * step);
      f(pack, bits);
    }
    for (; pack < limit; pack += step) {
      const Bits<T> bits[1] = {get(pack)};
      f(pack, bits);
    }
  }
  template <class F>
  __device__ void each(const F& f) const {
    some(first + static_cast<int>(threadIdx.x), end, f);
  }
  // The same, as what fetch() has sent for comes in.
  template <class F>
  __device__ void each_as_it_comes(const F& f) const {
    const int part = kBatch * static_cast<int>(blockDim.x);
    int pack = first + static_cast<int>(threadIdx.x);
#pragma unroll 1
    for (int group = 0; group < kGroups; group++, pack += part) {
      if (group == 0) wait_copies<kGroups - 1>();
      if (group == 1) wait_copies<kGroups - 2>();
      if (group == 2) wait_copies<kGroups - 3>();
      if (group == 3) wait_copies<0>();
      some(pack, group == kGroups - 1 ? end : static_cast<int>(least(end, first + (group + 1) * part)), f);
    }
  }
};

// What a thread has seen: the largest logit, its product with log2(e) (-inf before the first), and sums about it.
struct Seen {
  float top = -INFINITY, base = -INFINITY, total = 0, sum = 0;
};

template <class T, int N>
__device__ void see(Seen& seen, const Bits<T> (&bits)[N], bool smooth, float origin) {
  constexpr int W = kWidth<T>;
  float v[N][W], top[N];
#pragma unroll
  for (int u = 0; u < N; u++) {
    unpack(bits[u], v[u]);
    top[u] = v[u][0];
#pragma unroll
    for (int i = 1; i < W; i++) top[u] = fmaxf(top[u], v[u][i]);
  }
#pragma unroll
  for (int u = 0; u < N; u++) seen.top = fmaxf(seen.top, top[u]);
  const bool none = seen.top == -INFINITY;
  const float base = none ? 0.0f : seen.top * kLog2e;
  seen.total *= exp2_fast(seen.base - base);
  seen.base = none ? -INFINITY : base;
#pragma unroll
  for (int u = 0; u < N; u++) {
    float part = 0;
#pragma unroll
    for (int i = 0; i < W; i++) part += exp2_fast(fmaf(v[u][i], kLog2e, -base));  // NaN spreads from here
    seen.total += part;
  }
  if (!smooth) return;
#pragma unroll
  for (int u = 0; u < N; u++) {
#pragma unroll
    for (int i = 0; i < W; i++) seen.sum += v[u][i] - origin;
  }
}

// The gradient but for the target: factor 2^(z L - base) - uniform.
struct Gradient {
  float base, factor, uniform;
  __device__ float at(float z) const { return fmaf(exp2_fast(fmaf(z, kLog2e, -base)), factor, -uniform); }
};

template <class T, bool kStaged, class F>
__device__ void write_row(const Packs<T, kStaged>& packs, T* dx, const F& gradient) {
  constexpr int W = kWidth<T>;
  const bool vector = reinterpret_cast<uintptr_t>(dx) % 16 == reinterpret_cast<uintptr_t>(packs.row) % 16;
  const int step = static_cast<int>(blockDim.x), edge = packs.edge();
  const auto by_elements = [&](int pack, const Bits<T>& bits) {
#pragma unroll
    for (int i = 0; i < W; i++) {
      const int at = pack * W - packs.lead + i;
      if (at >= 0 && at < packs.n) put(dx[at], gradient(to_f32(bits.item[i])));
    }
  };
  if (edge >= 0) by_elements(edge, packs.edge_bits(edge));
  if (!vector) {
    for (int pack = packs.first + static_cast<int>(threadIdx.x); pack < packs.end; pack += step) by_elements(pack, packs.get(pack));
    return;
  }
  packs.each([&](int pack, const auto& bits) {
    constexpr int N = sizeof(bits) / sizeof(bits[0]);
#pragma unroll
    for (int u = 0; u < N; u++) {
      float v[W];
      unpack(bits[u], v);
#pragma unroll
      for (int i = 0; i < W; i++) v[i] = gradient(v[i]);
      store_whole(dx + ((pack + u * step) * W - packs.lead), 0, packed<T>(v));
    }
  });
}

// Whether the thread has the element: it is the one that writes it in write_row.
template <class T, bool kStaged>
__device__ bool owns(const Packs<T, kStaged>& packs, int element) {
  const int pack = (packs.lead + element) / kWidth<T>, mine = static_cast<int>(threadIdx.x);
  if (pack < packs.first || pack >= packs.end) return packs.edge() == pack;
  return (pack - packs.first) % static_cast<int>(blockDim.x) == mine;
}

// Threads of a block, at most: on sm_120 the compiler would spill with the registers that 1024 leave, and must be told that one block to a
// processor is enough.
constexpr int most_threads(int capability) { return capability >= 120 ? 512 : 1024; }
#ifdef __CUDA_ARCH__
constexpr int kMostThreads = most_threads(__CUDA_ARCH__ / 10);
#else
constexpr int kMostThreads = most_threads(0);
#endif

template <class T, bool kStaged>
__global__ void __launch_bounds__(kMostThreads, kMostThreads == 512 ? 1 : 0) cross_entropy_kernel(Work<T> w) {
  const int64_t row = blockIdx.x;
  const int32_t target = *w.targets.row(row);
  const bool ignored = target == w.p.ignore_index, bad = !ignored && (target < 0 || target >= w.n);
  const T* const x = w.logits.row(row);
  T* const dx = w.dlogits.data == nullptr ? nullptr : w.dlogits.row(row);
  if (ignored || bad) {
    if (threadIdx.x == 0) {
      if (bad) report_fault(w.fault, row, target);
      *w.loss.row(row) = ignored ? 0.0f : NAN;
    }
    if (dx != nullptr) write_row(Packs<T, false>(x, w.n), dx, [](float) { return 0.0f; });
    return;
  }
  const Packs<T, kStaged> packs(x, w.n);
  if (kStaged) packs.fetch();
  const bool smooth = w.p.label_smoothing > 0;
  const float origin = to_f32(x[0]), at_target = to_f32(x[target]);  // dlogits may be logits: before the first store
  Seen seen;
  const int edge = packs.edge();
  if (edge >= 0) {
    const Bits<T> bits[1] = {packs.edge_bits(edge)};
    see(seen, bits, false, origin);
    for (int i = 0; smooth && i < kWidth<T>; i++) {
      const int at = edge * kWidth<T> - packs.lead + i;
      if (at >= 0 && at < packs.n) seen.sum += to_f32(x[at]) - origin;
    }
  }
  const auto look = [&](int, const auto& bits) { see(seen, bits, smooth, origin); };
  if constexpr (kStaged) {
    packs.each_as_it_comes(look);
  } else {
    packs.each(look);
  }
  const float all = row_max(seen.top), base = all == -INFINITY ? 0.0f : all * kLog2e;
  float sums[2] = {seen.total * exp2_fast(seen.base - base), seen.sum};
  row_sum(sums, 0);
  const float total = sums[0], e = w.p.label_smoothing;
  if (threadIdx.x == 0) {
    const double m = all == -INFINITY ? static_cast<double>(all) : static_cast<double>(base) / static_cast<double>(kLog2e);
    double loss = log(static_cast<double>(total)) - (1 - static_cast<double>(e)) * (static_cast<double>(at_target) - m);
    if (smooth)
      loss -= static_cast<double>(e) * (static_cast<double>(sums[1]) / static_cast<double>(w.n) + static_cast<double>(origin) - m);
    *w.loss.row(row) = static_cast<float>(loss);
  }
  if (dx == nullptr) return;
  const Gradient gradient{base, w.p.grad_scale / total, e / static_cast<float>(w.n) * w.p.grad_scale};
  write_row(packs, dx, [&](float z) { return gradient.at(z); });
  if (owns(packs, target)) put(dx[target], gradient.at(at_target) - (1.0f - e) * w.p.grad_scale);
}

template <class T>
hd_status run(const Call& call) {
  const Work<T> w{Flat<const T>(View<const T>(call, 0)),
                  Flat<const int32_t>(View<const int32_t>(call, 1, 0)),
                  Flat<float>(View<float>(call, 2, 0)),
                  Flat<T>(View<T>(call, 3)),
                  call.t[0]->shape[1],
                  call.params<hd_CrossEntropyParams>(),
                  call.context.faults + call.op};
  const int64_t rows = call.t[0]->shape[0], packs = ceil_div(w.n + kWidth<T> - 1, kWidth<T>), limit = call.context.shared_limit;
  if (rows == 0) return HD_OK;
  if (w.n > INT32_MAX / 2 || rows > INT32_MAX) return fail(HD_UNSUPPORTED, "logits of more than 2^30 columns or 2^31 rows");
  const bool staged = packs * 16 <= limit;
  // Two blocks to a processor, as long as two rows fit, so that one computes while the other one loads.
  const int64_t bound = staged && packs * 16 <= (limit - 2048) / 2 ? 512 : most_threads(call.context.capability);
  const auto threads = static_cast<unsigned>(least(bound, most(32, ceil_div(packs, 4 * 32) * 32)));
  return launch(call, staged ? cross_entropy_kernel<T, true> : cross_entropy_kernel<T, false>, dim3(static_cast<unsigned>(rows)), threads,
                staged ? packs * 16 : 0, w);
}
}  // namespace

hd_status cross_entropy(const Call& call) {
  const hd_CrossEntropyParams& p = call.params<hd_CrossEntropyParams>();
  Check check(call);
  check.rank(0, 2).floats(0, 3).dtype(1, HD_I32).dtype(2, HD_F32).rows_of(1, 0).rows_of(2, 0).same_shape(3, 0);
  check.dense(0, 3).output(2).output(3).require(p.label_smoothing >= 0 && p.label_smoothing < 1, "label_smoothing must lie in [0, 1)");
  if (check.failed()) return check.status();
  return with_float(call.t[0]->dtype, [&](auto type) { return run<decltype(type)>(call); });
}
}  // namespace hd

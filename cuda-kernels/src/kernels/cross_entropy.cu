// cross_entropy: softmax cross-entropy with label smoothing (Szegedy et al. 2016), and its gradient from the same call.
// loss = log(sum exp z) - (1 - e) z[target] - e mean(z), z = logits - max; dlogits = grad_scale * (softmax - t).
// Shapes: logits, dlogits [N, V]; targets i32 [N]; loss f32 [N]. A target out of range is noted (report_fault), its row gives NaN.
// Work: a block per row. The row's packs are sent to shared memory all at once, a pass over them forms maximum and sum together as they
// come in, a quarter at a time (online softmax, Milakov & Gimelshein 2018), a second one the gradient. Packs are aligned in memory, not to
// the row: vocabularies like 50257 start most rows in the middle of one, and only the first and last pack of a row are then read and
// written by elements. On chip: the row (100 KiB for 50257 bf16: two blocks to a processor); a row that does not fit is read twice, the
// second time from L2. No spills (README.md has the counts). Numerics: f32 sums per thread, joined in a fixed order; the loss is put
// together in f64. The sum of logits is taken about the first one of the row, so that a common offset does not cost digits. Cost: reads N V
// and writes it: bandwidth-bound; 2 exponentials and about 10 instructions per element. Deterministic. Checked on: see README.md.
#include "check.h"
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

// A row as aligned packs. `lead` elements of the first pack come before the row; places outside the row read as -inf.
template <class T, bool kStaged>
struct Packs {
  static constexpr int W = kWidth<T>;
  static constexpr int kBatch = kStaged ? 4 : 2;  // packs that a thread has under way
  static constexpr int kGroups = 4;               // of copies to shared memory; the launch gives a thread no more than about 4 kBatch packs
  const T* row;
  Bits<T>* stage;  // in shared memory
  int lead, n, count;

  __device__ Packs(const T* x, int64_t length)
      : row(x),
        stage(reinterpret_cast<Bits<T>*>(dynamic_shared())),
        lead(static_cast<int>(reinterpret_cast<uintptr_t>(x) % 16 / sizeof(T))),
        n(static_cast<int>(length)),
        count((lead + n + W - 1) / W) {}

  __device__ int first(int pack) const { return pack * W - lead; }  // element
  __device__ bool whole(int pack) const { return first(pack) >= 0 && first(pack) + W <= n; }
  __device__ const Bits<T>* address(int pack) const { return reinterpret_cast<const Bits<T>*>(row + first(pack)); }
  __device__ Bits<T> edge(int pack) const {
    Bits<T> bits;
#pragma unroll
    for (int i = 0; i < W; i++) {
      const int at = first(pack) + i;
      bits.item[i] = at >= 0 && at < n ? row[at] : rounded<T>(-INFINITY);
    }
    return bits;
  }
  // Every thread reads the packs that it has put there itself: no barrier is needed. One group of copies for each batch of `each`.
  __device__ void fetch() const {
    const int step = static_cast<int>(blockDim.x);
#pragma unroll 1
    for (int group = 0; group < kGroups; group++) {
      const int end = group == kGroups - 1 ? count : (group + 1) * kBatch * step;
      for (int pack = group * kBatch * step + static_cast<int>(threadIdx.x); pack < end && pack < count; pack += step) {
        if (whole(pack)) {
          copy_to_shared(stage + pack, address(pack));
        } else {
          stage[pack] = edge(pack);
        }
      }
      close_copies();
    }
  }
  __device__ Bits<T> get(int pack) const {
    if (kStaged) return stage[pack];
    return whole(pack) ? *address(pack) : edge(pack);
  }
  // f(pack, its bits) for the packs of the thread from `at` on up to `end`, several loads at a time
  template <class F>
  __device__ void some(int at, int end, const F& f) const {
    const int step = static_cast<int>(blockDim.x);
    for (; at < end; at += kBatch * step) {
      Bits<T> bits[kBatch];
#pragma unroll
      for (int u = 0; u < kBatch; u++) {
        if (at + u * step < end) bits[u] = get(at + u * step);
      }
#pragma unroll
      for (int u = 0; u < kBatch; u++) {
        if (at + u * step < end) f(at + u * step, bits[u]);
      }
    }
  }
  template <class F>
  __device__ void each(const F& f) const {
    some(static_cast<int>(threadIdx.x), count, f);
  }
  // The same, as what fetch() has sent for comes in.
  template <class F>
  __device__ void each_as_it_comes(const F& f) const {
    const int mine = static_cast<int>(threadIdx.x), part = kBatch * static_cast<int>(blockDim.x);
#pragma unroll 1
    for (int group = 0; group < kGroups; group++) {
      if (group == 0) wait_for_groups<kGroups - 1>();
      if (group == 1) wait_for_groups<kGroups - 2>();
      if (group == 2) wait_for_groups<kGroups - 3>();
      if (group == 3) wait_for_groups<0>();
      const int end = group == kGroups - 1 ? count : static_cast<int>(least(count, (group + 1) * part));
      some(group * part + mine, end, f);
    }
  }
};

template <class T, bool kStaged>
__device__ void store(const Packs<T, kStaged>& packs, T* row, int pack, bool vector, const float (&x)[kWidth<T>]) {
  const int at = packs.first(pack);
  if (vector && packs.whole(pack)) {
    store_whole(row + at, 0, packed<T>(x));
    return;
  }
#pragma unroll
  for (int i = 0; i < kWidth<T>; i++) {
    if (at + i >= 0 && at + i < packs.n) put(row[at + i], x[i]);
  }
}

template <class T, bool kStaged>
__global__ void __launch_bounds__(1024) cross_entropy_kernel(Work<T> w) {
  constexpr int W = kWidth<T>;
  const int64_t row = blockIdx.x;
  const int32_t target = *w.targets.row(row);
  const bool ignored = target == w.p.ignore_index, bad = !ignored && (target < 0 || target >= w.n);
  const T* const x = w.logits.row(row);
  T* const dx = w.dlogits.data == nullptr ? nullptr : w.dlogits.row(row);
  const Packs<T, kStaged> packs(x, w.n);
  const bool vector = dx != nullptr && reinterpret_cast<uintptr_t>(dx) % 16 == reinterpret_cast<uintptr_t>(x) % 16;
  if (ignored || bad) {
    if (threadIdx.x == 0) {
      if (bad) report_fault(w.fault, row, target);
      *w.loss.row(row) = ignored ? 0.0f : NAN;
    }
    const float zeros[W] = {};
    for (int pack = static_cast<int>(threadIdx.x); dx != nullptr && pack < packs.count; pack += static_cast<int>(blockDim.x))
      store(packs, dx, pack, vector, zeros);
    return;
  }
  if (kStaged) packs.fetch();
  const bool smooth = w.p.label_smoothing > 0;
  const float origin = to_f32(x[0]), at_target = to_f32(x[target]);  // dlogits may be logits: before the first store
  float top = -INFINITY, total = 0, sum = 0;
  const auto gather = [&](int pack, const Bits<T>& bits) {
    float v[W];
    unpack(bits, v);
    float higher = top;
#pragma unroll
    for (int i = 0; i < W; i++) higher = fmaxf(higher, v[i]);
    const float shift = higher == -INFINITY ? 0.0f : higher;
    total *= exp2_fast((top - shift) * kLog2e);
    top = higher;
#pragma unroll
    for (int i = 0; i < W; i++) total += exp2_fast((v[i] - shift) * kLog2e);  // NaN spreads from here
    if (!smooth) return;
#pragma unroll
    for (int i = 0; i < W; i++) sum += packs.first(pack) + i >= 0 && packs.first(pack) + i < packs.n ? v[i] - origin : 0.0f;
  };
  if constexpr (kStaged) {
    packs.each_as_it_comes(gather);
  } else {
    packs.each(gather);
  }
  const float all = team_join<Largest>(top), shift = all == -INFINITY ? 0.0f : all;
  total = team_sum(total * exp2_fast((top - shift) * kLog2e));
  if (smooth) sum = team_sum(sum);
  const float e = w.p.label_smoothing;
  if (threadIdx.x == 0) {
    const double m = static_cast<double>(all);
    double loss = log(static_cast<double>(total)) - (1 - static_cast<double>(e)) * (static_cast<double>(at_target) - m);
    if (smooth) loss -= static_cast<double>(e) * (static_cast<double>(sum) / static_cast<double>(w.n) + static_cast<double>(origin) - m);
    *w.loss.row(row) = static_cast<float>(loss);
  }
  if (dx == nullptr) return;
  const float factor = w.p.grad_scale / total, uniform = e / static_cast<float>(w.n) * w.p.grad_scale, hot = (1.0f - e) * w.p.grad_scale;
  const int hot_pack = (packs.lead + target) / W, hot_item = (packs.lead + target) % W;
  packs.each([&](int pack, const Bits<T>& bits) {
    float v[W];
    unpack(bits, v);
#pragma unroll
    for (int i = 0; i < W; i++) v[i] = fmaf(exp2_fast((v[i] - shift) * kLog2e), factor, -uniform);
    if (pack == hot_pack) {
#pragma unroll
      for (int i = 0; i < W; i++) v[i] -= i == hot_item ? hot : 0.0f;
    }
    store(packs, dx, pack, vector, v);
  });
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
  const int64_t most_threads = staged && packs * 16 <= (limit - 2048) / 2 ? 512 : 1024;
  const auto threads = static_cast<unsigned>(least(most_threads, most(32, ceil_div(packs, 4 * 32) * 32)));
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

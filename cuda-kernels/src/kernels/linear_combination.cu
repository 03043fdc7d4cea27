// linear_combination: y = base + sum_i w[i] (source[i] - base), or sum_i w[i] source[i]: checkpoint arithmetic (task vectors, Ilharco et
// al. 2023; model soups, Wortsman et al. 2022) in one pass over memory. Shapes: base, sources, y contiguous, of one size, of any float
// dtypes each; weights f64 [n], n >= 1, in host or device memory. Work: an element per thread, grid-stride; the addresses and dtypes of the
// sources are a table in the workspace, so any number goes in one launch. On chip: registers only; no spills (README.md has the counts).
// Numerics: sums in f64; products and sums rounded separately, as on the CPU: the same bits; one rounding to the dtype of y. All weights 0:
// y is base, bit for bit when the dtypes agree, whatever the sources hold. Cost: reads (n + 1) and writes 1 N elements: bandwidth-bound.
// Deterministic: elements are independent. Checked on: not yet.
#include <vector>

#include "check.h"
#include "device.h"

namespace hd {
namespace {

struct Source {
  const void* data;
  int64_t dtype;
};

__device__ double load_any(const void* p, int64_t dtype, int64_t i) {
  return dtype == HD_F64 ? static_cast<const double*>(p)[i] : static_cast<double>(load_float(p, static_cast<int32_t>(dtype), i));
}
__global__ void __launch_bounds__(kThreads)
    combine_kernel(Source base, const double* weights, const Source* sources, int32_t count, void* y, int32_t to, int64_t n) {
  bool zero = base.data != nullptr;
  for (int32_t k = 0; k < count; k++) zero = zero && weights[k] == 0.0;
  for (int64_t i = first_item(); i < n; i += item_step()) {
    if (zero && base.dtype == to) {
      if (to == HD_F64) {
        static_cast<uint64_t*>(y)[i] = static_cast<const uint64_t*>(base.data)[i];
      } else if (to == HD_F32) {
        static_cast<uint32_t*>(y)[i] = static_cast<const uint32_t*>(base.data)[i];
      } else {
        static_cast<uint16_t*>(y)[i] = static_cast<const uint16_t*>(base.data)[i];
      }
      continue;
    }
    const double b = base.data == nullptr ? 0.0 : load_any(base.data, base.dtype, i);
    double total = b;
    for (int32_t k = 0; k < count && !zero; k++) {
      const double x = load_any(sources[k].data, sources[k].dtype, i);
      const double term = __dmul_rn(weights[k], base.data == nullptr ? x : __dadd_rn(x, -b));
      total = k == 0 && base.data == nullptr ? term : __dadd_rn(total, term);
    }
    if (to == HD_F64) {
      static_cast<double*>(y)[i] = total;
    } else if (to == HD_F32) {
      put(static_cast<float*>(y)[i], total);
    } else if (to == HD_BF16) {
      put(static_cast<bf16*>(y)[i], total);
    } else {
      put(static_cast<f16*>(y)[i], total);
    }
  }
}
}  // namespace

hd_status linear_combination(const Call& call) {
  const int32_t y = call.n - 1, count = call.n - 3;
  const int64_t n = elements(*call.t[y]);
  Check check(call);
  check.dtype(1, HD_F64).vector(1, count, "one per source").contiguous(1);
  for (int32_t i = 0; i < call.n; i++) {
    if (i == 1 || !call.has(i)) continue;
    check.count(i, n, "the size of y").contiguous(i).require(call.t[i]->dtype <= HD_F64, "base, sources and y must be floats");
    check.require(call.t[i]->data != call.t[y]->data || dtype_bytes(call.t[i]->dtype) == dtype_bytes(call.t[y]->dtype) || n == 0,
                  "y may only lie over an input whose elements have the size of its own");
  }
  if (check.failed()) return check.status();
  if (n == 0) return HD_OK;
  const int64_t bytes = count * static_cast<int64_t>(sizeof(Source) + sizeof(double));
  auto table = static_cast<Source*>(workspace(call, bytes));
  if (table == nullptr) return HD_NO_MEMORY;
  std::vector<Source> sources;
  for (int32_t i = 0; i < count; i++) sources.push_back({call.data<const void>(i + 2), call.t[i + 2]->dtype});
  // From pageable memory the bytes are taken before the call returns.
  auto weights = reinterpret_cast<double*>(table + count);
  cudaError_t error = cudaMemcpyAsync(table, sources.data(), sizeof(Source) * sources.size(), cudaMemcpyDefault, call.context.stream);
  if (error == cudaSuccess)
    error = cudaMemcpyAsync(weights, call.data<const void>(1), sizeof(double) * sources.size(), cudaMemcpyDefault, call.context.stream);
  if (error != cudaSuccess) return cuda_fail(error, "copying the table of sources");
  const Source base{call.data<const void>(0), call.has(0) ? call.t[0]->dtype : HD_F32};
  return launch(call, combine_kernel, grid_for(n), kThreads, 0, base, weights, table, count, call.data<void>(y), call.t[y]->dtype, n);
}
}  // namespace hd

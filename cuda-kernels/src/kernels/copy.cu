// copy: y = x, converted to the dtype of y.
// Shapes: x, y alike, any strides; x may broadcast. Any of the seven dtypes to any other.
// Work: one dtype and dense: the copy engine. Else an element per thread, neighbours of a warp neighbours in y; the dtypes are known at run
// time, the switch is the same for all threads, so one kernel serves all 49 pairs.
// On chip: registers only; no spills (README.md has the counts).
// Numerics: one dtype: the bits. Floats go through f64 and integers through i64, both exact, then one rounding to nearest even; floats to
// integers truncate (what does not fit saturates; NaN gives 0).
// Cost: bandwidth: reads and writes N. Deterministic: elements are independent.
// Checked on: not yet.
#include "check.h"
#include "device.h"

namespace hd {
namespace {

template <class X>
__device__ void store_any(void* y, int32_t dtype, int64_t i, X x) {
  switch (dtype) {
    case HD_F32:
      static_cast<float*>(y)[i] = static_cast<float>(x);
      break;
    case HD_F64:
      static_cast<double*>(y)[i] = static_cast<double>(x);
      break;
    case HD_I32:
      static_cast<int32_t*>(y)[i] = static_cast<int32_t>(x);
      break;
    case HD_I64:
      static_cast<int64_t*>(y)[i] = static_cast<int64_t>(x);
      break;
    case HD_U8:
      static_cast<uint8_t*>(y)[i] = static_cast<uint8_t>(static_cast<int64_t>(x));
      break;
    case HD_BF16:
      if constexpr (sizeof(X) == 8 && X(0.5) == 0) {
        static_cast<bf16*>(y)[i] = __ll2bfloat16_rn(x);
      } else {
        put(static_cast<bf16*>(y)[i], x);
      }
      break;
    default:
      if constexpr (sizeof(X) == 8 && X(0.5) == 0) {
        static_cast<f16*>(y)[i] = __ll2half_rn(x);
      } else {
        put(static_cast<f16*>(y)[i], x);
      }
  }
}

__global__ void __launch_bounds__(kThreads) convert_kernel(const void* x, int32_t from, void* y, int32_t to, Nest<2> n) {
  for (int64_t k = first_item(); k < n.count; k += item_step()) {
    int64_t at[2];
    n.at(k, at);
    const int64_t i = at[1], o = at[0];
    switch (from) {
      case HD_F32:
      case HD_BF16:
      case HD_F16:
        store_any(y, to, o, static_cast<double>(load_float(x, from, i)));
        break;
      case HD_F64:
        store_any(y, to, o, static_cast<const double*>(x)[i]);
        break;
      case HD_I32:
        store_any(y, to, o, static_cast<long long>(static_cast<const int32_t*>(x)[i]));
        break;
      case HD_I64:
        store_any(y, to, o, static_cast<long long>(static_cast<const int64_t*>(x)[i]));
        break;
      default:
        store_any(y, to, o, static_cast<long long>(static_cast<const uint8_t*>(x)[i]));
    }
  }
}

// The same dtype: bits, so that NaNs keep their payload.
template <class Item>
__global__ void __launch_bounds__(kThreads) move_kernel(const void* x, void* y, Nest<2> n) {
  for (int64_t k = first_item(); k < n.count; k += item_step()) {
    int64_t at[2];
    n.at(k, at);
    static_cast<Item*>(y)[at[0]] = static_cast<const Item*>(x)[at[1]];
  }
}
}  // namespace

hd_status copy(const Call& call) {
  Check check(call);
  check.same_shape(0, 1).output(1);
  if (check.failed()) return check.status();
  const hd_tensor* const tensors[] = {call.t[1], call.t[0]};
  const Nest<2> n = nest(tensors, true);
  if (n.count == 0) return HD_OK;
  const void* x = call.data<const void>(0);
  void* y = call.data<void>(1);
  const int32_t from = call.t[0]->dtype, to = call.t[1]->dtype;
  if (from != to) return launch(call, convert_kernel, grid_for(n.count), kThreads, 0, x, from, y, to, n);
  const int64_t bytes = dtype_bytes(to);
  if (n.dense()) {
    const auto error = cudaMemcpyAsync(y, x, static_cast<size_t>(n.count * bytes), cudaMemcpyDeviceToDevice, call.context.stream);
    return error == cudaSuccess ? HD_OK : cuda_fail(error, "copying");
  }
  auto kernel = bytes == 8   ? move_kernel<uint64_t>
                : bytes == 4 ? move_kernel<uint32_t>
                : bytes == 2 ? move_kernel<uint16_t>
                             : move_kernel<uint8_t>;
  return launch(call, kernel, grid_for(n.count), kThreads, 0, x, y, n);
}
}  // namespace hd

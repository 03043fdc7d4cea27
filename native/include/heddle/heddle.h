/* Heddle's door: the whole C ABI between a front end and a compute backend, on one page.
 *
 * Every address crosses as an integer (hd_address), so a binding needs no pointer objects and a call writes no struct field by
 * field. Texts are copied into a caller's buffer: the function returns the full length in bytes (without the final 0), and what
 * does not fit is cut. Functions that can fail return an hd_status; hd_last_error then tells the calling thread's stack of causes,
 * innermost first, one per line. Nothing here prints, aborts or exits. All functions may be called from any thread. */
#ifndef HEDDLE_H
#define HEDDLE_H
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HD_ABI_VERSION 3
#define HD_MAX_RANK 6
#if defined(_WIN32)
#define HD_API __declspec(dllexport)
#else
#define HD_API __attribute__((visibility("default")))
#endif

typedef int64_t hd_address; /* an address in host or device memory; 0 is 'none' */

typedef enum hd_status { HD_OK = 0, HD_INVALID = 1, HD_UNSUPPORTED = 2, HD_NO_MEMORY = 3, HD_DEVICE = 4 } hd_status;

typedef enum hd_dtype { HD_F32 = 0, HD_BF16 = 1, HD_F16 = 2, HD_F64 = 3, HD_I32 = 4, HD_I64 = 5, HD_U8 = 6 } hd_dtype;

/* A view of memory. shape and stride count elements, outermost first; entries from rank on are ignored. A stride may be 0
 * (broadcast) on inputs. 120 bytes, fixed layout. */
typedef struct hd_tensor {
  hd_address data;
  int64_t shape[HD_MAX_RANK];
  int64_t stride[HD_MAX_RANK];
  int32_t dtype; /* hd_dtype */
  int32_t rank;
  int32_t device; /* -1: host memory; else the ordinal of the device */
  int32_t reserved;
} hd_tensor;

/* The library and its backends. Backend 0 is the CPU; a plugin adds the others at load. */
HD_API int32_t hd_abi_version(void);
HD_API int32_t hd_backend_count(void);
HD_API int64_t hd_backend_name(int32_t backend, hd_address text, int64_t capacity);
HD_API int32_t hd_backend_probe(int32_t backend, hd_address text, int64_t capacity);    /* HD_OK, or why not in text */
HD_API int64_t hd_backend_describe(int32_t backend, hd_address text, int64_t capacity); /* facts, as a JSON object */

/* The op table: one row per line of ops.def, in its order. */
HD_API int32_t hd_op_count(void);
HD_API int64_t hd_op_name(int32_t op, hd_address text, int64_t capacity);
HD_API int64_t hd_op_signature(int32_t op, hd_address text, int64_t capacity); /* tensor names, as in ops.def */
HD_API int64_t hd_op_params_bytes(int32_t op);
HD_API int32_t hd_op_supported(int32_t backend, int32_t op); /* 1 or 0 */

/* A context owns a device's stream, its workspace and its threads. threads 0 means: one per core. 0 on failure. */
HD_API hd_address hd_open(int32_t backend, int32_t device, int32_t threads);
HD_API int32_t hd_close(hd_address context);

/* Sets the calling thread's OpenMP team to the context's threads, for a library (oneDNN) that the front end calls next. */
HD_API int32_t hd_use_threads(hd_address context);

/* The device's stream (a cudaStream_t), so that a library's work takes its turn among the ops; 0 where there is none. Makes the device
 * the calling thread's current one, for the library that the front end calls next. */
HD_API hd_address hd_stream(hd_address context);

/* careful 1: every op is waited for, so that an error names its op; 0: errors of a device arrive with the next call that waits. HD_SYNC=1
 * in the environment is the same from the start. */
HD_API int32_t hd_careful(hd_address context, int32_t careful);

/* Memory of the context's device, 64-byte aligned (256 on CUDA), from a cache; content is undefined. 0 when there is none left. */
HD_API hd_address hd_alloc(hd_address context, int64_t bytes);
HD_API int32_t hd_free(hd_address context, hd_address data);
HD_API int32_t hd_copy(hd_address context, hd_address to, hd_address from, int64_t bytes); /* host or device, either side */
HD_API int32_t hd_fill(hd_address context, hd_address data, int32_t byte, int64_t bytes);
HD_API int32_t hd_sync(hd_address context);

/* Runs one op. tensors: address of n addresses of hd_tensor, 0 for an optional one that is absent. params: the op's struct of
 * params.h, with its size in bytes. */
HD_API int32_t hd_run(hd_address context, int32_t op, hd_address tensors, int32_t n, hd_address params, int64_t bytes);

/* Recording. From hd_capture_begin to hd_capture_end nothing that the calling thread gives the context is done: ops, copies on the device,
 * fills and what libraries put on hd_stream are recorded, and every hd_replay does it all again, in order, for the price of one call.
 * Addresses and parameters are recorded, not contents: what differs between replays lies in memory that stays where it is, and that
 * nobody frees before hd_forget. Memory from hd_alloc within a recording is free again at its end, by the caller's hd_free, and holds
 * nothing between replays. A copy with the host on a side and hd_sync are refused within one (HD_UNSUPPORTED); it may go on after that.
 * Other threads' calls wait for its end. HD_UNSUPPORTED where a backend cannot record, or where every op is waited for (hd_careful). */
HD_API int32_t hd_capture_begin(hd_address context);
HD_API int32_t hd_capture_end(hd_address context, hd_address recording); /* by the same thread; writes an hd_address there, or forgets: 0 */
HD_API int32_t hd_replay(hd_address context, hd_address recording);
HD_API int32_t hd_forget(hd_address context, hd_address recording); /* waits for its last replay */

/* The calling thread's last failure. */
HD_API int64_t hd_last_error(hd_address text, int64_t capacity);

#ifdef __cplusplus
}
#endif
#endif

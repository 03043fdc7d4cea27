package io.heddle.binding;

/**
 * The functions of {@code heddle.h}, with every address as a long. Two classes implement it, and
 * one test suite runs on both. Texts are copied to {@code text}, at most {@code capacity} bytes;
 * the full length is returned.
 */
public interface Transport {
  /** {@code javacpp} or {@code ffm}. */
  String name();

  /** {@code hd_abi_version}. */
  int abiVersion();

  /** {@code hd_backend_count}. */
  int backendCount();

  /** {@code hd_backend_name}. */
  long backendName(int backend, long text, long capacity);

  /** {@code hd_backend_probe}: 0, or the reason is in {@code text}. */
  int backendProbe(int backend, long text, long capacity);

  /** {@code hd_backend_describe}. */
  long backendDescribe(int backend, long text, long capacity);

  /** {@code hd_op_count}. */
  int opCount();

  /** {@code hd_op_name}. */
  long opName(int op, long text, long capacity);

  /** {@code hd_op_signature}. */
  long opSignature(int op, long text, long capacity);

  /** {@code hd_op_params_bytes}. */
  long opParamsBytes(int op);

  /** {@code hd_op_supported}. */
  int opSupported(int backend, int op);

  /** {@code hd_open}: a context, or 0. */
  long open(int backend, int device, int threads);

  /** {@code hd_close}. */
  int close(long context);

  /** {@code hd_use_threads}. */
  int useThreads(long context);

  /** {@code hd_stream}: the device's stream, or 0. */
  long stream(long context);

  /** {@code hd_careful}. */
  int careful(long context, int careful);

  /** {@code hd_alloc}: an address, or 0. */
  long alloc(long context, long bytes);

  /** {@code hd_free}. */
  int free(long context, long data);

  /** {@code hd_copy}. */
  int copy(long context, long to, long from, long bytes);

  /** {@code hd_fill}. */
  int fill(long context, long data, int value, long bytes);

  /** {@code hd_sync}. */
  int sync(long context);

  /** {@code hd_run}. */
  int run(long context, int op, long tensors, int n, long params, long bytes);

  /** {@code hd_capture_begin}. */
  int captureBegin(long context);

  /** {@code hd_capture_end}: writes the recording to the address, or forgets it: 0. */
  int captureEnd(long context, long recording);

  /** {@code hd_replay}. */
  int replay(long context, long recording);

  /** {@code hd_forget}. */
  int forget(long context, long recording);

  /** {@code hd_last_error}. */
  long lastError(long text, long capacity);
}

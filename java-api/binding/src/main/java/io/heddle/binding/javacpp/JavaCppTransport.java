package io.heddle.binding.javacpp;

import io.heddle.binding.Transport;

/**
 * Calls the door through the JNI code that JavaCPP generated. {@code libheddle} must be loaded
 * before.
 */
public final class JavaCppTransport implements Transport {
  @Override
  public String name() {
    return "javacpp";
  }

  @Override
  public int abiVersion() {
    return HeddleLibrary.hd_abi_version();
  }

  @Override
  public int backendCount() {
    return HeddleLibrary.hd_backend_count();
  }

  @Override
  public long backendName(int backend, long text, long capacity) {
    return HeddleLibrary.hd_backend_name(backend, text, capacity);
  }

  @Override
  public int backendProbe(int backend, long text, long capacity) {
    return HeddleLibrary.hd_backend_probe(backend, text, capacity);
  }

  @Override
  public long backendDescribe(int backend, long text, long capacity) {
    return HeddleLibrary.hd_backend_describe(backend, text, capacity);
  }

  @Override
  public int opCount() {
    return HeddleLibrary.hd_op_count();
  }

  @Override
  public long opName(int op, long text, long capacity) {
    return HeddleLibrary.hd_op_name(op, text, capacity);
  }

  @Override
  public long opSignature(int op, long text, long capacity) {
    return HeddleLibrary.hd_op_signature(op, text, capacity);
  }

  @Override
  public long opParamsBytes(int op) {
    return HeddleLibrary.hd_op_params_bytes(op);
  }

  @Override
  public int opSupported(int backend, int op) {
    return HeddleLibrary.hd_op_supported(backend, op);
  }

  @Override
  public long open(int backend, int device, int threads) {
    return HeddleLibrary.hd_open(backend, device, threads);
  }

  @Override
  public int close(long context) {
    return HeddleLibrary.hd_close(context);
  }

  @Override
  public int useThreads(long context) {
    return HeddleLibrary.hd_use_threads(context);
  }

  @Override
  public long stream(long context) {
    return HeddleLibrary.hd_stream(context);
  }

  @Override
  public int careful(long context, int careful) {
    return HeddleLibrary.hd_careful(context, careful);
  }

  @Override
  public long alloc(long context, long bytes) {
    return HeddleLibrary.hd_alloc(context, bytes);
  }

  @Override
  public int free(long context, long data) {
    return HeddleLibrary.hd_free(context, data);
  }

  @Override
  public int copy(long context, long to, long from, long bytes) {
    return HeddleLibrary.hd_copy(context, to, from, bytes);
  }

  @Override
  public int fill(long context, long data, int value, long bytes) {
    return HeddleLibrary.hd_fill(context, data, value, bytes);
  }

  @Override
  public int sync(long context) {
    return HeddleLibrary.hd_sync(context);
  }

  @Override
  public int run(long context, int op, long tensors, int n, long params, long bytes) {
    return HeddleLibrary.hd_run(context, op, tensors, n, params, bytes);
  }

  @Override
  public int captureBegin(long context) {
    return HeddleLibrary.hd_capture_begin(context);
  }

  @Override
  public int captureEnd(long context, long recording) {
    return HeddleLibrary.hd_capture_end(context, recording);
  }

  @Override
  public int replay(long context, long recording) {
    return HeddleLibrary.hd_replay(context, recording);
  }

  @Override
  public int forget(long context, long recording) {
    return HeddleLibrary.hd_forget(context, recording);
  }

  @Override
  public long lastError(long text, long capacity) {
    return HeddleLibrary.hd_last_error(text, capacity);
  }
}

/** The native backends: the only module with native access, and the only one that sees JavaCPP. */
module io.heddle.binding {
  requires transitive io.heddle.engine;
  requires static org.jspecify;
  requires org.bytedeco.javacpp;
  requires org.bytedeco.cuda;
  requires org.bytedeco.dnnl;

  exports io.heddle.binding;

  // JavaCPP's Loader reads the properties of the preset class and the native library beside the
  // generated one.
  opens io.heddle.binding.javacpp to
      org.bytedeco.javacpp;

  provides io.heddle.backend.BackendProvider with
      io.heddle.binding.cpu.CpuProvider,
      io.heddle.binding.cuda.CudaProvider;
}

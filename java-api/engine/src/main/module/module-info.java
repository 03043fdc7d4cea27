/**
 * Heddle's engine: tensors, ops, autograd, the reference backend and checkpoints. Depends on the
 * JDK alone.
 */
module io.heddle.engine {
  requires jdk.jfr;
  requires jdk.net; // how soon a machine that fell silent is given up
  requires jdk.unsupported; // reads past the page cache
  requires static transitive org.jspecify;

  exports io.heddle.autograd;
  exports io.heddle.backend;
  exports io.heddle.backend.collective;
  exports io.heddle.backend.profile;
  exports io.heddle.backend.reference;
  exports io.heddle.checkpoint;
  exports io.heddle.checkpoint.merge;
  exports io.heddle.op;
  exports io.heddle.op.pattern;
  exports io.heddle.tensor;

  uses io.heddle.backend.BackendProvider;

  provides io.heddle.backend.BackendProvider with
      io.heddle.backend.reference.ReferenceProvider;
}
